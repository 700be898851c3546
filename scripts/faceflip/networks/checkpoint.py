"""Checkpoint files: weights, all that is needed to build the network again, and where it is from."""

import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import faceflip
from faceflip.errors import UserError
from faceflip.io.files import replacing
from faceflip.networks.network import AttributeNetwork, NetworkSpec, build
from faceflip.networks.torch_file import read_torch_file
from faceflip.registry import require_allowed

FORMAT, VERSION = "faceflip-checkpoint", 3
OLDER = {2: "0.1"}
"""Earlier versions that are read, and the faceflip that wrote them."""

REMEDY = "is the path right? If the workflow made it, delete it and run again"
"""What to do about a file that is no sound checkpoint; it may be one that the workflow knows nothing of."""


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says of itself.

    Attributes:
        network: Name of the network in the configuration that trained it.
        member: The attribute that it decides on, or ``all``.
        epoch: The number of epochs trained.
        metrics: Row of the training history at that epoch.
        training: The training options and the seed.
        dataset_fingerprint: Of the dataset it was trained on.
    """

    network: str
    member: str
    epoch: int
    metrics: dict[str, float]
    training: dict[str, Any]
    dataset_fingerprint: str


def save_checkpoint(path: Path | str, network: AttributeNetwork, info: CheckpointInfo) -> None:
    """Write a checkpoint; the same content gives the same bytes, whatever the file is called."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "software": {"faceflip": faceflip.__version__, "torch": str(torch.__version__)},
        "spec": network.spec.to_dict(),
        "state": {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()},
        **vars(info),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with replacing(path) as beside:
        beside.write_bytes(buffer.getbuffer())


def load_checkpoint(
    path: Path | str,
    device: torch.device | str = "cpu",
    loss: str | None = None,
    attributes: Sequence[str] | None = None,
    own_code: Collection[str] | None = (),
) -> tuple[AttributeNetwork, CheckpointInfo]:
    """Read a checkpoint and return its network, in evaluation mode on `device`, and what it says of itself.

    Args:
        path: The file.
        device: Where the network shall lie.
        loss: The loss that it is expected to be trained for; None accepts any.
        attributes: The attributes that it is expected to decide on, in this order; None accepts any.
        own_code: The references to one's own code that it may name as loss and architecture; None accepts any. Loading
            runs that code.

    Raises:
        UserError: The file is missing, damaged, not a checkpoint of this version, or of another network than expected.
    """
    content = _read(Path(path))
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = f"its format entry is {content.get('format')!r}" if isinstance(content, dict) else "no format entry"
        raise UserError(f"{path}: not a checkpoint of faceflip ({found}, expected {FORMAT!r}); {REMEDY}")
    version = content.get("version")
    if version not in (VERSION, *OLDER):  # whatever it is, it need not be hashable
        newer = isinstance(version, int) and version > VERSION
        remedy = "a newer faceflip wrote it: update this one" if newer else REMEDY
        raise UserError(f"{path}: checkpoint version {version!r}, but this program reads version {VERSION}; {remedy}")
    try:
        content = _upgraded(content) if version in OLDER else content
        spec = NetworkSpec.from_dict(content["spec"])
        require_allowed([spec.loss, spec.architecture.name], own_code, path)
        network = _built(path, spec)
        network.load_state_dict(content["state"])
        info = CheckpointInfo(**{name: content[name] for name in CheckpointInfo.__dataclass_fields__})
    except UserError:
        raise
    except Exception as error:  # a network that is built as foreign values say raises whatever they lead to
        raise UserError(f"{path}: the checkpoint does not hold what it should ({error}); {REMEDY}") from error
    _require(path, "a network of loss", spec.loss, loss)
    _require(path, "a network for", spec.attributes, attributes and tuple(attributes))
    return network.eval().to(device), info


def _built(path: Path | str, spec: NetworkSpec) -> AttributeNetwork:
    try:
        return build(spec)
    except UserError as error:  # such as code of one's own that is missing here
        remedy = "run where the code that it names is or, if the workflow made the file, delete it and run again"
        raise UserError(f"{path}: its network cannot be built: {error}; {remedy}") from error


def _read(path: Path) -> Any:
    try:
        return read_torch_file(path)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; train the network first (its path is a Snakemake target)") from None
    except Exception as error:  # an unpickler raises whatever the damaged bytes lead it to
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: not a readable checkpoint ({reason}); {REMEDY}") from error


def _upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a checkpoint of version 2 in today's terms."""
    old = dict(content["network"])
    kind, name = old.pop("objective"), old.pop("architecture")
    identity = {key: old.pop(key) for key in ("attributes", "image_size")}
    architecture = {"name": name if name == "vgg16" else f"torchvision/{name}", **old}
    spec = {"loss": "euclidean" if kind == "moon" else kind, **identity, "architecture": architecture}
    member = "all" if kind == "moon" else identity["attributes"][0]
    return {**content, "spec": spec, "network": kind, "member": member}


def _require(path: Path | str, what: str, found: Any, expected: Any) -> None:
    if expected is not None and found != expected:
        found, expected = (_shortened(each) for each in (found, expected))
        raise UserError(f"{path}: {what} {found}, expected {expected}; is it under another network's name?")


def _shortened(names: str | tuple[str, ...]) -> str:
    """Return a name, or the first few of many."""
    if isinstance(names, str):
        return names
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
