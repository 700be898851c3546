"""Code of your own, as users write it: a loss, directions, searches and architectures; named as FILE.py:NAME."""

import numpy as np
import torch
from torch import nn

from faceflip.attacks.directions import FFA, Direction
from faceflip.attacks.line import LineSearch
from faceflip.attacks.slots import SlotState
from faceflip.networks.objectives import Objective
from faceflip.outcomes import Outcome


class Hinge(Objective):
    def loss(self, scores, labels):
        return torch.relu(1 - labels * scores).sum(dim=1)


class Leave(Direction):
    """Away from the decision, by its decision value alone."""

    def output_gradient(self, scores, attempts, objective, options):
        return -attempts.decision[:, None] * objective.value_gradient(attempts.attribute, scores.shape[1])


class Whole(FFA):
    """The signs of FFA's directions."""

    whole = True

    def scale(self, gradient):
        slope = gradient.abs().sum(dim=1)
        return gradient.sign_(), slope


class Tripling(LineSearch):
    """Epsilon = 1, 4, 13, ..."""

    def grown(self, low):
        return 3 * low + 1


class Leap:
    """One step of eight pixel values, written from scratch."""

    def __init__(self, slots):
        self.slots = slots
        self.landed = torch.zeros_like(slots.image)

    def gradient(self, rows):
        index = self.slots.on_device(rows)
        images = self.slots.image.index_select(0, index)
        passed = self.slots.gradient(rows, images)
        landed = images.float().add_(passed.directions, alpha=8).round_().clamp_(0, 255)
        self.landed.index_copy_(0, index, landed.to(torch.uint8))
        self.slots.steps[rows] = 1
        self.slots.state[rows] = SlotState.FORWARD

    def forward(self, rows):
        slots = self.slots
        values = slots.values(rows, self.landed.index_select(0, slots.on_device(rows)))
        slots.forwards[rows] += 1
        flipped = slots.flipped(rows, values)
        slots.after[rows[flipped]], slots.epsilon[rows[flipped]] = values[flipped], 8
        slots.finish(rows, np.where(flipped, Outcome.FLIPPED, Outcome.MAX_EPSILON))

    def settle(self):
        return False

    def perturbation(self, rows):
        index = self.slots.on_device(rows)
        return self.landed.index_select(0, index).short() - self.slots.image.index_select(0, index)


def perceptron(outputs, image_size, hidden=4):
    width, height = image_size
    layers = nn.Linear(3 * width * height, hidden), nn.ReLU(), nn.Linear(hidden, outputs)
    return nn.Sequential(nn.Flatten(), *layers)


def forgetful(outputs, image_size):
    return nn.Flatten()


def no_layers(outputs, image_size):
    return "layers"
