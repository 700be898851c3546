"""What tests of fine-tuning need: small faces, a source network, stores of made-up attempts on it, and the stage."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch

from faceflip.data.packed import Dataset
from faceflip.io.files import sha256
from faceflip.io.tables import write_table
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from faceflip.networks.inference import scores
from faceflip.networks.network import NetworkSpec, build
from faceflip.outcomes import Outcome
from faceflip.stages.fine_tune import TunedFiles, fine_tune
from faceflip.store import StoreHeader, StoreWriter, open_store
from faceflip.training import loop
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.training.tuning import TuningOptions

CPU = torch.device("cpu")
SIZE = (8, 10)
NAMES = ("glad", "a / b", "old")
LAYERS = str(Path(__file__).with_name("own_layers.py"))
CODE = [f"{LAYERS}:{name}" for name in ("perceptron", "normalised", "linear", "brought")]
OPTIONS = TrainingOptions(batch_size=8, rms_decay=0.9)
METRICS = {"epoch": 3, "learning_rate": 0.002}
TRAIN, VALIDATION = 60, 10
HELD_OUT = np.arange(50, 56)
"""Rows that networks are judged on; attempts are on rows before them."""


def dataset(seed=0, gaps=0.0):
    """Faces of noise; a share of the labels is unknown, of some faces all."""
    random, count = np.random.default_rng(seed), TRAIN + VALIDATION + 5
    images = random.integers(0, 256, (count, SIZE[1], SIZE[0], 3), dtype=np.uint8)
    labels = random.choice(np.array([-1, 1], np.int8), (count, len(NAMES)))
    labels[random.random(labels.shape) < gaps] = 0
    if gaps:
        labels[40:43] = 0
    split = np.repeat(np.array([0, 1, 2], np.uint8), [TRAIN, VALIDATION, 5])
    names = np.array([f"{row:04d}.png" for row in range(count)])
    return Dataset(images, labels, split, names, {"fingerprint": f"{seed:064d}", "attributes": list(NAMES)})


def spec_of(attributes=NAMES, loss="euclidean", layers="perceptron"):
    architecture = ArchitectureOptions(name=f"{LAYERS}:{layers}", input_mean=[0.0] * 3, input_scale=1.0)
    return NetworkSpec(loss, tuple(attributes), SIZE, architecture)


def source_of(folder, spec=None, metrics=METRICS, seed=1, network=None):
    """Write the checkpoint of a source network, by its attributes' member, and return its path."""
    network = build(spec or spec_of(), seed) if network is None else network
    member = member_of(network.spec.attributes)
    path = Path(folder) / f"source-{member.replace('/', '_')}.pt"
    save_checkpoint(path, network, CheckpointInfo("mine", member, 3, metrics, {}, "0" * 64))
    return path


def member_of(attributes):
    return attributes[0] if len(attributes) == 1 else "all"


@dataclass
class Made:
    """A store of made-up attempts, and the same as plain arrays."""

    store: Path
    scores: Path
    attempts: pd.DataFrame
    perturbation: np.ndarray


def made(folder, source, data, attributes=NAMES, images=range(20), name="000", first=0, seed=5, **header):
    """Write a store of an attack on each image for each attribute: some flip, some of those at a PASS below 0.95."""
    folder, random = Path(folder), np.random.default_rng(seed)
    images = np.array(images)
    network, info = load_checkpoint(source, own_code=None)
    values = network.objective.decision_values(torch.from_numpy(scores(network, data.images[images]))).numpy()
    table = pd.DataFrame(
        [(row, attribute) for attribute in attributes for row in images], columns=["image", "attribute"]
    )
    columns = table["attribute"].map(network.spec.attributes.index)
    table["label"] = data.labels_of(network.spec.attributes)[table["image"], columns]
    table["score_before"] = values[np.tile(np.arange(len(images)), len(attributes)), columns].astype(float)
    table["flipped"] = (random.random(len(table)) < 0.7) & (table["label"] != 0)
    table["pass"] = np.where(table["flipped"], random.choice([0.9, 0.94, 0.95, 0.99], len(table)), np.nan)
    wanted = data.images[table["image"]].astype(int) + random.integers(-40, 41, (len(table), SIZE[1], SIZE[0], 3))
    perturbation = np.clip(wanted, 0, 255) - data.images[table["image"]]
    perturbation = (perturbation * table["flipped"].to_numpy()[:, None, None, None]).astype(np.int16)
    about = {
        "sample": "harden",
        "network": "mine",
        "checkpoint": "converged",
        "attack": "ffa-line",
        "parameters": {},
        "seed": 1,
        "checkpoint_sha256": {info.member: sha256(source)},
        "dataset_fingerprint": data.fingerprint,
        "first_attempt": first,
        "shard": int(name),
    }
    store, scored = folder / f"{name}.h5", folder / f"{name}.parquet"
    with StoreWriter(store, StoreHeader(**about | header), len(table), (SIZE[1], SIZE[0])) as writer:
        writer.write(
            np.arange(len(table)),
            perturbation=perturbation,
            image=table["image"].to_numpy(),
            file_name=data.file_names[table["image"]],
            attribute=table["attribute"].to_numpy(str),
            label=table["label"].to_numpy(),
            score_before=table["score_before"].to_numpy(),
            score_after=np.where(table["flipped"], -table["score_before"], np.nan),
            flipped=table["flipped"].to_numpy(),
            epsilon=np.where(table["flipped"], 1.0, np.nan),
            steps=1,
            gradient_passes=1,
            forward_passes=1,
            outcome=np.select(
                [table["flipped"], table["label"] == 0], [Outcome.FLIPPED, Outcome.UNKNOWN_LABEL], Outcome.MAX_EPSILON
            ),
        )
    with open_store(store) as opened:
        scores_table = pd.DataFrame({"row": np.arange(len(table)), "pass": table["pass"]})
        scores_table.attrs = {"store_sha256": opened.seal.sha256}
    write_table(scored, scores_table)
    return Made(store, scored, table, perturbation)


def files_of(folder):
    folder = Path(folder)
    return TunedFiles(folder / "tuned.pt", folder / "tuning.csv", folder / "diet.parquet")


def tune(
    folder,
    source,
    data,
    stores=(),
    attributes=NAMES,
    options=OPTIONS,
    seed=7,
    name="firmer",
    held_out=HELD_OUT,
    device=CPU,
    save_every=1e9,
    own_code=CODE,
    doubts=None,
    **tuning,
):
    """Fine-tune by the stage, with these options of tuning, and return the files."""
    files = files_of(folder)
    fine_tune(
        data,
        name,
        member_of(attributes),
        source,
        attributes,
        TuningOptions(**tuning),
        options,
        [(each.store, each.scores) for each in stores],
        0.95,
        held_out,
        seed,
        device,
        files,
        save_every=save_every,
        own_code=own_code,
        doubts=doubts,
    )
    return files


class StoppedError(Exception):
    """Instead of a signal, where the process shall live on."""


def stopped(after, *arguments, **options):
    """Fine-tune and stop after so many steps; every one was saved."""
    learn, calls = loop.Training.learn, iter(range(10**6))

    def counting(*batch):
        if next(calls) == after:
            raise StoppedError
        learn(*batch)

    with mock.patch.object(loop.Training, "learn", counting), suppress(StoppedError):
        tune(*arguments, save_every=0.0, **options)
        raise AssertionError("it went on to the end")
