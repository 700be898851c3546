"""Trainings of networks, from the packed dataset to their checkpoints and their histories."""

import csv
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
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
from faceflip.training.feed import LabelledImages, Resident
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.training.loop import EpochRecord, Training
from faceflip.training.resuming import Unfinished
from faceflip.wording import quantity
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


@dataclass(frozen=True)
class Member:
    """A network to be trained: its name, the attribute that it decides on or ``all``, how it is built, its files."""

    name: str
    spec: NetworkSpec
    files: TrainedFiles


@dataclass(frozen=True)
class _Trained:
    """A training that has ended, whose results still lie beside the places where they go."""

    network: str
    member: Member
    options: TrainingOptions
    unfinished: Unfinished
    history: Sequence[EpochRecord]

    def write(self) -> None:
        """Put the results where they go; the folder that they lie in stays."""
        files = self.member.files
        converged = self.options.converged_epoch([record.validation_error for record in self.history])
        for path, epoch in ((files.converged, converged), *((path, epoch) for epoch, path in files.epochs.items())):
            with replacing(path) as beside:
                shutil.copyfile(self.unfinished.checkpoint(epoch), beside)
        names = {"network": self.network, "member": self.member.name}
        write_history(files.history, [{**names, **vars(record)} for record in self.history])


def train_and_save(
    dataset: Dataset,
    network: str,
    members: Sequence[Member],
    options: TrainingOptions,
    seed: int,
    device: torch.device,
    save_every: float = 300,
    residence: str = "auto",
    progress: Callable[[str, int], NotedProgress] | None = None,
) -> None:
    """Train members of a network on the training split, one after another, and write their checkpoints and histories.

    All checkpoints of a member come from the same training run. If an earlier call with the same arguments was killed,
    its last state, saved every `save_every` seconds, is continued, and the files have the same bytes as if it had not
    been; so they have whichever members are trained together. The network's name and a member's attributes decide a
    training's own seed, beside `seed`, that of the run, or of its trainings. `residence` says whether a GPU holds all
    training images, one copy for all members: ``auto`` (if they fit), ``always``, ``never``. `progress` makes what is
    called with (images done, images at most, note) from the member's name and the images done before.

    No file is written before all are trained, as Snakemake deletes those of a job that fails or is killed. Until then
    the results of those that are trained lie in folders beside the histories, and another call takes them from there.

    Raises UserError where there are too few images, the loss is no longer finite, or the GPU's memory is too small; if
    it is of one of several members, when the others are trained.
    """
    attributes = tuple(chain.from_iterable(member.spec.attributes for member in members))
    images = Resident(known_images(dataset, dataset.rows("train"), attributes), residence)
    trained, faults = [], {}
    for member in members:
        several = len(members) > 1
        if several:
            print(f"network {network} for {member.name}")
        own = (lambda done, name=member.name: progress(name, done)) if progress else None
        try:
            trained.append(_train(dataset, network, member, options, seed, device, save_every, images, own, several))
        except UserError as error:
            if not several:
                raise
            faults[member.name] = str(error)
            print(f"Error: {error}")
    if faults:
        raise UserError(_failed(network, faults, len(trained)))
    for each in trained:
        each.write()
    for each in trained:
        each.unfinished.remove()


def _train(
    dataset: Dataset,
    network: str,
    member: Member,
    options: TrainingOptions,
    seed: int,
    device: torch.device,
    save_every: float,
    images: Resident,
    progress: Callable[[int], NotedProgress] | None,
    keep: bool,
) -> _Trained:
    """Train one member; `keep` that it is trained, should the process die before its files are written."""
    spec, files = member.spec, member.files
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
        return CheckpointInfo(network, member.name, record.epoch, vars(record), recorded, dataset.fingerprint)

    state = unfinished.load()
    if state and "network" not in state:
        print("was trained before")
        return _Trained(network, member, options, unfinished, [EpochRecord(**each) for each in state["history"]])
    if options.compile:
        torch.compiler.reset()  # it counts how often it compiled for other networks, and gives up one day
    with telling_memory(options, f"network {network}", spec.image_size, device):
        built = build(spec, own_seed).to(device)
        known = (known_images(dataset, dataset.rows(split), spec.attributes) for split in ("train", "validation"))
        training = Training(built, *known, options, own_seed, images)
        carry_out(training, state, unfinished, options, info, progress)
    if keep:
        history = [vars(record) for record in training.history]
        unfinished.save({"history": history}, options.kept_epochs(training.validation_errors))
    return _Trained(network, member, options, unfinished, training.history)


def _failed(network: str, faults: Mapping[str, str], trained: int) -> str:
    kept = f"; the same command takes {quantity(trained, 'other')} of the job from where they lie" if trained else ""
    lines = [f"{member}: {fault}" for member, fault in faults.items()]
    return "\n  ".join([f"network {network} cannot be trained for {quantity(len(faults), 'attribute')}{kept}", *lines])


def computed_by(device: torch.device) -> dict[str, Any]:
    """Return what the last bits of a training depend on: the kind of device, and the threads of a CPU."""
    return {"device": device.type, **({"threads": torch.get_num_threads()} if device.type == "cpu" else {})}


def known_images(dataset: Dataset, rows: np.ndarray, attributes: tuple[str, ...]) -> LabelledImages:
    """Return the images at some rows but those of which no attribute is known, which teach nothing."""
    labels = dataset.labels_of(attributes)[rows]
    known = (labels != 0).any(axis=1)
    return LabelledImages(dataset.images, rows[known], labels[known])


def carry_out(
    training: Training,
    state: Mapping[str, Any] | None,
    unfinished: Unfinished,
    options: TrainingOptions,
    info: Callable[[EpochRecord], CheckpointInfo],
    progress: Callable[[int], NotedProgress] | None,
) -> None:
    """Train to the end, from the `state` that an earlier process left, if one did; keep checkpoints that may be needed.

    `info` says what they say of themselves; `progress` is as of `train_and_save`.
    """

    def keep(trained: AttributeNetwork, record: EpochRecord) -> None:
        if record.epoch in options.kept_epochs(training.validation_errors):
            save_checkpoint(unfinished.checkpoint(record.epoch), trained, info(record))

    def save(_: Training) -> None:
        if unfinished.due:
            unfinished.save(training.state(), options.kept_epochs(training.validation_errors))

    if state:
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
