"""What a figure is drawn from, and how it may be drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FigureInputs = Mapping[str, Path | Sequence[Path]]
"""Paths of a figure's inputs by role (`registry.Figure.inputs`)."""

ORDERS = ("official", "clustered")


@dataclass(frozen=True)
class Options:
    """Choices of presentation.

    Attributes:
        order: Of the attributes in matrices, one of `ORDERS`.
    """

    order: str = "official"
