"""Images and what is added to them."""

import numpy as np

GAIN, GREY = 10, 128
"""A perturbation is shown ten times as large, around this grey."""


def perturbed(images: np.ndarray, perturbations: np.ndarray) -> np.ndarray:
    """Add perturbations to images.

    Args:
        images: (..., H, W, 3) uint8.
        perturbations: Whole numbers of the same shape.

    Returns:
        The sum, uint8.

    Raises:
        ValueError: The sum leaves 0-255, so these are not the images that were attacked.
    """
    total = np.add(images, perturbations, dtype=np.int16)
    if total.size and (total.min() < 0 or total.max() > 255):
        raise ValueError("pixels leave 0..255")
    return total.astype(np.uint8)


def magnified(perturbation: np.ndarray) -> np.ndarray:
    """Return a perturbation as uint8 picture: ten times as large, around grey, clipped."""
    return np.clip(GREY + GAIN * perturbation.astype(np.int32), 0, 255).astype(np.uint8)


def triptych(image: np.ndarray, perturbation: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the original, the magnified perturbation and the perturbed image, each (H, W, 3) uint8."""
    return np.asarray(image), magnified(perturbation), perturbed(image, perturbation)


def enlarged(picture: np.ndarray, width: int) -> np.ndarray:
    """Return a picture (H, W, 3) enlarged by a whole number, pixel by pixel, so that it is at least so wide."""
    zoom = max(1, -(-width // picture.shape[1]))
    return picture.repeat(zoom, axis=0).repeat(zoom, axis=1)
