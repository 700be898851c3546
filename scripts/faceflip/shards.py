"""One attack job: the attempts of one shard, from the checkpoints to the perturbation store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from faceflip.attacks import iterate
from faceflip.attacks.engine import Report
from faceflip.dataset import Dataset
from faceflip.errors import UserError
from faceflip.files import sha256
from faceflip.networks.checkpoint import load_checkpoint
from faceflip.plan import Attempts, Experiment
from faceflip.progress import NotedProgress
from faceflip.store import StoreHeader, StoreWriter


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


@dataclass(frozen=True)
class _Task:
    """The attempts of a shard that go against one checkpoint, so that they can share passes."""

    checkpoint: Path
    parts: tuple[Attempts, ...]

    @property
    def name(self) -> str:
        """What the checkpoint goes by in a store: the folder it lies in."""
        return self.checkpoint.parent.name


def _tasks(parts: Sequence[Attempts], checkpoints: Sequence[Path | str]) -> list[_Task]:
    """Pair parts and checkpoints: one checkpoint for all (MOON), or one for each part."""
    if len(checkpoints) == 1:
        return [_Task(Path(checkpoints[0]), tuple(parts))]
    return [_Task(Path(checkpoint), (part,)) for checkpoint, part in zip(checkpoints, parts, strict=True)]


def attack_shard(
    path: Path | str,
    experiment: Experiment,
    shard: int,
    first_attempt: int,
    parts: Sequence[Attempts],
    checkpoints: Sequence[Path | str],
    dataset: Dataset,
    sample: np.ndarray,
    options: Mapping[str, Any],
    batch_size: int,
    device: torch.device,
    seed: int,
    compression: str = "gzip",
    progress: NotedProgress | None = None,
) -> None:
    """Make the attempts of one shard and write its store.

    Args:
        path: The store to write.
        experiment: Kind of network, checkpoint and attack.
        shard: Number of the shard.
        first_attempt: Number of its first attempt among all of the experiment.
        parts: Its attempts: for each attribute, a range of positions in the sample.
        checkpoints: The checkpoint files, one a part, or one for all parts.
        dataset: The packed dataset.
        sample: (n,) rows of the attacked images.
        options: Of the attack; see `faceflip.attacks.Options`.
        batch_size: Images a pass.
        device: Where to compute.
        seed: Of the run, for the record.
        compression: Of the perturbations; ``gzip`` or ``blosc``.
        progress: Called with the numbers of attempts done and in all, and a note on how many flipped.

    Raises:
        UserError: A checkpoint cannot be read, or does not decide on an attribute that it is to be attacked for.
    """
    tasks = _tasks(parts, checkpoints)
    header = StoreHeader(
        **vars(experiment),
        parameters={**options, "batch_size": batch_size},
        checkpoint_sha256={task.name: sha256(task.checkpoint) for task in tasks},
        dataset_fingerprint=dataset.fingerprint,
        seed=seed,
        shard=shard,
        first_attempt=first_attempt,
    )
    width, height = dataset.image_size
    attempts = sum(part.stop - part.start for part in parts)
    with StoreWriter(path, header, rows=attempts, image_shape=(height, width), compression=compression) as writer:
        first = 0
        for task in tasks:
            report = _as_part_of_shard(progress, first, attempts, task.name) if progress else False
            first += _attack(
                writer, first, task, experiment, dataset, sample, {**options, "batch_size": batch_size}, device, report
            )


def _as_part_of_shard(progress: NotedProgress, before: int, attempts: int, name: str) -> Report:
    """Return what counts the attempts against one checkpoint among all of the shard."""
    return lambda done, _, note: progress(before + done, attempts, lambda: f"{name}: {note}")


def _attack(
    writer: StoreWriter,
    first: int,
    task: _Task,
    experiment: Experiment,
    dataset: Dataset,
    sample: np.ndarray,
    options: Mapping[str, Any],
    device: torch.device,
    report: Report | bool,
) -> int:
    """Make the attempts against one checkpoint, write them from row `first` on, and return how many they were."""
    network, _ = load_checkpoint(task.checkpoint, device, experiment.network)
    known = network.spec.attributes
    for part in task.parts:
        if part.attribute not in known:
            raise UserError(f"{task.checkpoint}: a network for {', '.join(known[:3])}..., not for {part.attribute}")
    sizes = [part.stop - part.start for part in task.parts]
    rows = np.concatenate([sample[part.start : part.stop] for part in task.parts])
    columns = np.repeat([known.index(part.attribute) for part in task.parts], sizes)
    names = np.repeat([part.attribute for part in task.parts], sizes)
    labels = dataset.labels_of(known)[rows, columns]
    print(f"{task.checkpoint}: {len(rows)} attempts by {experiment.attack}")

    results = iterate(
        network,
        _Gathered(dataset.images, rows),
        experiment.attack,
        attribute=columns,
        objective=network.spec.objective,
        labels=labels,
        device=device,
        progress=report,
        **options,
    )
    for block in results:
        writer.write(
            first + block.index,
            perturbation=block.perturbation,
            image=rows[block.index],
            file_name=dataset.file_names[rows[block.index]],
            attribute=names[block.index],
            label=labels[block.index],
            score_before=block.score_before,
            score_after=block.score_after,
            flipped=block.flipped,
            epsilon=block.epsilon,
            steps=block.steps,
            gradient_passes=block.gradient_passes,
            forward_passes=block.forward_passes,
            outcome=block.outcome,
        )
        writer.record_margin(task.name, block.margin)
    return len(rows)
