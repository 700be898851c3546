"""Verdicts on what is claimed: it holds, it fails, or the interval of what was found leaves it open."""

import math
from collections.abc import Iterable
from typing import Literal

HOLDS, FAILS, OPEN = "holds", "fails", "cannot tell"

Interval = tuple[float, float]
"""The ends of a 95 % interval, NaN where there is no number."""


def beyond(side: Literal["above", "below"], bound: float, low: float, high: float) -> str:
    """Return whether a number, of which the ends of its interval are known, is above or below a bound.

    It fails where the whole interval is on the other side, or on the bound.
    """
    if side == "below":
        low, high, bound = -high, -low, -bound
    if math.isnan(low) or math.isnan(high):
        return OPEN
    return HOLDS if low > bound else FAILS if high <= bound else OPEN


def larger(first: Interval, second: Interval) -> str:
    """Return whether one number is larger than another: where their intervals meet, nobody can tell."""
    if any(map(math.isnan, (*first, *second))):
        return OPEN
    return HOLDS if first[0] > second[1] else FAILS if first[1] <= second[0] else OPEN


def all_of(verdicts: Iterable[str]) -> str:
    """Return whether all of several statements hold: one that fails is enough to fail."""
    found = set(verdicts)
    return FAILS if FAILS in found else OPEN if OPEN in found or not found else HOLDS


def negated(verdict: str) -> str:
    """Return the verdict on the opposite of a statement."""
    return {HOLDS: FAILS, FAILS: HOLDS}.get(verdict, verdict)
