"""One network's training, from the packed dataset to its two checkpoints and its history."""

import csv
import shutil
from dataclasses import fields
from pathlib import Path
from typing import TextIO

import torch

from faceflip.dataset import Dataset
from faceflip.errors import UserError
from faceflip.files import replacing, sweep
from faceflip.networks import AttributeNetwork, NetworkSpec, build
from faceflip.networks.checkpoint import CheckpointInfo, save_checkpoint
from faceflip.plan import MOON
from faceflip.progress import Progress
from faceflip.seeds import derive
from faceflip.stages import VERSIONS
from faceflip.training.data import LabelledImages
from faceflip.training.loop import EpochRecord, Training
from faceflip.training.options import TrainingOptions
from faceflip.training.unfinished import Unfinished

UNFINISHED = "unfinished"
"""Folder beside the results, of a training that has not ended."""


def train_and_save(
    dataset: Dataset,
    spec: NetworkSpec,
    options: TrainingOptions,
    seed: int,
    device: torch.device,
    epoch2: Path | str,
    converged: Path | str,
    history: Path | str,
    save_every: float = 300,
    residence: str = "auto",
    screen: TextIO | None = None,
) -> None:
    """Train the network of `spec` on the training split and write its checkpoints and its history (CSV).

    `epoch2` holds the weights after `options.early_epoch`, `converged` those of the epoch with the lowest validation
    error (the earliest of several); both come from the same training run. The seed is specific to
    objective and attributes. If an earlier call with the same arguments was killed, its last saved state is continued,
    and the files have the same bytes as if it had not been.

    Args:
        dataset: The packed dataset.
        spec: Of the network.
        options: Hyper-parameters.
        seed: Of the run.
        device: Where to train.
        epoch2: The checkpoint to write, see above.
        converged: The checkpoint to write, see above; what is needed to continue lies in a folder beside it.
        history: The CSV file to write, a row an epoch.
        save_every: Seconds from one saved state to the next.
        residence: Whether a GPU holds all training images: ``auto`` (if they fit), ``always``, ``never``.
        screen: Where to tell about progress every few minutes, in addition to stderr.

    Raises:
        UserError: There are too few images, the loss is no longer finite, or the GPU's memory is too small.
    """
    own_seed = derive(seed, "train", spec.objective, *spec.attributes)
    recipe = {
        "stage": VERSIONS["train"],
        "network": spec.to_dict(),
        "training": vars(options),
        "seed": own_seed,
        "dataset": dataset.fingerprint,
    }
    unfinished = Unfinished(Path(converged).parent / UNFINISHED, recipe, save_every)
    for path in (epoch2, converged, history):
        sweep(Path(path).parent, below=False)
    unfinished.clean()

    def keep(network: AttributeNetwork, record: EpochRecord) -> None:
        if record.epoch in options.kept_epochs(training.validation_errors):
            info = CheckpointInfo(record.epoch, vars(record), {**vars(options), "seed": own_seed}, dataset.fingerprint)
            save_checkpoint(unfinished.checkpoint(record.epoch), network, info)

    def save(training: Training) -> None:
        if unfinished.due:
            unfinished.save(training.state(), options.kept_epochs(training.validation_errors))

    try:
        network = build(spec, own_seed).to(device)
        images = (_labelled(dataset, split, spec.attributes) for split in ("train", "validation"))
        training = Training(network, *images, options, own_seed, residence)
        if state := unfinished.load():
            training.restore(state)
            print(f"continuing after epoch {len(training.history)} and {training.step:,} steps of the next")
        name = "/".join([spec.objective, *spec.attributes[: spec.objective != MOON]])
        training.run(keep, Progress(f"train {name}", "images", training.images_done, screen), save)
    except torch.OutOfMemoryError as error:
        raise _too_large(spec, options, device) from error

    errors = training.validation_errors
    for path, epoch in ((epoch2, options.early_epoch), (converged, options.converged_epoch(errors))):
        with replacing(path) as beside:
            shutil.copyfile(unfinished.checkpoint(epoch), beside)
    _write_history(Path(history), training.history)
    unfinished.remove()


def _too_large(spec: NetworkSpec, options: TrainingOptions, device: torch.device) -> UserError:
    key = f"training.{MOON if spec.objective == MOON else 'separate'}"
    width, height = spec.image_size
    return UserError(
        f"training on batches of {options.batch_size} images of {width} x {height} pixels does not fit into the memory "
        f"of {device}; lower {key}.batch_size ({options.batch_size}). Before that, see that nobody else uses the GPU, "
        f"or try compute.training_images: never (the images themselves stay out of its memory) or {key}.precision: "
        "bfloat16"
    )


def _labelled(dataset: Dataset, split: str, attributes: tuple[str, ...]) -> LabelledImages:
    rows = dataset.rows(split)
    return LabelledImages(dataset.images, rows, dataset.labels_of(attributes)[rows])


def _write_history(path: Path, records: list[EpochRecord]) -> None:
    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(EpochRecord)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(vars(record) for record in records)
