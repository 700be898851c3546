"""A network that was trained elsewhere, from its files to the checkpoint `given`, after a trial on some faces."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from faceflip.attacks.suspicions import suspicions
from faceflip.data.packed import Dataset
from faceflip.errors import UserError
from faceflip.io.files import sha256
from faceflip.networks.bringing import bring
from faceflip.networks.checkpoint import CheckpointInfo, save_checkpoint
from faceflip.networks.network import NetworkSpec, build_brought
from faceflip.workflow.plan import ALL

IMAGES = 256
"""So many images of the validation split a network is tried on."""


@dataclass(frozen=True)
class BroughtFiles:
    """What a network is brought from.

    `weights`, None where its code or program has them, and the `entry` of them; `code`, the user's other files.
    """

    weights: str | None = None
    entry: str | None = None
    code: tuple[str, ...] = ()


def bring_network(
    path: Path | str,
    dataset: Dataset,
    name: str,
    spec: NetworkSpec,
    files: BroughtFiles,
    device: torch.device,
    batch_size: int = 32,
) -> tuple[pd.DataFrame, list[str]]:
    """Write the checkpoint of a network that was trained elsewhere, and return what was found by trying it out.

    Returns:
        What is suspicious, a row each: network, text. And notes on its weights.

    Raises UserError where it cannot be built, its weights do not fit, or attacks on it would be for nothing; see
    `faceflip.networks.bringing.bring` and `faceflip.attacks.suspicions`.
    """
    try:
        network, notes = bring(spec, files.weights, files.entry)
        tried = network if network.program is None else build_brought(network.spec, network.program, device).to(device)
        labels = dataset.labels_of(spec.attributes)
        rows = dataset.rows("validation")
        rows = rows[np.linspace(0, len(rows) - 1, min(IMAGES, len(rows))).round().astype(int)]
        majority = np.where(labels[dataset.rows("train")].sum(axis=0, dtype=np.int64) > 0, 1, -1)
        images = np.take(dataset.images, rows, axis=0)
        found = suspicions(tried, images, labels[rows], majority, device, batch_size)
    except UserError as error:
        raise UserError(f"networks.{name}: {error}") from error
    read = [file for file in (spec.brought.file, files.weights, *files.code) if file and Path(file).is_file()]
    made_of = {"files": {file: sha256(file) for file in dict.fromkeys(read)}}
    made_of |= {"weights": files.weights, "entry": files.entry}
    save_checkpoint(path, network, CheckpointInfo(name, ALL, 0, {}, made_of, dataset.fingerprint))
    return pd.DataFrame({"network": name, "text": found}, columns=["network", "text"]), notes
