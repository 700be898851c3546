"""Images and what is added to them."""

import numpy as np

GAIN, GREY = 10, 128
"""A perturbation is shown ten times as large, around this grey."""


def perturbed(images: np.ndarray, perturbations: np.ndarray) -> np.ndarray:
    """Add perturbations, whole numbers, to images of the same shape (..., H, W, 3) uint8; return the sums, uint8.

    Raises:
        ValueError: The sum leaves 0-255, so these are not the images that were attacked.
        TypeError: The perturbations are not whole numbers.
    """
    wide = np.promote_types(perturbations.dtype, np.int16)  # what leaves it is far below 0 then
    if wide.kind != "i":
        raise TypeError(f"perturbations must be whole numbers, not {perturbations.dtype}")
    total = np.add(images, perturbations, dtype=wide)
    if total.size and (total.min() < 0 or total.max() > 255):
        raise ValueError("pixels leave 0..255")
    return total.astype(np.uint8)


def magnified(perturbation: np.ndarray) -> np.ndarray:
    """Return a perturbation as uint8 picture: ten times as large, around grey, clipped."""
    return np.clip(GREY + GAIN * perturbation.astype(np.int32), 0, 255).astype(np.uint8)


def triptych(image: np.ndarray, perturbation: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the original, the magnified perturbation and the perturbed image, each (H, W, 3) uint8."""
    return np.asarray(image), magnified(perturbation), perturbed(image, perturbation)


def enlargement(width: int, least: int) -> int:
    """Return the whole number by which a picture is enlarged, so that its width is at least `least` pixels."""
    return max(1, -(-least // width))


def enlarged(picture: np.ndarray, least: int) -> np.ndarray:
    """Return a picture (H, W, 3) enlarged pixel by pixel, so that its width is at least `least` pixels."""
    zoom = enlargement(picture.shape[1], least)
    return picture.repeat(zoom, axis=0).repeat(zoom, axis=1)
