"""Checkpoint files: weights, all that is needed to build the network again, and where it is from."""

import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import faceflip
from faceflip.errors import UserError
from faceflip.io.files import replacing
from faceflip.networks.brought import is_of_zoo, is_program
from faceflip.networks.network import AttributeNetwork, NetworkSpec, build, build_brought, shapes_of
from faceflip.registry import require_allowed
from faceflip.wording import first_of

FORMAT, VERSION = "faceflip-checkpoint", 3
OLDER = 2
"""The version of faceflip 0.1, which is read as well."""

REMEDY = "is the path right? If the workflow made it, delete it and run again"
"""What to do about a file that is no sound checkpoint; it may be one that the workflow knows nothing of."""


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says of itself.

    Attributes:
        network: Name of the network in the configuration that trained it.
        member: The attribute that it decides on, or ``all``.
        epoch: The number of epochs trained, or fine-tuned; 0 of a network that was brought.
        metrics: Row of the training history at that epoch.
        training: The training options, the seed, the device and, on a CPU, the threads that computed it; of one that
            was fine-tuned also the checkpoint that it is `from`, and the options of its `diet`; of a network that was
            brought, the files of its weights and its code, by digests.
    """

    network: str
    member: str
    epoch: int
    metrics: dict[str, float]
    training: dict[str, Any]
    dataset_fingerprint: str


def save_checkpoint(path: Path | str, network: AttributeNetwork, info: CheckpointInfo) -> None:
    """Write a checkpoint; the same content gives the same bytes, whatever the file is called.

    A program is written as it is, with the weights in it.
    """
    program = network.program
    content = {
        "format": FORMAT,
        "version": VERSION,
        "software": {"faceflip": faceflip.__version__, "torch": str(torch.__version__)},
        "spec": network.spec.to_dict(),
        "state": {}
        if program
        else {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()},
        **({"program": torch.frombuffer(bytearray(program), dtype=torch.uint8)} if program else {}),
        **vars(info),
    }
    write_torch_file(path, content)


def load_checkpoint(
    path: Path | str,
    device: torch.device | str = "cpu",
    loss: str | None = None,
    attributes: Sequence[str] | None = None,
    own_code: Collection[str] | None = (),
) -> tuple[AttributeNetwork, CheckpointInfo]:
    """Read a checkpoint and return its network, in evaluation mode on `device`, and what it says of itself.

    The network is expected to be trained for `loss` and to decide on `attributes`, in this order; `own_code` are the
    references to your own code, and programs, that it may name as loss and architecture, which loading runs. None
    accepts any.

    Raises:
        UserError: The file is missing, damaged, not a checkpoint of this version, or of another network than expected.
    """
    try:
        content = read_torch_file(Path(path))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; train the network first (its path is a Snakemake target)") from None
    except Exception as error:  # an unpickler raises whatever the damaged bytes lead it to
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: not a readable checkpoint ({reason}); {REMEDY}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = f"its format entry is {content.get('format')!r}" if isinstance(content, dict) else "no format entry"
        raise UserError(f"{path}: not a checkpoint of faceflip ({found}, expected {FORMAT!r}); {REMEDY}")
    version = content.get("version")
    if version not in (VERSION, OLDER):  # whatever it is, it need not be hashable
        newer = isinstance(version, int) and version > VERSION
        remedy = "a newer faceflip wrote it: update this one" if newer else REMEDY
        raise UserError(f"{path}: checkpoint version {version!r}, but this program reads version {VERSION}; {remedy}")
    try:
        content = _upgraded(content) if version == OLDER else content
        spec = NetworkSpec.from_dict(content["spec"])
        require_allowed(spec.own_code, own_code, path, programs=filter(is_program, spec.own_code))
        program = content["program"].numpy().tobytes() if "program" in content else None
        network = _built(path, spec, content["state"], program, device)
        info = CheckpointInfo(**{name: content[name] for name in CheckpointInfo.__dataclass_fields__})
    except UserError:
        raise
    except Exception as error:  # a network that is built as foreign values say raises whatever they lead to
        raise UserError(f"{path}: the checkpoint does not hold what it should ({error}); {REMEDY}") from error
    if bent := [name for name, tensor in network.state_dict().items() if not tensor.isfinite().all()]:
        some = ", ".join(bent[:3]) + ", ..." * (len(bent) > 3)
        raise UserError(
            f"{path}: holds weights that are infinite or no numbers ({some}); train it again with a lower learning rate"
        )
    _require(path, "a network of loss", [spec.loss], None if loss is None else [loss])
    _require(path, "a network for", spec.attributes, attributes)
    return network.eval().to(device), info


def load_network(
    path: Path | str, device: torch.device | str = "cpu", own_code: Collection[str] | None = ()
) -> AttributeNetwork:
    """Return the network of a checkpoint as a `torch.nn.Module`, in evaluation mode on `device`.

    It gives scores (N, outputs) of float RGB images (N, 3, height, width) on 0-255. Its `spec` says what it decides on
    (`spec.attributes`) and which images it takes (`spec.image_size`); `own_code` is as of `load_checkpoint`, which
    raises what this does.
    """
    return load_checkpoint(path, device, own_code=own_code)[0]


def read_torch_file(path: Path) -> Any:
    """Return what `torch.save` wrote, on the CPU; every byte is checked against the sums in the file.

    Raises:
        FileNotFoundError: The file is missing.
        Exception: Of whatever kind the damaged bytes lead an unpickler to, or the message is that a part is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(f"{damaged} is damaged")
    return torch.load(path, map_location="cpu", weights_only=True)


