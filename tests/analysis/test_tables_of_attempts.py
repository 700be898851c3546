"""Flippability, overlap of checkpoints, success and overview against plain loops over the attempts."""

import math
from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest

from faceflip.analysis.frames import adversarial, count_flips, with_parts
from faceflip.analysis.tables.checkpoint_overlap import checkpoint_overlap, pair_checkpoints
from faceflip.analysis.tables.flippability import flippability
from faceflip.analysis.tables.overview import overview
from faceflip.analysis.tables.success import success
from faceflip.errors import UserError
from faceflip.outcomes import Outcome


def tiny(*rows: tuple) -> pd.DataFrame:
    columns = ["network", "checkpoint", "attack", "attribute", "image", "correct", "flipped", "pass"]
    return pd.DataFrame(rows, columns=columns)


def test_flippability_by_hand(made):
    attempts = tiny(
        ("euclidean", "converged", "fgs-line", "Bald", 1, True, True, 0.96),
        ("euclidean", "converged", "fgs-line", "Bald", 2, True, True, 0.95),
        ("euclidean", "converged", "fgs-line", "Bald", 3, True, False, math.nan),
        ("euclidean", "converged", "fgs-line", "Male", 1, True, True, -0.1),
        ("euclidean", "epoch2", "fgs-line", "Male", 1, True, True, 0.999),
    )
    table = flippability(attempts, replace(made.run, thresholds=(0.0, 0.95, 0.96, 0.97)))
    plus = table[table["sign"] == "+"]
    # A PASS at the threshold counts; one below zero counts nowhere, not even at 0.
    assert plus["flipped"].tolist() == [2, 2, 1, 0]
    assert plus["total"].tolist() == [4, 4, 4, 4]
    assert plus["rate"].tolist() == [0.5, 0.5, 0.25, 0]
    minus = table[table["sign"] == "-"]
    assert minus["total"].tolist() == [0, 0, 0, 0]
    assert minus["rate"].isna().all()


def test_flippability_against_loops(made):
    table, thresholds = flippability(made.attempts, made.run), made.run.thresholds
    total, hits = Counter(), Counter()
    for row in made.attempts.to_dict("records"):
        if row["checkpoint"] == "converged":
            key = (row["network"], *row["attack"].split("-"), "+" if row["correct"] else "-")
            total[key] += 1
            hits.update((*key, tau) for tau in thresholds if row["flipped"] and row["pass"] >= tau)
    assert len(table) == 2 * (4 + 4 + 2) * len(thresholds)
    for row in table.to_dict("records"):
        key = (row["network"], row["method"], row["search"], row["sign"])
        assert row["total"] == total[key]
        assert row["flipped"] == hits[(*key, row["threshold"])]
        assert row["rate"] == pytest.approx(row["flipped"] / row["total"])
        assert row["low"] <= row["rate"] <= row["high"]


def test_totals_are_attributes_times_images(made):
    table = flippability(made.attempts, replace(made.run, thresholds=(0.95,)))
    sums = table.groupby(["network", "method", "search"])["total"].sum()
    assert set(sums) == {len(made.run.attacked) * made.run.sample["images"]}


def test_flippability_falls_with_the_threshold(made):
    for _, rates in flippability(made.attempts, made.run).groupby(["network", "method", "search", "sign"])["rate"]:
        assert rates.is_monotonic_decreasing


def test_text_and_categories_give_the_same(made):
    columns = ["network", "checkpoint", "attack", "attribute"]
    categories = made.attempts.astype(dict.fromkeys(columns, "category"))
    pd.testing.assert_frame_equal(flippability(made.attempts, made.run), flippability(categories, made.run))


def test_adversarial_needs_a_flip():
    attempts = pd.DataFrame({"flipped": [True, True, False], "pass": [0.95, 0.94999, math.nan]})
    assert adversarial(attempts, 0.95).tolist() == [True, False, False]


def test_counting_keeps_a_sign_without_attempts(made):
    attempts = with_parts(
        tiny(
            ("moon", "converged", "ffa-line", "Bald", 1, True, True, 1.0),
            ("moon", "converged", "ffa-line", "Male", 1, False, True, 1.0),
        ),
        made.run,
    )
    counted = count_flips(attempts, ["attribute"], [0.95]).set_index(["attribute", "sign"])
    assert counted["total"].to_dict() == {("Bald", "+"): 1, ("Bald", "-"): 0, ("Male", "+"): 0, ("Male", "-"): 1}


def test_overlap_by_hand(made):
    def pair(image, early, late):
        return [
            ("softmax", checkpoint, "ffa-line", "Bald", image, sign == "+", similarity is not None, similarity)
            for checkpoint, (sign, similarity) in (("epoch2", early), ("converged", late))
        ]

    attempts = tiny(
        *pair(1, ("+", 0.99), ("+", 0.96)),
        *pair(2, ("+", 0.99), ("+", None)),
        *pair(3, ("-", 0.99), ("-", 0.95)),
        *pair(4, ("-", 0.99), ("+", 0.95)),
        *pair(5, ("-", 0.99), ("+", None)),
        *pair(6, ("-", 0.90), ("-", 0.99)),
    )
    table = checkpoint_overlap(pair_checkpoints(attempts, made.run), made.run).set_index("sign")
    assert table.loc["+", ["early", "converged", "overlap", "overlap_other_sign"]].tolist() == [2, 2, 1, 0]
    assert table.loc["-", ["early", "converged", "overlap", "overlap_other_sign"]].tolist() == [3, 2, 1, 1]


