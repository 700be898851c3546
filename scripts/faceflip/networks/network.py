"""A network as the rest of faceflip sees it: from pixels to scores, built from a specification."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from faceflip.architecture_names import ARCHITECTURE_NAMES, VGG16
from faceflip.errors import UserError, did_you_mean
from faceflip.networks.initialisation import initialise
from faceflip.networks.objectives import OBJECTIVES, Objective


@dataclass(frozen=True)
class NetworkSpec:
    """Everything that is needed to build a network, and nothing about how it was trained.

    Attributes:
        objective: A key of `OBJECTIVES`.
        attributes: The attributes it decides on, in the order of its decision values.
        image_size: Width and height of its images in pixels.
        architecture: ``vgg16``, or the name of a classification model of torchvision that takes images of that size.
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
    architecture: str = VGG16
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

    Raises:
        UserError: There is no architecture of that name.
    """
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        return AttributeNetwork(spec).to(memory_format=torch.channels_last)


def outline(spec: NetworkSpec) -> AttributeNetwork:
    """Build a network on the meta device, where tensors have shapes and no values, and see that images go through it.

    Raises:
        UserError: There is no architecture of that name, or it does not turn images of that size into scores.
    """
    try:
        with torch.device("meta"):
            network = build(spec)
    except NotImplementedError:  # RegNets work out their widths in tensors, and need the values
        network = build(spec).to("meta")
    width, height = spec.image_size
    expected = (2, network.objective.outputs(len(spec.attributes)))
    where = f"network.architecture: {spec.architecture}"
    for training in (True, False):
        try:
            scores = network.train(training)(torch.empty(2, 3, height, width, device="meta"))
        except Exception as error:  # layers raise whatever they like where an image does not fit
            reason = str(error).partition("\n")[0]
            raise UserError(
                f"{where} takes no images of {width} x {height} pixels ({reason}); set another dataset.image_size, or "
                "name another network"
            ) from error
        if not isinstance(scores, Tensor) or scores.shape != expected:
            found = " x ".join(map(str, scores.shape)) if isinstance(scores, Tensor) else type(scores).__name__
            raise UserError(f"{where} gives {found} for 2 images, expected scores {expected[0]} x {expected[1]}")
    return network


def _layers(spec: NetworkSpec, outputs: int) -> nn.Module:
    if spec.architecture == VGG16:
        from faceflip.networks.vgg import vgg16

        return vgg16(outputs, spec.image_size, spec.width, spec.dropout, spec.pooling)
    if spec.architecture not in ARCHITECTURE_NAMES:
        hint = did_you_mean(spec.architecture, ARCHITECTURE_NAMES)
        raise UserError(f"network.architecture: there is no network {spec.architecture!r}{hint}")
    from torchvision.models import get_model  # takes seconds to import, so only where it is asked for

    # These two have further classifiers half-way, whose scores would come beside the network's own in training.
    plain = {"aux_logits": False, "init_weights": False} if spec.architecture in ("googlenet", "inception_v3") else {}
    return get_model(spec.architecture, weights=None, num_classes=outputs, **plain)
