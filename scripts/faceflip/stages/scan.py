"""What the line search missed: the same attempts again, trying every whole epsilon.

Rays are not monotone, so the doubling search may step over a section in which the decision has changed. `search: scan`
does not, at the price of many more passes. On some images of the sample both are run and laid side by side.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from faceflip.attacks.engine import attack
from faceflip.data.packed import Dataset
from faceflip.errors import UserError
from faceflip.io.files import sha256
from faceflip.networks.checkpoint import load_checkpoint
from faceflip.registry import require_allowed
from faceflip.runtime.progress import ProgressCallback
from faceflip.store import Store, open_store
from faceflip.workflow.plan import ALL

if TYPE_CHECKING:
    import pandas as pd

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


def scan_shards(
    paths: Sequence[Path | str],
    checkpoints: Sequence[Path | str],
    images: np.ndarray,
    dataset: Dataset,
    device: torch.device,
    progress: ProgressCallback | None = None,
    own_code: Collection[str] = (),
) -> "pd.DataFrame":
    """Repeat attempts of line searches by scan, with the same options and the same numerical margins.

    Passes have fewer rows where few images are scanned, so that directions may differ in their last bits.

    Args:
        paths: Shards of line attacks.
        checkpoints: Files of their networks, in any order; each shard says by their digests which it attacked.
        images: Rows of the dataset; only attempts on these are repeated.
        dataset: The packed dataset.
        device: Where to compute.
        progress: Called with (shards done, shards in all).
        own_code: References to code of one's own that shards and checkpoints may name; see `load_checkpoint`.

    Returns:
        One row per attempt: network, checkpoint, attack, attribute, image, flipped and epsilon (as stored),
        scan_flipped and scan_epsilon, and same (whether both found the same image, or both none).

    Raises:
        UserError: A file cannot be read, or a checkpoint of a shard is not among those given.
    """
    import pandas as pd

    files = {sha256(path): Path(path) for path in checkpoints}
    tables = []
    for number, path in enumerate(paths):
        with open_store(path) as store:
            store.require_dataset(dataset.fingerprint)
            tables += _scanned(store, files, images, dataset, device, own_code)
        if progress:
            progress(number + 1, len(paths))
    return pd.concat(tables, ignore_index=True)[COLUMNS] if tables else pd.DataFrame(columns=COLUMNS)


def _scanned(
    store: Store,
    files: Mapping[str, Path],
    images: np.ndarray,
    dataset: Dataset,
    device: torch.device,
    own_code: Collection[str],
) -> list["pd.DataFrame"]:
    """Return the table of a shard, a part for each member of the network."""
    header, attempts = store.header, store.attempts
    require_allowed([header.parameters.get("direction")], own_code, store.path)
    wanted = np.flatnonzero(attempts["image"].isin(images))
    tables = []
    for member, rows in _by_member(wanted, attempts["attribute"].to_numpy(), header.checkpoint_sha256).items():
        digest = header.checkpoint_sha256[member]
        if digest not in files:
            raise UserError(f"{store.path}: no checkpoint of {member} is given with the digest {digest[:12]}...")
        network, _ = load_checkpoint(files[digest], device, own_code=own_code)
        table = attempts.iloc[rows].reset_index(drop=True)
        found = attack(
            network,
            np.take(dataset.images, table["image"], axis=0),
            header.attack,
            attribute=table["attribute"].map(network.spec.attributes.index).to_numpy(),
            objective=network.spec.loss,
            labels=table["label"].to_numpy(),
            device=device,
            **{**header.parameters, "search": "scan", "margin": header.margins[member]},
        )
        before = [store.perturbation(row) for row in rows]
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
    return tables


def _by_member(rows: np.ndarray, attributes: np.ndarray, members: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Sort rows by the member that they went against."""
    names = np.full(len(rows), ALL) if ALL in members else attributes[rows]
    return {str(name): rows[names == name] for name in dict.fromkeys(names)}
