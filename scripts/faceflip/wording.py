"""Words that depend on numbers, and text that a terminal may be shown."""

import math
import re
from collections.abc import Sequence

UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What no name holds: control characters, with which text can steer a terminal, and halves of characters."""


def quantity(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``no faults``, ``1 fault``, ``2,000 faults``."""
    return f"{f'{number:,}' if number else 'no'} {noun}{'' if number == 1 else 's'}"


def first_of(names: Sequence[str], most: int) -> str:
    """Return the first names of a list and how many more there are, such as ``a, b and 2 more``."""
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def similarity(value: float) -> str:
    """Return a similarity of at most 1 with three significant digits of what it lacks to 1, or at least four decimals.

    So 0.999949 and 0.999853 differ; 0.98765 is 0.9877. More than eight decimals are noise of the arithmetic.
    """
    lacks = 1 - value
    decimals = 2 - math.floor(math.log10(lacks)) if lacks > 0 else 4
    return f"{value:.{min(max(decimals, 4), 8)}f}"


def printable(text: object) -> str:
    r"""Return text as a terminal may be shown it: what would steer it is spelled out, as ``\x1b``; line feeds stay."""
    return UNPRINTABLE.sub(lambda found: found[0] if found[0] == "\n" else ascii(found[0])[1:-1], str(text))
