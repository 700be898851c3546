"""Picture files as Pillow opens them: what RGB pixels of 8 bits would not hold of them, and which way is up."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
"""Those whose bits, transparency and number of pictures are known; of others Pillow may cut something in silence."""

_ORIENTATION = 0x0112  # of EXIF, and of TIFF
_BITS_PER_SAMPLE = 0x0102  # of TIFF
_BIT_DEPTH_OF_PNG = 24  # the byte's place in the file


def refused_for(picture: "Image", data: bytes) -> str | None:
    """Return why a picture is none of 8-bit pixels alone, in words that follow its name; `data` are the file's bytes.

    Pillow gives the first picture of several, cuts 16 bits to 8, and converts transparent pixels to whatever colour
    they have underneath.
    """
    bits = 8
    if picture.format == "PNG":
        bits = data[_BIT_DEPTH_OF_PNG]
    elif picture.format == "TIFF":
        bits = max(picture.tag_v2.get(_BITS_PER_SAMPLE, (1,)))
    if bits > 8:
        return f"has {bits} bits a channel, where 8 are expected"
    if picture.has_transparency_data:
        return f"has transparency (mode {picture.mode}), which is not expected"
    # A JPEG file of several (MPO) is a photograph with a preview, or the like, behind it.
    if (count := getattr(picture, "n_frames", 1)) > 1 and picture.format != "MPO":
        return f"holds {count} pictures (an animation, or pages), where one is expected"
    return None


def orientation(picture: "Image") -> int:
    """Return EXIF's tag, from 1 (as it is) to 8, of a picture that was loaded; also where it cannot be read, 1."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged tags lead Pillow to whatever error; programs that show pictures pass over them
        return 1
    return value if value in range(1, 9) else 1


def upright(pixels: "np.ndarray", orientation: int) -> "np.ndarray":
    """Return the pixels (H, W, ...) as they are to be seen, given EXIF's tag: turned in quarters, or mirrored, too.

    The tag says what row 0 and column 0 of the file are of the picture that is seen (EXIF 2.32, 4.6.4, table 4).
    """
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels[::-1] if orientation in (3, 4, 7, 8) else pixels