def write_torch_file(path: Path | str, content: dict[str, Any]) -> None:
    """Write what `read_torch_file` reads, whole or not at all."""
    # Given a path, torch would put its name into the file, and dies of a full disk in a way of its own.
    with replacing(path) as beside, beside.open("wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:
            # After a write that failed it ends its archive all the same, and tells what is wrong with that instead.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def _built(
    path: Path | str,
    spec: NetworkSpec,
    state: dict[str, torch.Tensor],
    program: bytes | None,
    device: torch.device | str,
) -> AttributeNetwork:
    """Return the network with these weights; their shapes are compared before memory is taken for them."""
    try:
        if program is not None:
            return build_brought(spec, program, device)
        if spec.brought is not None and is_program(spec.brought.file):
            raise ValueError("the program is not in the file")
        if spec.brought is not None and not is_of_zoo(spec.brought.file):  # code that may build nothing but the whole
            network = build_brought(spec)
            network.load_state_dict(state)
            return network
        expected = {name: tensor.shape for name, tensor in shapes_of(spec).state_dict().items()}
        found = {name: tensor.shape for name, tensor in state.items()}
        for name in [*expected, *found]:
            if expected.get(name) != found.get(name):
                there, due = (tuple(each[name]) if name in each else "nothing" for each in (found, expected))
                raise ValueError(f"{name}: {there} in the file, {due} in the network that it describes")
        network = build(spec) if spec.brought is None else build_brought(spec)
        network.load_state_dict(state)
        return network
    except UserError as error:  # such as code of your own that is missing here
        remedy = "run where the code that it names is or, if the workflow made the file, delete it and run again"
        raise UserError(f"{path}: its network cannot be built: {error}; {remedy}") from error


def _upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a checkpoint of version 2 in today's terms."""
    old = dict(content["network"])
    kind, name = old.pop("objective"), old.pop("architecture")
    identity = {key: old.pop(key) for key in ("attributes", "image_size")}
    architecture = {"name": name if name == "vgg16" else f"torchvision/{name}", **old}
    spec = {"loss": "euclidean" if kind == "moon" else kind, **identity, "architecture": architecture}
    member = "all" if kind == "moon" else identity["attributes"][0]
    return {**content, "spec": spec, "network": kind, "member": member}


def _require(path: Path | str, what: str, found: Sequence[str], expected: Sequence[str] | None) -> None:
    if expected is not None and tuple(found) != tuple(expected):
        found, expected = (first_of(names, 3) for names in (found, expected))
        raise UserError(f"{path}: {what} {found}, expected {expected}; is it under another network's name?")
