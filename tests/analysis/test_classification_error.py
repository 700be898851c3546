import numpy as np
import pandas as pd
import pytest

from faceflip.analysis.html import table_page
from faceflip.analysis.pages import latex, markdown
from faceflip.analysis.tables.classification_error import (
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
    (sheet,) = sheets(table, made.run)
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
    (sheet,) = sheets(classification_error(full.predictions, full.labels, full.run), full.run)
    assert [cells[place] for cells in sheet.rows][-1] == "9.1"
    assert all(cells[place].endswith("†") for cells in sheet.rows[:-1])


def test_missing_label_counts_are_named(made):
    lacking = made.labels[made.labels["attribute"] != "Male"]
    with pytest.raises(UserError, match="Male"):
        classification_error(made.predictions, lacking, made.run)
