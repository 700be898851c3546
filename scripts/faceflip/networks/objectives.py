"""What a network is trained for, and how its scores are read as decisions.

Labels are -1 (absent) and +1 (present) throughout; a decision is +1 where the decision value is above zero, else -1, so
that a value of exactly zero counts as absent (eq. (2) of Rozsa et al. 2018).
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional


class Objective(Protocol):
    """A loss over scores together with the reading of the scores.

    Attributes:
        name: Its key in `OBJECTIVES`.
        separate: Whether a network of it decides on one attribute alone.
    """

    name: str
    separate: bool

    def outputs(self, attributes: int) -> int:
        """Return how many scores the network gives for this many attributes."""
        ...

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each image, shape (N,), of scores (N, outputs) and labels (N, attributes) in {-1, +1}."""
        ...

    def loss_gradient(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the derivative of each image's loss by its scores, shape (N, outputs), with no precision lost."""
        ...

    def decision_values(self, scores: Tensor) -> Tensor:
        """Return signed decision values, shape (N, attributes); above zero means present."""
        ...


@dataclass(frozen=True)
class Euclidean:
    """One score f for one attribute, J = (f - y)^2 (eq. (1))."""

    name: str = "euclidean"
    separate: bool = True

    def outputs(self, attributes: int) -> int:
        """Return the number of scores: one an attribute."""
        return attributes

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the squared distance to the label, summed over the attributes (one, or all of MOON's; eq. (4))."""
        return (scores - labels).square().sum(dim=1)

    def loss_gradient(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return 2 (f - y)."""
        return 2 * (scores - labels)

    def decision_values(self, scores: Tensor) -> Tensor:
        """Return the scores themselves."""
        return scores


@dataclass(frozen=True)
class Moon(Euclidean):
    """All attributes in one network, J = sum over attributes of (f_i - y_i)^2 (eq. (4))."""

    name: str = "moon"
    separate: bool = False


@dataclass(frozen=True)
class Softmax:
    """Two logits (absent, present) for one attribute and their cross-entropy."""

    name: str = "softmax"
    separate: bool = True

    def outputs(self, attributes: int) -> int:
        """Return the number of scores: the two logits of the one attribute."""
        if attributes != 1:
            raise ValueError(f"a softmax network has one attribute, not {attributes}")
        return 2

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the cross-entropy of the two logits."""
        return functional.cross_entropy(scores, (labels[:, 0] > 0).long(), reduction="none")

    def loss_gradient(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the wrong label's probability, positive at its logit and negative at the label's own.

        That probability is taken from the logits' difference: one minus the right label's would be zero for a sure
        decision.
        """
        rise = labels * torch.sigmoid(-labels * self.decision_values(scores))
        return torch.cat([rise, -rise], dim=1)

    def decision_values(self, scores: Tensor) -> Tensor:
        """Return present minus absent, shape (N, 1): a tie counts as absent."""
        return scores[:, 1:2] - scores[:, 0:1]


OBJECTIVES: dict[str, Objective] = {each.name: each for each in (Euclidean(), Softmax(), Moon())}


def decisions(values: Tensor) -> Tensor:
    """Return decisions in {-1, +1} as int8 of decision values of any shape."""
    return torch.where(values > 0, 1, -1).to(torch.int8)
