"""Directions of attack: gradients with respect to the image, FGS and FFA.

A direction is asked twice. Given the scores of a forward pass it names the *seeds*: the gradient with respect to the
scores that is propagated back to the image. Given what arrives at the image it makes the direction in which pixel
values change. Both matter up to a positive factor only, so seeds are scaled to a largest absolute value of one: a loss
that is almost flat (a sure softmax decision, a score near zero) does not underflow on its way to the image.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from faceflip.attacks.options import Options
from faceflip.errors import UserError
from faceflip.networks.objectives import Objective, decisions


@dataclass(frozen=True)
class Attempts:
    """What a direction may know of the attempts in a batch, one row each, on the device of the scores.

    Attributes:
        attribute: (N,) int64, the attacked attribute's column in the decision values.
        decision: (N,) int8, the decision on the unperturbed image, -1 or +1.
        label: (N,) int8, the annotated label, -1 or +1; 0 where unknown.
        scores: (N, M) float32, the scores of the unperturbed image.
    """

    attribute: Tensor
    decision: Tensor
    label: Tensor
    scores: Tensor


class Direction(Protocol):
    """A way to turn a gradient pass into a change of pixel values.

    Attributes:
        whole: Whether directions are -1, 0 and +1 alone, so that a whole epsilon gives whole pixel values.
    """

    whole: bool

    def check(self, objective: Objective, options: Options, labelled: bool) -> None:
        """Raise `UserError` where the direction does not apply."""
        ...

    def seeds(self, scores: Tensor, attempts: Attempts, objective: Objective, options: Options) -> Tensor:
        """Return the gradient (N, M) to propagate back from scores (N, M), any positive scale."""
        ...

    def scale(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Make directions of gradients (N, P), in place.

        Returns:
            Directions (N, P) with a largest absolute value of one; and the slopes (N,) along them, the gradients'
            products with them: where that is zero there is no direction, and the row is zeros.
        """
        ...


@dataclass(frozen=True)
class FGS:
    """Fast gradient sign (eq. (7)): sign(grad J(x, y)), so that a whole epsilon gives whole pixel values.

    y is the current decision: raising its loss means leaving it, whether it is right or wrong. The options
    ``annotated`` and ``opposite`` take the annotated label, or lower the loss of the other label.
    """

    whole: bool = True

    def check(self, objective: Objective, options: Options, labelled: bool) -> None:
        """FGS raises the loss of a whole network, and may need annotated labels."""
        if objective.name == "moon":
            raise UserError(
                "FGS does not apply to MOON: it raises the loss of all attributes at once and cannot pick one; use FFA"
            )
        if options.fgs_label == "annotated" and not labelled:
            raise UserError("option fgs_label: 'annotated' needs the images' labels (argument labels, or --label)")

    def seeds(self, scores: Tensor, attempts: Attempts, objective: Objective, options: Options) -> Tensor:
        """Return dJ/dscores, in float64 because a sure decision's loss is flat; negated for ``opposite``."""
        label = attempts.label if options.fgs_label == "annotated" else attempts.decision
        sign = -1 if options.fgs_label == "opposite" else 1
        return sign * objective.loss_gradient(scores.double(), (sign * label)[:, None])

    def scale(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Take the sign."""
        slope = gradient.abs().sum(dim=1)
        return gradient.sign_(), slope


@dataclass(frozen=True)
class FFA:
    """Fast flipping attribute (eqs. (8) and (9)): descend 1/2 ||t - f(x)||^2, where t zeroes the attacked score.

    The gradient with respect to the scores is f - t; t differs from f only in the score that carries the decision: the
    attribute's own, or the larger logit of a softmax network. The direction is scaled to a largest absolute value of
    one, so that epsilon is in pixel values.

    In an iterative attack the unrounded temporary image may have crossed the boundary while the rounded image, on
    which the verdict is taken, has not. The decision still standing is then the one to change: the score that carries
    it is descended further, where going to zero would turn back (of two logits, the one that carries it goes on towards
    zero as before). With the option ``ffa_target: original`` the target stays what it was at the start, and this does
    not apply.
    """

    whole: bool = False

    def check(self, objective: Objective, options: Options, labelled: bool) -> None:
        """FFA needs scores only."""

    def seeds(self, scores: Tensor, attempts: Attempts, objective: Objective, options: Options) -> Tensor:
        """Return t - f, the descent in the scores."""
        anew = options.ffa_target == "current"
        if objective.name == "softmax" and options.ffa_objective == "margin":
            value = objective.decision_values(scores)
            absent_present = torch.tensor([[-1.0, 1.0]], device=scores.device)
            return self._to_zero(value, attempts.decision[:, None], anew) * absent_present
        target = scores if anew else attempts.scores
        if objective.name == "softmax":
            carrier = (attempts.decision[:, None] > 0).long()
            return target.scatter(1, carrier, 0.0) - scores
        carrier = attempts.attribute[:, None]
        towards = self._to_zero(scores.gather(1, carrier), attempts.decision[:, None], anew)
        return (target - scores).scatter(1, carrier, towards)

    def _to_zero(self, value: Tensor, decision: Tensor, anew: bool) -> Tensor:
        """Return the way from decision values (N, 1) to zero, or further on where `anew` and zero has been crossed."""
        crossed = decisions(value) != decision
        return torch.where(crossed & anew, -decision.to(value.dtype), -value)

    def scale(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Divide by the largest absolute value."""
        # On a CPU amax and amin together take a fifteenth of the time of aminmax or of an infinity norm.
        largest = torch.maximum(gradient.amax(dim=1), -gradient.amin(dim=1))
        directions = gradient.div_(largest.where(largest > 0, 1.0)[:, None])
        return directions, directions.square().sum(dim=1) * largest


def unit_seeds(seeds: Tensor) -> Tensor:
    """Scale seeds (N, M) to a largest absolute value of one, leaving rows of zeros, and return them as float32."""
    largest = seeds.abs().amax(dim=1, keepdim=True)
    return (seeds / largest.where(largest > 0, 1.0)).float()
