"""Reading image files that a user names."""

from pathlib import Path
from typing import TYPE_CHECKING

from faceflip.errors import UserError

if TYPE_CHECKING:
    import numpy as np


def read_image(path: Path) -> "np.ndarray":
    """Read an image file as (H, W, 3) uint8 RGB.

    Raises UserError where it is missing, damaged, no image, or has more than 8 bits or transparency.
    """
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            if image.mode not in ("RGB", "L", "P", "1"):
                raise UserError(
                    f"{path}: expected an 8-bit RGB or grey image without transparency, got mode {image.mode}"
                )
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UnidentifiedImageError:
        raise UserError(f"{path}: not an image that can be read (PNG is best: JPEG changes the perturbation)") from None
    except (OSError, Image.DecompressionBombError) as fault:
        raise UserError(f"{path}: cannot be read: {fault}") from None
