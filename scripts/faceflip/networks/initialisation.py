"""Caffe's weight fillers, by which a network starts."""

from collections.abc import Callable
from math import sqrt

from torch import Tensor, nn


def _msra(weight: Tensor) -> None:
    nn.init.normal_(weight, std=sqrt(2 / weight[0].numel()))


def _xavier(weight: Tensor) -> None:
    bound = sqrt(3 / weight[0].numel())
    nn.init.uniform_(weight, -bound, bound)


def _gaussian(weight: Tensor) -> None:
    nn.init.normal_(weight, std=0.01)


FILLERS: dict[str, Callable[[Tensor], None]] = {"msra": _msra, "xavier": _xavier, "gaussian": _gaussian}
"""``msra``: N(0, 2 / fan_in). ``xavier``: uniform with variance 1 / fan_in, Caffe's default normalisation.
``gaussian``: N(0, 0.01^2), as Parkhi et al. write."""


def initialise(module: nn.Module, filler: str) -> None:
    """Fill the weights of all convolutions and linear layers and set their biases to zero, from torch's generator."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            FILLERS[filler](layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