def test_overlap_against_sets(made):
    found = {}
    for row in made.attempts.to_dict("records"):
        if row["flipped"] and row["pass"] >= made.run.threshold and row["attack"].endswith("-line"):
            key = (row["network"], row["attack"], row["checkpoint"], "+" if row["correct"] else "-")
            found.setdefault(key, set()).add((row["attribute"], row["image"]))
    table = checkpoint_overlap(pair_checkpoints(made.attempts, made.run), made.run)
    assert len(table) == 8
    for row in table.to_dict("records"):
        early, late = (
            found.get((row["network"], f"{row['method']}-line", checkpoint, row["sign"]), set())
            for checkpoint in ("epoch2", "converged")
        )
        other = found.get(
            (row["network"], f"{row['method']}-line", "converged", {"+": "-", "-": "+"}[row["sign"]]), set()
        )
        assert [row["early"], row["converged"], row["overlap"]] == [len(early), len(late), len(early & late)]
        assert row["overlap_other_sign"] == len(early & other)


def test_overlap_refuses_different_images(made):
    lacking = made.attempts[
        (made.attempts["checkpoint"] != "epoch2") | (made.attempts["image"] != made.attempts["image"][0])
    ]
    with pytest.raises(UserError, match="ffa on euclidean has 145 attempts at epoch2 and 150 when converged"):
        pair_checkpoints(lacking, made.run)


def test_success_against_loops(made):
    table = success(made.attempts, made.run)
    total, hits = Counter(), Counter()
    for row in made.attempts.to_dict("records"):
        if row["checkpoint"] == "converged":
            key = (row["network"], row["attack"], row["attribute"], "+" if row["correct"] else "-")
            total[key] += 1
            hits[key] += bool(row["flipped"] and row["pass"] >= 0.95)
    assert len(table) == 2 * (4 + 4 + 2) * len(made.run.attacked)
    assert (table["total"] == 0).any(), "the specimen should have attributes that are never misclassified"
    for row in table.to_dict("records"):
        key = (row["network"], f"{row['method']}-{row['search']}", row["attribute"], row["sign"])
        assert (row["total"], row["adversarial"]) == (total[key], hits[key])
        assert math.isnan(row["rate"]) == (row["total"] == 0)


def test_success_adds_up_to_flippability(made):
    keys = ["network", "method", "search", "sign"]
    sums = success(made.attempts, made.run).groupby(keys)[["total", "adversarial"]].sum()
    expected = (
        flippability(made.attempts, replace(made.run, thresholds=(0.95,)))
        .set_index(keys)[["total", "flipped"]]
        .sort_index()
    )
    assert sums.to_numpy().tolist() == expected.to_numpy().tolist()


def test_overview_against_loops(made):
    table = overview(made.attempts, made.run)
    outcomes = [outcome.label for outcome in Outcome if outcome is not Outcome.UNKNOWN_LABEL]
    assert (table[outcomes].sum(axis=1) == table["attempts"]).all()
    aligned = [name for name in table.columns if name.startswith("aligned_")]
    assert (table[aligned].sum(axis=1) == table["flipped"]).all()
    for row in table.to_dict("records"):
        records = [
            each
            for each in made.attempts.to_dict("records")
            if all(each[name] == row[name] for name in ("network", "checkpoint", "attack"))
        ]
        assert row["attempts"] == len(records)
        assert row["zero_gradient"] == sum(each["outcome"] == "zero_gradient" for each in records)
        assert row["forward_passes"] == pytest.approx(sum(each["forward_passes"] for each in records) / len(records))
        flipped = sorted(each["epsilon"] for each in records if each["flipped"])
        middle = len(flipped) // 2
        median = flipped[middle] if len(flipped) % 2 else (flipped[middle - 1] + flipped[middle]) / 2
        assert row["epsilon"] == pytest.approx(median)


def test_scores_that_are_not_finite_are_an_outcome_of_their_own(made):
    more = made.attempts.copy()
    chosen = more.index[(more["attack"] == "ffa-line") & (more["network"] == "moon") & ~more["flipped"]][:2]
    more.loc[chosen, "outcome"] = "not_finite"
    table = overview(more, made.run).set_index(["network", "checkpoint", "attack"])
    assert table["not_finite"].sum() == table.loc[("moon", "converged", "ffa-line"), "not_finite"] == 2
    outcomes = [outcome.label for outcome in Outcome if outcome is not Outcome.UNKNOWN_LABEL]
    assert (table[outcomes].sum(axis=1) == table["attempts"]).all()
