from collections import defaultdict
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from faceflip.analysis.html import table_page
from faceflip.analysis.pages import latex, markdown
from faceflip.analysis.tables.classification_error import (
    OTHERS,
    RATES,
    classification_error,
    measured_errors,
    published_errors,
    sheets,
    trivial_errors,
)
from faceflip.data.celeba import ATTRIBUTES
from faceflip.errors import UserError
from faceflip.workflow.products import Reading


def labels(**counts: tuple[int, int, int, int]) -> pd.DataFrame:
    """Counts of labels: images and positives of the training split, then of the test split."""
    rows = [
        row
        for name, (train, train_positives, test, test_positives) in counts.items()
        for row in ((name, "train", train, train_positives), (name, "test", test, test_positives))
    ]
    return pd.DataFrame(rows, columns=["attribute", "split", "images", "positives"])


def test_trivial_by_hand():
    table = trivial_errors(labels(Bald=(10, 2, 20, 3), Smiling=(10, 6, 20, 8), Young=(10, 5, 20, 10)))
    wrong = table.set_index(["method", "attribute"])["wrong"].to_dict()
    assert wrong == {
        ("trivial_train", "Bald"): 3,
        ("trivial_test", "Bald"): 3,
        # Most training images smile and most test images do not: the training majority is wrong on 12 of 20.
        ("trivial_train", "Smiling"): 12,
        ("trivial_test", "Smiling"): 8,
        # Without a majority the class is "absent".
        ("trivial_train", "Young"): 10,
        ("trivial_test", "Young"): 10,
    }


def test_a_score_of_zero_is_absent():
    predictions = pd.DataFrame(
        {
            "network": "moon",
            "checkpoint": ["converged", "converged", "epoch2", "converged"],
            "attribute": "Bald",
            "split": ["test", "test", "test", "sample"],
            "label": [-1, 1, 1, 1],
            "score": [0.0, 0.0, 0.1, -1.0],
        }
    )
    table = measured_errors(predictions).set_index("method")
    assert table.loc["moon", ["wrong", "images"]].tolist() == [1, 2]
    assert table.loc["moon_epoch2", ["wrong", "images"]].tolist() == [0, 1]


def test_published_means():
    means = published_errors().groupby("method")["error"].mean()
    assert means["facetracer"] == pytest.approx(0.18875)
    assert means["lnets_anet"] == pytest.approx(0.127)
    assert means["moon_published"] == pytest.approx(0.090622, abs=1e-6)
    assert (published_errors().groupby("method").size() == 40).all()
    origins = published_errors().drop_duplicates("method").set_index("method")["origin"]
    assert "unconfirmed" in origins["moon_published"]


def test_against_loops(made):
    table = classification_error(made.predictions, made.labels, made.run)
    errors = {}
    for row in made.predictions.to_dict("records"):
        if row["split"] == "test":
            method = row["network"] + ("_epoch2" if row["checkpoint"] == "epoch2" else "")
            decision = 1 if row["score"] > 0 else -1
            errors.setdefault((method, row["attribute"]), []).append(decision != row["label"])
    own = table[(table["origin"] == "this run") & ~table["attribute"].isin(["mean", "mean_all"])]
    measured = own[~own["method"].str.startswith("trivial")]
    assert len(measured) == len(errors)
    for row in measured.to_dict("records"):
        wrong = errors[row["method"], row["attribute"]]
        assert (row["wrong"], row["images"]) == (sum(wrong), len(wrong))
        assert row["error"] == pytest.approx(sum(wrong) / len(wrong))


def test_trivial_agrees_with_the_labels_of_the_predictions(made):
    table = classification_error(made.predictions, made.labels, made.run)
    for name in made.run.network("moon").attributes:
        truth = made.predictions.query("split == 'test' and network == 'moon' and attribute == @name")
        truth = truth.drop_duplicates("image")["label"]
        row = table[(table["method"] == "trivial_test") & (table["attribute"] == name)].iloc[0]
        assert row["error"] == pytest.approx(min((truth > 0).mean(), (truth < 0).mean()))


