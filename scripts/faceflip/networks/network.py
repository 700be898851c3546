"""A network as the rest of faceflip sees it: from pixels to scores, built from a specification."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from faceflip.networks.initialisation import initialise
from faceflip.networks.objectives import OBJECTIVES, Objective


@dataclass(frozen=True)
class NetworkSpec:
    """Everything that is needed to build a network, and nothing about how it was trained.

    Attributes:
        objective: A key of `OBJECTIVES`.
        attributes: The attributes it decides on, in the order of its decision values.
        image_size: Width and height of its images in pixels.
        architecture: ``vgg16``, or the name of any classification model of torchvision.
        width: Multiplier of the channels (``vgg16`` only).
        dropout: Probability of dropping a hidden unit in training (``vgg16`` only).
        input_mean: Subtracted from the red, green and blue pixel values (0-255).
        input_scale: Multiplies the pixel values after that.
        initialisation: A key of `faceflip.networks.initialisation.FILLERS`.
        pooling: Whether pools round their size up, as Caffe's do (``ceil``), or down (``floor``; ``vgg16`` only).
    """

    objective: str
    attributes: tuple[str, ...]
    image_size: tuple[int, int]
    architecture: str = "vgg16"
    width: float = 1.0
    dropout: float = 0.5
    input_mean: tuple[float, float, float] = (129.1863, 104.7624, 93.5940)
    input_scale: float = 1.0
    initialisation: str = "xavier"
    pooling: str = "ceil"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as they go into checkpoints and JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "NetworkSpec":
        """Build a specification from plain values; unknown and missing keys raise TypeError."""
        tuples = {"attributes", "image_size", "input_mean"}
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise TypeError(f"unknown keys {sorted(unknown)}")
        return cls(**{key: tuple(value) if key in tuples else value for key, value in values.items()})


class AttributeNetwork(nn.Module):
    """Scores of face images. Normalisation is part of the network, so everybody else works on pixels."""

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.spec = spec
        outputs = self.objective.outputs(len(spec.attributes))
        self.layers = _layers(spec, outputs)
        self.register_buffer("input_mean", torch.tensor(spec.input_mean).view(1, 3, 1, 1), persistent=False)
        initialise(self.layers, spec.initialisation)

    @property
    def objective(self) -> Objective:
        """The objective that the scores belong to."""
        return OBJECTIVES[self.spec.objective]

    def forward(self, images: Tensor) -> Tensor:
        """Return scores, shape (N, outputs), of float RGB images, shape (N, 3, H, W), values 0-255."""
        return self.layers((images - self.input_mean) * self.spec.input_scale)


def build(spec: NetworkSpec, seed: int | None = None) -> AttributeNetwork:
    """Build a network with fresh weights, drawn from `seed` alone if it is given (torch's generator is left as it was).

    The network lies in memory as channels-last, in which convolutions are fastest on CPUs and GPUs alike.
    """
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        return AttributeNetwork(spec).to(memory_format=torch.channels_last)


def _layers(spec: NetworkSpec, outputs: int) -> nn.Module:
    if spec.architecture == "vgg16":
        from faceflip.networks.vgg import vgg16

        return vgg16(outputs, spec.image_size, spec.width, spec.dropout, spec.pooling)
    from torchvision.models import get_model  # takes seconds to import, so only where it is asked for

    return get_model(spec.architecture, weights=None, num_classes=outputs)
