"""Adversarial training: images that are attacked with the network as it is at each step.

One step of gradient signs from a random start is Wong, Rice and Kolter 2020 (fast is better than free); several, each
projected to the ball, are Madry et al. 2018. Images stay floats within 0-255, as theirs do.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from faceflip.attacks.directions import unit_scaled
from faceflip.networks.objectives import Objective
from faceflip.training.diets import Diet, Learned
from faceflip.training.feed import Feed
from faceflip.training.loop import Training
from faceflip.training.tuning import TuningOptions


@dataclass(frozen=True)
class Adversary:
    """An attack on the loss of all annotated labels, within a distance of each pixel value.

    Attributes:
        eps: The distance, in pixel values, once it is full; it grows to that over the share `warm_up` of all steps.
        steps: Gradient steps.
        step_size: Of them, as a multiple of the distance.
    """

    eps: float
    warm_up: float
    steps: int
    step_size: float

    @classmethod
    def of(cls, tuning: TuningOptions) -> "Adversary":
        """Return that of a diet, which has its own steps unless options say others."""
        options, entry = tuning.adversary, tuning.contents
        return cls(options.eps, options.warm_up, options.steps or entry.steps, options.step_size or entry.step_size)

    def eps_at(self, step: int, steps: int) -> float:
        """Return the distance at a training step, counted from 1, of so many."""
        return self.eps * min(1.0, step / (self.warm_up * steps)) if self.warm_up else self.eps

    def attacked(
        self, outputs: Callable[[Tensor], Tensor], objective: Objective, images: Tensor, labels: Tensor, eps: float
    ) -> Tensor:
        """Return images (N, 3, H, W) changed by at most `eps` so that their loss rises; the start is random.

        `outputs` gives scores of images; labels (N, attributes) are in {-1, 0, +1}, of which 0 has no part in the loss.
        The gradient of a mean over images has the signs of each image's own, so each may have its own scale.
        """
        low, high = (images - eps).clamp_(min=0), (images + eps).clamp_(max=255)
        found = images + torch.empty_like(images).uniform_(-eps, eps)
        found = found.clamp_(low, high)
        known = (labels != 0).repeat_interleave(objective.scores_an_attribute, dim=1)
        for _ in range(self.steps):
            found.requires_grad_()
            scores = outputs(found)
            # In float64, as a sure decision's loss is flat; see `faceflip.attacks.directions`.
            rise = objective.loss_gradient(scores.detach().double(), labels.double())
            (gradient,) = torch.autograd.grad((scores * unit_scaled(torch.where(known, rise, 0.0))).sum(), found)
            found = found.detach().add_(gradient.sign_(), alpha=self.step_size * eps).clamp_(low, high)
        return found


class OnTheFly(Diet):
    """The last images of each batch are attacked, and learned from in place of what they were."""

    def __init__(self, adversary: Adversary, extra: int, epochs: int) -> None:
        """Prepare to attack `extra` images of each batch in a training of so many epochs."""
        self.extra = extra
        self._adversary, self._epochs = adversary, epochs

    def batches(self, training: Training, clean: Feed, order: np.ndarray, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield clean images, then attacked ones; see `Diet.batches`.

        The network is attacked in evaluation mode, which is what it will be judged in: dropout would have the attack
        mislead a part of it that is gone at the next pass, and attacked images would move the statistics of BatchNorm
        once for every gradient step.
        """
        network, steps = training.network, self._epochs * training.iterations
        for images, labels in super().batches(training, clean, order, size):
            eps = self._adversary.eps_at(len(training.history) * training.iterations + training.step + 1, steps)
            own = slice(size - self.extra, size)
            network.eval()
            images[own] = self._adversary.attacked(training.outputs, network.objective, images[own], labels[own], eps)
            network.train()
            yield images, labels

    def choice(self, training: Training) -> int:
        """Return how many images are attacked in an epoch."""
        return training.iterations * self.extra

    def learned(self, training: Training) -> Learned:
        """Return the images that were attacked, on all attributes at once, in all finished epochs."""
        images, times = training.met(slice(-self.extra, None))
        return Learned(images, np.full(len(images), ""), np.full(len(images), np.nan), times)
