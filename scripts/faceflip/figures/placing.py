"""Labels beside their points, where nothing else is."""

from collections.abc import Sequence

import numpy as np

DISTANCES = (1.6, 2.6, 4.0, 6.0, 8.5, 11.5, 15.0, 19.0)
"""Millimetres from a point to the near side of its label that are tried, in all `DIRECTIONS`."""
DIRECTIONS = np.exp(2j * np.pi * np.arange(24) / 24)
ROUNDS = 3
"""The first labels know nothing of the last ones, so all are placed again."""
LINE_FROM, STEPS = 2.2, 24
"""Millimetres from which on a line leads from a point to its label, and at how many places it is looked at."""
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
    centres = np.array(points, float)
    boxes = np.full((len(points), 4), np.nan)
    for number in np.tile(np.arange(len(points)), ROUNDS):
        others = np.delete(boxes, number, axis=0)
        others = others[~np.isnan(others[:, 0])]
        taken = np.concatenate([np.reshape(things, (-1, 4)), others])
        heavy = np.concatenate([weights, np.ones(len(others))])
        sides = np.column_stack([DIRECTIONS.real, DIRECTIONS.imag])
        tried = np.concatenate([points[number] + sides * (far + sizes[number] / 2) for far in DISTANCES])
        tried = np.hstack([tried - sizes[number] / 2, tried + sizes[number] / 2])
        boxes[number] = tried[np.argmin(_costs(points[number], tried, taken, heavy, bounds))]
        centres[number] = (boxes[number, :2] + boxes[number, 2:]) / 2
    return centres


def _costs(
    point: np.ndarray, tried: np.ndarray, taken: np.ndarray, weights: np.ndarray, bounds: tuple[float, float]
) -> np.ndarray:
    """Return how bad it is to put a point's label into each of the boxes tried, (k, 4), in millimetres."""
    low, high = tried[:, None, :2], tried[:, None, 2:]
    beyond = np.maximum(-low, 0).sum(axis=(1, 2)) + np.maximum(high - bounds, 0).sum(axis=(1, 2))
    common = np.maximum(np.minimum(high, taken[:, 2:]) - np.maximum(low, taken[:, :2]), 0).prod(axis=2)
    share = common / np.minimum((high - low).prod(axis=2), (taken[:, 2:] - taken[:, :2]).prod(axis=1))
    near = np.clip(point, tried[:, :2], tried[:, 2:]) - point
    gap = np.hypot(*near.T)
    # What stands on a line from the point to its label; the first millimetre is the point's own mark.
    parts = (1 + (gap[:, None] - 1) * np.linspace(0, 1, STEPS)) / np.maximum(gap, 1e-9)[:, None]
    steps = (point + near[:, None] * parts[:, :, None])[:, :, None]
    on = ((steps >= taken[:, :2]) & (steps <= taken[:, 2:])).all(axis=3).any(axis=1) & (gap > LINE_FROM)[:, None]
    return gap + OUTSIDE * beyond + (COVERED * share + CROSSED * on) @ weights
