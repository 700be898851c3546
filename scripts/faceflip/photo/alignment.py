"""A face of a photograph, aligned and cropped as CelebA's are: where the eyes come to, and how pixels get there.

Points are x and y in pixels, x to the right and y down; the centre of the pixel in the upper left corner is (0, 0).
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from faceflip.data.celeba import HEIGHT, WIDTH

EYES = ((69.0, 112.0), (109.0, 112.0))
"""Where the eyes of CelebA's aligned images are, of 178 x 218 pixels: first the one on the left of the image."""

FACE = (46, 72, 132, 178)
"""The face in such an image, from the brows to the chin: left, top, right, bottom."""

MOST_SAMPLES = 32
"""So many samples in a row at most are averaged to one pixel of the crop."""


@dataclass(frozen=True)
class FaceAlignment:
    """Turning, scaling and moving a photograph so that its eyes come to `EYES`.

    Attributes:
        eyes: The two eyes in the photograph, first the one on the left; two different points.
    """

    eyes: tuple[tuple[float, float], tuple[float, float]]

    @property
    def scale(self) -> float:
        """Pixels of the photograph to a pixel of the aligned image."""
        return math.dist(*self.eyes) / math.dist(*EYES)

    @cached_property
    def matrix(self) -> np.ndarray:
        """The transform (2, 3) from points (x, y, 1) of the photograph to points of the aligned image."""
        (left, right), (here, there) = ([complex(*point) for point in pair] for pair in (self.eyes, EYES))
        turn = (there - here) / (right - left)  # one complex number turns and scales
        move = here - turn * left
        return np.array([[turn.real, -turn.imag, move.real], [turn.imag, turn.real, move.imag]])

    def in_photograph(self, points: np.ndarray) -> np.ndarray:
        """Return where points (N, 2) of the aligned image are in the photograph."""
        return _applied(_inverse(self.matrix), points)

    def of_crop(self, size: tuple[int, int]) -> np.ndarray:
        """Return the transform (2, 3) from the photograph to the aligned image, resized to `size` (width, height)."""
        return _chained(_resizing((WIDTH, HEIGHT), size), self.matrix)

    def window(self, photo: np.ndarray) -> tuple[slice, slice]:
        """Return the rows and columns of the photograph that the aligned image covers, with some more around them."""
        corners = np.array([(x, y) for x in (-0.5, WIDTH - 0.5) for y in (-0.5, HEIGHT - 0.5)])
        low = np.floor(self.in_photograph(corners).min(axis=0)).astype(int) - 2
        high = np.ceil(self.in_photograph(corners).max(axis=0)).astype(int) + 3
        (left, top), (right, bottom) = (np.clip(each, 0, photo.shape[1::-1]) for each in (low, high))
        return slice(top, bottom), slice(left, right)

    def crop(self, photo: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Return the aligned face as (height, width, 3) uint8; what lies outside the photograph repeats its border.

        The photograph, (H, W, 3) uint8, is averaged where it has more pixels than the 178 x 218 of CelebA. Those are
        then resized to `size` (width, height) by area interpolation, as images of a dataset are.
        """
        import cv2

        samples = min(math.ceil(self.scale), MOST_SAMPLES)
        fine = WIDTH * samples, HEIGHT * samples
        rows, columns = self.window(photo)
        matrix = self.moved(columns.start, rows.start).of_crop(fine)
        pixels = np.ascontiguousarray(photo[rows, columns])
        face = cv2.warpAffine(pixels, matrix, fine, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for step in ((WIDTH, HEIGHT), size):
            if face.shape[1::-1] != step:
                face = cv2.resize(face, step, interpolation=cv2.INTER_AREA)
        return face

    def moved(self, x: float, y: float) -> "FaceAlignment":
        """Return the alignment of the same face where the photograph begins at (x, y) of this one's."""
        (x1, y1), (x2, y2) = self.eyes
        return FaceAlignment(((x1 - x, y1 - y), (x2 - x, y2 - y)))

    def shrunk(self, factor: float) -> "FaceAlignment":
        """Return the alignment of the same face in a photograph with so many times fewer pixels in each direction."""
        return FaceAlignment(tuple(tuple((value + 0.5) / factor - 0.5 for value in point) for point in self.eyes))

    def outside(self, photo: np.ndarray, part: tuple[int, int, int, int] = (0, 0, WIDTH, HEIGHT)) -> float:
        """Return which share of a part (left, top, right, bottom) of the aligned image lies outside the photograph."""
        left, top, right, bottom = part
        y, x = np.mgrid[top:bottom, left:right].reshape(2, -1)
        places = self.in_photograph(np.column_stack([x, y]))
        inside = (places >= -0.5) & (places <= np.array(photo.shape[1::-1]) - 0.5)
        return 1 - float(inside.all(axis=1).mean())


def refined(matrix: np.ndarray, samples: int) -> np.ndarray:
    """Return a transform (2, 3) of points as one of those on a grid with so many samples a pixel in each direction."""
    return _chained(matrix, _resizing((samples, samples), (1, 1)))


def _resizing(size: tuple[int, int], to: tuple[int, int]) -> np.ndarray:
    """Return what resizing from one size (width, height) to another does to points: corners stay corners."""
    x, y = np.divide(to, size)
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2]])


def _square(matrix: np.ndarray) -> np.ndarray:
    return np.vstack([matrix, (0, 0, 1)])


def _chained(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    return (_square(second) @ _square(first))[:2]


def _inverse(matrix: np.ndarray) -> np.ndarray:
    return np.linalg.inv(_square(matrix))[:2]


def _applied(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]
