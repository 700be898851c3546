"""What the line search missed: the same attempts again, trying every whole epsilon.

Rays are not monotone, so the doubling search may step over a section in which the decision has changed. `search: scan`
does not, at the price of many more passes. On some images of the sample both are run and laid side by side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from faceflip.attacks import attack
from faceflip.dataset import Dataset
from faceflip.errors import UserError
from faceflip.networks.checkpoint import load_checkpoint
from faceflip.plan import MOON
from faceflip.progress import ProgressCallback
from faceflip.store import open_store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class _Part:
    """Rows of a shard that went against one checkpoint, the checkpoint's name in the shard's header, and its file."""

    rows: np.ndarray
    name: str
    checkpoint: Path


def scan_shards(
    paths: Sequence[Path | str],
    checkpoints: Sequence[Path | str],
    images: np.ndarray,
    dataset: Dataset,
    device: torch.device,
    progress: ProgressCallback | None = None,
) -> "pd.DataFrame":
    """Repeat attempts of the line searches of a run; see `scan_shard`.

    Args:
        paths: Shards as the workflow names them, .../<network>/<checkpoint>/<attack>/<shard>.h5.
        checkpoints: Files of their networks, .../<network>/[<attribute>/]<checkpoint>.pt.
        images: Rows of the dataset; only attempts on these are repeated.
        dataset: The packed dataset.
        device: Where to compute.
        progress: Called with the numbers of shards done and in all.
    """
    import pandas as pd

    tables = []
    for number, path in enumerate(paths):
        kind = Path(path).parts[-4]
        networks = {Path(file).parent.name: Path(file) for file in checkpoints if kind in Path(file).parts[-3:-1]}
        tables.append(scan_shard(path, networks, images, dataset, device))
        if progress:
            progress(number + 1, len(paths))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)


def scan_shard(
    path: Path | str, networks: Mapping[str, Path], images: np.ndarray, dataset: Dataset, device: torch.device
) -> "pd.DataFrame":
    """Repeat attempts of a line search by scan, with the same options and the same numerical margins.

    Passes have fewer rows where few images are scanned, so that directions may differ in their last bits.

    Args:
        path: A shard of a line attack.
        networks: Checkpoint files by the name that the shard's header gives them: an attribute, or ``moon``.
        images: Rows of the dataset; only attempts on these are repeated.
        dataset: The packed dataset.
        device: Where to compute.

    Returns:
        One row per attempt: network, checkpoint, attack, attribute, image, flipped and epsilon (as stored),
        scan_flipped and scan_epsilon, and same (whether both found the same image, or both none).

    Raises:
        UserError: A file cannot be read, or a checkpoint of the shard is not among those given.
    """
    import pandas as pd

    with open_store(path) as store:
        store.require_dataset(dataset.fingerprint)
        header, attempts = store.header, store.attempts
        wanted = np.flatnonzero(attempts["image"].isin(images))
        tables = []
        for part in _parts(wanted, attempts["attribute"].to_numpy(), header.checkpoint_sha256, networks):
            network, _ = load_checkpoint(part.checkpoint, device, header.network)
            table = attempts.iloc[part.rows].reset_index(drop=True)
            found = attack(
                network,
                np.take(dataset.images, table["image"], axis=0),
                header.attack,
                attribute=table["attribute"].map(network.spec.attributes.index).to_numpy(),
                objective=network.spec.objective,
                labels=table["label"].to_numpy(),
                device=device,
                **{**header.parameters, "search": "scan", "margin": header.margins[part.name]},
            )
            before = [store.perturbation(row) for row in part.rows]
            same = [
                np.array_equal(now, then) if then is not None else not flipped
                for now, then, flipped in zip(found.perturbation, before, found.flipped, strict=True)
            ]
            known = {"network": header.network, "checkpoint": header.checkpoint, "attack": header.attack}
            tables.append(
                table[["attribute", "image", "flipped", "epsilon"]].assign(
                    **known, scan_flipped=found.flipped, scan_epsilon=found.epsilon, same=same
                )
            )
    return pd.concat(tables, ignore_index=True)[COLUMNS] if tables else pd.DataFrame(columns=COLUMNS)


COLUMNS = [
    "network",
    "checkpoint",
    "attack",
    "attribute",
    "image",
    "flipped",
    "epsilon",
    "scan_flipped",
    "scan_epsilon",
    "same",
]


def _parts(
    rows: np.ndarray, attributes: np.ndarray, known: Mapping[str, str], networks: Mapping[str, Path]
) -> list[_Part]:
    """Sort rows by the checkpoint that they went against."""
    names = np.full(len(rows), MOON) if MOON in known else attributes[rows]
    missing = sorted(set(names) - networks.keys())
    if missing:
        raise UserError(f"no checkpoint is given for {', '.join(missing)}, which the shard's attempts went against")
    return [_Part(rows[names == name], name, Path(networks[name])) for name in dict.fromkeys(names)]
