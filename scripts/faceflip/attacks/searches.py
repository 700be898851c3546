"""What a search is; `line` and `iterative` have those of this package."""

from typing import Protocol

import numpy as np
from torch import Tensor

from faceflip.attacks.slots import Slots


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
