"""A perturbation of an aligned face, put back to where the face is in the photograph."""

import math
from dataclasses import dataclass

import numpy as np

from faceflip.data.celeba import WIDTH
from faceflip.photo.alignment import FaceAlignment, refined

ROUNDS = 16
"""So often what the crop still lacks is added."""
COARSE, LAST_ROUNDS = 3, 3
"""Where the photograph has more than so many pixels to one of CelebA's, that is done on a coarser one, and so often
again on the photograph itself."""


@dataclass(frozen=True)
class Patch:
    """What is added to a part of a photograph.

    Attributes:
        window: Its rows and columns.
        change: What is added to its pixels, (rows, columns, 3) float32; zero outside the crop.
    """

    window: tuple[slice, slice]
    change: np.ndarray

    @classmethod
    def of(cls, perturbation: np.ndarray, alignment: FaceAlignment, photo: np.ndarray, rounds: int = ROUNDS) -> "Patch":
        """Return a perturbation (h, w, 3) of a photograph's aligned crop, turned, scaled and moved back.

        That blurs it; so the patch is cropped again, and what it lacks is added in the same way, in some `rounds`
        (iterative back-projection, Irani and Peleg 1991). Pixels whose centres lie outside the crop do not change.
        """
        window = rows, columns = alignment.window(photo)
        local = alignment.moved(columns.start, rows.start)
        return cls(window, _solved(perturbation.astype(np.float32), local, photo[window].shape[:2], rounds))

    def on(self, photo: np.ndarray, strength: float = 1.0) -> np.ndarray:
        """Return the photograph, (H, W, 3) uint8, with the patch, so many times as strong; sums are rounded, clipped.

        Rounding takes the last of its precision, so whether the photograph still flips has to be seen: crop it again.
        """
        result = photo.copy()
        part = result[self.window]
        part[:] = np.rint(np.clip(part + np.float32(strength) * self.change, 0, 255))
        return result


def pasted(photo: np.ndarray, perturbation: np.ndarray, alignment: FaceAlignment, strength: float = 1.0) -> np.ndarray:
    """Return a photograph, (H, W, 3) uint8, with a perturbation (h, w, 3) of its aligned crop put back: see `Patch`."""
    return Patch.of(perturbation, alignment, photo).on(photo, strength)


def _solved(wanted: np.ndarray, alignment: FaceAlignment, shape: tuple[int, int], rounds: int) -> np.ndarray:
    """Return the change of a photograph of `shape` (rows, columns) whose crop is as wanted (h, w, 3), nearly."""
    import cv2

    size = wanted.shape[1::-1]
    inside = _inside(shape, alignment.of_crop(size), size)[:, :, None]
    if (factor := int(alignment.scale // COARSE)) > 1:
        coarse = tuple(-(-length // factor) for length in shape)
        change = _solved(wanted, alignment.shrunk(factor), coarse, rounds)
        whole = tuple(length * factor for length in coarse[::-1])
        change = cv2.resize(change, whole, interpolation=cv2.INTER_LINEAR)[: shape[0], : shape[1]] * inside
        rounds = min(rounds, LAST_ROUNDS)
    else:
        change = _spread(wanted, alignment, shape) * inside
    for _ in range(rounds):
        change += _spread(wanted - alignment.crop(change, size), alignment, shape) * inside
    return change


def _spread(values: np.ndarray, alignment: FaceAlignment, shape: tuple[int, int]) -> np.ndarray:
    """Return values (h, w, 3) of the crop on the pixels of a photograph of `shape` (rows, columns)."""
    import cv2

    height, width = values.shape[:2]
    # Where pixels of the photograph are larger than those of the crop, each gets the mean of what it covers.
    samples = max(1, math.ceil(width / WIDTH / alignment.scale))
    spread = cv2.warpAffine(
        values,
        refined(alignment.of_crop((width, height)), samples),
        (shape[1] * samples, shape[0] * samples),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return spread if samples == 1 else cv2.resize(spread, shape[::-1], interpolation=cv2.INTER_AREA)


def _inside(shape: tuple[int, int], to_crop: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return which pixels of a photograph of `shape` (rows, columns) have their centres in a crop (width, height)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    places = np.stack([x, y], axis=2) @ to_crop[:, :2].T + to_crop[:, 2]
    return ((places >= -0.5) & (places < np.array(size) - 0.5)).all(axis=2)
