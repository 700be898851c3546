"""One attack job: the attempts of one shard, from the checkpoints to the perturbation store."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch

from faceflip.attacks.engine import iterate
from faceflip.attempt import Experiment
from faceflip.data.packed import Dataset
from faceflip.errors import UserError
from faceflip.io.files import sha256
from faceflip.networks.checkpoint import load_checkpoint
from faceflip.runtime.progress import NotedProgress, ReportedProgress
from faceflip.store import StoreHeader, StoreWriter
from faceflip.workflow.plan import Part


@dataclass(frozen=True)
class ShardOfAttempts:
    """What a shard holds, and by which attack.

    Attributes:
        experiment: Sample, network, checkpoint and attack.
        number: Of the shard.
        first_attempt: Number of its first attempt among all of the experiment.
        parts: For each attribute, a range of positions in the sample, and the member of the network that is attacked.
        options: Of the attack, with `batch_size`; see `faceflip.attacks.AttackOptions`.
        seed: Of the run, for the record.
        own_code: References to code of one's own that checkpoints may name; see `load_checkpoint`.
    """

    experiment: Experiment
    number: int
    first_attempt: int
    parts: Sequence[Part]
    options: Mapping[str, Any]
    seed: int
    own_code: Collection[str] = ()

    @property
    def attempts(self) -> int:
        """How many attempts it holds."""
        return sum(part.stop - part.start for part in self.parts)

    def members(self) -> dict[str, list[Part]]:
        """Return the parts by the member that they go against, which can share passes."""
        return {member: list(parts) for member, parts in groupby(self.parts, key=lambda part: part.member)}


@dataclass(frozen=True)
class _Gathered:
    """Rows of an image array, read as the attack asks for them."""

    images: np.ndarray
    rows: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.images.shape[1:])

    def __getitem__(self, positions: slice) -> np.ndarray:
        return np.take(self.images, self.rows[positions], axis=0)


def attack_shard(
    path: Path | str,
    shard: ShardOfAttempts,
    checkpoints: Mapping[str, Path | str],
    dataset: Dataset,
    sample: np.ndarray,
    device: torch.device,
    compression: str = "gzip",
    progress: NotedProgress | None = None,
) -> None:
    """Make the attempts of one shard and write its store.

    Args:
        path: The store to write.
        shard: The attempts.
        checkpoints: The checkpoint file of each member that they go against.
        dataset: The packed dataset.
        sample: (n,) rows of the sample's images.
        device: Where to compute.
        compression: Of the perturbations; ``gzip`` or ``blosc``.
        progress: Called with (attempts done, attempts in all, note on how many flipped).

    Raises:
        UserError: A checkpoint cannot be read, or does not decide on an attribute that it is to be attacked for.
    """
    header = StoreHeader(
        **vars(shard.experiment),
        parameters=dict(shard.options),
        checkpoint_sha256={member: sha256(checkpoints[member]) for member in shard.members()},
        dataset_fingerprint=dataset.fingerprint,
        seed=shard.seed,
        shard=shard.number,
        first_attempt=shard.first_attempt,
    )
    width, height = dataset.image_size
    with StoreWriter(path, header, shard.attempts, (height, width), compression) as writer:
        first = 0
        for member, parts in shard.members().items():
            report = _as_part_of_shard(progress, first, shard.attempts, member) if progress else False
            first += _attack(writer, first, shard, member, parts, checkpoints[member], dataset, sample, device, report)


def _as_part_of_shard(progress: NotedProgress, before: int, attempts: int, member: str) -> ReportedProgress:
    """Return what counts the attempts against one member among all of the shard."""
    return lambda done, _, note: progress(before + done, attempts, lambda: f"{member}: {note}")


def _attack(
    writer: StoreWriter,
    first: int,
    shard: ShardOfAttempts,
    member: str,
    parts: Sequence[Part],
    checkpoint: Path | str,
    dataset: Dataset,
    sample: np.ndarray,
    device: torch.device,
    report: ReportedProgress | bool,
) -> int:
    """Make the attempts against one member, write them from row `first` on, and return how many they were."""
    network, _ = load_checkpoint(checkpoint, device, own_code=shard.own_code)
    known = network.spec.attributes
    for part in parts:
        if part.attribute not in known:
            raise UserError(f"{checkpoint}: a network for {', '.join(known[:3])}..., not for {part.attribute}")
    sizes = [part.stop - part.start for part in parts]
    rows = np.concatenate([sample[part.start : part.stop] for part in parts])
    columns = np.repeat([known.index(part.attribute) for part in parts], sizes)
    names = np.repeat([part.attribute for part in parts], sizes)
    labels = dataset.labels_of(known)[rows, columns]
    print(f"{checkpoint}: {len(rows)} attempts by {shard.experiment.attack}")

    results = iterate(
        network,
        _Gathered(dataset.images, rows),
        shard.experiment.attack,
        attribute=columns,
        objective=network.spec.loss,
        labels=labels,
        device=device,
        progress=report,
        **shard.options,
    )
    for block in results:
        writer.write(
            first + block.index,
            perturbation=block.perturbation,
            image=rows[block.index],
            file_name=dataset.file_names[rows[block.index]],
            attribute=names[block.index],
            label=labels[block.index],
            **block.found(),
        )
        writer.record_network(member, block.margin, block.warnings)
    return len(rows)
