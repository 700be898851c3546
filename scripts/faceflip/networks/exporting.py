"""A network of ours as others can use it: weights as safetensors, and a Python file that needs PyTorch alone."""

import re
from pathlib import Path
from typing import Any

import yaml

import faceflip
from faceflip.catalogue import ZOOS
from faceflip.errors import UserError
from faceflip.io.files import replacing, require_writable, write_text
from faceflip.networks.architecture import fault_of_arguments
from faceflip.networks.checkpoint import CheckpointInfo
from faceflip.networks.network import AttributeNetwork
from faceflip.registry import is_reference, own_file
from faceflip.wording import first_of

CODE, WEIGHTS, SNIPPET = "network.py", "weights.safetensors", "network.yaml"

MODULE = '''"""A facial-attribute network: {loss} loss, {attributes}.

Images are float RGB, N x 3 x {height} x {width}, values 0-255; normalisation is a part. It gives {outputs} for each
image: {reading}.

    network = load()
    scores = network(images)

Written by faceflip {version}, of network {network}, member {member}, epoch {epoch}.
"""

from pathlib import Path

import torch
{imports}from torch import nn

ATTRIBUTES = {names}
IMAGE_SIZE = {size}  # width, height
WEIGHTS = Path(__file__).with_name("{weights}")


class Network(nn.Module):
    """From pixels to scores."""

    def __init__(self):
        super().__init__()
        self.layers = {layers}
        self.register_buffer("input_mean", torch.tensor({mean}).view(1, 3, 1, 1), persistent=False)

    def forward(self, images):
        return self.layers((images - self.input_mean) * {scale!r})


def build():
    """Build the network without its weights."""
    return Network()


def load(path=WEIGHTS):
    """Build the network with its weights, in evaluation mode."""
    from safetensors.torch import load_file

    network = build()
    network.load_state_dict(load_file(path))
    return network.to(memory_format=torch.channels_last).eval()
'''


def export_network(network: AttributeNetwork, info: CheckpointInfo, folder: Path) -> str:
    """Write weights, code and a piece of configuration into a folder, and return that piece, YAML to paste.

    Brought back by it, the network gives the same scores, bit for bit, and so the same attempts of an attack. Of an
    architecture in a file of your own that file is copied.

    Raises:
        UserError: The network was brought, so that others have its code; something is in the way in the folder.
    """
    spec = network.spec
    if spec.brought is not None:
        weights = info.training.get("weights")
        raise UserError(
            f"the network {info.network} was brought from {spec.brought.file}{f' and {weights}' if weights else ''}: "
            "name these in another configuration, as in the one that brought it"
        )
    copied = own_file(spec.architecture.name)
    names = [CODE, WEIGHTS, SNIPPET, *([_copy_of(copied)] if copied else [])]
    if there := [name for name in names if (folder / name).exists()]:
        raise UserError(f"{folder}: {first_of(there, 3)} is there already; name another folder")
    require_writable([folder])
    from safetensors.torch import save_file

    code = _module(network, info)
    state = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    with replacing(folder / WEIGHTS) as beside:
        save_file(state, beside, metadata={"format": "pt"})
    if copied:
        write_text(folder / _copy_of(copied), copied.read_text(encoding="utf-8"))
    write_text(folder / CODE, code)
    text = _snippet(network, info, folder)
    write_text(folder / SNIPPET, text)
    return text


def _module(network: AttributeNetwork, info: CheckpointInfo) -> str:
    spec, objective = network.spec, network.objective
    imports, layers = _layers(network)
    width, height = spec.image_size
    outputs = objective.outputs(len(spec.attributes))
    several = "the attributes of ATTRIBUTES in order"
    reading = "logits of absent and present" if objective.two_logits else "a score, present if above zero"
    many = len(spec.attributes) > 1
    return MODULE.format(
        loss=_plain(spec.loss),
        attributes=_plain(spec.attributes[0]) if not many else f"{len(spec.attributes)} attributes",
        width=_plain(width),
        height=_plain(height),
        outputs=f"{outputs} numbers" if outputs > 1 else "one number",
        reading=reading + (f", of each of {several}" if many else f", of {_plain(spec.attributes[0])}"),
        version=faceflip.__version__,
        network=_plain(info.network),
        member=_plain(info.member),
        epoch=_plain(info.epoch),
        imports=imports,
        names="".join(["(\n", *(f"    {name!r},\n" for name in spec.attributes), ")"]),
        size=tuple(spec.image_size),
        weights=WEIGHTS,
        layers=layers,
        mean=list(spec.architecture.input_mean),
        scale=spec.architecture.input_scale,
    )


def _plain(text: object) -> str:
    """Return words of a checkpoint, which may come from anywhere, as they can stand in a docstring."""
    return re.sub(r"[^\w .,:/+-]", "_", str(text))


def _layers(network: AttributeNetwork) -> tuple[str, str]:
    """Return imports and an expression that build the layers of a network."""
    architecture = network.spec.architecture
    options, name = dict(architecture.options), architecture.name
    outputs = network.objective.outputs(len(network.spec.attributes))
    if is_reference(name):
        module, _, made = name.rpartition(":")
        file = own_file(name)
        module = Path(_copy_of(file)).stem if file else module
        return f"from {module} import {made}\n", _call(made, outputs, tuple(network.spec.image_size), **options)
    zoo, _, model = name.partition("/")
    if zoo in ZOOS:
        if zoo == "timm":
            return "import timm\n", _call("timm.create_model", model, pretrained=False, num_classes=outputs, **options)
        plain = {"aux_logits": False, "init_weights": False} if model in ("googlenet", "inception_v3") else {}
        call = _call("models.get_model", model, weights=None, num_classes=outputs, **plain, **options)
        return "from torchvision import models\n", call
    lines = [f"            nn.{layer!r}," for layer in network.layers]
    return "", "\n".join(["nn.Sequential(", *lines, "        )"])


def _call(function: str, /, *values: Any, **options: Any) -> str:
    if fault := fault_of_arguments(options):
        raise UserError(f"{function}: {fault}")
    given = [*map(repr, values), *(f"{name}={value!r}" for name, value in options.items())]
    return f"{function}({', '.join(given)})"


def _copy_of(file: Path) -> str:
    """Return the name of the copy of a user's file, one that can be imported and is no installed module's."""
    return f"own_{re.sub(r'[^A-Za-z0-9_]', '_', file.stem)}.py"


def _snippet(network: AttributeNetwork, info: CheckpointInfo, folder: Path) -> str:
    spec = network.spec
    name = re.sub(r"^[^A-Za-z]+|[^A-Za-z0-9_.+-]", "_", f"{info.network}-{info.member}").lstrip("_")
    brought = {
        "file": f"{folder / CODE}:build",
        "weights": str(folder / WEIGHTS),
        "loss": spec.loss,
        "attributes": list(spec.attributes),
        "input": {"size": list(spec.image_size)},
    }
    snippet = {"networks": {name: brought}, "experiments": {"paper": {name: {"given": ["ffa-line"]}}}}
    return yaml.safe_dump(snippet, sort_keys=False, default_flow_style=None, width=110)
