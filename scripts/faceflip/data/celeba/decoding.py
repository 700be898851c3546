"""Decoding CelebA's images with every check that they need."""

import io
from typing import TYPE_CHECKING

from faceflip.data.celeba.contents import WEB_PAGE, UnreadableError, is_web_page
from faceflip.data.pictures import orientation, refused_for, upright

if TYPE_CHECKING:
    import numpy as np


def decoders() -> dict[str, str]:
    """Return the versions of the libraries that decode, by format."""
    from importlib.metadata import version

    return {name: f"{library} {version(library)}" for name, library in (("JPEG", "simplejpeg"), ("PNG", "Pillow"))}


def decode_into(image: "np.ndarray", data: bytes) -> None:
    """Decode the content of a file into `image`: (H, W, 3) uint8, RGB, contiguous; upright, as EXIF says.

    Raises UnreadableError for what is no JPEG or PNG, not RGB of 8 bits, of another size than `image`, transparent,
    animated, or cannot be decoded to its end.
    """
    if data.startswith(b"\xff\xd8"):
        _decode_jpeg(image, data)
    elif data.startswith(b"\x89PNG\r\n\x1a\n"):
        _decode_png(image, data)
    elif not data:
        raise UnreadableError("is empty")
    elif is_web_page(data):
        raise UnreadableError(f"is {WEB_PAGE}")
    else:
        raise UnreadableError("is neither JPEG nor PNG")


def size_of(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a JPEG or PNG, upright, by what its header says; None where it does not say."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["JPEG", "PNG"]) as file:
            return file.size[::-1] if orientation(file) >= 5 else file.size
    except Exception:  # what is wrong is reported when the file is decoded
        return None


def _decode_jpeg(image: "np.ndarray", data: bytes) -> None:
    # Decoders usually make up what a damaged file lacks; `strict` makes each warning of libjpeg an error.
    import simplejpeg

    turn = _orientation_of_jpeg(data)
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
        if space not in ("YCbCr", "RGB"):
            raise UnreadableError(f"is not RGB but {space}")
        _require_size((height, width) if turn >= 5 else (width, height), image)
        if turn == 1:
            simplejpeg.decode_jpeg(data, "RGB", buffer=image, strict=True)
        else:
            image[:] = upright(simplejpeg.decode_jpeg(data, "RGB", strict=True), turn)
    except ValueError as error:
        raise UnreadableError(f"cannot be decoded to its end ({error})") from None


def _orientation_of_jpeg(data: bytes) -> int:
    if b"Exif\0" not in data and b"tiff:Orientation" not in data:  # CelebA's own have none, and are many
        return 1
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as file:
            return orientation(file)
    except Exception:  # what is wrong is reported when the file is decoded
        return 1


def _decode_png(image: "np.ndarray", data: bytes) -> None:
    import numpy as np
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as file:
            if file.mode != "RGB":
                raise UnreadableError(f"is not RGB but {file.mode}")
            if reason := refused_for(file, data):
                raise UnreadableError(reason)
            if file.size != image.shape[:2]:  # which a file that is to be turned may have
                _require_size(file.size, image)
            file.verify()  # the checksums of all chunks; the file has to be opened again to be decoded
        with Image.open(io.BytesIO(data), formats=["PNG"]) as file:
            pixels = np.asarray(file)
            pixels = upright(pixels, orientation(file))
        _require_size(pixels.shape[1::-1], image)
        image[:] = pixels
    except (OSError, SyntaxError, ValueError) as error:
        raise UnreadableError(f"cannot be decoded to its end ({error})") from None


def _require_size(size: tuple[int, int], image: "np.ndarray") -> None:
    """Check the width and height that a file's header says, before anything is allocated by it."""
    height, width = image.shape[:2]
    if size != (width, height):
        raise UnreadableError(f"has {size[0]} x {size[1]} pixels instead of {width} x {height}")
