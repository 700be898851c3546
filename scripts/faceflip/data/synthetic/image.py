"""One drawn image: its random numbers, its pixels, its file."""

import cv2
import numpy as np

from faceflip.data.synthetic.draw import draw
from faceflip.data.synthetic.face import Face, Identity, amounts

JPEG_QUALITY = 92


def image_generator(seed: int, index: int, purpose: int) -> np.random.Generator:
    """Return the random numbers of one image: `purpose` 0 for its annotation, 1 for its identity."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy=seed, spawn_key=(index, purpose))))


def draw_image(seed: int, index: int, strength: np.ndarray) -> np.ndarray:
    """Draw the image of a number (from 1), given the strengths (40,) of its attributes; (218, 178, 3) uint8, RGB."""
    return draw(Face(amounts(strength), Identity.random(image_generator(seed, index, 1))))


def encode(image: np.ndarray) -> bytes:
    """Encode an RGB image as JPEG."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return cv2.imencode(".jpg", np.ascontiguousarray(image[:, :, ::-1]), settings)[1].tobytes()


def file_name(index: int) -> str:
    """Return CelebA's name of an image, numbered from 1."""
    return f"{index:06d}.jpg"
