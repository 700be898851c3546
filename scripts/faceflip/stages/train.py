"""One network's training, from the packed dataset to its checkpoints and its history."""

import csv
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from faceflip.data.packed import Dataset
from faceflip.errors import UserError
from faceflip.io.files import replacing, sweep
from faceflip.io.paths import UNFINISHED
from faceflip.networks.checkpoint import CheckpointInfo, save_checkpoint
from faceflip.networks.network import AttributeNetwork, NetworkSpec, build
from faceflip.runtime.progress import NotedProgress
from faceflip.seeds import derive
from faceflip.training.feed import LabelledImages
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.training.loop import EpochRecord, Training
from faceflip.training.resuming import Unfinished
from faceflip.workflow.versions import VERSIONS


@dataclass(frozen=True)
class TrainedFiles:
    """Where the results of a training go; what is needed to continue it lies in a folder beside the history.

    `converged` is of the epoch with the lowest validation error, the earliest of several. The history is a CSV file, a
    row an epoch.
    """

    converged: Path
    epochs: Mapping[int, Path]
    history: Path


def train_and_save(
    dataset: Dataset,
    network: str,
    member: str,
    spec: NetworkSpec,
    options: TrainingOptions,
    seed: int,
    device: torch.device,
    files: TrainedFiles,
    save_every: float = 300,
    residence: str = "auto",
    progress: Callable[[int], NotedProgress] | None = None,
) -> None:
    """Train the network of `spec` on the training split and write its checkpoints and its history.

    All checkpoints come from the same training run. If an earlier call with the same arguments was killed, its last
    state, saved every `save_every` seconds, is continued, and the files have the same bytes as if it had not been. Name
    and attributes of the network decide the training's own seed, beside `seed`, that of the run, or of its trainings.
    `member` is the attribute that it decides on, or ``all``. `residence` says whether a GPU holds all training images:
    ``auto`` (if they fit), ``always``, ``never``. `progress` makes what is called with (images done, images at most,
    note) from the images done before.

    Raises UserError where there are too few images, the loss is no longer finite, or the GPU's memory is too small.
    """
    own_seed = derive(seed, "train", network, *spec.attributes)
    recipe = {
        "stage": VERSIONS["train"],
        "network": spec.to_dict(),
        "training": options.model_dump(exclude={"seed"}),
        "seed": own_seed,
        "dataset": dataset.fingerprint,
        **computed_by(device),
    }
    unfinished = Unfinished(files.history.parent / UNFINISHED, recipe, save_every)
    for path in (files.converged, *files.epochs.values(), files.history):
        sweep(path.parent, below=False)
    unfinished.clean()
    recorded = {**options.model_dump(), "seed": own_seed, **computed_by(device)}

    def info(record: EpochRecord) -> CheckpointInfo:
        return CheckpointInfo(network, member, record.epoch, vars(record), recorded, dataset.fingerprint)

    with telling_memory(options, f"network {network}", spec.image_size, device):
        built = build(spec, own_seed).to(device)
        images = (known_images(dataset, dataset.rows(split), spec.attributes) for split in ("train", "validation"))
        training = Training(built, *images, options, own_seed, residence)
        carry_out(training, unfinished, options, info, progress)

    converged = options.converged_epoch(training.validation_errors)
    for path, epoch in ((files.converged, converged), *((path, epoch) for epoch, path in files.epochs.items())):
        with replacing(path) as beside:
            shutil.copyfile(unfinished.checkpoint(epoch), beside)
    write_history(files.history, [{"network": network, "member": member, **vars(each)} for each in training.history])
    unfinished.remove()


def computed_by(device: torch.device) -> dict[str, Any]:
    """Return on what the last bits of a training hang: the kind of device, and the threads of a CPU."""
    return {"device": device.type, **({"threads": torch.get_num_threads()} if device.type == "cpu" else {})}


def known_images(dataset: Dataset, rows: np.ndarray, attributes: tuple[str, ...]) -> LabelledImages:
    """Return the images at some rows but those of which no attribute is known, which teach nothing."""
    labels = dataset.labels_of(attributes)[rows]
    known = (labels != 0).any(axis=1)
    return LabelledImages(dataset.images, rows[known], labels[known])


def carry_out(
    training: Training,
    unfinished: Unfinished,
    options: TrainingOptions,
    info: Callable[[EpochRecord], CheckpointInfo],
    progress: Callable[[int], NotedProgress] | None,
) -> None:
    """Train to the end, from where an earlier process left it, if one did; keep the checkpoints that may be needed.

    `info` says what they say of themselves; `progress` is as of `train_and_save`.
    """

    def keep(trained: AttributeNetwork, record: EpochRecord) -> None:
        if record.epoch in options.kept_epochs(training.validation_errors):
            save_checkpoint(unfinished.checkpoint(record.epoch), trained, info(record))

    def save(_: Training) -> None:
        if unfinished.due:
            unfinished.save(training.state(), options.kept_epochs(training.validation_errors))

    if state := unfinished.load():
        training.restore(state)
        print(f"continuing after epoch {len(training.history)} and {training.step:,} steps of the next")
    training.run(keep, progress(training.images_done) if progress else None, save)


def write_history(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a CSV file, whole or not at all, a row an epoch."""
    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@contextmanager
def telling_memory(
    options: TrainingOptions, network: str, image_size: tuple[int, int], device: torch.device, key: str = "training"
) -> Iterator[None]:
    """Turn the error of a GPU's memory that is too small into one that says what to do.

    `key` is the place of the options in the configuration, `network` the name of what they train, as it follows on
    "of".
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        width, height = image_size
        raise UserError(
            f"training on batches of {options.batch_size} images of {width} x {height} pixels does not fit into the "
            f"memory of {device}; lower {key}.batch_size ({options.batch_size}) of {network}. Before that, "
            "see that nobody else uses the GPU, or try compute.training_images: never (the images themselves stay out "
            f"of its memory) or {key}.precision: bfloat16"
        ) from error
