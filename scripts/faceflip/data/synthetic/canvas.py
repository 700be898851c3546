"""A small painting kit: smooth curves, antialiased masks, and a canvas to blend colours into.

Points are arrays (n, 2) of x and y in pixels, x to the right and y down. Colours are RGB on 0-255. The canvas keeps its
channels in separate planes, because NumPy blends planes several times faster than interleaved colours.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike

from faceflip.data.celeba import HEIGHT, WIDTH

_SHIFT = 4  # OpenCV takes fixed-point coordinates with this many fractional bits


@lru_cache(maxsize=256)
def _spline(count: int, steps: int, closed: bool) -> np.ndarray:
    """Return the matrix that takes `count` points to a Catmull-Rom spline through them, `steps` points a section."""
    t = np.arange(steps)[:, None] / steps
    weights = np.hstack([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2]) / 2
    unit = np.eye(count)
    if closed:
        padded, end = unit[[count - 1, *range(count), 0, 1]], unit[:0]
    else:
        padded, end = np.vstack([2 * unit[:1] - unit[1:2], unit, 2 * unit[-1:] - unit[-2:-1]]), unit[-1:]
    return np.vstack([*(weights @ padded[first : first + 4] for first in range(len(padded) - 3)), end])


def curve(points: ArrayLike, steps: int = 6) -> np.ndarray:
    """Return an open smooth curve through `points`, ends included."""
    return _spline(len(points), steps, False) @ points


def loop(points: ArrayLike, steps: int = 6) -> np.ndarray:
    """Return a closed smooth curve through `points`."""
    return _spline(len(points), steps, True) @ points


@lru_cache(maxsize=16)
def _circle(steps: int) -> np.ndarray:
    angle = np.arange(steps) * (2 * np.pi / steps)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def ellipse(centre: ArrayLike, radii: tuple[float, float], steps: int = 24) -> np.ndarray:
    """Return an upright ellipse as a polygon."""
    return _circle(steps) * radii + centre


def mirrored(half: ArrayLike) -> np.ndarray:
    """Return a line and, from its end backwards, its mirror image in x; an end on the midline is not doubled."""
    half = np.asarray(half)
    image = half[::-1] * (-1, 1)
    return np.concatenate([half, image[1:] if half[-1, 0] == 0 else image])


def between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the outline of what lies between two lines of the same direction."""
    return np.concatenate([one, other[::-1]])


def moved(points: np.ndarray, right: float, down: float) -> np.ndarray:
    """Return points that are shifted."""
    return points + np.array((right, down))


def normals(line: np.ndarray) -> np.ndarray:
    """Return unit normals (n, 2) along a line, 90 degrees clockwise of its direction as seen on the screen."""
    chord = np.empty(line.shape)
    chord[1:-1] = line[2:] - line[:-2]
    chord[0], chord[-1] = line[1] - line[0], line[-1] - line[-2]
    chord /= np.sqrt(np.einsum("nc,nc->n", chord, chord) + 1e-12)[:, None]
    return chord[:, ::-1] * (-1, 1)


@lru_cache(maxsize=64)
def _taper(count: int) -> np.ndarray:
    return np.sqrt(np.sin(np.linspace(0.02, np.pi - 0.02, count)))[:, None]


def ribbon(line: np.ndarray, width: float | np.ndarray, *, taper: bool = True) -> np.ndarray:
    """Return the outline of a stroke along `line`, `width` (one or n) pixels wide, with pointed ends if `taper`."""
    offset = normals(line) * (np.reshape(width, (-1, 1)) / 2)
    if taper:
        offset *= _taper(len(line))
    return between(line + offset, line - offset)


@dataclass
class Mask:
    """Coverage (0 to 1, float32) of a rectangle of the canvas; `box` indexes the last two axes of an array."""

    box: tuple[slice, slice]
    cover: np.ndarray

    def times(self, field: np.ndarray) -> "Mask":
        """Return the mask weighted by a field of the canvas's size, for example to stay inside another shape."""
        return Mask(self.box, self.cover * field[self.box])

    def field(self) -> np.ndarray:
        """Return the coverage of the whole canvas, (height, width)."""
        field = np.zeros((HEIGHT, WIDTH), dtype=np.float32)
        field[self.box] = self.cover
        return field


