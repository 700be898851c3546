"""Decoding CelebA's images with every check that they need."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from faceflip.data.celeba import HEIGHT, WIDTH
from faceflip.data.celeba.contents import WEB_PAGE, UnreadableError, is_web_page

if TYPE_CHECKING:
    import numpy as np


def decoders() -> dict[str, str]:
    """Return the versions of the libraries that decode, by format."""
    from importlib.metadata import version

    return {name: f"{library} {version(library)}" for name, library in (("JPEG", "simplejpeg"), ("PNG", "Pillow"))}


def decode_into(image: "np.ndarray", data: bytes) -> None:
    """Decode the content of a file into `image`: (218, 178, 3) uint8, RGB, contiguous.

    Raises UnreadableError for what is no JPEG or PNG, not RGB, not of CelebA's size, or cannot be decoded to its end.
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


def _decode_jpeg(image: "np.ndarray", data: bytes) -> None:
    # Decoders usually make up what a damaged file lacks; `strict` makes each warning of libjpeg an error.
    import simplejpeg

    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
        _require((width, height), space in ("YCbCr", "RGB"), space)
        simplejpeg.decode_jpeg(data, "RGB", buffer=image, strict=True)
    except ValueError as error:
        raise UnreadableError(f"cannot be decoded to its end ({error})") from None


def _decode_png(image: "np.ndarray", data: bytes) -> None:
    import numpy as np
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as file:
            _require(file.size, file.mode == "RGB", file.mode)
            file.verify()  # the checksums of all chunks; the file has to be opened again to be decoded
        with Image.open(io.BytesIO(data), formats=["PNG"]) as file:
            image[:] = np.asarray(file)
    except (OSError, SyntaxError, ValueError) as error:
        raise UnreadableError(f"cannot be decoded to its end ({error})") from None


def _require(size: Sequence[int], is_rgb: bool, colours: str) -> None:
    """Check what a file's header says, before anything is allocated by it."""
    if not is_rgb:
        raise UnreadableError(f"is not RGB but {colours}")
    if tuple(size) != (WIDTH, HEIGHT):
        raise UnreadableError(f"has {size[0]} x {size[1]} pixels instead of {WIDTH} x {HEIGHT}")
