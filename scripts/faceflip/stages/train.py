"""One network's training, from the packed dataset to its checkpoints and its history."""

import csv
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

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
    computed_by = {"device": device.type, **({"threads": torch.get_num_threads()} if device.type == "cpu" else {})}
    recipe = {
        "stage": VERSIONS["train"],
        "network": spec.to_dict(),
        "training": options.model_dump(exclude={"seed"}),
        "seed": own_seed,
        "dataset": dataset.fingerprint,
        **computed_by,
    }
    unfinished = Unfinished(files.history.parent / UNFINISHED, recipe, save_every)
    for path in (files.converged, *files.epochs.values(), files.history):
        sweep(path.parent, below=False)
    unfinished.clean()

    def keep(trained: AttributeNetwork, record: EpochRecord) -> None:
        if record.epoch in options.kept_epochs(training.validation_errors):
            recorded = {**options.model_dump(), "seed": own_seed, **computed_by}
            info = CheckpointInfo(network, member, record.epoch, vars(record), recorded, dataset.fingerprint)
            save_checkpoint(unfinished.checkpoint(record.epoch), trained, info)

    def save(training: Training) -> None:
        if unfinished.due:
            unfinished.save(training.state(), options.kept_epochs(training.validation_errors))

    try:
        built = build(spec, own_seed).to(device)
        labels = dataset.labels_of(spec.attributes)
        known = (labels != 0).any(axis=1)  # an image of which no attribute is known teaches nothing
        splits = (rows[known[rows]] for rows in map(dataset.rows, ("train", "validation")))
        images = (LabelledImages(dataset.images, rows, labels[rows]) for rows in splits)
        training = Training(built, *images, options, own_seed, residence)
        if state := unfinished.load():
            training.restore(state)
            print(f"continuing after epoch {len(training.history)} and {training.step:,} steps of the next")
        training.run(keep, progress(training.images_done) if progress else None, save)
    except torch.OutOfMemoryError as error:
        width, height = spec.image_size
        raise UserError(
            f"training on batches of {options.batch_size} images of {width} x {height} pixels does not fit into the "
            f"memory of {device}; lower training.batch_size ({options.batch_size}) of network {network}. Before that, "
            "see that nobody else uses the GPU, or try compute.training_images: never (the images themselves stay out "
            "of its memory) or training.precision: bfloat16"
        ) from error

    converged = options.converged_epoch(training.validation_errors)
    for path, epoch in ((files.converged, converged), *((path, epoch) for epoch, path in files.epochs.items())):
        with replacing(path) as beside:
            shutil.copyfile(unfinished.checkpoint(epoch), beside)
    names = ["network", "member", *(field.name for field in fields(EpochRecord))]
    with replacing(files.history) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows({"network": network, "member": member, **vars(record)} for record in training.history)
    unfinished.remove()
