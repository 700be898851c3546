import math

import pandas as pd
import pytest

from faceflip.analysis.matrices import matrix, summary, transfer_rates
from faceflip.analysis.statistics.ordering import clustered
from faceflip.analysis.tables.correlation import correlation
from faceflip.analysis.tables.transferability import transferability
from faceflip.errors import UserError

EXPERIMENT = ("euclidean", "converged", "ffa-line")


@pytest.fixture(scope="module")
def matrices(made):
    return {
        "checkpoint": transferability(made.attempts, made.transfers, made.run),
        "search": correlation(made.attempts, made.transfers, made.run),
    }


@pytest.mark.parametrize(
    ("kind", "which", "experiment"),
    [
        ("checkpoint", "converged", ("euclidean", "converged", "ffa-line")),
        ("checkpoint", "epoch2", ("euclidean", "epoch2", "ffa-line")),
        ("search", "line", ("moon", "converged", "ffa-line")),
        ("search", "iterative", ("moon", "converged", "ffa-iterative")),
    ],
)
def test_against_loops(made, matrices, kind, which, experiment):
    table = matrices[kind]
    table = table[table[kind] == which]
    targets = made.run.network(experiment[0]).attributes
    images = {name: set() for name in made.run.attacked}
    for row in made.attempts.to_dict("records"):
        same = (row["network"], row["checkpoint"], row["attack"]) == experiment
        if same and row["flipped"] and row["pass"] >= 0.95:
            images[row["attribute"]].add(row["image"])
    changed = {}
    for row in made.transfers.to_dict("records"):
        if (row["network"], row["checkpoint"], row["attack"]) == experiment and row["changed"]:
            assert (row["score_before"] > 0) != (row["score_after"] > 0)
            changed.setdefault((row["attribute"], row["target"]), set()).add(row["image"])
    assert len(table) == len(made.run.attacked) * len(targets)
    for row in table.to_dict("records"):
        assert row["images"] == len(images[row["source"]])
        assert row["changed"] == len(changed.get((row["source"], row["target"]), set()))
        if row["images"]:
            assert row["rate"] == pytest.approx(row["changed"] / row["images"])
        else:
            assert math.isnan(row["rate"])


def test_diagonal_of_converged_to_converged_is_everything(matrices):
    for frame in (matrices["checkpoint"].query("checkpoint == 'converged'"), matrices["search"]):
        own = frame[(frame["source"] == frame["target"]) & (frame["images"] > 0)]
        assert len(own) > 2
        assert (own["rate"] == 1).all()


def example() -> tuple[pd.DataFrame, pd.DataFrame]:
    keys = dict(zip(("network", "checkpoint", "attack"), EXPERIMENT, strict=True))
    attempts = pd.DataFrame(
        {
            **keys,
            "attribute": ["Bald", "Bald", "Bald", "Male", "Male"],
            "image": [1, 2, 3, 1, 2],
            "flipped": [True, True, True, False, True],
            "pass": [0.99, 0.96, 0.9, math.nan, 0.5],
        }
    )
    transfers = pd.DataFrame(
        {
            **keys,
            "attribute": "Bald",
            "image": [1, 1, 2, 2],
            "target": ["Bald", "Male", "Bald", "Male"],
            "changed": [True, False, True, True],
        }
    )
    return attempts, transfers


def test_by_hand_with_an_empty_column():
    attempts, transfers = example()
    rates = transfer_rates(attempts, transfers, EXPERIMENT, 0.95, ["Bald", "Male"])
    wide = matrix(rates)
    assert wide["Bald"].to_dict() == {"Bald": 1.0, "Male": 0.5}
    assert wide["Male"].isna().all()
    assert matrix(rates, "images").loc["Male"].to_dict() == {"Bald": 2, "Male": 0}
    numbers = summary(rates)
    assert numbers == {"columns": 1, "empty": 1, "diagonal": 1.0, "diagonal_least": 1.0, "others": 0.5}


def test_a_higher_threshold_leaves_images_out():
    rates = transfer_rates(*example(), EXPERIMENT, 0.97, ["Bald", "Male"]).set_index(["source", "target"])
    assert rates.loc[("Bald", "Male"), ["images", "changed"]].tolist() == [1, 0]


def test_a_lower_threshold_needs_more_tests_than_there_are():
    with pytest.raises(UserError, match=r"euclidean/converged/ffa-line hold 4 tests instead of 6.*threshold"):
        transfer_rates(*example(), EXPERIMENT, 0.9, ["Bald", "Male"])


def test_a_missing_target_is_noticed():
    attempts, transfers = example()
    with pytest.raises(UserError, match="3 tests instead of 4"):
        transfer_rates(attempts, transfers[1:], EXPERIMENT, 0.95, ["Bald", "Male"])


def test_experiments_that_were_not_run_have_no_rows(made):
    attempts = made.attempts[made.attempts["network"] == "softmax"]
    assert transferability(attempts, pd.DataFrame(columns=made.transfers.columns), made.run).empty
    late = made.attempts[made.attempts["checkpoint"] == "converged"]
    assert set(transferability(late, made.transfers, made.run)["checkpoint"]) == {"converged"}


def test_clustering_puts_related_attributes_side_by_side():
    names = list("abcdef")
    rates = pd.DataFrame(0.02, index=names, columns=names)
    for left, right in (("a", "d"), ("b", "f"), ("c", "e")):
        rates.loc[left, right] = 0.9
    order = clustered([rates, rates.drop(columns="f")])
    assert sorted(order) == names
    for left, right in (("a", "d"), ("c", "e")):
        assert abs(order.index(left) - order.index(right)) == 1
    assert clustered([rates.loc[["b", "a"], ["a", "b"]]]) == ["b", "a"]
