"""Names of attributes in figures: short enough to have room, told apart, and taken for text and not for formulas."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from faceflip.analysis.names import display_name
from faceflip.figures.style import MM

LONGEST, IN_COLUMN = 28, 22
"""Characters of a name at most, across the page and in a column; CelebA's longest has 19."""
ROOM = 24.0
"""Millimetres that figures leave for upright names, which is enough for CelebA's."""
POINTS = 72 / 25.4
"""Points of a millimetre."""
PITCH = 2.1
"""Millimetres between upright names side by side at least."""


def short_names(attributes: Iterable[str], longest: int = LONGEST) -> dict[str, str]:
    """Return what figures call attributes; long ones without their middle, those alike with a number."""
    return told_apart({name: display_name(name) for name in attributes}, longest)


def told_apart(texts: Mapping[str, str], longest: int) -> dict[str, str]:
    """Return texts by their keys, long ones without their middle, those alike then with a number."""
    short = {name: _shortened(text, longest) for name, text in texts.items()}
    alike, numbers, made = Counter(short.values()), Counter(), {}
    for name, text in short.items():
        numbers[text] += 1
        made[name] = plain(text if alike[text] == 1 else f"{text} ({numbers[text]})")
    return made


def plain(text: str) -> str:
    """Return text that Matplotlib draws as it is: two dollar signs would begin and end a formula."""
    return text.replace("$", r"\$")


def of_all(shown: Sequence[str], of: Sequence[str]) -> str:
    """Return what to say below an axis that shows not all attributes, or nothing."""
    if len(shown) == len(of):
        return ""
    return f"{len(shown)} of {len(of):,} attributes, evenly spread over their order; the table has all"


def in_lines(label: str, width: float, size: float) -> str:
    """Return a label in lines that are about so many millimetres wide in some type size."""
    wide = size * extent(label)
    return label if wide <= width else "\n".join(wrap(label, int(len(label) * width / wide))).replace("\\\n$", "\n\\$")


def _shortened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    tail = longest // 3
    return f"{text[: longest - tail - 1].rstrip()}…{text[-tail:].lstrip()}"


def extent(text: str) -> float:
    """Return how wide a text is, in millimetres per point of type size."""
    return TextPath((0, 0), text, size=100, prop=FontProperties()).get_extents().width / 100 / POINTS


def more_room(texts: Iterable[str], size: float) -> float:
    """Return the inches that upright texts of some type size need beyond `ROOM`."""
    return max(max((size * extent(text) for text in texts), default=0.0) - ROOM, 0.0) * MM


def every(names: Sequence[str], width: float) -> int:
    """Return which of the names side by side in so many millimetres have room: every first, second, ..."""
    return max(math.ceil(len(names) * PITCH / width), 1)
