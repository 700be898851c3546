"""What adversarial images of one attribute do to the decisions on others: transferability and correlation."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from faceflip.data.packed import Dataset
from faceflip.networks.checkpoint import load_checkpoint
from faceflip.networks.inference import scores
from faceflip.networks.network import AttributeNetwork
from faceflip.runtime.progress import MoreDone, ProgressCallback, counted
from faceflip.stages.score import adversarial_blocks, spooled
from faceflip.store import open_store
from faceflip.store.scores import read_scores_of


def transfer_shard(
    path: Path | str,
    scores_path: Path | str,
    targets: Sequence[Path | str],
    dataset: Dataset,
    threshold: float,
    device: torch.device,
    batch_size: int,
    progress: ProgressCallback | None = None,
    own_code: Collection[str] = (),
) -> pd.DataFrame:
    """Show the images of a shard whose PASS is at least `threshold` to the target networks, `batch_size` a pass.

    `targets` are checkpoints whose decisions are watched, on all attributes that they have; they may name `own_code`,
    see `load_checkpoint`. `progress` counts each image once for every target. Memory is bounded by the batch: between
    one target and the next the images lie in a temporary file.

    Returns:
        One row an adversarial image and target attribute: network, checkpoint, attack, attribute (attacked), image,
        correct (of the attacked attribute), target, score_before, score_after (decision values of the target), changed.
        The frame's `attrs`, which go to the file with it, hold `threshold` and the parameters of PASS as `similarity`.

    Raises UserError where a file cannot be read, the store belongs to another dataset, or the scores to another store.
    """
    with _adversarial(path, scores_path, dataset, threshold, batch_size) as (known, perturbed, attrs):
        known = known.drop(columns="sample")
        unique, index = np.unique(known["image"], return_inverse=True)
        more = counted(progress, len(targets) * (len(unique) + len(known)))
        tables = []
        for checkpoint in targets:
            network, _ = load_checkpoint(checkpoint, device, own_code=own_code)
            before = _decision_values(network, dataset.images, unique, batch_size, more)[index]
            after = _decision_values(network, perturbed, np.arange(len(perturbed)), batch_size, more)
            tables += [
                known.assign(target=target, **_changes(before[:, column], after[:, column]))
                for column, target in enumerate(network.spec.attributes)
            ]
    transfers = pd.concat(tables, ignore_index=True)
    transfers.attrs = attrs
    return transfers


def transfer_between(
    path: Path | str,
    scores_path: Path | str,
    targets: Sequence[Path | str],
    dataset: Dataset,
    threshold: float,
    device: torch.device,
    batch_size: int,
    progress: ProgressCallback | None = None,
    own_code: Collection[str] = (),
) -> pd.DataFrame:
    """Show the adversarial images of a shard to other networks, and watch what they say of the attacked attribute.

    `targets` are checkpoints of members of other networks; an image is shown to those that decide on its attribute.
    The other arguments are as of `transfer_shard`.

    Returns:
        One row an adversarial image and network: sample, network, checkpoint, attack, attribute, image, correct, target
        (the network), score_before, score_after (its decision values of the attribute), changed. `attrs` as there.

    Raises what `transfer_shard` does.
    """
    with _adversarial(path, scores_path, dataset, threshold, batch_size) as (known, perturbed, attrs):
        loaded = (load_checkpoint(checkpoint, device, own_code=own_code) for checkpoint in targets)
        tables = [known.iloc[:0].assign(target="", **_changes(*2 * [np.empty(0)]))]
        for done, (network, info) in enumerate(loaded, 1):
            attributes = network.spec.attributes
            rows = np.flatnonzero(known["attribute"].isin(attributes))
            shown = known.iloc[rows]
            columns = shown["attribute"].map(attributes.index).to_numpy(int)
            unique, index = np.unique(shown["image"], return_inverse=True)
            before = _decision_values(network, dataset.images, unique, batch_size)[index, columns]
            after = _decision_values(network, perturbed, rows, batch_size)[np.arange(len(rows)), columns]
            tables.append(shown.assign(target=info.network, **_changes(before, after)))
            if progress:
                progress(done, len(targets))
    transfers = pd.concat([each for each in tables if len(each)] or tables, ignore_index=True)
    transfers.attrs = attrs
    return transfers


def _changes(before: np.ndarray, after: np.ndarray) -> dict[str, np.ndarray]:
    return {"score_before": before, "score_after": after, "changed": (before > 0) != (after > 0)}


@contextmanager
def _adversarial(
    path: Path | str, scores_path: Path | str, dataset: Dataset, threshold: float, batch_size: int
) -> Iterator[tuple[pd.DataFrame, np.ndarray, dict[str, Any]]]:
    """Yield what is known of a shard's adversarial images, a row each, these images, and what goes with the table."""
    with open_store(path) as store:
        store.require_dataset(dataset.fingerprint)
        attempts, header = store.attempts, store.header
        similarities = read_scores_of(store, scores_path)
        rows = np.flatnonzero((similarities["pass"] >= threshold).to_numpy())
        sources = attempts.iloc[rows]
        known = pd.DataFrame(
            {
                "sample": header.sample,
                "network": header.network,
                "checkpoint": header.checkpoint,
                "attack": header.attack,
                "attribute": sources["attribute"].to_numpy(),
                "image": sources["image"].to_numpy(),
                "correct": ((sources["score_before"] > 0) == (sources["label"] > 0)).to_numpy(),
            }
        )
        images = (block for _, _, block in adversarial_blocks(store, dataset, rows, batch_size))
        with spooled(images, (len(rows), *dataset.images.shape[1:])) as perturbed:
            yield known, perturbed, {"similarity": similarities.attrs.get("similarity"), "threshold": threshold}


def _decision_values(
    network: AttributeNetwork, images: np.ndarray, rows: np.ndarray, batch_size: int, more: MoreDone | None = None
) -> np.ndarray:
    if len(rows) == 0:
        return np.empty((0, len(network.spec.attributes)))
    values = network.objective.decision_values(torch.from_numpy(scores(network, images, rows, batch_size, more)))
    return values.numpy().astype("float64")
