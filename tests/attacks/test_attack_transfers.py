"""What adversarial images do to other networks: the same whatever the memory, which is that of a block."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch

from faceflip.data.packed import Dataset
from faceflip.io.tables import concatenate, write_table
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from faceflip.networks.inference import scores
from faceflip.networks.network import NetworkSpec, build
from faceflip.outcomes import Outcome
from faceflip.stages.transfer import transfer_between, transfer_shard
from faceflip.store import StoreHeader, StoreWriter, open_store

ATTEMPTS, IMAGES = 5000, 20
SIZE = (32, 36)
TARGETS = ("Male", "Smiling")


def dataset():
    rng = np.random.default_rng(1)
    images = rng.integers(60, 190, (IMAGES, SIZE[1], SIZE[0], 3), dtype=np.uint8)
    labels = rng.choice(np.array([-1, 1], np.int8), (IMAGES, 40))
    names = np.array([f"{number:06d}.jpg" for number in range(IMAGES)])
    return Dataset(images, labels, np.zeros(IMAGES, np.uint8), names, {"fingerprint": "5e" * 32})


def changes(rows):
    """The perturbations of attempts, each of a few values."""
    return (rows[:, None, None, None] % 41 - np.arange(3)) * np.ones((SIZE[1], SIZE[0], 1), np.int16)


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    """A shard of which every third attempt failed, its scores (every seventh is too low), and two target networks."""
    folder = tmp_path_factory.mktemp("transfers")
    header = StoreHeader(
        "paper",
        "euclidean",
        "converged",
        "ffa-line",
        parameters={},
        checkpoint_sha256={"Male": "0" * 64},
        dataset_fingerprint="5e" * 32,
        seed=1,
        shard=0,
        first_attempt=0,
    )
    rows = np.arange(ATTEMPTS)
    flipped = rows % 3 != 0
    with StoreWriter(folder / "000.h5", header, ATTEMPTS, (SIZE[1], SIZE[0])) as writer:
        for begin in range(0, ATTEMPTS, 500):
            part = rows[begin : begin + 500]
            writer.write(
                part,
                perturbation=changes(part).astype(np.int16),
                image=part % IMAGES,
                file_name=["000001.jpg"] * len(part),
                attribute=["Male"] * len(part),
                label=1,
                score_before=np.sin(part),
                score_after=-0.1,
                flipped=flipped[part],
                epsilon=1.0,
                steps=1,
                gradient_passes=1,
                forward_passes=1,
                outcome=np.where(flipped[part], Outcome.FLIPPED, Outcome.MAX_EPSILON),
            )
    similarity = np.where(flipped, np.where(rows % 7 == 0, 0.5, 0.97), np.nan)
    table = pd.DataFrame({"row": rows, "pass": similarity})
    with open_store(folder / "000.h5") as store:
        table.attrs = {"similarity": {"color": "rgb"}, "store_sha256": store.seal.sha256}
    write_table(folder / "000.parquet", table)
    architecture = ArchitectureOptions(width=0.02, initialisation="msra", input_scale=1 / 64)
    for number, name in enumerate(TARGETS):
        spec = NetworkSpec("euclidean", (name,), SIZE, architecture)
        (folder / name).mkdir()
        info = CheckpointInfo("euclidean", name, 1, {}, {}, "5e" * 32)
        save_checkpoint(folder / name / "converged.pt", build(spec, number), info)
    return folder


def transferred(folder, **options):
    return transfer_shard(
        folder / "000.h5",
        folder / "000.parquet",
        [folder / name / "converged.pt" for name in TARGETS],
        dataset(),
        threshold=options.pop("threshold", 0.95),
        device=torch.device("cpu"),
        batch_size=32,
        **options,
    )


@pytest.mark.slow
def test_bit_for_bit_as_on_all_images_at_once_with_the_memory_of_a_block(shard):
    told = []
    tracemalloc.start()
    table = transferred(shard, progress=lambda done, total: told.append((done, total)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    rows = np.array([row for row in range(ATTEMPTS) if row % 3 and row % 7])
    data = dataset()
    perturbed = (data.images[rows % IMAGES] + changes(rows)).astype(np.uint8)
    assert peak < perturbed.nbytes / 2
    assert len(table) == len(TARGETS) * len(rows)
    for name in TARGETS:
        network, _ = load_checkpoint(shard / name / "converged.pt")
        part = table[table["target"] == name]
        assert part["image"].tolist() == (rows % IMAGES).tolist()
        assert np.array_equal(part["score_after"], scores(network, perturbed, batch_size=32)[:, 0])
        assert np.array_equal(part["score_before"], scores(network, data.images, batch_size=32)[rows % IMAGES, 0])
    assert told[-1] == (len(TARGETS) * (len(rows) + IMAGES),) * 2


def test_no_image_is_adversarial(shard):
    assert transferred(shard, threshold=0.99).empty


def others(folder):
    """Three other networks: of another attribute, of the attacked one, and of both with the attacked one second."""
    architecture = ArchitectureOptions(width=0.02, initialisation="msra", input_scale=1 / 64)
    files = []
    for number, (name, attributes) in enumerate(
        {"a": ("Smiling",), "b": ("Male",), "c": ("Smiling", "Male")}.items(), start=5
    ):
        spec = NetworkSpec("softmax" if name == "c" else "bce", attributes, SIZE, architecture)
        files.append(folder / f"{name}.pt")
        save_checkpoint(files[-1], build(spec, number), CheckpointInfo(name, "all", 1, {}, {}, "5e" * 32))
    return files


def shown(shard, files, threshold=0.95):
    scores_path = shard / "000.parquet"
    return transfer_between(shard / "000.h5", scores_path, files, dataset(), threshold, torch.device("cpu"), 32)


@pytest.mark.slow
def test_other_networks_are_asked_about_the_attacked_attribute_alone(shard, tmp_path):
    table = shown(shard, others(tmp_path))
    rows = np.array([row for row in range(ATTEMPTS) if row % 3 and row % 7])
    assert table.groupby("target").size().to_dict() == {"b": len(rows), "c": len(rows)}
    assert set(table["attribute"]) == {"Male"}
    data = dataset()
    perturbed = (data.images[rows % IMAGES] + changes(rows)).astype(np.uint8)
    for name in ("b", "c"):
        network, _ = load_checkpoint(tmp_path / f"{name}.pt")
        part = table[table["target"] == name]
        raw = [scores(network, images, batch_size=32) for images in (data.images, perturbed)]
        before, after = ([each[:, 0] if name == "b" else each[:, 3] - each[:, 2]][0] for each in raw)
        np.testing.assert_array_equal(part["score_before"], before[rows % IMAGES])
        np.testing.assert_array_equal(part["score_after"], after)
        np.testing.assert_array_equal(part["changed"], (before[rows % IMAGES] > 0) != (after > 0))
    assert table.attrs == {"similarity": {"color": "rgb"}, "threshold": 0.95}


def test_nothing_to_show_to_other_networks(shard, tmp_path):
    empty = shown(shard, others(tmp_path), threshold=0.99)
    assert len(empty) == 0
    assert list(empty.columns) == list(shown(shard, others(tmp_path)).columns)
    write_table(tmp_path / "empty.parquet", empty)
    assert len(concatenate([tmp_path / "empty.parquet"])) == 0
