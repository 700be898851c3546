"""Labels beside their points, where nothing else is."""

from collections.abc import Sequence

import numpy as np

DISTANCES = (1.6, 2.6, 4.0, 6.0, 8.5, 11.5, 15.0, 19.0)
"""Millimetres from a point to the near side of its label that are tried, in all `DIRECTIONS`."""
DIRECTIONS = np.exp(2j * np.pi * np.arange(24) / 24)
ROUNDS = 3
"""The first labels know nothing of the last ones, so all are placed again."""
OUTSIDE, COVERED, CROSSED = 1e3, 60.0, 8.0
"""What it costs, in millimetres of distance: to be out of bounds, to cover a thing, and to cross it by a line."""


def place_labels(
    points: np.ndarray, sizes: np.ndarray, things: np.ndarray, weights: Sequence[float], bounds: tuple[float, float]
) -> np.ndarray:
    """Return centres for labels, each near its point, with as little as may be over other labels and things.

    All is in millimetres from a corner: points (n, 2), widths and heights of their labels (n, 2), `things` that should
    be seen (m, 4) as left, bottom, right, top with a weight each (1: as bad to cover as a label), and the width and
    height of the place. The same input gives the same result, (n, 2).
    """
    centres, boxes = np.array(points, float), np.full((len(points), 4), np.nan)
    for number in np.tile(np.arange(len(points)), ROUNDS):
        others = np.delete(boxes, number, axis=0)
        others = others[~np.isnan(others[:, 0])]
        taken = np.concatenate([np.reshape(things, (-1, 4)), others])
        heavy = np.concatenate([weights, np.ones(len(others))])
        tried = _candidates(points[number], sizes[number])
        costs = [_cost(points[number], centre, sizes[number], taken, heavy, bounds) for centre in tried]
        centres[number] = tried[int(np.argmin(costs))]
        boxes[number] = _box(centres[number], sizes[number])
    return centres


def _candidates(point: np.ndarray, size: np.ndarray) -> np.ndarray:
    sides = np.column_stack([DIRECTIONS.real, DIRECTIONS.imag])
    return np.concatenate([point + sides * (distance + size / 2) for distance in DISTANCES])


def _box(centre: np.ndarray, size: np.ndarray) -> np.ndarray:
    return np.concatenate([centre - size / 2, centre + size / 2])


def _cost(point, centre, size, taken: np.ndarray, weights: np.ndarray, bounds: tuple[float, float]) -> float:
    """Return how bad a label with this centre is, in millimetres."""
    box = _box(centre, size)
    beyond = np.maximum(-box[:2], 0).sum() + np.maximum(box[2:] - bounds, 0).sum()
    common = np.minimum(box[2:], taken[:, 2:]) - np.maximum(box[:2], taken[:, :2])
    area = np.prod(np.maximum(common, 0), axis=1)
    share = area / np.minimum(np.prod(size), np.prod(taken[:, 2:] - taken[:, :2], axis=1))
    # What stands on a line from the point to its label; the first millimetre is the point's own mark.
    gap = np.hypot(*(near := np.clip(point, box[:2], box[2:]) - point))
    steps = point + near * (np.linspace(1.0, gap, max(int(2 * gap), 2)) / max(gap, 1e-9))[:, None]
    on = ((steps[:, None] >= taken[:, :2]) & (steps[:, None] <= taken[:, 2:])).all(axis=2).any(axis=0) & (gap > 2)
    return float(gap + OUTSIDE * beyond + (weights * (COVERED * share + CROSSED * on)).sum())