def test_means_are_over_the_same_attributes(made):
    table = classification_error(made.predictions, made.labels, made.run)
    for mean, names in (("mean", made.run.attacked), ("mean_all", made.run.learned)):
        for row in table[table["attribute"] == mean].to_dict("records"):
            cells = table[(table["method"] == row["method"]) & table["attribute"].isin(names)]["error"]
            assert len(cells) == len(names)
            assert row["error"] == pytest.approx(np.mean(cells))
    over_all = set(table.loc[table["attribute"] == "mean_all", "method"])
    assert {"moon", "trivial_train", "facetracer"} <= over_all
    assert "euclidean" not in over_all


def test_with_all_attributes_there_is_one_mean(full):
    table = classification_error(full.predictions, full.labels, full.run)
    assert list(table["attribute"].unique()) == [*ATTRIBUTES, "mean"]


def test_cells_that_are_unconfirmed_are_marked_on_every_page(made, full):
    table = classification_error(made.predictions, made.labels, made.run)
    sheet = sheets(table, made.run)[0]
    place = [column.heading for column in sheet.columns].index("MOON, published")
    assert all(cells[place].endswith("†") for cells in sheet.rows), "the means of a few attributes, too"
    marked = [place for cells in sheet.rows for place, cell in enumerate(cells) if "†" in str(cell)]
    assert set(marked) == {place}
    assert sheet.notes[-1].startswith("† From unconfirmed cells")
    value = sheet.rows[0][place].removesuffix("†")
    assert f"| {value}† |" in markdown([sheet], made.run.line)
    assert rf"& {value}\dag{{}} &" in latex([sheet], made.run.line)
    assert f">{value}†<" in table_page("Errors", [sheet], Reading("How to read it."), made.run)
    # The mean of all attributes is the one that is in print.
    sheet, *_ = sheets(classification_error(full.predictions, full.labels, full.run), full.run)
    assert [cells[place] for cells in sheet.rows][-1] == "9.1"
    assert all(cells[place].endswith("†") for cells in sheet.rows[:-1])


def test_missing_label_counts_are_named(made):
    lacking = made.labels[made.labels["attribute"] != "Male"]
    with pytest.raises(UserError, match="Male"):
        classification_error(made.predictions, lacking, made.run)


def wrong_by_class(made) -> dict[tuple, list[bool]]:
    """Return what is wrong on the test split, by method, attribute and label."""
    found = defaultdict(list)
    for row in made.predictions.query("split == 'test'").to_dict("records"):
        name = row["network"] + ("_epoch2" if row["checkpoint"] == "epoch2" else "")
        found[name, row["attribute"], row["label"]].append((row["score"] > 0) != (row["label"] > 0))
    return found


def test_rates_of_the_classes_against_loops(made):
    table, wrong = classification_error(made.predictions, made.labels, made.run), wrong_by_class(made)
    rows = table[~table["method"].isin(OTHERS) & (table["images"] > 0)].to_dict("records")
    assert {(row["method"], row["attribute"]) for row in rows} == {key[:2] for key in wrong}
    for row in rows:
        absent, present = (wrong[row["method"], row["attribute"], label] for label in (-1, 1))
        assert (row["positives"], row["false_negatives"]) == (len(present), sum(present))
        assert (row["false_negative_rate"], row["false_positive_rate"]) == pytest.approx(
            (np.mean(present), np.mean(absent))
        )
        assert row["balanced_error"] == pytest.approx((np.mean(present) + np.mean(absent)) / 2)
        # The mean of two rates is one half of 1 + p - (1 - q).
        counts = (sum(present), len(present), len(absent) - sum(absent), len(absent))
        ends = confint_proportions_2indep(*counts, method="newcomb", compare="diff")
        assert (row["balanced_low"], row["balanced_high"]) == pytest.approx([(1 + end) / 2 for end in ends])


