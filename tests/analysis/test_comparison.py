"""Runs beside each other: settings, tables and attempts, each number a second time by other means."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from compared_runs import ATTRIBUTES, NAMES, made_up, otherwise, seeded, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import binomtest
from statsmodels.stats.proportion import confint_proportions_2indep
from store_builder import STEM, Builder

from faceflip.analysis.columns import COLUMNS
from faceflip.analysis.comparison.beside import NUMBER, side_by_side
from faceflip.analysis.comparison.compared import compare_runs
from faceflip.analysis.comparison.finished import read_runs
from faceflip.analysis.comparison.pairs import paired_tests
from faceflip.analysis.comparison.what_differs import cautions, differences, only_seeds
from faceflip.errors import UserError

ERRORS = ["run", "network", "checkpoint"]


@pytest.fixture(scope="session")
def made():
    return made_up()


@pytest.fixture(scope="session")
def folders(made, tmp_path_factory) -> dict[str, Path]:
    """A run, one that learned differently on the same images, and two more seeds of it."""
    runs = {"first": made, "other": otherwise(made), "seed1": seeded(made, 1), "seed2": seeded(made, 2)}
    return write(runs, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory) -> Path:
    """A run on other images."""
    there = {"elsewhere": made_up(seed=8, sample=30)}
    return write(there, tmp_path_factory.mktemp("other"), fingerprint="1" * 64)["elsewhere"]


@pytest.fixture(scope="session")
def pair(folders):
    return read_runs([folders["first"], folders["other"]])


@pytest.fixture(scope="session")
def tests(pair) -> pd.DataFrame:
    return paired_tests(pair)


def one(tests: pd.DataFrame, **keys) -> pd.Series:
    chosen = np.logical_and.reduce([tests[name] == value for name, value in keys.items()])
    assert chosen.sum() == 1
    return tests[chosen].iloc[0]


# Settings.


def test_settings_that_differ_are_named_and_no_others(pair):
    found = {each.name: each.told for each in differences(pair)}
    assert found == {f"networks.{name}.training.batch_size": ("64", "7") for name in ("euclidean", "moon")}
    assert cautions(pair) == []
    assert not only_seeds(differences(pair))


def test_what_only_one_run_has_is_one_line(made, folders, tmp_path):
    attacks = tuple(each for each in made.run.attack_list if each.name != "ffa-line")
    less = replace(made, run=replace(made.run, networks=made.run.networks[:1], attack_list=attacks, threshold=0.9))
    there = write({"less": less}, tmp_path, ["trainings"] * 0)["less"]
    (there / "results/tables/mine.csv").write_text("a,b\nx,1\n")
    runs = read_runs([folders["first"], there])
    found = {each.name: each.told for each in differences(runs)}
    assert found == {"networks.moon": ("there", "–"), "attacks.ffa-line": ("there", "–"), "threshold": ("0.95", "0.9")}
    assert [each.aspect for each in cautions(runs)] == ["threshold"]


def test_other_data_and_measures_are_told(made, folders, tmp_path):
    definition = dict(made.run.definition) | {"ssim_k1": 0.02}
    run = replace(made.run, color="gray", definition=definition, code="f" * 64, dataset="celeba", attacked=("Male",))
    apart = write({"apart": replace(made, run=run)}, tmp_path, ["trainings"], fingerprint="2" * 64)["apart"]
    runs = read_runs([folders["first"], apart])
    aspects = [each.aspect for each in cautions(runs)]
    assert aspects == ["data", "data", "attributes", "similarity", "similarity", "code"]
    assert {"color", "definition.ssim_k1", "code", "dataset.fingerprint", "dataset.source", "attacked"} <= {
        each.name for each in differences(runs)
    }
    assert set(paired_tests(runs)["measure"]) == {"error", "flipped"}, "PASS is another measure"
    assert set(paired_tests(runs)["kind"]) == {"independent"}


def test_runs_that_differ_by_seeds_alone(folders, pair):
    assert only_seeds(differences(read_runs([folders["first"], folders["seed1"], folders["seed2"]])))
    assert not only_seeds(differences(read_runs([folders["first"], folders["seed1"], folders["other"]])))
    assert not only_seeds([])


def test_options_of_attacks_are_those_of_their_stores(made, tmp_path):
    there = write({"a": made, "b": made, "without": made}, tmp_path, ["trainings"])
    Builder(there["a"]).shard(f"{STEM}/000.h5")
    Builder(there["b"]).shard(f"{STEM}/000.h5", parameters={"max_epsilon": 40, "search": "doubling"})
    damaged = Builder(there["without"]).shard(f"{STEM}/000.h5")
    damaged.write_bytes(damaged.read_bytes()[:600])
    found = differences(read_runs(list(there.values())))
    assert [(each.name, each.told) for each in found] == [("attacks.ffa-line.options", ("there", "there", "–"))]
    found = differences(read_runs([there["a"], there["b"]]))
    assert [(each.name, each.told) for each in found] == [("attacks.ffa-line.options.max_epsilon", ("255", "40"))]


# Tables.


@pytest.mark.parametrize("name", NAMES)
def test_numbers_stand_beside_each_other_as_a_join_has_them(pair, name):
    table = side_by_side(name, pair)
    keys, words, ends = (list(each) for each in (COLUMNS[name].keys, COLUMNS[name].words, COLUMNS[name].ends))
    both = [
        pd.read_csv(run.tables[name], dtype=dict.fromkeys(keys, str), keep_default_na=False, na_values=[""])
        for run in pair
    ]
    long = [each.drop(columns=[*words, *ends]).melt(keys, var_name=NUMBER) for each in both]
    joined = long[0].merge(long[1], on=[*keys, NUMBER], how="outer", suffixes=("_a", "_b"))
    joined = joined.dropna(subset=["value_a", "value_b"], how="all")
    found = table.numbers.merge(joined.assign(**_as_found(joined, keys)), on=[*keys, NUMBER], validate="one_to_one")
    assert len(found) == len(table.numbers) == len(joined)
    for letter, side in zip("AB", "ab", strict=True):
        np.testing.assert_array_equal(found[letter], found[f"value_{side}"].astype(float))
    np.testing.assert_array_equal(found["B_minus_A"], (found["value_b"] - found["value_a"]).astype(float))
    assert table.differ.sum() == (joined["value_a"] != joined["value_b"]).sum()
    assert table.differ.any() == (name != "trainings"), "the networks learned otherwise in as many epochs"
    assert table.in_all == len(joined)


def _as_found(joined: pd.DataFrame, keys: list[str]) -> dict:
    found = {key: joined[key].fillna("") for key in keys}
    if "threshold" in found:
        found["threshold"] = found["threshold"].map(lambda text: f"{float(text):g}")
    return found


def test_intervals_of_differences_are_newcombe_s(pair):
    table = side_by_side("success", pair)
    rates = table.numbers[table.numbers[NUMBER] == "rate"]
    keys = list(COLUMNS["success"].keys)
    counts = [pd.read_csv(run.tables["success"]).astype({"threshold": "str"}).set_index(keys) for run in pair]
    checked = 0
    for row in rates.to_dict("records"):
        (a, of_a), (b, of_b) = (each.loc[tuple(row[key] for key in keys), ["adversarial", "total"]] for each in counts)
        if of_a and of_b:
            expected = confint_proportions_2indep(b, of_b, a, of_a, method="newcomb")
            assert (row["B_minus_A_low"], row["B_minus_A_high"]) == pytest.approx(expected, abs=1e-9)
            checked += 1
    assert checked > 20


def test_rows_of_one_run_alone_are_kept(made, folders, tmp_path):
    less = replace(made, attempts=made.attempts[made.attempts["network"] != "moon"])
    runs = read_runs([folders["first"], write({"less": less}, tmp_path, ["success"])["less"]])
    table = side_by_side("success", runs)
    moon = table.numbers["network"] == "moon"
    assert table.numbers.loc[moon, "B"].isna().all()
    assert table.numbers.loc[moon, "A"].notna().all()
    assert table.numbers.loc[moon, "B_minus_A"].isna().all()
    assert (table.only_in("A"), table.only_in("B")) == (moon.sum(), 0)
    assert not table.differ.any()
    assert side_by_side("trainings", runs).missing == ("B",)


def test_words_that_differ(folders, tmp_path):
    there = write({"there": made_up()}, tmp_path, ["trainings"])["there"]
    path = there / "results/tables/trainings.csv"
    table = pd.read_csv(path)
    table.loc[1, "ended"] = "elsewhere"
    table.iloc[::-1].to_csv(path, index=False)
    found = side_by_side("trainings", read_runs([folders["first"], there]))
    assert found.words["B"].tolist() == ["elsewhere"]
    assert found.words[["network", "member"]].iloc[0].tolist() == table.loc[1, ["network", "member"]].tolist()
    assert not found.differ.any()


def test_a_table_of_ones_own_is_compared_by_its_text(folders, tmp_path):
    there = write({"there": made_up(), "here": made_up()}, tmp_path, [])
    for number, folder in enumerate(there.values()):
        tables = folder / "results/tables"
        (tables / "mine.csv").write_text(f"who,count,share\nx,{number},0.5\ny,4,\n")
        (tables / "bare.csv").write_text("count,share\n1,0.5\n1,0.25\n")
    mine, bare = (side_by_side(name, read_runs(list(there.values()))) for name in ("mine", "bare"))
    assert mine.numbers[["who", NUMBER, "B_minus_A"]].to_numpy().tolist() == [
        ["x", "count", 1.0],
        ["x", "share", 0.0],
        ["y", "count", 0.0],
    ]
    assert bare.without_keys
    assert bare.numbers.empty


def test_over_seeds_there_are_mean_deviation_and_interval(folders):
    runs = read_runs([folders[name] for name in ("first", "seed1", "seed2")])
    found = side_by_side("flippability", runs, over_runs=True).numbers
    values = found[["A", "B", "C"]].dropna()
    mean, error = values.mean(axis=1), values.sem(axis=1)
    half = stats.t.ppf(0.975, 2) * error
    expected = pd.DataFrame(
        {"mean": mean, "deviation": values.std(axis=1), "mean_low": mean - half, "mean_high": mean + half}
    )
    np.testing.assert_allclose(found.loc[values.index, list(expected)], expected, atol=1e-12)
    assert set(found["runs"]) <= {1, 2, 3}
    assert "mean" not in side_by_side("flippability", runs).numbers


# Attempts.


def test_attempts_are_paired_as_a_plain_loop_pairs_them(pair, tests):
    a, b = (
        {tuple(row[name] for name in ("network", "checkpoint", "attack", "attribute", "image")): row for row in rows}
        for rows in (run.attempts.to_dict("records") for run in pair)
    )
    for attack in ("fgs-line", "ffa-iterative"):
        sums: dict[int, int] = {}
        ups = downs = trials = 0
        for key, row in a.items():
            if key[:3] != ("euclidean", "converged", attack):
                continue
            hit, then = (each["flipped"] and each["pass"] >= 0.95 for each in (row, b[key]))
            trials += 1
            ups += then and not hit
            downs += hit and not then
            sums[key[-1]] = sums.get(key[-1], 0) + int(then) - int(hit)
        row = one(tests, network="euclidean", checkpoint="converged", attack=attack, measure="adversarial", sign="all")
        assert (row["kind"], row["trials"], row["images"]) == ("paired", trials, len(sums))
        assert (row["only_first"], row["only_other"]) == (downs, ups)
        assert row["difference"] == pytest.approx((ups - downs) / trials)
        assert row["low"] < row["difference"] < row["high"]
        assert row["p"] == pytest.approx(_by_convolution(list(sums.values())))


def _by_convolution(sums: list[int]) -> float:
    """Return the chance that signs chosen at random lead as far, adding one image after the other."""
    chances = {0: 1.0}
    for each in filter(None, sums):
        added: dict[int, float] = {}
        for total, chance in chances.items():
            for sign in (-1, 1):
                added[total + sign * each] = added.get(total + sign * each, 0) + chance / 2
        chances = added
    return sum(chance for total, chance in chances.items() if abs(total) >= abs(sum(sums)))


def test_one_attribute_is_mcnemar_s_exact_test(made, folders, tmp_path):
    runs = {"a": made, "b": otherwise(made)}
    alone = {
        name: replace(each, attempts=each.attempts[each.attempts["attribute"] == "Smiling"])
        for name, each in runs.items()
    }
    there = write(alone, tmp_path, ["overview"])
    tests = paired_tests(read_runs(list(there.values())))
    rows = tests[tests["measure"].isin(["flipped", "adversarial"])]
    assert (rows["trials"] == rows["images"]).all()
    for row in rows.to_dict("records"):
        lost, gained = row["only_first"], row["only_other"]
        if row["trials"]:
            assert row["p"] == pytest.approx(binomtest(gained, lost + gained).pvalue if lost + gained else 1)
    assert rows["p"].min() < 0.5


def test_signs_are_of_what_both_classify_alike(pair, tests):
    row = one(tests, network="moon", checkpoint="converged", attack="ffa-line", measure="adversarial", sign="-")
    attempts = pair[0].attempts.query("network == 'moon' and checkpoint == 'converged' and attack == 'ffa-line'")
    assert row["trials"] == (~attempts["correct"]).sum()


def test_sizes_are_of_what_flipped_in_both(pair, tests):
    row = one(tests, network="euclidean", checkpoint="converged", attack="ffa-line", measure="epsilon")
    a, b = (
        run.attempts.query("network == 'euclidean' and checkpoint == 'converged' and attack == 'ffa-line'").set_index(
            ["attribute", "image"]
        )["epsilon"]
        for run in pair
    )
    both = pd.concat([a, b], axis=1, keys=["a", "b"]).dropna()
    by_image = (both["b"] - both["a"]).groupby("image").mean()
    assert (row["trials"], row["images"]) == (len(both), len(by_image))
    assert (row["first"], row["other"]) == (both["a"].median(), both["b"].median())
    assert row["difference"] == pytest.approx(by_image.median())
    assert row["p"] == pytest.approx(binomtest(int((by_image > 0).sum()), int((by_image != 0).sum())).pvalue)


def test_errors_are_of_the_same_answers(pair, made, tests):
    row = one(tests, network="moon", checkpoint="converged", measure="error")
    answers = made.predictions.query("network == 'moon' and checkpoint == 'converged' and split == 'test'")
    assert row["trials"] == len(answers) == 30 * len(ATTRIBUTES)
    wrong = (answers["score"] > 0) != (answers["label"] > 0)
    assert row["first"] == pytest.approx(wrong.mean())
    table = pd.read_csv(pair[1].tables["classification_error"]).set_index(["method", "attribute"])
    assert row["other"] == pytest.approx(table.loc[("moon", "mean"), "error"]), "all labels are known"


def test_other_images_are_not_paired(folders, elsewhere):
    runs = read_runs([folders["first"], elsewhere])
    tests = paired_tests(runs)
    assert set(tests["kind"]) == {"independent"}
    assert tests["p"].isna().all()
    row = one(tests, network="euclidean", checkpoint="converged", attack="fgs-line", measure="adversarial", sign="+")
    shares = [
        pd.read_csv(run.tables["flippability"]).set_index(["network", "method", "search", "sign", "threshold"])
        for run in runs
    ]
    a, b = (each.loc[("euclidean", "fgs", "line", "+", 0.95)] for each in shares)
    assert (row["first"], row["other"]) == pytest.approx((a["rate"], b["rate"]))
    low = row["difference"] - math.hypot(b["rate"] - b["low"], a["high"] - a["rate"])
    assert row["low"] == pytest.approx(low)


def test_images_that_are_the_same_in_part(made, folders, tmp_path):
    some = made.attempts["image"].unique()[:10]
    there = write(
        {"some": replace(made, attempts=made.attempts[made.attempts["image"].isin(some)])}, tmp_path, ["overview"]
    )
    runs = read_runs([folders["first"], there["some"]])
    tests = paired_tests(runs)
    flipped = tests[tests["measure"] == "flipped"]
    assert sorted(set(flipped["kind"])) == ["independent", "paired"]
    assert set(flipped.loc[flipped["kind"] == "paired", "images"]) == {10}
    assert [each.aspect for each in cautions(runs)] == ["sample"]


def test_holm_is_over_all_tests(tests):
    assert (tests["p_holm"] >= tests["p"]).all()
    assert tests["p_holm"].min() == pytest.approx(min(1, tests["p"].min() * tests["p"].notna().sum()))


# Properties.


def test_a_run_and_its_copy_do_not_differ(made, folders, tmp_path):
    found = compare_runs([folders["other"], write({"copy": otherwise(made)}, tmp_path)["copy"]])
    assert not found.differences
    assert not found.cautions
    assert set(found.tests["kind"]) == {"paired"}
    assert (found.tests["p"].dropna() == 1).all()
    assert (found.tests["difference"].dropna() == 0).all()
    for table in found.tables:
        assert not table.differ.any()
        assert table.words.empty
        assert table.in_all == len(table.numbers)
        assert (table.numbers["B_minus_A"] == 0).all()


def test_the_other_way_round_signs_are_others(pair, tests):
    turned = paired_tests(pair[::-1])
    for name in ("difference", "low", "high"):
        there = {"low": "high", "high": "low"}.get(name, name)
        np.testing.assert_allclose(turned[name], -tests[there], atol=1e-12)
    np.testing.assert_array_equal(turned["p"], tests["p"])
    np.testing.assert_array_equal(turned["only_first"], tests["only_other"])
    swapped = [replace(run, letter=letter) for run, letter in zip(pair[::-1], "AB", strict=True)]
    for name in NAMES:
        one_way, other_way = (side_by_side(name, runs).numbers for runs in (pair, swapped))
        keys = [*COLUMNS[name].keys, NUMBER]
        both = one_way.merge(other_way, on=keys, suffixes=("", "_turned"), validate="one_to_one")
        np.testing.assert_array_equal(both["B_minus_A"], -both["B_minus_A_turned"])
        np.testing.assert_allclose(both["B_minus_A_low"], -both["B_minus_A_high_turned"], atol=1e-12)


@pytest.mark.slow
@settings(max_examples=2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(pair, tests, tmp_path_factory, random):
    folder = tmp_path_factory.mktemp("shuffled")
    tables, shuffled = folder / "tables", []
    tables.mkdir()
    for path in pair[1].tables.values():
        head, *rows = path.read_text().splitlines()
        random.shuffle(rows)
        (tables / path.name).write_text("\n".join([head, *rows]) + "\n")
    run = replace(pair[1])
    run.__dict__["tables"] = {name: tables / path.name for name, path in pair[1].tables.items()}
    order = list(range(len(pair[1].attempts)))
    random.shuffle(order)
    run.__dict__["attempts"] = pair[1].attempts.iloc[order]
    shuffled = [pair[0], run]
    for name in NAMES[:2]:
        pd.testing.assert_frame_equal(side_by_side(name, shuffled).numbers, side_by_side(name, pair).numbers)
    pd.testing.assert_frame_equal(paired_tests(shuffled), tests)


# Faults.


def test_all_faults_are_told_at_once(made, folders, tmp_path):
    unfinished = write({"unfinished": made}, tmp_path, ["overview"])["unfinished"]
    for file in ("attempts.parquet", "index.html"):
        (unfinished / "results" / file).unlink()
    old = tmp_path / "old"
    (old / "results/portability").mkdir(parents=True)
    newer = write({"newer": made}, tmp_path, ["overview"])["newer"]
    described = json.loads((newer / "results/run.json").read_text())
    (newer / "results/run.json").write_text(json.dumps(described | {"later": 1}))
    empty = tmp_path / "empty"
    empty.mkdir()
    first = folders["first"]
    with pytest.raises(UserError) as error:
        read_runs([first, tmp_path / "none", empty, unfinished, old, newer, first / "results"])
    told = str(error.value).splitlines()
    expected = ("results: the same run as", "none: no such folder", "empty: no results of a run (no results/run.json)")
    expected += ("an unfinished run, without results/attempts.parquet, results/index.html", "results of faceflip 0.1")
    expected += ("results of another version of faceflip",)
    assert len(told) == len(expected)
    assert all(part in line for part, line in zip(expected, told, strict=True))


@pytest.mark.parametrize("count", [0, 1, 27])
def test_two_runs_or_more(count, folders):
    with pytest.raises(UserError, match="give those of two finished runs or more"):
        read_runs([folders["first"]] * count)


def test_both_folders_of_a_run_will_do(folders):
    runs = read_runs([folders["first"], folders["other"] / "results"])
    assert [run.results.name for run in runs] == ["results", "results"]


def test_a_table_whose_rows_cannot_be_told_apart(folders, tmp_path):
    there = write({"twice": made_up()}, tmp_path, ["trainings"])["twice"]
    path = there / "results/tables/trainings.csv"
    head, row, *_ = path.read_text().splitlines()
    path.write_text("\n".join([head, row, row]) + "\n")
    with pytest.raises(
        UserError, match=r"twice.*trainings\.csv: several rows have the same network, member; delete it"
    ):
        side_by_side("trainings", read_runs([folders["first"], there]))
