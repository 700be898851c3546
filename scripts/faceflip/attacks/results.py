"""What an attack returns."""

from dataclasses import dataclass

import numpy as np

from faceflip.attempt import FOUND


@dataclass(frozen=True)
class AttackResult:
    """N attempts, one row each; row k is the attempt on image `index[k]`.

    The arrays (N,) that are not listed here are described by `faceflip.attempt.FOUND`.

    Attributes:
        index: (N,) int64, the attempt's place in the images given.
        perturbation: (N, H, W, 3) int16, the integers to add to the image; zeros where not flipped.
        outcome: (N,) int8, codes of `faceflip.outcomes.Outcome`.
        overruled: (N,) bool, whether float32 contradicted a verdict of the option `search_precision`.
        margin: how far past zero a decision value had to be to count as flipped.
        warnings: what was suspicious of the network, a sentence each.
    """

    index: np.ndarray
    perturbation: np.ndarray
    flipped: np.ndarray
    outcome: np.ndarray
    epsilon: np.ndarray
    steps: np.ndarray
    score_before: np.ndarray
    score_after: np.ndarray
    gradient_passes: np.ndarray
    forward_passes: np.ndarray
    overruled: np.ndarray
    margin: float
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.index)

    @classmethod
    def blank(cls, count: int, size: tuple[int, int], margin: float, warnings: tuple[str, ...] = ()) -> "AttackResult":
        """Make room for `count` attempts on images of `size` (height, width)."""
        found = {each.name: np.full(count, 0 if each.missing == -1 else each.missing, each.dtype) for each in FOUND}
        perturbation = np.zeros((count, *size, 3), np.int16)
        index, overruled = np.zeros(count, np.int64), np.zeros(count, bool)
        return cls(index, perturbation, **found, overruled=overruled, margin=margin, warnings=warnings)

    def found(self) -> dict[str, np.ndarray]:
        """Return what the attack found of each attempt, by the names of `faceflip.attempt.FOUND`."""
        return {field.name: getattr(self, field.name) for field in FOUND}

    def put(self, rows: np.ndarray | slice, other: "AttackResult") -> None:
        """Copy the attempts of another result into these rows."""
        for name in ("index", "perturbation", "overruled", *self.found()):
            getattr(self, name)[rows] = getattr(other, name)
