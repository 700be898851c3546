"""Labels in doubt: confident learning against its formulas, and what rules, scores and audits say together."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceflip.data.confident import doubts_of
from faceflip.data.contradictions import Contradiction
from faceflip.data.label_doubt import COLUMNS, doubted_pairs
from faceflip.data.packed import Dataset
from faceflip.errors import UserError
from faceflip.io.tables import write_table
from faceflip.stages.doubt import label_doubt

NAMES = ("old", "a / b", "glad")


def noisy(count=4000, flipped=0.08, seed=0):
    """Labels of two attributes of which some are turned round, scores that know better, and which are turned."""
    rng = np.random.default_rng(seed)
    truth = rng.random((count, 2)) < (0.5, 0.15)
    wrong = rng.random(truth.shape) < flipped
    scores = 1 / (1 + np.exp(-np.where(truth, 3, -3) - rng.normal(0, 1, truth.shape)))
    return np.where(truth ^ wrong, 1, -1).astype("int8"), scores.astype("float32"), wrong


def confident_joint(present, probability):
    """Count labels by annotated and by confident class (Northcutt, Jiang, Chuang 2021, eq. 1), as many as annotated."""
    both = np.stack([1 - probability, probability], axis=1)
    thresholds = [both[present == each, each].mean() for each in (0, 1)]
    above = both >= thresholds
    confident = np.where(above.all(axis=1), both.argmax(axis=1), above.argmax(axis=1))
    counts = np.array(
        [[np.sum((present == i) & (confident == j) & above.any(axis=1)) for j in (0, 1)] for i in (0, 1)], float
    )
    return counts / counts.sum(axis=1, keepdims=True) * np.bincount(present)[:, None]


def test_labels_that_are_taken_for_wrong_are_as_many_as_the_confident_joint_says():
    labels, scores, wrong = noisy()
    doubt, found = doubts_of(labels, scores)
    for column in range(2):
        present, probability = (labels[:, column] > 0).astype(int), scores[:, column].astype(float)
        own = np.where(present == 1, probability, 1 - probability)
        np.testing.assert_allclose(doubt[:, column], 1 - own, atol=1e-6)
        joint = confident_joint(present, probability)
        for each in (0, 1):
            hits, confidence = found[present == each, column], own[present == each]
            least = np.sort(confidence)[: round(joint[each, 1 - each])]
            # The least confident ones, but for those to which the network still gives the label.
            assert abs(hits.sum() - np.sum(least < 0.5)) <= 2
            assert confidence[hits].max() <= confidence[~hits].min()
        assert np.mean(wrong[found[:, column], column]) > 0.8


def test_unknown_labels_and_missing_scores_have_no_doubt_and_no_say():
    labels, scores, _ = noisy()
    whole = doubts_of(labels, scores)
    more = np.concatenate([labels, np.zeros((50, 2), "int8"), np.ones((50, 2), "int8")])
    doubt, found = doubts_of(more, np.concatenate([scores, np.full((50, 2), 0.5), np.full((50, 2), np.nan)]))
    np.testing.assert_array_equal(doubt[: len(labels)], whole[0])
    np.testing.assert_array_equal(found[: len(labels)], whole[1])
    assert np.isnan(doubt[len(labels) :]).all()
    assert not found[len(labels) :].any()


@settings(max_examples=30)
@given(
    st.integers(0, 30).flatmap(
        lambda n: st.lists(
            st.tuples(st.sampled_from((-1, 0, 1)), st.sampled_from((0.0, 0.2, 0.5, 0.9, 1.0))), min_size=n, max_size=n
        )
    )
)
def test_every_label_and_score_has_an_answer(pairs):
    """Also attributes of one class, of few images, and scores of 0 and 1."""
    labels = np.array([[label] for label, _ in pairs], "int8").reshape(-1, 1)
    scores = np.array([[score] for _, score in pairs], "float32").reshape(-1, 1)
    doubt, found = doubts_of(labels, scores)
    known = labels != 0
    assert ((doubt[known] >= 0) & (doubt[known] <= 1)).all()
    assert np.isnan(doubt[~known]).all()
    assert not found[~known].any()


def dataset(labels, mislabelled=None):
    count = len(labels)
    names = np.array([f"{row}.png" for row in range(count)])
    split = np.array([0, 1, 2] * count, "uint8")[:count]
    images = np.zeros((count, 2, 2, 3), "uint8")
    return Dataset(images, np.array(labels, "int8"), split, names, {"attributes": list(NAMES)}, mislabelled)


RULES = (
    Contradiction("old and glad", ("old", "glad"), (), 0, (), soft=False),
    Contradiction("b without old", ("a / b",), (), 0, ("old",), soft=True),
)
LABELS = [[1, -1, 1], [-1, 1, 0], [1, 1, -1], [1, -1, 1]]


def test_a_row_a_known_label_in_order_of_attributes_and_images():
    table = label_doubt(dataset(LABELS), RULES)
    assert list(table.columns) == list(COLUMNS)
    assert list(zip(table["attribute"], table["image"], strict=True)) == [
        (name, image) for column, name in enumerate(NAMES) for image in range(4) if LABELS[image][column]
    ]
    for row in table.itertuples():
        assert row.label == LABELS[row.image][NAMES.index(row.attribute)]
        assert (row.file_name, row.split) == (f"{row.image}.png", ("train", "validation", "test")[row.image % 3])
    assert table[["score", "doubt"]].isna().all(axis=None)


def reasons(table, column="reasons"):
    return {(row.image, row.attribute): getattr(row, column) for row in table.itertuples() if getattr(row, column)}


def test_hard_rules_put_labels_in_doubt_and_soft_ones_hint():
    table = label_doubt(dataset(LABELS), RULES)
    assert reasons(table) == dict.fromkeys([(0, "old"), (0, "glad"), (3, "old"), (3, "glad")], "old and glad")
    assert reasons(table, "hints") == dict.fromkeys([(1, "old"), (1, "a / b")], "b without old")
    assert (table["doubtful"] == (table["reasons"] != "")).all()


def test_an_audit_settles_what_it_looked_at():
    audited = np.array([[1, 0, -1], [1, 0, 1], [0, 0, 0], [0, 0, 0]], "int8")
    table = label_doubt(dataset(LABELS), RULES, audited=audited)
    assert reasons(table) == {
        (0, "glad"): "old and glad; audit",
        (1, "old"): "audit",
        (3, "old"): "old and glad",
        (3, "glad"): "old and glad",
    }


def test_scores_come_from_all_folds_and_add_their_reason():
    labels, scores, _ = noisy()
    labels = np.concatenate([labels, np.where(np.arange(len(labels)) % 2, 1, -1)[:, None]], axis=1).astype("int8")
    parts = []
    for fold in range(2):
        rows = np.arange(len(labels))[fold::2]
        column, place = np.nonzero(np.ones((2, len(rows))))
        attribute = pd.Categorical.from_codes(column, list(NAMES))
        parts.append(pd.DataFrame({"image": rows[place], "attribute": attribute, "score": scores[rows[place], column]}))
    table = label_doubt(dataset(labels), (), parts)
    doubt, wrong = doubts_of(labels[:, :2], scores)
    part = table[table["attribute"] != "glad"]
    assert table.loc[table["attribute"] == "glad", "score"].isna().all()
    column = part["attribute"].map(NAMES.index).astype(int)
    np.testing.assert_array_equal(part["score"], scores[part["image"], column])
    np.testing.assert_array_equal(part["doubt"], doubt[part["image"], column])
    assert reasons(table) == {(image, NAMES[column]): "scores" for image, column in np.argwhere(wrong).tolist()}


def test_on_drawn_faces_it_says_what_was_falsified():
    falsified = np.array(LABELS) == 1
    table = label_doubt(dataset(LABELS, falsified), RULES)
    assert {(row.image, row.attribute) for row in table.itertuples() if row.falsified} == {
        (image, NAMES[column]) for image, column in np.argwhere(falsified).tolist()
    }


def test_doubted_pairs_are_read_back(tmp_path):
    table = label_doubt(dataset(LABELS), RULES)
    write_table(tmp_path / "doubt.parquet", table)
    found = doubted_pairs(tmp_path / "doubt.parquet")
    assert reasons(found) == reasons(table)
    write_table(tmp_path / "other.parquet", pd.DataFrame({"image": [1]}))
    with pytest.raises(UserError, match=r"other\.parquet: not a readable table"):
        doubted_pairs(tmp_path / "other.parquet")
