"""Directions of attack: gradients with respect to the image, FGS and FFA.

The engine calls a direction twice. Given the scores of a forward pass it returns the *output gradient*, which is
propagated back to the image. Given what arrives there it makes the direction in which pixel values change. Both matter
up to a positive factor only, so output gradients are scaled to a largest absolute value of one: a loss that is almost
flat (a sure softmax decision, a score near zero) does not underflow on its way to the image.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from faceflip.attacks.options import AttackOptions
from faceflip.errors import UserError
from faceflip.networks.objectives import Objective, decisions


@dataclass(frozen=True)
class Attempts:
    """What a direction may use of the attempts in a batch, one row each, on the device of the scores.

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


class Direction:
    """A way to turn a gradient pass into a change of pixel values; derive from it, or from FGS or FFA, for another."""

    whole: bool = False
    """Whether directions are -1, 0 and +1 alone, so that a whole epsilon gives whole pixel values."""

    def check(self, objective: Objective, options: AttackOptions, labelled: bool) -> None:
        """Raise `UserError` where options and arguments do not go together; called before any pass."""

    def check_network(self, objective: Objective, options: AttackOptions, attributes: int) -> None:
        """Raise `UserError` where the direction does not apply to a network that decides on so many attributes."""

    def output_gradient(
        self, scores: Tensor, attempts: Attempts, objective: Objective, options: AttackOptions
    ) -> Tensor:
        """Return the gradient (N, M) to propagate back from scores (N, M), any positive scale."""
        raise NotImplementedError

    def steepest(self, gradients: Tensor, originals: Tensor) -> Tensor:
        """Return where gradients (N, P) lead, by the unperturbed images (N, height, width, 3) uint8; before `scale`.

        Here it is the gradients themselves: every change of a pixel value costs the same. Where changes cost more in
        one place than in another, return another tensor, whose product with the gradients is positive.
        """
        return gradients

    def scale(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Make directions of gradients (N, P), in place; here by dividing by the largest absolute value.

        Returns directions (N, P) with a largest absolute value of one, and slopes (N,), the gradients' products with
        them; where that is zero there is no direction, and the row is zeros.
        """
        # On a CPU amax and amin together take a fifteenth of the time of aminmax or of an infinity norm.
        largest = torch.maximum(gradient.amax(dim=1), -gradient.amin(dim=1))
        directions = gradient.div_(largest.where(largest > 0, 1.0)[:, None])
        # Added up in double precision, so that the number of rows does not show in the last bit.
        return directions, directions.square().sum(dim=1, dtype=torch.float64).float() * largest


class FGS(Direction):
    """Fast gradient sign (eq. (7)): sign(grad J(x, y)).

    y is the current decision: raising its loss means leaving it, right or wrong. The options ``annotated`` and
    ``opposite`` take the annotated label, or lower the loss of the other label. The paper's J is the loss of the whole
    network, which must decide on one attribute; with ``fgs_scope: attribute`` it is that attribute's part of the loss.
    """

    whole = True

    def check(self, objective: Objective, options: AttackOptions, labelled: bool) -> None:
        """FGS may need annotated labels."""
        if options.fgs_label == "annotated" and not labelled:
            raise UserError("option fgs_label: 'annotated' needs the images' labels (argument labels, or --label)")

    def check_network(self, objective: Objective, options: AttackOptions, attributes: int) -> None:
        """FGS raises the loss of a whole network, or the part of one attribute where the loss has such parts."""
        if attributes > 1 and not objective.separable:
            raise UserError(
                f"FGS cannot pick one of {attributes} attributes: the loss {objective.name} is no sum over attributes "
                "(its class has separable = False); use FFA"
            )
        if attributes > 1 and options.fgs_scope == "network":
            raise UserError(
                f"FGS raises the loss of all {attributes} attributes of this network at once and cannot pick one; use "
                "FFA, or the option fgs_scope: attribute"
            )

    def output_gradient(
        self, scores: Tensor, attempts: Attempts, objective: Objective, options: AttackOptions
    ) -> Tensor:
        """Return dJ/dscores, in float64 because a sure decision's loss is flat; negated for ``opposite``."""
        label = attempts.label if options.fgs_label == "annotated" else attempts.decision
        sign = -1 if options.fgs_label == "opposite" else 1
        attributes = scores.shape[1] // objective.scores_an_attribute
        labels = (sign * label)[:, None].expand(-1, attributes)
        gradient = sign * objective.loss_gradient(scores.double(), labels)
        return gradient * objective.of_attribute(attempts.attribute, scores.shape[1]) if attributes > 1 else gradient

    def scale(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Take the sign."""
        slope = gradient.abs().sum(dim=1)
        return gradient.sign_(), slope


class FFA(Direction):
    """Fast flipping attribute (eqs. (8) and (9)): descend 1/2 ||t - f(x)||^2, where t zeroes the attacked score.

    The gradient with respect to the scores is f - t; t differs from f only in the score that carries the decision: the
    attribute's own, or the larger of its two logits. With the scaled direction epsilon is in pixel values.

    In an iterative attack the unrounded temporary image may have crossed the boundary while the rounded image, on
    which the verdict is taken, has not. Then the way to the target leads back. With ``ffa_crossed: onward`` a single
    score goes on past zero instead; of two logits the one that carries the standing decision goes on towards zero
    anyway. With ``ffa_target: original`` the target stays what it was at the start, and this does not apply.
    """

    def output_gradient(
        self, scores: Tensor, attempts: Attempts, objective: Objective, options: AttackOptions
    ) -> Tensor:
        """Return t - f, the descent in the scores."""
        anew = options.ffa_target == "current"
        onward = anew and options.ffa_crossed == "onward"
        if objective.two_logits and options.ffa_objective == "margin":
            value = objective.decision_values(scores).gather(1, attempts.attribute[:, None])
            towards = self._to_zero(value, attempts.decision[:, None], onward)
            return towards * objective.value_gradient(attempts.attribute, scores.shape[1])
        target = scores if anew else attempts.scores
        carrier = objective.carrier(attempts.attribute, attempts.decision)[:, None]
        if objective.two_logits:
            return target.scatter(1, carrier, 0.0) - scores
        towards = self._to_zero(scores.gather(1, carrier), attempts.decision[:, None], onward)
        return (target - scores).scatter(1, carrier, towards)

    def _to_zero(self, value: Tensor, decision: Tensor, onward: bool) -> Tensor:
        """Return the way from decision values (N, 1) to zero, or further on where zero has been crossed if `onward`."""
        crossed = decisions(value) != decision
        return torch.where(crossed & onward, -decision.to(value.dtype), -value)


class Boundary(Direction):
    """The gradient of the decision value, towards the other decision: to the boundary, and past it."""

    def output_gradient(
        self, scores: Tensor, attempts: Attempts, objective: Objective, options: AttackOptions
    ) -> Tensor:
        """Return how the scores should change for the decision value to leave the decision."""
        gradient = objective.value_gradient(attempts.attribute, scores.shape[1])
        return -attempts.decision[:, None].to(gradient.dtype) * gradient


def unit_scaled(gradients: Tensor) -> Tensor:
    """Scale output gradients (N, M) to a largest absolute value of one, zeros as they are; return float32."""
    largest = gradients.abs().amax(dim=1, keepdim=True)
    return (gradients / largest.where(largest > 0, 1.0)).float()
