"""The options of an attack: defaults, allowed values, and what is said when one is wrong."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from faceflip.errors import UserError, did_you_mean

CHOICES = {
    "search": ("doubling", "scan"),
    "fgs_label": ("current", "annotated", "opposite"),
    "ffa_target": ("current", "original"),
    "ffa_objective": ("scores", "margin"),
}
"""The allowed words of every option that takes one."""


@dataclass(frozen=True)
class Options:
    """How an attack is carried out; an option that an attack has no use for is ignored by it.

    Building one checks every value and raises one `UserError` that names each fault.
    """

    batch_size: int = 32
    """Images in a full pass; memory grows with it, results do not depend on it beyond floating-point rounding."""
    block_size: int = 256
    """Finished attempts handed over together by `iterate`."""
    search: str = "doubling"
    """Line attacks: ``doubling`` widens each section twofold until the decision changes, ``scan`` tries every whole
    epsilon from 1 on."""
    max_epsilon: float = 255.0
    """Line attacks: the largest epsilon tried, in pixel values (FGS: its whole part)."""
    epsilon_tolerance: float = 0.0
    """Line attacks along FFA: end once the ends of the section are this close; 0 ends at one pixel value."""
    max_steps: int = 100
    """Iterative attacks: the most steps of one pixel value."""
    fgs_label: str = "current"
    """FGS: the label whose loss is raised (``current`` decision or ``annotated`` label), or ``opposite``: the loss of
    the label other than the current decision is lowered."""
    ffa_target: str = "current"
    """FFA, iterative: take the target scores anew from every temporary image, or keep the ``original`` image's."""
    ffa_objective: str = "scores"
    """FFA: descend on the ``scores`` (of a softmax network the larger logit), or on the decision value, which for a
    softmax network is the ``margin`` between its logits."""
    margin: float | None = None
    """How far past zero a decision value must be to count as flipped; None measures the network's own rounding."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if isinstance(value := getattr(self, field.name), np.generic):
                object.__setattr__(self, field.name, value.item())  # NumPy's numbers are as good as Python's
        faults = [fault for field in fields(self) if (fault := _fault(field.name, getattr(self, field.name)))]
        if faults:
            raise UserError("\n".join(faults))

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Options":
        """Build options from names and values; an unknown name is answered with the near ones."""
        known = [field.name for field in fields(cls)]
        unknown = [
            f"there is no attack option {name!r}{did_you_mean(name, known, otherwise='; there are ')}"
            for name in values
            if name not in known
        ]
        if unknown:
            raise UserError("\n".join(unknown))
        return cls(**values)


def _fault(name: str, value: object) -> str | None:
    """Return what is wrong with an option's value, or None."""
    if name in CHOICES:
        if value in CHOICES[name]:
            return None
        return f"option {name}: no value {value!r}{did_you_mean(value, CHOICES[name], otherwise='; there are ')}"
    if name in ("batch_size", "block_size", "max_steps"):
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        return None if whole else f"option {name}: expected a whole number from 1 on, not {value!r}"
    if name == "margin" and value is None:
        return None
    lowest = 1 if name == "max_epsilon" else 0
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return None if number and value >= lowest else f"option {name}: expected a number from {lowest} on, not {value!r}"
