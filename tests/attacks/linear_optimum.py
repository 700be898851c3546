"""The smallest flips of a linear decision value, of whole pixels in 0-255, worked out without an attack.

Of v(x) = w . x + b only two things matter: how far each pixel value can move against v's sign (`room`), and what one
step of it takes off |v| (`gain`, |w_i|). A flip is whole steps 0 <= k_i <= room_i with sum gain_i k_i >= need.

- L2 of real numbers is a quadratic programme over a box. Its optimality conditions say k_i = min(t gain_i, room_i) with
  the smallest t that suffices: water runs into the pixels until it is enough.
- L2 of whole numbers: the k-th step of a value costs 2 k - 1 of sum k_i^2, ever more, so the steps in the order of
  cost per gain are always possible ones. Those up to the first that is enough are a flip; with a part of the last one
  they are the optimum of a relaxation, which no flip is below.
- L-infinity: all values go equally far, or to their limits.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Smallest:
    """Bounds of the smallest sum of squares of a flip by whole steps: `least` <= optimum <= `most` <= least + `last`.

    Attributes:
        least: of the relaxation.
        most: of the steps in the order of cost per gain, up to the first that is enough.
        last: What that one costs.
    """

    least: float
    most: float
    last: float

    @property
    def l2(self) -> float:
        """An L2 that no flip is below."""
        return float(np.sqrt(self.least))


def room_and_gain(image: np.ndarray, weights: np.ndarray, present: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each value (P,) can move against a decision, and what each step takes off the decision value."""
    weights = weights.astype(np.float64)
    up = (weights < 0) if present else (weights > 0)
    return np.where(up, 255.0 - image, image.astype(np.float64)), np.abs(weights)


def water(room: np.ndarray, gain: np.ndarray, need: float) -> np.ndarray:
    """Return the real steps (P,) of least squares that gain `need`; it must be within reach."""
    full = np.full(len(gain), np.inf)
    np.divide(room, gain, out=full, where=gain > 0)
    # Between two levels at which a value arrives at its limit the gain is linear in the level.
    levels = np.concatenate([[0.0], np.sort(full[np.isfinite(full)])])
    reached = np.array([gain @ np.minimum(level * gain, room) for level in levels])
    above = int(np.searchsorted(reached, need))
    assert above < len(levels), "beyond reach"
    if above == 0:
        return np.zeros(len(gain))
    share = (need - reached[above - 1]) / (reached[above] - reached[above - 1])
    return np.minimum((levels[above - 1] + share * (levels[above] - levels[above - 1])) * gain, room)


def whole(room: np.ndarray, gain: np.ndarray, need: float) -> Smallest:
    """Return bounds of the least sum of squares of whole steps that gain `need`; it must be within reach."""
    room = room.astype(int)
    step = np.concatenate([np.arange(1, each + 1) for each in room])
    gains = np.repeat(gain, room)
    step, gains = step[gains > 0], gains[gains > 0]
    order = np.argsort((2 * step - 1) / gains, kind="stable")
    cost, sums = np.cumsum(2 * step[order] - 1), np.cumsum(gains[order])
    last = int(np.searchsorted(sums, need))
    assert last < len(sums), "beyond reach"
    before, gained = (cost[last - 1], sums[last - 1]) if last else (0, 0.0)
    share = max(0.0, (need - gained) / gains[order[last]])
    return Smallest(before + share * (cost[last] - before), cost[last], cost[last] - before)


def largest_step(room: np.ndarray, gain: np.ndarray, need: float) -> int:
    """Return the smallest whole number of steps, none longer, that gain `need`; 256 where that is beyond reach."""
    reached = np.minimum(np.arange(256)[:, None], room) @ gain
    return int(np.searchsorted(reached, need))
