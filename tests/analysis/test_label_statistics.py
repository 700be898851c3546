import csv
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from faceflip.analysis.label_statistics import label_correlations, label_statistics
from faceflip.data.celeba import ATTRIBUTES, SPLITS

SIZES = (162_770, 19_867, 19_962)


@pytest.fixture(scope="module")
def real_counts():
    with (files("faceflip.data.synthetic") / "prevalence.csv").open() as file:
        return {row["attribute"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def table(real_counts):
    """As many images and positive labels in each split as the real CelebA has."""
    columns = {"split": np.repeat(SPLITS, SIZES)}
    for attribute in ATTRIBUTES:
        positives = [int(real_counts[attribute][f"n_pos_{split}"]) for split in ("train", "val", "test")]
        columns[attribute] = np.concatenate(
            [np.where(np.arange(size) < count, 1, -1) for size, count in zip(SIZES, positives, strict=True)]
        ).astype(np.int8)
    return pd.DataFrame(columns)


def test_means_of_celeba(table):
    mean = label_statistics(table).iloc[-1]
    assert mean["attribute"] == "mean"
    assert round(100 * mean["trivial_train"], 2) == 20.09
    assert round(100 * mean["trivial_test"], 2) == 19.96


def test_each_attribute_of_celeba(table, real_counts):
    statistics = label_statistics(table).set_index("attribute")
    assert list(statistics.index) == [*ATTRIBUTES, "mean"]
    for attribute in ATTRIBUTES:
        row, real = statistics.loc[attribute], real_counts[attribute]
        for ours, theirs in zip(SPLITS, ("train", "val", "test"), strict=True):
            assert row[f"positives_{ours}"] == int(real[f"n_pos_{theirs}"])
            assert 100 * row[f"prevalence_{ours}"] == pytest.approx(float(real[f"prevalence_pct_{theirs}"]), abs=1e-4)
        assert 100 * row["trivial_train"] == pytest.approx(float(real["trivial_error_pct_test"]), abs=1e-4)
        assert 100 * row["trivial_test"] == pytest.approx(float(real["trivial_error_pct_test_majority"]), abs=1e-4)
        positives = int(real["n_pos_test"])
        assert row["rarer_test"] == min(positives, SIZES[2] - positives)
    assert pd.isna(statistics.loc["mean", "rarer_test"])
    assert statistics.loc["Bald", [f"images_{split}" for split in SPLITS]].tolist() == list(SIZES)


def test_correlations():
    random = np.random.default_rng(0)
    labels = pd.DataFrame(random.choice([-1, 1], (200, 40)), columns=list(ATTRIBUTES))
    labels["split"] = ["train"] * 150 + ["test"] * 50
    labels["Young"] = -labels["Male"]
    labels["Bald"] = -1
    labels.loc[150:, "Smiling"] = labels.loc[150:, "Bangs"]
    pairs = label_correlations(labels)
    assert pairs.loc[0, ["first", "second"]].tolist() == ["Male", "Young"]
    assert pairs.loc[0, "correlation"] == pytest.approx(-1)
    assert len(pairs) == 39 * 38 // 2, "without the constant one"
    assert pairs["correlation"].abs().is_monotonic_decreasing
    known = pairs.set_index(["first", "second"])["correlation"]
    train = labels[labels["split"] == "train"]
    assert known["Bangs", "Smiling"] == pytest.approx(train["Bangs"].corr(train["Smiling"]))


def test_splits_without_images(table):
    statistics = label_statistics(table[table["split"] == "test"])
    assert statistics["prevalence_train"].isna().all()
    assert statistics["trivial_test"].iloc[-1] == pytest.approx(0.1996, abs=1e-4)
    assert label_correlations(table[table["split"] == "test"]).empty
