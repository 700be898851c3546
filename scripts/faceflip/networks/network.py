"""A network as the rest of faceflip sees it: from pixels to scores, built from a specification."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

from faceflip.catalogue import find_architecture
from faceflip.errors import UserError
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.brought import BroughtOptions, is_program
from faceflip.networks.foreign import foreign_layers, program_of, with_layout
from faceflip.networks.objectives import objective_of
from faceflip.registry import is_reference, load


def _xavier(weight: Tensor) -> None:
    bound = sqrt(3 / weight[0].numel())
    nn.init.uniform_(weight, -bound, bound)


FILLERS: dict[str, Callable[[Tensor], object]] = {
    "msra": lambda weight: nn.init.normal_(weight, std=sqrt(2 / weight[0].numel())),
    "xavier": _xavier,
    "gaussian": lambda weight: nn.init.normal_(weight, std=0.01),
}
"""How weights start, as in Caffe. ``msra``: N(0, 2 / fan_in). ``xavier``: uniform with variance 1 / fan_in, Caffe's
default normalisation. ``gaussian``: N(0, 0.01^2), as Parkhi et al. write."""


@dataclass(frozen=True)
class NetworkSpec:
    """Everything that is needed to build a network, and nothing about how it was trained.

    Attributes:
        loss: In the registry of losses, or a reference to your own.
        attributes: The attributes it decides on, in the order of its decision values.
        image_size: Width and height of its images in pixels.
        architecture: Its layers and normalisation.
        brought: Of a network that was trained elsewhere, in place of the architecture.
    """

    loss: str
    attributes: tuple[str, ...]
    image_size: tuple[int, int]
    architecture: ArchitectureOptions = field(default_factory=ArchitectureOptions)
    brought: BroughtOptions | None = None

    @property
    def own_code(self) -> list[str]:
        """The names of code that it may be built from, which are your own where they are references or programs."""
        return [self.loss, self.architecture.name, *([self.brought.file] if self.brought else ())]

    @property
    def builder(self) -> str:
        """What it is built by, as messages call it."""
        return f"file: {self.brought.file}" if self.brought else f"architecture.name: {self.architecture.name}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as they go into checkpoints and JSON."""
        lists = {"attributes": list(self.attributes), "image_size": list(self.image_size)}
        if self.brought is not None:
            return {"loss": self.loss, **lists, "brought": self.brought.model_dump()}
        return {"loss": self.loss, **lists, "architecture": self.architecture.model_dump()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "NetworkSpec":
        """Build a specification from plain values; unknown and missing keys raise TypeError or ValueError."""
        tuples = {name: tuple(values[name]) for name in ("attributes", "image_size") if name in values}
        groups = {"architecture": ArchitectureOptions(**values.get("architecture", {}))}
        groups |= {"brought": BroughtOptions(**values["brought"])} if "brought" in values else {}
        return cls(**values | tuples | groups)


class AttributeNetwork(nn.Module):
    """Scores of face images, as `objective` reads them. Normalisation is a part, so everybody else works on pixels.

    One that is a program, in place of code and weights, has its bytes as `program`, and is made for `device`.
    """

    def __init__(self, spec: NetworkSpec, program: bytes | None = None, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.spec = spec
        self.objective = objective_of(spec.loss)
        outputs = self.objective.outputs(len(spec.attributes))
        self.program = program
        if spec.brought is not None:
            if is_program(spec.brought.file) and program is None:
                self.program = program_of(spec.brought.file)
            self.layers = foreign_layers(spec.brought, spec.attributes, outputs, spec.image_size, self.program, device)
            return
        self.layers = _layers(spec.architecture, outputs, spec.image_size)
        mean = torch.tensor(spec.architecture.input_mean).view(1, 3, 1, 1)
        self.register_buffer("input_mean", mean, persistent=False)

    def initialise(self) -> None:
        """Draw fresh weights, as the architecture's `initialisation` says."""
        for layer in self.layers.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                FILLERS[self.spec.architecture.initialisation](layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores, shape (N, outputs), of float RGB images, shape (N, 3, H, W), values 0-255."""
        if self.spec.brought is not None:
            return self.layers(images)
        return self.layers((images - self.input_mean) * self.spec.architecture.input_scale)


def build(spec: NetworkSpec, seed: int | None = None) -> AttributeNetwork:
    """Build a network with fresh weights, drawn from `seed` alone if it is given (torch's generator is left as it was).

    It lies in memory as channels-last, in which convolutions are fastest on CPUs and GPUs alike. Raises `UserError`
    where there is no architecture or loss of that name.
    """
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        network = AttributeNetwork(spec)
        network.initialise()
        return network.to(memory_format=torch.channels_last)


def build_brought(
    spec: NetworkSpec, program: bytes | None = None, device: torch.device | str = "cpu"
) -> AttributeNetwork:
    """Build a network that was trained elsewhere, with the weights that its code or program gives it.

    It lies in memory as `build` says, but for a program and for code that can work on no other layout than PyTorch's.
    A program is made for `device`, where its caller will move it. Raises `UserError` where it cannot be built.
    """
    network = AttributeNetwork(spec, program, device)
    if network.program is None and not spec.brought.contiguous:
        network = network.to(memory_format=torch.channels_last)
    return network.eval()


def tried_out(network: AttributeNetwork) -> AttributeNetwork:
    """Return a brought network through which images of its size were seen to go, in a memory layout that it works on.

    Raises `UserError` where they do not go through, or its outputs are not as many as its attributes ask for.
    """
    network.spec = replace(
        network.spec, brought=with_layout(network.spec.brought, network.layers, network.spec.image_size)
    )
    return network


def shapes_of(spec: NetworkSpec) -> AttributeNetwork:
    """Build a network on the meta device, where tensors have shapes and no values; raises what `build` raises."""
    try:
        with torch.device("meta"):
            return AttributeNetwork(spec)
    except NotImplementedError:  # RegNets work out their widths in tensors, and need the values
        return AttributeNetwork(spec).to("meta")


def outline(spec: NetworkSpec) -> AttributeNetwork:
    """Return `shapes_of` a network, through which images were seen to go; one that was brought with its values.

    Raises:
        UserError: There is no architecture of that name, or it does not turn images of that size into scores.
    """
    if spec.brought is not None:
        return tried_out(build_brought(spec))
    network = shapes_of(spec)
    width, height = spec.image_size
    expected = (2, network.objective.outputs(len(spec.attributes)))
    where = spec.builder
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
    within = (name,) if slash and not is_reference(architecture.name) else ()
    try:
        layers = load(entry.target)(*within, outputs, image_size, **options)
    except TypeError as error:
        raise UserError(f"architecture.name: {architecture.name} cannot be built ({error})") from error
    if not isinstance(layers, nn.Module):
        found = type(layers).__name__
        raise UserError(f"architecture.name: {architecture.name} gives {found}, expected a torch.nn.Module")
    return layers
