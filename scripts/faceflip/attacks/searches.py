"""What a search is; the modules `line` and `iterative` hold those of this package."""

from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from faceflip.attacks.slots import Slots


@runtime_checkable
class Search(Protocol):
    """How the engine drives a search: it calls for passes over slots in the states GRADIENT, FORWARD and COARSE.

    A search leaves each of these slots in the state of the pass that it needs next, in COLLECTION with its results set
    (`Slots.finish`), or in a state of its own that `settle` ends. If it has a method `close`, that is called in the
    end, also where the run is broken off.
    """

    def __init__(self, slots: Slots) -> None: ...

    def gradient(self, rows: np.ndarray) -> None:
        """Make a gradient pass for these slots."""

    def forward(self, rows: np.ndarray) -> None:
        """Make a forward pass for these slots, all of which are in the state FORWARD, or all in COARSE."""

    def settle(self) -> bool:
        """End the states that need no pass, until each slot waits for one or for collection; return whether any did."""

    def perturbation(self, rows: np.ndarray) -> Tensor:
        """Return the integers (N, P) int16 added to the images of flipped slots."""
