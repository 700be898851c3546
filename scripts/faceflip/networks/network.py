"""A network as the rest of faceflip sees it: from pixels to scores, built from a specification."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from faceflip.catalogue import find_architecture
from faceflip.errors import UserError
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.initialisation import initialise
from faceflip.networks.objectives import objective_of
from faceflip.registry import is_reference, load


@dataclass(frozen=True)
class NetworkSpec:
    """Everything that is needed to build a network, and nothing about how it was trained.

    Attributes:
        loss: In the registry of losses, or a reference to one's own.
        attributes: The attributes it decides on, in the order of its decision values.
        image_size: Width and height of its images in pixels.
        architecture: Its layers and normalisation.
    """

    loss: str
    attributes: tuple[str, ...]
    image_size: tuple[int, int]
    architecture: ArchitectureOptions = field(default_factory=ArchitectureOptions)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as they go into checkpoints and JSON."""
        return {
            "loss": self.loss,
            "attributes": list(self.attributes),
            "image_size": list(self.image_size),
            "architecture": self.architecture.model_dump(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "NetworkSpec":
        """Build a specification from plain values; unknown and missing keys raise TypeError or ValueError."""
        values = dict(values)
        architecture = ArchitectureOptions(**values.pop("architecture", {}))
        tuples = {name: tuple(values.pop(name)) for name in ("attributes", "image_size") if name in values}
        return cls(**values, **tuples, architecture=architecture)


class AttributeNetwork(nn.Module):
    """Scores of face images. Normalisation is part of the network, so everybody else works on pixels.

    Attributes:
        spec: What it was built from.
        objective: Its loss, and how its scores are read.
    """

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.spec = spec
        self.objective = objective_of(spec.loss)
        outputs = self.objective.outputs(len(spec.attributes))
        self.layers = _layers(spec.architecture, outputs, spec.image_size)
        mean = torch.tensor(tuple(spec.architecture.input_mean)).view(1, 3, 1, 1)
        self.register_buffer("input_mean", mean, persistent=False)
        initialise(self.layers, spec.architecture.initialisation)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores, shape (N, outputs), of float RGB images, shape (N, 3, H, W), values 0-255."""
        return self.layers((images - self.input_mean) * self.spec.architecture.input_scale)


def build(spec: NetworkSpec, seed: int | None = None) -> AttributeNetwork:
    """Build a network with fresh weights, drawn from `seed` alone if it is given (torch's generator is left as it was).

    The network lies in memory as channels-last, in which convolutions are fastest on CPUs and GPUs alike.

    Raises:
        UserError: There is no architecture or loss of that name.
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
    where = f"architecture.name: {spec.architecture.name}"
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


def _layers(architecture: ArchitectureOptions, outputs: int, image_size: tuple[int, int]) -> nn.Module:
    entry = find_architecture(architecture.name)
    options = {name: getattr(architecture, name) for name in entry.takes} | architecture.options
    _, slash, name = architecture.name.partition("/")
    within = () if is_reference(architecture.name) or not slash else (name,)
    try:
        layers = load(entry.target)(*within, outputs, image_size, **options)
    except TypeError as error:
        raise UserError(f"architecture.name: {architecture.name} cannot be built ({error})") from error
    if not isinstance(layers, nn.Module):
        found = type(layers).__name__
        raise UserError(f"architecture.name: {architecture.name} gives {found}, expected a torch.nn.Module")
    return layers
