"""What differs between networks that were trained once a seed: every number a second time by plain loops."""

import math
import statistics
from dataclasses import replace

import pandas as pd
import pytest
from scipy import stats

from faceflip.analysis.frames import read_csv
from faceflip.analysis.make import make_table
from faceflip.analysis.tables.seeds import COLUMNS, compute, sheets
from faceflip.workflow.products import TABLES_SEEDED
from specimen import Specimen, specimen

ATTRIBUTES = ("Bald", "Male", "Smiling")
SEEDS = (3, 1, 2)
NETWORKS = {f"joint-seed{seed}": {"loss": "euclidean", "per": "all"} for seed in SEEDS}
NETWORKS |= {f"apart-seed{seed}": {"loss": "softmax"} for seed in SEEDS[:2]}
NETWORKS |= {"alone-seed5": {"loss": "bce"}, "once": {"loss": "euclidean"}}


def with_groups(made: Specimen) -> Specimen:
    """Say of the networks called GROUP-seedN that they are of a group."""
    networks = []
    for network in made.run.networks:
        group, found, seed = network.name.partition("-seed")
        networks.append(replace(network, group=group, seed=int(seed)) if found else network)
    return replace(made, run=replace(made.run, networks=tuple(networks)))


@pytest.fixture(scope="module")
def seeded() -> Specimen:
    size = {"attributes": ATTRIBUTES, "moon_attributes": ATTRIBUTES, "sample": 30, "test": 40}
    return with_groups(specimen(seed=4, networks=NETWORKS, **size))


@pytest.fixture(scope="module")
def table(seeded, tmp_path_factory) -> pd.DataFrame:
    return compute(seeded.write(tmp_path_factory.mktemp("seeds")), seeded.run)


def expected_of(made: Specimen, group: str, measure: str, attack: str, sign: str) -> list[float]:
    """Return the numbers of the seeds, without those that have none."""
    found = []
    for network in made.run.networks:
        if network.group != group:
            continue
        if measure == "adversarial":
            hits = total = 0
            for row in made.attempts.to_dict("records"):
                mine = (row["network"], row["checkpoint"], row["attack"]) == (network.name, "converged", attack)
                if mine and row["correct"] == (sign == "+"):
                    total += 1
                    hits += row["flipped"] and row["pass"] >= made.run.threshold
            if total:
                found.append(hits / total)
            continue
        means = []
        for attribute in network.attributes:
            wrong = {-1: [], 1: []}
            mine = f"network == '{network.name}' and checkpoint == 'converged' and attribute == '{attribute}'"
            for row in made.predictions.query(f"{mine} and split == 'test'").to_dict("records"):
                wrong[row["label"]].append((row["score"] > 0) != (row["label"] > 0))
            classes = [statistics.mean(each) for each in wrong.values() if each]
            values = {
                "error": wrong[-1] + wrong[1],
                "balanced_error": classes,
                "false_negative_rate": wrong[1],
                "false_positive_rate": wrong[-1],
            }[measure]
            if values:
                means.append(statistics.mean(values))
        found.append(statistics.mean(means))
    return found


@pytest.mark.slow
def test_every_number_by_loops(seeded, table):
    assert list(table.columns) == COLUMNS
    assert list(dict.fromkeys(table["group"])) == ["apart", "alone", "joint"], "as networks are; without `once`"
    assert set(table.loc[table["group"] == "joint", "attack"]) == {"", "ffa-line", "ffa-iterative"}
    for row in table.to_dict("records"):
        values = expected_of(seeded, row["group"], row["measure"], row["attack"], row["sign"])
        assert row["seeds"] == len(values)
        assert (row["value"], row["least"], row["most"]) == pytest.approx(
            (statistics.mean(values), min(values), max(values))
        )
        if len(values) < 2:
            assert math.isnan(row["low"])
            assert math.isnan(row["high"])
            continue
        half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
        assert (row["low"], row["high"]) == pytest.approx((row["value"] - half, row["value"] + half))
    spread = table[table["group"] == "joint"].query("measure == 'error'")
    assert (spread["least"] < spread["most"]).all(), "the specimen should have seeds that differ"


def test_early_checkpoints_and_other_samples_do_not_count(seeded, table, tmp_path):
    other = seeded.attempts.assign(sample="unseen", flipped=False)
    made = replace(seeded, attempts=pd.concat([seeded.attempts, other]))
    pd.testing.assert_frame_equal(compute(made.write(tmp_path), made.run), table)


def test_sheets(seeded, table):
    errors, rates = sheets(table, seeded.run)
    assert [row[0] for row in errors.rows] == ["apart", "alone", "joint"]
    joint = table[table["group"] == "joint"].set_index(["measure", "attack", "sign"])
    value = joint.loc[("error", "", "")]
    assert errors.rows[2][1] == (
        f"{100 * value['value']:.2f}",
        f"[{100 * value['low']:.2f}, {100 * value['high']:.2f}]",
    )
    value = joint.loc[("false_positive_rate", "", "")]
    assert errors.rows[2][10][0] == f"{100 * value['value']:.2f}"
    assert errors.columns[10].group == "error on images without the attribute, percent"
    value = joint.loc[("error", "", "")]
    assert errors.rows[2][2:4] == [f"{100 * value[name]:.2f}" for name in ("least", "most")]
    assert isinstance(errors.rows[1][1], str), "one seed has no interval"
    assert errors.notes[:3] == ["apart: 2 seeds (3, 1).", "alone: 1 seed (5).", "joint: 3 seeds (3, 1, 2)."]
    names = [tuple(row[:2]) for row in rates.rows]
    assert names[-2:] == [("joint", "ffa-line"), ("joint", "ffa-iterative")]
    assert rates.breaks == {4, 8}
    assert rates.rows[-1][7] == f"{100 * joint.loc[('adversarial', 'ffa-iterative', '-'), 'most']:.1f}"


@pytest.mark.parametrize("intervals", [True, False])
def test_the_page_is_made(seeded, tmp_path, intervals):
    outputs = {kind: tmp_path / f"seeds.{kind}" for kind in ("csv", "md", "tex", "html")}
    product = TABLES_SEEDED["seeds"]
    make_table(product, seeded.write(tmp_path), seeded.run, outputs, intervals)
    assert "joint: 3 seeds" in outputs["md"].read_text()
    # What was read back from the file gives the same page.
    again = sheets(read_csv(outputs["csv"]), seeded.run)
    assert [sheet.rows[0][0] for sheet in again] == ["apart", "apart"]
    assert ("[" in outputs["md"].read_text().partition("##")[2].partition("Mean with")[0]) == intervals


def test_networks_that_were_not_attacked_have_errors_alone(seeded, tmp_path):
    made = replace(seeded, attempts=seeded.attempts.iloc[:0])
    frame = compute(made.write(tmp_path), made.run)
    assert set(frame["measure"]) == {"error", "balanced_error", "false_negative_rate", "false_positive_rate"}
    assert len(sheets(frame, made.run)) == 1


def test_without_seeds_the_table_says_so(made, written):
    frame = compute(written(made), made.run)
    assert list(frame.columns) == COLUMNS
    (sheet,) = sheets(frame, made.run)
    assert sheet.notes == ["This run trains no network once a seed."]
