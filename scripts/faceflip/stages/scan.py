"""What the line search missed: the same attempts again, trying every whole epsilon.

Rays are not monotone, so the doubling search may step over a section in which the decision has changed. `search: scan`
does not, at the price of many more passes. On some images of the sample both are run and laid side by side.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from faceflip.attacks.engine import attack
from faceflip.attacks.options import FLOAT32
from faceflip.data.packed import Dataset
from faceflip.errors import UserError
from faceflip.io.files import sha256
from faceflip.networks.checkpoint import load_checkpoint
from faceflip.outcomes import Outcome
from faceflip.registry import require_allowed
from faceflip.runtime.progress import ProgressCallback
from faceflip.store import open_store
from faceflip.workflow.plan import ALL

COLUMNS = ["network", "checkpoint", "attack", "attribute", "image", "flipped", "epsilon"]
COLUMNS += ["scan_flipped", "scan_epsilon", "same"]
SCAN = {"search": "scan", "search_precision": FLOAT32}


def scan_shards(
    paths: Sequence[Path | str],
    checkpoints: Sequence[Path | str],
    images: np.ndarray,
    dataset: Dataset,
    device: torch.device,
    progress: ProgressCallback | None = None,
    own_code: Collection[str] = (),
) -> pd.DataFrame:
    """Repeat attempts of line searches by scan, in float32, with the same options and the same numerical margins.

    Passes have fewer rows where few images are scanned, so that directions may differ in their last bits. `paths` are
    shards of line attacks; by digests they say which of the `checkpoints`, in any order, they attacked. Only attempts
    on `images`, rows of the dataset, are repeated. `progress` counts shards. `own_code` is what the files may name.

    Returns:
        One row per attempt: network, checkpoint, attack, attribute, image, flipped and epsilon (as stored),
        scan_flipped and scan_epsilon, and same (whether both found the same image, or both none).

    Raises UserError where a file cannot be read, or a checkpoint of a shard is not among those given.
    """
    files = {sha256(path): Path(path) for path in checkpoints}
    tables = []
    for number, path in enumerate(paths):
        with open_store(path) as store:
            store.require_dataset(dataset.fingerprint)
            header, attempts = store.header, store.attempts
            require_allowed([header.parameters.get("direction")], own_code, store.path)
            wanted = attempts[attempts["image"].isin(images) & (attempts["outcome"] != Outcome.UNKNOWN_LABEL.label)]
            members = np.full(len(wanted), ALL) if ALL in header.checkpoint_sha256 else wanted["attribute"]
            for member, table in wanted.groupby(members, sort=False):
                digest = header.checkpoint_sha256[member]
                if digest not in files:
                    raise UserError(
                        f"{store.path}: no checkpoint of {member} is given with the digest {digest[:12]}..."
                    )
                network, _ = load_checkpoint(files[digest], device, own_code=own_code)
                found = attack(
                    network,
                    np.take(dataset.images, table["image"], axis=0),
                    header.attack,
                    attribute=table["attribute"].map(network.spec.attributes.index).to_numpy(),
                    objective=network.spec.loss,
                    labels=table["label"].to_numpy(),
                    device=device,
                    **{**header.parameters, **SCAN, "margin": header.margins[member]},
                )
                before = map(store.perturbation, table["row"])
                same = [
                    np.array_equal(now, then) if then is not None else not flipped
                    for now, then, flipped in zip(found.perturbation, before, found.flipped, strict=True)
                ]
                known = {"network": header.network, "checkpoint": header.checkpoint, "attack": header.attack}
                scanned = {"scan_flipped": found.flipped, "scan_epsilon": found.epsilon, "same": same}
                tables.append(table.assign(**known, **scanned)[COLUMNS])
        if progress:
            progress(number + 1, len(paths))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)