def test_what_never_answers_otherwise_has_a_balanced_error_of_one_half(made):
    table = classification_error(made.predictions, made.labels, made.run)
    trivial = table[table["method"].str.startswith("trivial")]
    assert set(trivial["balanced_error"]) == {0.5}
    cells = trivial[trivial["images"].notna()]
    assert ((cells["false_negative_rate"] == 1) ^ (cells["false_positive_rate"] == 1)).all()
    published = table[table["method"].isin(["facetracer", "lnets_anet", "moon_published"])]
    assert published[list(RATES)].isna().all(axis=None), "in print there is the error alone"


@pytest.fixture
def one_sided(made):
    """No test image is bald, and all are male."""
    test, label = made.predictions["split"] == "test", made.predictions["label"]
    bald, male = (made.predictions["attribute"] == name for name in ("Bald", "Male"))
    label = label.mask(test & bald, -1).mask(test & male, 1)
    labels = made.labels.copy()
    for name, positives in (("Bald", 0), ("Male", labels["images"])):
        chosen = (labels["attribute"] == name) & (labels["split"] == "test")
        labels["positives"] = labels["positives"].mask(chosen, positives)
    return replace(made, predictions=made.predictions.assign(label=label), labels=labels)


def test_of_one_class_alone_its_error_is_the_balanced_one(one_sided):
    table = classification_error(one_sided.predictions, one_sided.labels, one_sided.run)
    cells = table.set_index(["method", "attribute"])
    for name, rate, other in (
        ("Bald", "false_positive_rate", "false_negative_rate"),
        ("Male", "false_negative_rate", "false_positive_rate"),
    ):
        row = cells.loc["moon", name]
        assert np.isnan(row[other])
        assert row["balanced_error"] == row[rate] == row["error"]
        assert (row["balanced_low"], row["balanced_high"]) == pytest.approx((row["low"], row["high"]))
        assert cells.loc[("trivial_test", name), "balanced_error"] == 0
    attacked = one_sided.run.attacked
    for rate in RATES:
        each = cells.loc[[("moon", name) for name in attacked], rate].dropna()
        assert len(each) == len(attacked) - (rate != "balanced_error")
        assert cells.loc[("moon", "mean"), rate] == pytest.approx(each.mean())
    counts = sheets(table, one_sided.run)[2].rows
    assert [row[1] for row in counts if row[0] == "Bald"] == ["0"]
    assert all("nan" not in str(cell) for row in counts for cell in row)


def test_pages_have_the_networks_balanced_errors_and_both_rates(made):
    table = classification_error(made.predictions, made.labels, made.run)
    errors, balanced, classes = sheets(table, made.run)
    assert [row[0] for row in balanced.rows] == [row[0] for row in classes.rows] == [row[0] for row in errors.rows]
    assert errors.breaks == balanced.breaks == classes.breaks
    own = [column.heading for column in balanced.columns[1:]]
    assert own == [column.heading for column in errors.columns[1:] if column.heading not in OTHERS.values()]
    cells = table.set_index(["method", "attribute"])
    row, wanted = balanced.rows[0], cells.loc[("moon", made.run.attributes[0])]
    value, interval = row[1 + own.index("MOON")]
    assert value == f"{100 * wanted['balanced_error']:.1f}"
    assert interval == f"[{100 * wanted['balanced_low']:.1f}, {100 * wanted['balanced_high']:.1f}]"
    heads = [(column.group, column.heading) for column in classes.columns]
    assert heads[1:3] == [("images", "with"), ("images", "without")]
    row = classes.rows[0]
    assert row[1:3] == [str(wanted["positives"]), str(wanted["images"] - wanted["positives"])]
    rates = [row[heads.index(("MOON", which))][0] for which in ("with", "without")]
    assert rates == [f"{100 * wanted[rate]:.1f}" for rate in ("false_negative_rate", "false_positive_rate")]
    assert classes.rows[-1][1:3] == ["–", "–"], "means are over attributes"
    plain = table.drop(columns=["low", "high", "balanced_low", "balanced_high"])
    assert all(isinstance(cell, str) for sheet in sheets(plain, made.run) for row in sheet.rows for cell in row)
