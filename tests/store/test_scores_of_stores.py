"""The scores of a shard: the same whatever the engine, and however many pairs the engine is handed at a time."""

import numpy as np
import pandas as pd
import pytest
from store_builder import FINGERPRINT

from faceflip.catalogue import SIMILARITIES
from faceflip.data.packed import Dataset
from faceflip.errors import UserError
from faceflip.io.tables import write_table
from faceflip.registry import load
from faceflip.similarity import NAME, pairs_a_call
from faceflip.similarity.batched import BATCH_ACCELERATOR
from faceflip.stages import score as scores
from faceflip.stages.collect import COLUMNS, collect_attempts
from faceflip.stages.score import score_shard
from faceflip.store import open_store

SIZE = (36, 32)


@pytest.mark.parametrize(
    ("engine", "place", "expected"),
    [
        ("auto", None, 256),
        ("torch", None, 256),
        ("torch", "cpu", 256),
        ("cpu", "cuda:0", 256),
        ("auto", "cuda:0", BATCH_ACCELERATOR),
        ("torch", "cuda", BATCH_ACCELERATOR),
    ],
)
def test_an_accelerator_is_handed_a_full_batch(engine, place, expected):
    assert pairs_a_call(engine, place) == expected


@pytest.fixture
def dataset(build):
    images = build.images(40, *SIZE)
    names = np.array([f"{number + 1:06d}.jpg" for number in range(len(images))])
    return Dataset(images, np.ones((40, 40), np.int8), np.zeros(40, np.uint8), names, {"fingerprint": FINGERPRINT})


def test_scores_depend_on_neither_blocks_nor_engine(build, dataset, device, monkeypatch):
    path = build.shard("000.h5", rows=40, size=SIZE)

    expected = score_shard(path, dataset, color="rgb", engine="cpu")
    assert expected["pass"].notna().sum() == 30
    for size in (7, 1024):
        monkeypatch.setattr(scores, "pairs_a_call", lambda *_, size=size: size)
        pd.testing.assert_frame_equal(score_shard(path, dataset, color="rgb", engine="cpu"), expected)

    found = score_shard(path, dataset, color="rgb", engine="torch", device=device)
    settled = expected["alignment"].isin(["identical", "converged"]) & (found["alignment"] == expected["alignment"])
    assert settled.sum() >= 15, "in noise, some alignments never settle"
    columns = ["pass", "ssim", "pass_gray", "ssim_gray"]
    np.testing.assert_allclose(found.loc[settled, columns], expected.loc[settled, columns], atol=1e-4)


def test_the_scores_are_those_of_the_registered_definition(build, dataset):
    path = build.shard("000.h5", rows=40, size=SIZE)
    scores = score_shard(path, dataset, color="rgb", engine="cpu")
    definition = SIMILARITIES[NAME]
    assert list(scores.columns) == ["row", *definition.columns]
    assert scores.attrs["similarity"]["name"] == NAME
    with open_store(path) as store:
        rows = np.flatnonzero(store.column("flipped") == 1)
        adversarial = np.stack([store.adversarial(row, dataset.images) for row in rows])
    expected = load(definition.target)(dataset.images[rows], adversarial, engine="cpu")
    pd.testing.assert_frame_equal(scores.loc[rows, list(definition.columns)].reset_index(drop=True), expected)


METRICS = """
import numpy as np

def closeness(originals, perturbed):
    assert originals.dtype == perturbed.dtype == np.uint8
    assert originals.shape == perturbed.shape
    return 1 - np.abs(originals.astype(int) - perturbed).reshape(len(originals), -1).max(axis=1) / 255

def whole(originals, perturbed):
    return [int(original[0, 0, 0]) for original in originals]

def one_for_all(originals, perturbed):
    return 0.5

def torn(originals, perturbed):
    return originals.mean(axis=(2, 3))

def broken(originals, perturbed):
    raise ZeroDivisionError("no pixels")
"""


@pytest.fixture
def metrics(tmp_path):
    file = tmp_path / "my_metrics.py"
    file.write_text(METRICS)
    return lambda name: f"{file}:{name}"


@pytest.mark.parametrize("size", [7, 1024])
def test_metrics_of_ones_own(build, dataset, metrics, monkeypatch, size):
    monkeypatch.setattr(scores, "pairs_a_call", lambda *_: size)
    path = build.shard("000.h5", rows=40, size=SIZE)
    chosen = {"closeness": metrics("closeness"), "corner": metrics("whole")}
    plain = score_shard(path, dataset, color="rgb", engine="cpu")
    table = score_shard(path, dataset, color="rgb", engine="cpu", metrics=chosen)
    pd.testing.assert_frame_equal(table.drop(columns=list(chosen)), plain)
    assert list(table.columns) == [*plain.columns, *chosen]
    with open_store(path) as store:
        flipped, linf = store.column("flipped") == 1, store.column("linf")
    np.testing.assert_array_equal(table["closeness"], np.where(flipped, 1 - linf / 255, np.nan))
    np.testing.assert_array_equal(table["corner"], np.where(flipped, dataset.images[:, 0, 0, 0], np.nan))

    write_table(build.folder / "000.parquet", table)
    attempts = collect_attempts([(path, build.folder / "000.parquet")], list(chosen))
    assert list(attempts.columns) == [*COLUMNS, *chosen]
    np.testing.assert_array_equal(attempts["closeness"], table["closeness"])


def test_metrics_are_missing_where_nothing_flipped(build, dataset, metrics):
    path = build.shard("000.h5", first=3, rows=1, size=SIZE)
    table = score_shard(path, dataset, color="rgb", engine="cpu", metrics={"closeness": metrics("closeness")})
    assert table["closeness"].isna().all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("one_for_all", r"similarity\.metrics\.mine: .*my_metrics\.py:one_for_all gives an array of shape \(\) for 30"),
        (
            "torn",
            r"similarity\.metrics\.mine: .*:torn gives .* shape \(30, 36\) for 30 pairs .* expected \(30,\)",
        ),
        ("broken", r"similarity\.metrics\.mine: .*:broken fails \(ZeroDivisionError: no pixels\)"),
        ("closenes", r"my_metrics\.py has no 'closenes'; did you mean closeness"),
    ],
)
def test_metrics_that_cannot_be_used(build, dataset, metrics, name, message):
    path = build.shard("000.h5", rows=40, size=SIZE)
    with pytest.raises(UserError, match=message):
        score_shard(path, dataset, color="rgb", engine="cpu", metrics={"mine": metrics(name)})


def test_images_that_were_not_attacked(build, dataset):
    path = build.shard("000.h5", rows=40, size=SIZE)
    dataset.images[:] = 255
    with pytest.raises(UserError, match=r"000\.h5: some of /perturbation\[0\.\.38\] do not fit the images of the data"):
        score_shard(path, dataset, color="rgb", engine="cpu")
