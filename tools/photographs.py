"""Photographs of drawn faces: where the eyes are is known, because the face was put there.

Run in the folder of a finished run of the default, `python tools/photographs.py` makes the picture of
docs/guides/photos.md.
"""

import tempfile
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from faceflip.data.synthetic.folder import annotation_numbers
from faceflip.data.synthetic.image import draw_image
from faceflip.data.synthetic.label_model import annotations

CROP_EYES = np.array([[69.0, 112.0], [109.0, 112.0]])
"""Where CelebA's alignment puts eyes, written a second time."""


@cache
def drawn(number: int) -> np.ndarray:
    """Draw a face of the look-alike, (218, 178, 3) uint8."""
    strength = annotations(*annotation_numbers(11, range(1, number + 1)), "test", 0).strength
    return draw_image(11, number, strength[number - 1])


def photograph(*faces, size=(640, 480), background=90):
    """Put faces into a photograph (width, height): each is a drawn image, its centre of the eyes, scale, degrees.

    Returns the photograph and the eyes of each face, (faces, 2, 2).
    """
    ramp = np.linspace(0, 60, size[0])[None, :, None] * (1, 0.8, 0.5)
    canvas = np.broadcast_to(background + ramp, (size[1], size[0], 3)).astype(np.float32)
    eyes = []
    for image, centre, scale, degrees in faces:
        angle = np.radians(degrees)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = np.column_stack([turn, np.array(centre) - turn @ CROP_EYES.mean(axis=0)])
        cover = cv2.warpAffine(np.ones(image.shape[:2], np.float32), matrix, size)[..., None]
        put = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        canvas = canvas * (1 - cover) + put * cover
        eyes.append(CROP_EYES @ turn.T + matrix[:, 2])
    return np.rint(canvas.clip(0, 255)).astype(np.uint8), np.array(eyes)


def as_option(eyes) -> str:
    """Return eyes (2, 2) as --eyes takes them."""
    return ",".join(f"{value:.3f}" for value in np.ravel(eyes))


def main() -> None:
    """Flip the smile of a drawn face by the run's network for all attributes, as the page does."""
    from faceflip.cli.app import app

    photo, eyes = photograph((drawn(11), (300, 280), 1.7, -9), (drawn(13), (700, 300), 1.4, 12), size=(960, 600))
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(photo).save(Path(folder) / "us.png")
        arguments = ["flip", f"{folder}/us.png", "--network", "moon", "--attribute", "Smiling", "-o", folder]
        app([*arguments, "--eyes", as_option(eyes[0])], standalone_mode=False)
        (picture,) = Path(folder).glob("*-picture.png")
        page = Path(__file__).parents[1] / "docs/images/photo.png"
        page.write_bytes(picture.read_bytes())


if __name__ == "__main__":
    main()
