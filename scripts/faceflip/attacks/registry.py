"""The attacks by name: each is a direction and a search."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from faceflip.attacks.directions import FFA, FGS, Direction
from faceflip.attacks.iterative import IterativeSearch
from faceflip.attacks.line import LineSearch
from faceflip.attacks.slots import Slots
from faceflip.errors import UserError, did_you_mean


class Search(Protocol):
    """What the engine asks of a search: work on slots that want a gradient or a forward pass.

    A pass leaves each of its slots wanting something: another pass, COLLECTION with its results set, or what `settle`
    does.
    """

    def __init__(self, slots: Slots) -> None:
        """Make the state of a search over these slots."""
        ...

    def gradient(self, rows: np.ndarray) -> None:
        """Make a gradient pass for these slots."""
        ...

    def forward(self, rows: np.ndarray) -> None:
        """Make a forward pass for these slots."""
        ...

    def settle(self) -> bool:
        """Do what can be done without a pass, until every slot wants one or is ready; return whether there was any."""
        ...

    def perturbation(self, rows: np.ndarray) -> Tensor:
        """Return the integers (N, P) int16 added to the images of flipped slots."""
        ...


@dataclass(frozen=True)
class Attack:
    """A way to attack: where to go and how to get there.

    Attributes:
        name: What it does and how it searches, such as ``ffa-line``; the tables split it at the last hyphen.
        direction: Where to go.
        search: How to get there.
        gradients: Gradient passes an attempt, for `faceflip plan`: rounded up from the means of narrow networks
            (docs/attacks.md, docs/questions.md); by default the most that any attack here takes, and so below.
        forwards: Forward passes an attempt.
        share_of_raw: Bytes of a stored perturbation for each pixel value, with gzip (docs/store.md).
    """

    name: str
    direction: Direction
    search: type[Search]
    gradients: int = 14
    forwards: int = 16
    share_of_raw: float = 0.70


ATTACKS: dict[str, Attack] = {
    attack.name: attack
    for attack in (
        Attack("fgs-line", FGS(), LineSearch, gradients=1, forwards=9, share_of_raw=0.30),
        Attack("fgs-iterative", FGS(), IterativeSearch, gradients=11, forwards=2, share_of_raw=0.44),
        Attack("ffa-line", FFA(), LineSearch, gradients=1, forwards=16, share_of_raw=0.63),
        Attack("ffa-iterative", FFA(), IterativeSearch, gradients=14, forwards=4, share_of_raw=0.70),
    )
}
"""The attacks in the order of the paper's tables; `faceflip.attack_names` says in a line what they do."""


def find(name: str) -> Attack:
    """Return the attack of this name, or raise `UserError` with the near names."""
    if name not in ATTACKS:
        raise UserError(f"there is no attack {name!r}{did_you_mean(name, ATTACKS, otherwise='; there are ')}")
    return ATTACKS[name]
