"""What an attack returns."""

from dataclasses import dataclass, fields, replace

import numpy as np

from faceflip.attempt import FOUND


@dataclass(frozen=True)
class AttackResult:
    """N attempts, one row each; row k is the attempt on image `index[k]`.

    Attributes:
        index: (N,) int64, the attempt's place in the images given.
        perturbation: (N, H, W, 3) int16, the integers to add to the image; zeros where not flipped.
        flipped: (N,) bool.
        outcome: (N,) int8, codes of `faceflip.outcomes.Outcome`.
        epsilon: (N,) float64, length along the ray (line) or number of steps of one pixel value (iterative), NaN
            where not flipped.
        steps: (N,) int32, gradient steps that led to the last image judged; 1 for line attacks.
        score_before: (N,) float64, decision value of the unperturbed image.
        score_after: (N,) float64, decision value of the perturbed image, NaN where not flipped.
        gradient_passes: (N,) int32, gradients taken for this attempt.
        forward_passes: (N,) int32, verdicts taken for this attempt by forward passes.
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
    margin: float
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of attempts."""
        return len(self.index)

    @classmethod
    def blank(cls, count: int, size: tuple[int, int], margin: float, warnings: tuple[str, ...] = ()) -> "AttackResult":
        """Make room for `count` attempts on images of `size` (height, width)."""
        found = {
            field.name: np.full(count, field.missing if field.missing != -1 else 0, field.dtype) for field in FOUND
        }
        perturbation = np.zeros((count, *size, 3), np.int16)
        index = np.zeros(count, np.int64)
        return cls(index=index, perturbation=perturbation, **found, margin=margin, warnings=warnings)

    def found(self) -> dict[str, np.ndarray]:
        """Return what the attack found of each attempt, by the names of `faceflip.attempt.FOUND`."""
        return {field.name: getattr(self, field.name) for field in FOUND}

    def put(self, rows: np.ndarray | slice, other: "AttackResult") -> None:
        """Copy the attempts of another result into these rows."""
        for column in _COLUMNS:
            getattr(self, column)[rows] = getattr(other, column)

    def first(self, count: int) -> "AttackResult":
        """Return the first attempts."""
        return replace(self, **{column: getattr(self, column)[:count] for column in _COLUMNS})


_COLUMNS = tuple(field.name for field in fields(AttackResult) if field.name not in ("margin", "warnings"))
