"""What a network is trained for, and how its scores are read as decisions.

Labels are -1 (absent) and +1 (present) throughout; a decision is +1 where the decision value is above zero, else -1, so
that exactly zero counts as absent (eq. (2) of Rozsa et al. 2018). The loss of an image is the sum over the network's
attributes, one or many. What the paper calls MOON is `Euclidean` for all attributes in one network.
"""

import torch
from torch import Tensor
from torch.nn import functional

from faceflip.catalogue import find_loss
from faceflip.errors import UserError
from faceflip.registry import load_class


class Objective:
    """A loss over scores together with the reading of the scores; derive from it and write `loss` for another.

    Each attribute has one score, or two logits (absent, present) that stand side by side; the decision value is the
    score, or present minus absent.

    Attributes:
        name: In the registry of losses, or the reference to your own.
        separable: Whether the loss is a sum over attributes, so that one attribute's part of it can be taken alone.
        two_logits: Whether an attribute has two logits.
    """

    name: str = ""
    separable: bool = True
    two_logits: bool = False

    @property
    def scores_an_attribute(self) -> int:
        """How many scores each attribute has."""
        return 2 if self.two_logits else 1

    def outputs(self, attributes: int) -> int:
        """Return how many scores the network gives for this many attributes."""
        return attributes * self.scores_an_attribute

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each image, shape (N,), of scores (N, outputs) and labels (N, attributes) in {-1, +1}."""
        raise NotImplementedError

    def known_loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each image, shape (N,), over the attributes whose label is known; 0 is an unknown one.

        The loss is taken of each attribute as if it were the only one; `require_sum` says whether that is right.
        """
        each = self.loss(scores.reshape(-1, self.scores_an_attribute), labels.reshape(-1, 1)).view(labels.shape)
        return torch.where(labels == 0, 0, each).sum(dim=1)

    def require_sum(self, attributes: int) -> None:
        """Raise `UserError` unless the loss of so many attributes is the sum of that of each, as `known_loss` takes it.

        A loss of your own may weigh attributes, or look at several together.
        """
        generator = torch.Generator().manual_seed(0)
        scores = torch.randn(4, self.outputs(attributes), generator=generator)
        labels = torch.randint(0, 2, (4, attributes), generator=generator) * 2.0 - 1
        try:
            same = self.separable and torch.allclose(
                self.known_loss(scores, labels), self.loss(scores, labels), rtol=1e-4
            )
        except Exception:  # a loss of your own may be of any number of attributes but one
            same = False
        if not same:
            raise UserError(
                f"loss {self.name} of {attributes} attributes is not the sum of that of each, so it cannot leave out "
                "unknown labels; train it on attributes that all images have, or for each attribute alone"
            )

    def loss_gradient(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the derivative of each image's loss by its scores, shape (N, outputs).

        Override it where automatic differentiation loses precision, such as on the flat side of a loss.
        """
        with torch.inference_mode(False), torch.enable_grad():
            scores = scores.detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad(self.loss(scores, labels.to(scores.dtype)).sum(), scores)
        return gradient

    def decision_values(self, scores: Tensor) -> Tensor:
        """Return decision values, shape (N, attributes); above zero means present, so a tie of logits means absent."""
        return scores[:, 1::2] - scores[:, 0::2] if self.two_logits else scores

    def carrier(self, attribute: Tensor, decision: Tensor) -> Tensor:
        """Return which score carries the decisions (N,) on attributes (N,), as int64 (N,): of two logits the larger."""
        return 2 * attribute + (decision > 0) if self.two_logits else attribute

    def of_attribute(self, attribute: Tensor, outputs: int) -> Tensor:
        """Return which of so many scores are those of the attributes (N,), as bool (N, outputs)."""
        owner = torch.arange(outputs, device=attribute.device) // self.scores_an_attribute
        return owner == attribute[:, None]

    def value_gradient(self, attribute: Tensor, outputs: int) -> Tensor:
        """Return the derivative of the decision values on attributes (N,) by so many scores, shape (N, outputs)."""
        own = self.of_attribute(attribute, outputs).float()
        return own * own.new_tensor([-1.0, 1.0]).repeat(outputs // 2) if self.two_logits else own


class Euclidean(Objective):
    """One score f for each attribute, J = sum of (f - y)^2 (eqs. (1) and (4))."""

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the squared distance to the labels."""
        return (scores - labels).square().sum(dim=1)

    def loss_gradient(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return 2 (f - y)."""
        return 2 * (scores - labels)


class Softmax(Objective):
    """Two logits (absent, present) for each attribute and the sum of their cross-entropies."""

    two_logits = True

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the cross-entropy of the attributes' two logits."""
        each = functional.cross_entropy(scores.reshape(-1, 2), (labels > 0).long().reshape(-1), reduction="none")
        return each.view(len(scores), -1).sum(dim=1)

    def loss_gradient(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the wrong label's probability, positive at its logit and negative at the label's own.

        It is taken from the logits' difference: one minus the right label's would be zero for a sure decision.
        """
        rise = labels * torch.sigmoid(-labels * self.decision_values(scores))
        return torch.stack([rise, -rise], dim=2).flatten(1)


class BinaryCrossEntropy(Objective):
    """One score f for each attribute, its sigmoid the probability of *present*, and the sum of cross-entropies."""

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the sum of log(1 + exp(-y f))."""
        return functional.softplus(-labels * scores).sum(dim=1)

    def loss_gradient(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return -y times the wrong label's probability."""
        return -labels * torch.sigmoid(-labels * scores)


def objective_of(name: str) -> Objective:
    """Return the objective of a loss's name or reference; raises `UserError` where there is none."""
    made = load_class(find_loss(name).target, Objective)()
    made.name = name
    return made


def decisions(values: Tensor) -> Tensor:
    """Return decisions in {-1, +1} as int8 of decision values of any shape."""
    return torch.where(values > 0, 1, -1).to(torch.int8)