def _box(left: float, top: float, right: float, bottom: float) -> tuple[slice, slice]:
    """Return the whole pixels of the canvas that a rectangle touches; empty where it misses the canvas."""
    rows = slice(max(math.floor(top), 0), min(math.ceil(bottom) + 1, HEIGHT))
    columns = slice(max(math.floor(left), 0), min(math.ceil(right) + 1, WIDTH))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return slice(0, 0), slice(0, 0)
    return rows, columns


def polygon(*outlines: np.ndarray, blur: float = 0.0) -> Mask:
    """Return the antialiased inside of one or more outlines, its edge softened by a Gaussian of `blur` pixels."""
    points = outlines[0] if len(outlines) == 1 else np.concatenate(outlines)
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    margin = 2 + 2.5 * blur
    rows, columns = box = _box(left - margin, top - margin, right + margin, bottom + margin)
    cover = np.zeros((rows.stop - rows.start, columns.stop - columns.start), dtype=np.uint8)
    if not cover.size:
        return Mask(box, cover.astype(np.float32))
    origin = np.array((columns.start, rows.start))
    for outline in outlines:
        fixed = np.rint((outline - origin) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(cover, [fixed], 255, cv2.LINE_AA, _SHIFT)
    if blur:
        cover = soften(cover, blur)
    return Mask(box, cover.astype(np.float32) * np.float32(1 / 255))


def soften(image: np.ndarray, blur: float) -> np.ndarray:
    """Blur an image or mask with a Gaussian of `blur` pixels, cut at 2.5 of them; outside counts as the edge."""
    size = 2 * int(np.ceil(2.5 * blur)) + 1
    return cv2.GaussianBlur(image, (size, size), blur, borderType=cv2.BORDER_REPLICATE)


def blob(centre: np.ndarray, radii: tuple[float, float], angle: float = 0.0) -> Mask:
    """Return a soft spot: a Gaussian whose standard deviations are half the `radii`, turned by `angle` radians."""
    x0, y0 = map(float, centre)
    reach_x, reach_y = (1.3 * max(radii),) * 2 if angle else (1.3 * radii[0], 1.3 * radii[1])
    rows, columns = box = _box(x0 - reach_x, y0 - reach_y, x0 + reach_x, y0 + reach_y)
    y = np.arange(rows.start - y0, rows.stop - y0 - 0.5, dtype=np.float32)[:, None]
    x = np.arange(columns.start - x0, columns.stop - x0 - 0.5, dtype=np.float32)[None, :]
    if not angle:
        return Mask(box, np.exp(-2 * (y / radii[1]) ** 2) * np.exp(-2 * (x / radii[0]) ** 2))
    cosine, sine = math.cos(angle), math.sin(angle)
    along, across = x * cosine + y * sine, y * cosine - x * sine
    return Mask(box, np.exp(-2 * ((along / radii[0]) ** 2 + (across / radii[1]) ** 2)))


class Canvas:
    """Float32 pixels, channels first, of the size of a CelebA image."""

    def __init__(self) -> None:
        self.pixels = np.zeros((3, HEIGHT, WIDTH), dtype=np.float32)

    def paint(self, mask: Mask, colour: np.ndarray, opacity: float = 1.0) -> None:
        """Blend a colour (3,), or a field of colours (3, height, width) of the mask's box, over the canvas."""
        region = self.pixels[:, *mask.box]
        colour = np.asarray(colour, dtype=np.float32)
        if colour.ndim == 1:
            colour = colour[:, None, None]
        region += (colour - region) * (mask.cover * np.float32(opacity))

    def shade(self, mask: Mask, factor: float | np.ndarray) -> None:
        """Multiply the canvas where the mask covers it: below 1 darkens, above 1 lightens; (3,) tints."""
        factor = np.asarray(factor, dtype=np.float32).reshape(-1, 1, 1)
        self.pixels[:, *mask.box] *= 1 + (factor - 1) * mask.cover

    def to_uint8(self) -> np.ndarray:
        """Return the pixels as (height, width, 3) uint8, RGB."""
        return np.rint(np.clip(self.pixels, 0, 255)).astype(np.uint8).transpose(1, 2, 0)
