"""Images along rays, compiled: one pass over the pixels where tensor operations need ten.

Import this through `faceflip.runtime.compiled`, which decides where the compiled code is kept.
"""

import numpy as np
from numba import njit

# The sum may be reassociated, so that it can use vector registers: it is one of whole numbers and exact in any order.
_KERNEL = {"nogil": True, "error_model": "numpy", "cache": True, "fastmath": {"reassoc", "nsz", "nnan"}}


@njit(**_KERNEL)
def _along_one(image, direction, epsilon, result):
    change = 0.0
    for i in range(image.size):
        base = np.float64(image[i])
        moved = np.rint(base + np.float64(direction[i]) * epsilon)
        moved = min(max(moved, 0.0), 255.0)
        result[i] = np.float32(moved)
        change += abs(moved - base)
    return change


@njit(**_KERNEL)
def along(images, directions, rows, epsilons, results, places, changes):
    """Write round(clip(x + epsilon * d, 0, 255)) for chosen rows of images (S, P) uint8 and directions (S, P) float32.

    Attempt k is on the ray of `rows[k]` (N,) int64 at `epsilons[k]` (N,) float64; its image goes to row `places[k]`
    (N,) int64 of `results` (R, P) float32, the sum of its changes to `changes[k]` (N,) float64.
    """
    for k in range(rows.size):
        changes[k] = _along_one(images[rows[k]], directions[rows[k]], epsilons[k], results[places[k]])


def prepare() -> None:
    """Have `along` compiled, or its compiled code loaded, for the types that it is called with."""
    rows, values = np.zeros(1, np.int64), np.zeros((1, 1), np.float32)
    along(np.zeros((1, 1), np.uint8), values, rows, np.zeros(1), values.copy(), rows, np.zeros(1))
