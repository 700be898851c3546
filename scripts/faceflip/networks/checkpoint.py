"""Checkpoint files: weights, all that is needed to build the network again, and where it is from."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from faceflip.errors import UserError
from faceflip.files import replacing
from faceflip.networks.network import AttributeNetwork, NetworkSpec, build

FORMAT, VERSION = "faceflip-checkpoint", 1


@dataclass(frozen=True)
class CheckpointInfo:
    """What a checkpoint says of itself.

    Attributes:
        epoch: The number of epochs trained.
        metrics: Row of the training history at that epoch.
        training: The training options and the seed.
        dataset_fingerprint: Of the dataset it was trained on.
    """

    epoch: int
    metrics: dict[str, float]
    training: dict[str, Any]
    dataset_fingerprint: str


def save_checkpoint(path: Path | str, network: AttributeNetwork, info: CheckpointInfo) -> None:
    """Write a checkpoint; the same content gives the same bytes, whatever the file is called."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "network": network.spec.to_dict(),
        "state": {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()},
        **vars(info),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with replacing(path) as beside:
        beside.write_bytes(buffer.getbuffer())


def load_checkpoint(path: Path | str, device: torch.device | str = "cpu") -> tuple[AttributeNetwork, CheckpointInfo]:
    """Read a checkpoint and return its network, in evaluation mode on `device`, and what it says of itself.

    Raises:
        UserError: The file is missing, damaged, or not a checkpoint of a known version.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; train the network first (its path is a Snakemake target)") from None
    except Exception as error:  # an unpickler raises whatever the damaged bytes lead it to
        raise UserError(f"{path}: not a readable checkpoint ({error}); delete it and run the workflow again") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{path}: not a checkpoint of faceflip (its format entry is not {FORMAT!r})")
    if content.get("version") != VERSION:
        raise UserError(
            f"{path}: checkpoint version {content.get('version')!r}, but this program reads version {VERSION}"
        )
    try:
        network = build(NetworkSpec.from_dict(content["network"]))
        network.load_state_dict(content["state"])
        info = CheckpointInfo(**{name: content[name] for name in CheckpointInfo.__dataclass_fields__})
    except Exception as error:  # so does a network that is built as foreign values say
        raise UserError(
            f"{path}: the checkpoint does not hold what it should ({error}); train the network anew"
        ) from error
    return network.eval().to(device), info
