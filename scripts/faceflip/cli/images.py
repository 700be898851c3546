"""Reading image files that a user names."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from faceflip.data.pictures import FORMATS, orientation, refused_for, upright
from faceflip.errors import UserError

if TYPE_CHECKING:
    import numpy as np


def read_image(path: Path) -> "np.ndarray":
    """Read an image file as (H, W, 3) uint8 RGB, upright as EXIF says.

    Raises UserError where it is missing, damaged, no image, or has more than 8 bits, transparency or several pictures.
    """
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.mode not in ("RGB", "L", "P", "1") or refused_for(image, data):
                raise UserError(
                    f"{path}: expected an 8-bit RGB or grey image without transparency; it "
                    f"{refused_for(image, data) or f'is of mode {image.mode}'}"
                )
            pixels = np.asarray(image.convert("RGB"))
            return np.ascontiguousarray(upright(pixels, orientation(image)))
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UnidentifiedImageError:
        raise UserError(
            f"{path}: not an image that can be read: {', '.join(FORMATS)} (PNG is best: JPEG changes the perturbation)"
        ) from None
    except Exception as fault:  # decoders raise whatever damaged bytes lead them to
        raise UserError(f"{path}: cannot be read: {fault}") from None
