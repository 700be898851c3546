"""The tables on fine-tuning: every number is computed a second time by plain loops over rows."""

import math
import statistics
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_tunings import LEARNED, TAU, described, make_up, network, tunings_of, two_families
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from faceflip.analysis.make import make_table
from faceflip.analysis.tables import fine_tuning, fine_tuning_natural
from faceflip.analysis.tuned_measures import COUNTS, MEASURES
from faceflip.analysis.tunings import (
    control_of,
    fed_in,
    lead_attack,
    read_fine_tuning,
    read_tuned_attempts,
    tuned_groups,
)
from faceflip.errors import UserError
from faceflip.workflow.products import TABLES_TUNED

KEYS = ["source", "checkpoint", "network", "seed", "sample", "attack", "threshold", "measure"]
THRESHOLDS = (0.0, 0.9, TAU)


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else math.nan


def median(values):
    return statistics.median(values) if values else math.nan


class ByLoops:
    """The measures of each network, from the rows."""

    def __init__(self, made):
        self.made, self.run = made, made.run
        self.answers = defaultdict(dict)
        for row in made.predictions:
            of = (row["network"], row["checkpoint"], row["sample"])
            self.answers[of][row["attribute"], row["image"]] = (row["label"], row["score"])
        self.attempts = defaultdict(list)
        for row in made.attempts:
            self.attempts[row["network"], row["checkpoint"]].append(row)

    def wrong(self, name, checkpoint, sample):
        """Return the pairs that are there, and whether each is wrong."""
        found = self.answers.get((name, checkpoint, sample), {})
        return {pair: (score > 0) != (label > 0) for pair, (label, score) in found.items()}

    def attacked(self, name, checkpoint):
        return {(row["sample"], row["attack"]) for row in self.attempts[name, checkpoint]}

    def natural_pairs(self, name, checkpoint, sample, attacks, sign="-"):
        return {
            (row["attribute"], row["image"])
            for row in self.attempts[name, checkpoint]
            if row["sample"] == sample and row["attack"] in attacks and not row["correct"]
            if row["flipped"] and row["pass"] >= TAU and (sign == "-" or row["doubtful"] == (sign == "- doubtful"))
        }

    def natural(self, tuning, sample, sign="-"):
        """Return before, cured, left, new (None: not attacked), after; of a sign."""
        source, its = (tuning.source, tuning.checkpoint), (tuning.name, "tuned")
        wrong = self.wrong(*its, sample)
        on_source = {attack for name, attack in self.attacked(*source) if name == sample}
        if not wrong or not on_source:
            return None
        both = {attack for name, attack in self.attacked(*its) if name == sample} & on_source
        before = self.natural_pairs(*source, sample, both or on_source, sign)
        left = {pair for pair in before if wrong[pair]}
        after = self.natural_pairs(*its, sample, both, sign) if both else None
        return before, before - left, left, after and after - before, after

    @property
    def signs(self):
        """Return the signs of misclassified pairs, with what measures of them end in."""
        return {"-": "", "- firm": "_firm", "- doubtful": "_doubtful"} if self.run.doubt else {"-": ""}

    def measures(self, name, checkpoint, tuning):
        """Return all measures of a network by sample, attack, threshold (None: about none) and measure."""
        found = {}
        tuned = [each for each in self.run.tunings if each.source == name and each.checkpoint == checkpoint]
        samples = ["", *self.run.samples]
        for sample in samples:
            there = self.wrong(name, checkpoint, sample)
            if tuning is None and not any(self.wrong(each.name, "tuned", sample) for each in tuned):
                continue
            plain, balanced, rates = [], [], {-1: [], 1: []}
            for attribute in LEARNED:
                mine = {image: bad for (of, image), bad in there.items() if of == attribute}
                label = {image: self.answers[name, checkpoint, sample][attribute, image][0] for image in mine}
                if mine:
                    plain.append(mean(mine.values()))
                    classes = [[mine[image] for image in mine if label[image] == sign] for sign in (-1, 1)]
                    balanced.append(mean(mean(each) for each in classes if each))
                    for sign, each in zip((-1, 1), classes, strict=True):
                        rates[sign] += [mean(each)] if each else []
            found[sample or "test", "", None, "false_negative_rate"] = mean(rates[1])
            found[sample or "test", "", None, "false_positive_rate"] = mean(rates[-1])
            found[sample or "test", "", None, "error"] = mean(plain)
            found[sample or "test", "", None, "balanced_error"] = mean(balanced)
        if tuning is None:
            others = set().union(*(self.attacked(each.name, "tuned") for each in tuned))
        else:
            others = self.attacked(tuning.source, tuning.checkpoint)
        for sample, attack in self.attacked(name, checkpoint) & others:
            rows = [
                row for row in self.attempts[name, checkpoint] if (row["sample"], row["attack"]) == (sample, attack)
            ]
            right = [row for row in rows if row["correct"]]
            wrong = [row for row in rows if not row["correct"]]
            parts = {"flipped": right, "flipped_natural": wrong}
            for end, doubtful in {"_firm": False, "_doubtful": True}.items() if self.run.doubt else ():
                parts[f"flipped_natural{end}"] = [row for row in wrong if row["doubtful"] == doubtful]
                found[sample, attack, None, f"attempts_wrong{end}"] = len(parts[f"flipped_natural{end}"])
            for measure, part in parts.items():
                for tau in THRESHOLDS:
                    hits = [row["flipped"] and row["pass"] >= tau for row in part]
                    found[sample, attack, tau, measure] = mean(hits)
            for measure in ("epsilon", "l2", "linf", "pass"):
                found[sample, attack, None, f"median_{measure}"] = median(
                    [row[measure] for row in right if row["flipped"]]
                )
            found[sample, attack, None, "median_l2_all"] = median(
                [row["l2"] if row["flipped"] else math.inf for row in right]
            )
            found[sample, attack, None, "attempts"] = len(rows)
            found[sample, attack, None, "attempts_right"] = len(right)
        if tuning is not None:
            found |= self.of_tuned(tuning)
        return {key: value for key, value in found.items() if not math.isnan(value)}

    def of_tuned(self, tuning):
        found = {}
        for sample in self.run.samples:
            for sign, end in self.signs.items():
                if (sets := self.natural(tuning, sample, sign)) is None:
                    continue
                before = len(sets[0])
                found[sample, "", None, f"natural_before{end}"] = before
                for name, pairs in zip(("cured", "left", "new"), sets[1:4], strict=True):
                    if pairs is not None:
                        found[sample, "", None, f"natural_{name}_count{end}"] = len(pairs)
                        found[sample, "", None, f"natural_{name}{end}"] = len(pairs) / before if before else math.nan
                if sets[4] is not None:
                    found[sample, "", None, f"natural_after{end}"] = len(sets[4])
        shown = defaultdict(list)
        for row in self.made.between:
            if row["target"] == tuning.name and row["network"] == tuning.source:
                shown[row["sample"], row["attack"]].append(row)
        labels = {(row["attribute"], row["image"]): row["label"] for row in self.made.attempts}
        for (sample, attack), rows in shown.items():
            right = [row for row in rows if row["correct"]]
            fooled = [(row["score_after"] > 0) != (labels[row["attribute"], row["image"]] > 0) for row in right]
            found[sample, attack, TAU, "transfer"] = mean(row["changed"] for row in rows)
            found[sample, attack, TAU, "old_still_flips"] = mean(row["changed"] for row in right)
            found[sample, attack, TAU, "old_fools"] = mean(fooled)
        costs = [rows for rows in self.made.costs.values() if rows[0]["network"] == tuning.name]
        found["", "", None, "extra_images"] = sum(rows[0]["extra_images"] for rows in costs)
        found["", "", None, "minutes"] = sum(row["seconds"] for rows in costs for row in rows) / 60
        return found

    def control(self, tuning):
        same = [each for each in self.run.tunings if each.diet == "control" and each.source == tuning.source]
        same = [each for each in same if (each.seed, each.epochs) == (tuning.seed, tuning.epochs)]
        return same[0] if same and tuning.diet != "control" else None


def mcnemar_by_loops(by_loops, pairs, sample, only=None):
    """Return the p of the test over images, of networks and their controls."""
    sums = defaultdict(int)
    for tuning, control in pairs:
        mine, its = (by_loops.wrong(each.name, "tuned", sample) for each in (tuning, control))
        for attribute, image in mine.keys() & its.keys() if only is None else only[tuning.name]:
            sums[image] += mine[attribute, image] - its[attribute, image]
    squares = sum(each**2 for each in sums.values())
    return stats.chi2.sf(sum(sums.values()) ** 2 / squares, 1) if squares else math.nan


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    made = make_up(replace(two_families(), doubt=("rules",)), seed=3)
    folder = tmp_path_factory.mktemp("two")
    return made, made.write(folder)


@pytest.fixture(scope="module")
def table(two):
    made, paths = two
    return fine_tuning.compute(paths, made.run)


@pytest.fixture(scope="module")
def natural_table(two):
    made, paths = two
    return fine_tuning_natural.compute(paths, made.run)


def indexed(frame):
    """Return a table's rows by key, with None for no threshold."""
    found = {}
    for row in frame.to_dict("records"):
        row["threshold"] = None if math.isnan(row["threshold"]) else row["threshold"]
        found[tuple(row[key] for key in KEYS)] = row
    assert len(found) == len(frame)
    return found


def networks_of(run):
    """Yield group, seed, name, checkpoint and tuning of every network: the tuned and their sources."""
    for tuning in run.tunings:
        yield (
            (tuning.source_group, tuning.checkpoint, tuning.group),
            str(tuning.seed or ""),
            tuning.name,
            "tuned",
            tuning,
        )
    for source in {each.source: each for each in run.tunings}.values():
        seed = str(source.seed) if source.source != source.source_group else ""
        group = (source.source_group, source.checkpoint, source.source_group)
        yield group, seed, source.source, source.checkpoint, None


def check(made, frame):
    """Compare a table with what loops over the rows give."""
    loops = ByLoops(made)
    values = {
        (group, seed): loops.measures(name, checkpoint, tuning)
        for group, seed, name, checkpoint, tuning in networks_of(made.run)
    }
    tunings = {(of, seed): tuning for of, seed, _, _, tuning in networks_of(made.run) if tuning}
    rows = indexed(frame)
    expected = {(*group, seed, *key): value for (group, seed), found in values.items() for key, value in found.items()}
    assert {key: row["value"] for key, row in rows.items() if key[3] != "mean"} == pytest.approx(expected, nan_ok=True)
    groups = {group for group, _ in values}
    wanted = {
        (*group, "mean", *key) for group in groups for (of, _), found in values.items() if of == group for key in found
    }
    assert {key for key in rows if key[3] == "mean"} == wanted
    for full in wanted:
        group, key, row = full[:3], full[4:], rows[full]
        seeds = {seed: found[key] for (of, seed), found in values.items() if of == group and key in found}
        assert row["seeds"] == len(seeds)
        finite = all(map(math.isfinite, seeds.values()))
        assert row["value"] == pytest.approx((mean if finite else statistics.median)(seeds.values()))
        ends = (math.nan, math.nan)
        if len(seeds) > 1 and all(map(math.isfinite, seeds.values())):
            ends = DescrStatsW(list(seeds.values())).tconfint_mean()
        assert (row["low"], row["high"]) == pytest.approx(ends, nan_ok=True, abs=1e-12)
        pairs, compared = {}, []
        for seed, value in seeds.items():
            control = loops.control(tunings[group, seed]) if (group, seed) in tunings else None
            its = control and values[(control.source_group, control.checkpoint, control.group), seed]
            if its and key in its and key[-1] not in COUNTS:
                pairs[seed] = (value, its[key])
                compared.append((tunings[group, seed], control))
        differences = {
            seed: a - b if a != b else 0.0 if math.isfinite(a) else math.nan for seed, (a, b) in pairs.items()
        }
        expected_difference = mean(differences.values())
        assert row["against_control"] == pytest.approx(expected_difference, nan_ok=True, abs=1e-12)
        for seed, difference in differences.items():
            single = rows[(*group, seed, *key)]["against_control"]
            assert single == pytest.approx(difference, nan_ok=True, abs=1e-12)
        spread = len(set(map(float, differences.values()))) > 1 and all(map(math.isfinite, differences.values()))
        if spread and statistics.stdev(differences.values()) > 1e-9:
            test = stats.ttest_1samp(list(differences.values()), 0)
            assert row["p_seeds"] == pytest.approx(test.pvalue)
            interval = (row["control_low"], row["control_high"])
            assert interval == pytest.approx(tuple(test.confidence_interval(0.95)), abs=1e-12)
        else:
            assert all(math.isnan(row[name]) for name in ("p_seeds", "control_low", "control_high"))
        p = math.nan
        if key[-1] == "error" and pairs:
            p = mcnemar_by_loops(loops, compared, "" if key[0] == "test" else key[0])
        assert row["p_images"] == pytest.approx(p, nan_ok=True)


def test_every_number_of_two_sources_with_seeds(two, table):
    check(two[0], table)
    assert set(table["measure"]) == set(MEASURES)
    assert (table.loc[table["measure"] == "median_l2_all", "value"] == math.inf).any()


CASES = st.fixed_dictionaries(
    {
        "seeds": st.sampled_from([[None], [1, 2], [3, 1, 2]]),
        "diets": st.sampled_from(
            [{"a": "control", "b": "adversarial"}, {"b": "fgsm-rs"}, {"z": "all", "a": "control"}]
        ),
        "joint": st.booleans(),
        "attacks": st.sampled_from([1, 2, 3]),
        "seed": st.integers(0, 10**6),
        "unknown": st.sampled_from([0.0, 0.3]),
        "flips": st.sampled_from([0.0, 0.5, 1.0]),
        "wrong": st.sampled_from([0.0, 0.4, 1.0]),
        "doubt": st.sampled_from([(), ("rules",)]),
    }
)


@pytest.mark.slow
@settings(max_examples=6)
@given(CASES)
def test_every_number_of_runs_of_all_kinds(case):
    """No control, no seeds, no flips, nothing right or nothing wrong, unknown labels, an attack the less."""
    tunings = tunings_of("one", case["diets"], case["seeds"])
    run = described([network("one", case["joint"])], tunings)
    run = replace(run, attack_list=run.attack_list[: case["attacks"]], doubt=case["doubt"])
    made = make_up(run, case["seed"], case["unknown"], case["flips"], case["wrong"], images=5)
    with tempfile.TemporaryDirectory() as folder:
        paths = made.write(Path(folder))
        frame = fine_tuning.compute(paths, run)
        check(made, frame)
        natural = fine_tuning_natural.compute(paths, run)
        check_natural(made, natural)
        for module, each in ((fine_tuning, frame), (fine_tuning_natural, natural)):
            for sheet in module.sheets(each, run):
                assert all(len(row) == len(sheet.columns) for row in sheet.rows)
                assert "nan" not in str(sheet.rows)


def check_natural(made, frame):
    """Compare the table of natural images with what loops over the rows give, all and by their labels."""
    assert ("sign" in frame) == bool(made.run.doubt)
    parts = dict(list(frame.groupby("sign"))) if made.run.doubt else {"-": frame}
    assert set(parts) == set(ByLoops(made).signs) or frame.empty
    for sign, part in parts.items():
        check_sign(made, part, sign)


def check_sign(made, frame, sign):
    loops = ByLoops(made)
    counts = ["before", "cured", "left", "new", "after"]
    by_key = {(row["source"], row["network"], row["sample"], row["seed"]): row for row in frame.to_dict("records")}
    assert len(by_key) == len(frame)
    expected = {}
    sets = {}
    for tuning in made.run.tunings:
        for sample in made.run.samples:
            found = loops.natural(tuning, sample, sign)
            if found is not None:
                key = (tuning.source_group, tuning.group, sample, str(tuning.seed or ""))
                sets[tuning.name, sample] = found
                expected[key] = [math.nan if each is None else len(each) for each in found]
    assert {key for key in by_key if key[-1] != "mean"} == expected.keys()
    for key, numbers in expected.items():
        row = by_key[key]
        assert [row[name] for name in counts] == pytest.approx(numbers, nan_ok=True)
        share = numbers[1] / numbers[0] if numbers[0] else math.nan
        assert row["cured_share"] == pytest.approx(share, nan_ok=True)
        assert row["fed"] == any(each.group == key[1] and each.sample == key[2] for each in made.run.tunings)
    for group in {key[:3] for key in expected}:
        row = by_key[(*group, "mean")]
        seeds = {key[-1]: numbers for key, numbers in expected.items() if key[:3] == group}
        assert row["seeds"] == len(seeds)
        for place, name in enumerate(counts):
            there = [numbers[place] for numbers in seeds.values() if not math.isnan(numbers[place])]
            assert row[name] == pytest.approx(mean(there), nan_ok=True)
        shares = [numbers[1] / numbers[0] for numbers in seeds.values() if numbers[0]]
        assert row["cured_share"] == pytest.approx(mean(shares), nan_ok=True)
        ends = DescrStatsW(shares).tconfint_mean() if len(shares) > 1 else (math.nan, math.nan)
        assert (row["low"], row["high"]) == pytest.approx(ends, nan_ok=True, abs=1e-12)
        mine = [each for each in made.run.tunings if (each.source_group, each.group) == group[:2]]
        pairs = [(each, loops.control(each)) for each in mine if loops.control(each) and sets[each.name, group[2]][0]]
        differences = [
            (len(sets[each.name, group[2]][1]) - len(sets[control.name, group[2]][1]))
            / len(sets[each.name, group[2]][0])
            for each, control in pairs
        ]
        assert row["against_control"] == pytest.approx(mean(differences), nan_ok=True, abs=1e-12)
        before = {each.name: sets[each.name, group[2]][0] for each, _ in pairs}
        p = mcnemar_by_loops(loops, pairs, group[2], before)
        assert row["p_images"] == pytest.approx(p, nan_ok=True)


def test_every_number_of_natural_images(two, natural_table):
    check_natural(two[0], natural_table)
    harden = natural_table[natural_table["sample"] == "harden"]
    assert harden["new"].isna().all(), "nothing was attacked there"
    assert set(harden.loc[harden["fed"], "diet"]) == {"hard", "natural"}


def test_both_tables_agree_on_natural_images(table, natural_table):
    for name in ("cured", "new", "after"):
        measure = f"natural_{name}" + ("" if name == "after" else "_count")
        long = table[(table["measure"] == measure)].set_index(["source", "network", "sample", "seed"])["value"]
        whole = natural_table[natural_table["sign"] == "-"]
        wide = whole.set_index(["source", "network", "sample", "seed"])[name].dropna()
        pd.testing.assert_series_equal(long.sort_index(), wide.sort_index(), check_names=False)


def test_firm_and_doubtful_add_up_to_the_whole(two, table, natural_table):
    counts = ["before", "cured", "left", "new", "after"]
    keys = ["source", "checkpoint", "network", "sample", "seed"]
    whole, *parts = (
        natural_table[natural_table["sign"] == sign].set_index(keys)[counts] for sign in ("-", "- firm", "- doubtful")
    )
    assert (parts[0]["before"] > 0).any()
    assert (parts[1]["before"] > 0).any()
    pd.testing.assert_frame_equal(parts[0] + parts[1], whole, check_exact=False)
    long = table.pivot(index=KEYS[:-2] + ["threshold"], columns="measure", values="value")  # noqa: PD010, RUF005
    for name in ("natural_before", "natural_after", "natural_cured_count", "natural_left_count", "natural_new_count"):
        pd.testing.assert_series_equal(long[f"{name}_firm"] + long[f"{name}_doubtful"], long[name], check_names=False)
    wrong = long["attempts"] - long["attempts_right"]
    pd.testing.assert_series_equal(
        long["attempts_wrong_firm"] + long["attempts_wrong_doubtful"], wrong, check_names=False
    )


@pytest.mark.slow
def test_labels_in_doubt_change_nothing_else(two, tmp_path):
    """Of a run without doubt there are the same rows and sheets, but for the split."""
    made, paths = two
    plain = replace(made.run, doubt=())
    less = paths | {"attempts": tmp_path / "attempts.parquet"}
    pd.DataFrame(made.attempts).drop(columns="doubtful").to_parquet(less["attempts"])
    for module in (fine_tuning, fine_tuning_natural):
        split, frame = module.compute(paths, made.run), module.compute(less, plain)
        whole = split.drop(columns="sign", errors="ignore")
        if "sign" in split:
            whole = whole[split["sign"] == "-"]
        else:
            whole = whole[~whole["measure"].str.endswith(("_firm", "_doubtful"))]
        pd.testing.assert_frame_equal(whole.reset_index(drop=True), frame)
        sheets, more = module.sheets(frame, plain), module.sheets(split, made.run)
        assert [sheet.rows for sheet in more[: len(sheets)]] == [sheet.rows for sheet in sheets]
        assert [sheet.title for sheet in more[: len(sheets)]] == [sheet.title for sheet in sheets]
        said = [str((sheet.title, sheet.columns)) for sheet in more[len(sheets) :]]
        assert len(said) == 2
        assert all("label firm" in each or "label in doubt" in each for each in said)
        assert "doubt" not in str([(sheet.title, sheet.columns, sheet.notes) for sheet in sheets])


def test_pages_split_by_label(two, table, natural_table):
    made, _ = two
    rows = {
        (row["network"], row["measure"], row["attack"], row["threshold"]): row["value"]
        for row in table.to_dict("records")
        if row["seed"] == "mean" and row["sample"] == "unseen" and row["source"] == "moon"
    }
    sheet = fine_tuning.sheets(table, made.run)[-1]
    assert sheet.title.endswith("label firm and label in doubt, unseen")
    column = [(each.group, each.heading) for each in sheet.columns].index(("label in doubt", "τ = 0.95, percent"))
    (row,) = (row for row in sheet.rows if row[:3] == ["ffa-line", "MOON", "natural"])
    said = row[column] if isinstance(row[column], str) else row[column][0]
    assert said == f"{100 * rows['itself', 'flipped_natural_doubtful', 'ffa-line', TAU]:.1f}"
    whole, firm, doubtful = fine_tuning_natural.sheets(natural_table, made.run)
    assert (firm.columns, doubtful.columns) == (whole.columns, whole.columns)
    place = [each.heading for each in whole.columns].index("before")
    for rows in zip(whole.rows, firm.rows, doubtful.rows, strict=True):
        numbers = [float(row[place]) for row in rows]
        assert numbers[0] == pytest.approx(numbers[1] + numbers[2])
    assert "label is firm apart from those whose label is in doubt" in whole.notes[-1]


def test_groups_come_by_source_the_control_first():
    found = [
        (group.source_title, group.label, [each.name for each in group.networks])
        for group in tuned_groups(two_families())
    ]
    assert found == [
        ("MOON", "before", ["moon"]),
        ("MOON", "control", ["plain-seed1", "plain-seed2", "plain-seed3"]),
        ("MOON", "hard: Harder", ["harder-seed1", "harder-seed2", "harder-seed3"]),
        ("MOON", "hard: Harder-Too", ["harder-too-seed1", "harder-too-seed2", "harder-too-seed3"]),
        ("MOON", "natural", ["itself-seed1", "itself-seed2", "itself-seed3"]),
        ("apart", "before", ["apart-seed1", "apart-seed2"]),
        ("apart", "control", ["steady-seed1", "steady-seed2"]),
        ("apart", "pgd", ["fly-seed1", "fly-seed2"]),
    ]  # fmt: skip
    assert [each.seed for group in tuned_groups(two_families()) for each in group.networks if not each.tuning] == [
        "",
        "1",
        "2",
    ]


@pytest.mark.parametrize("change", [{"seed": 9}, {"source": "other"}, {"checkpoint": "epoch2"}, {"epochs": 2}])
def test_a_control_is_of_the_same_source_seed_and_steps(change):
    control, hard = tunings_of("one", {"c": "control", "h": "hard"}, [4])
    assert control_of(hard, described([network("one", True)], [hard, control])) == control
    assert control_of(control, described([network("one", True)], [hard, control])) is None
    assert control_of(hard, described([network("one", True)], [hard, replace(control, **change)])) is None


def test_sources_at_two_checkpoints_are_two():
    first, second = tunings_of("one", {"a": "control", "b": "hard"}, [None])
    run = described([network("one", True)], [first, replace(second, checkpoint="epoch2")])
    assert [(group.source_title, group.diet) for group in tuned_groups(run)] == [
        ("ONE", ""), ("ONE", "control"), ("ONE, epoch 2", ""), ("ONE, epoch 2", "hard")
    ]  # fmt: skip
    assert fed_in(tuned_groups(run), run) == ["harden"]
    assert fed_in(tuned_groups(run)[:2], run) == []


@pytest.mark.parametrize(
    ("attacks", "lead"),
    [
        (["ffa-iterative", "fgs-line", "ffa-line"], "ffa-line"),
        (["ffa-iterative", "fgs-line"], "ffa-iterative"),
        (["fgs-line"], "fgs-line"),
        (["zoo", "fgs-line"], "fgs-line"),
        (["zoo"], "zoo"),
    ],
)
def test_the_attack_that_is_looked_at_closer(attacks, lead):
    assert lead_attack(attacks, two_families()) == lead


def test_no_attack_is_looked_at_closer_where_there_is_none():
    with pytest.raises(ValueError, match="no attacks"):
        lead_attack([], two_families())


DIETS = {"control": "control", "hard": "hard"}


def one_family():
    return described([network("one", True)], tunings_of("one", DIETS, [None]))


def test_differences_are_over_what_both_were_attacked_by_and_decide_on(tmp_path):
    run = one_family()
    made = make_up(run, seed=8)
    lacking = replace(run.tunings[0], attributes=("Male", "Smiling"))
    made.run = replace(run, tunings=(lacking, run.tunings[1]))
    made.predictions = [row for row in made.predictions if (row["network"], row["attribute"]) != ("control", "Bald")]
    made.attempts = [row for row in made.attempts if (row["network"], row["attack"]) != ("control", "fgs-line")]
    frame = fine_tuning.compute(made.write(tmp_path), made.run)
    rows = indexed(frame)
    loops = ByLoops(made)

    def error(name, attributes):
        wrong = loops.wrong(name, "tuned", "")
        return mean(mean(bad for (of, _), bad in wrong.items() if of == each) for each in attributes)

    row = rows["one", "converged", "hard", "mean", "test", "", None, "error"]
    assert row["value"] == pytest.approx(error("hard", LEARNED))
    both = ("Male", "Smiling")
    assert row["against_control"] == pytest.approx(error("hard", both) - error("control", both))
    row = rows["one", "converged", "hard", "mean", "paper", "fgs-line", TAU, "flipped"]
    assert math.isnan(row["against_control"])
    row = rows["one", "converged", "hard", "mean", "paper", "", None, "natural_new_count"]
    pairs = [
        loops.natural_pairs(*of, "paper", {"ffa-line"})
        for of in (("one", "converged"), ("hard", "tuned"), ("control", "tuned"))
    ]
    assert row["against_control"] == len(pairs[1] - pairs[0]) - len(pairs[2] - pairs[0])
    assert row["value"] == len(loops.natural(run.tunings[1], "paper")[3])


LACKING = ["nothing", "between", "attempts", "attacks on tuned", "predictions of tuned", "costs", "all"]


@pytest.mark.slow
@pytest.mark.parametrize(("lacking", "intervals"), [("nothing", False), *((each, True) for each in LACKING)])
def test_pages_are_made_of_whatever_there_is(tmp_path, lacking, intervals):
    made = make_up(described([network("one", True)], tunings_of("one", DIETS, [1, 2])), seed=2, images=4)
    tuned = {each.name for each in made.run.tunings}
    if lacking in ("between", "all"):
        made.between = []
    if lacking in ("attempts", "all"):
        made.attempts = []
    if lacking == "attacks on tuned":
        made.attempts = [row for row in made.attempts if row["network"] not in tuned]
    if lacking in ("predictions of tuned", "all"):
        made.predictions = [row for row in made.predictions if row["network"] not in tuned]
    if lacking in ("costs", "all"):
        made.costs = {}
    paths = made.write(tmp_path)
    for name, product in TABLES_TUNED.items():
        outputs = {kind: tmp_path / f"{name}.{kind}" for kind in ("csv", "md", "tex", "html")}
        make_table(product, paths, made.run, outputs, intervals)
        page = outputs["md"].read_text()
        assert page.startswith("Synthetic faces")
        assert "nan" not in page
        tex = outputs["tex"].read_text()
        assert ("∞" in page) == (r"$\infty$" in tex)
        assert "LuaLaTeX" not in tex
        assert ("scriptsize" in tex) <= intervals
        assert len(product.reading.text) > 500
    natural = (tmp_path / "fine_tuning_natural.md").read_text()
    nothing = lacking in ("attempts", "predictions of tuned", "all")
    assert ("No fine-tuned network was shown" in natural) == nothing
    assert ("cured" in natural.partition("Pairs of image")[0].partition("| :---")[0].lower()) or nothing


@pytest.mark.slow
def test_sources_may_be_attacked_by_different_attacks(tmp_path):
    made = make_up(two_families(), images=4)
    apart = {each.name for each in made.run.tunings if each.source_group == "apart"}
    moon = {each.name for each in made.run.tunings} - apart
    made.attempts = [
        row
        for row in made.attempts
        if not (row["network"] in apart and row["attack"] != "fgs-line")
        and not (row["network"] in moon and (row["attack"] == "fgs-line" or row["sample"] == "unseen"))
    ]
    frame = fine_tuning.compute(made.write(tmp_path), made.run)
    check(made, frame)
    answer, *_ = fine_tuning.sheets(frame, made.run)
    told = [note for note in answer.notes if "attempts on each network" in note]
    assert [(note.partition(":")[0], note.split(" by ")[1].partition(",")[0]) for note in told] == [
        ("paper", "ffa-line"), ("paper", "fgs-line"), ("unseen", "fgs-line")
    ]  # fmt: skip


def test_a_run_that_fine_tunes_nothing(tmp_path):
    made = make_up(described([network("one", True)], []), images=2)
    paths = made.write(tmp_path)
    for module in (fine_tuning, fine_tuning_natural):
        frame = module.compute(paths, made.run)
        assert frame.empty
        assert len(module.sheets(frame, made.run)[0].notes) == 1


def test_the_table_is_read_as_it_was_written(table, tmp_path):
    table.to_csv(tmp_path / "fine_tuning.csv", index=False)
    pd.testing.assert_frame_equal(read_fine_tuning(tmp_path / "fine_tuning.csv"), table, check_dtype=False)


def test_attempts_are_those_of_tuned_networks_and_their_sources(two):
    made, paths = two
    frame = read_tuned_attempts(paths["attempts"], made.run, "l2")
    expected = [row for row in made.attempts if row["checkpoint"] != "epoch2"]
    assert len(frame) == len(expected)
    assert frame["l2"].to_list() == [row["l2"] for row in expected]
    assert set(frame["sample"]) == {"paper", "unseen", "harden"}
    last = tuned_groups(made.run)[-1].networks
    assert set(read_tuned_attempts(paths["attempts"], made.run, networks=last)["network"]) == {"fly-seed1", "fly-seed2"}


def test_flipped_attempts_without_a_pass_are_refused(tmp_path):
    made = make_up(one_family(), images=3)
    next(row for row in made.attempts if row["flipped"])["pass"] = math.nan
    with pytest.raises(UserError, match=r"attempts\.parquet: 1 flipped attempts have no PASS"):
        read_tuned_attempts(made.write(tmp_path)["attempts"], made.run)


def test_a_record_of_a_training_is_no_record_of_a_fine_tuning(tmp_path):
    made = make_up(one_family(), images=2)
    paths = made.write(tmp_path)
    paths["tunings"][0].write_text("network,member,epoch,loss\none,all,1,0.5\n")
    with pytest.raises(UserError, match=r"tuning-control-Bald\.csv: lacks the columns extra_images, seconds"):
        fine_tuning.compute(paths, made.run)


ROW = {"source": "one", "checkpoint": "converged", "share": 0.5, "seed": "mean", "seeds": 3, "threshold": math.nan}
ROW |= {"sample": "", "attack": ""}
NUMBERS = ("value", "low", "high", "against_control", "control_low", "control_high", "p_seeds", "p_images")


def laid_out(rows):
    """Return rows of a table: those that are given, and NaN."""
    return pd.DataFrame([{**ROW, **dict.fromkeys(NUMBERS, math.nan), **row} for row in rows])


def test_the_answer_is_one_row_a_diet():
    run = one_family()
    about = {"network": "hard", "diet": "hard"}
    flipped = {"measure": "flipped", "sample": "paper", "attack": "ffa-line", "threshold": TAU}
    sizes = {"measure": "median_l2_all", "sample": "paper", "attack": "ffa-line"}
    rows = [
        {"network": "one", "diet": "", "measure": "error", "sample": "test", "value": 0.1},
        {"network": "one", "diet": "", **flipped, "value": 0.5},
        {"network": "control", "diet": "control", **flipped, "value": 0.4, "low": 0.3, "high": 0.5},
        {"network": "control", "diet": "control", **sizes, "value": math.inf},
        {**about, **sizes, "value": 1234.5, "low": 1000.0, "high": 1469.0},
        {**about, **flipped, "value": 0.25, "against_control": -0.15, "p_seeds": 0.01},
        {**about, "measure": "error", "sample": "test", "value": 0.1234, "low": 0.1, "high": 0.15,
         "against_control": 0.0, "control_low": -0.02, "control_high": 0.02, "p_seeds": 0.04, "p_images": 0.049},
        {**about, "measure": "balanced_error", "sample": "test", "value": 0.2},
        {**about, "measure": "extra_images", "value": 1600.0, "low": 1500.0, "high": 1700.0},
        {**about, "measure": "natural_cured", "sample": "harden", "value": 0.75},
        {**about, "measure": "natural_cured", "sample": "paper", "value": 0.5},
        {**about, "measure": "natural_new", "sample": "paper", "value": 1.5},
        {**about, **flipped, "measure": "old_still_flips", "value": 0.9},
        {**about, "measure": "minutes", "value": 2.5},
        {**about, "measure": "attempts", "sample": "paper", "attack": "ffa-line", "value": 1200.0},
        {"network": "one", "diet": "", "measure": "attempts", "sample": "paper", "attack": "ffa-line", "value": 1000.0},
    ]  # fmt: skip
    answer, *_ = fine_tuning.sheets(laid_out(rows), run)
    heads = [(column.group, column.heading) for column in answer.columns]
    assert heads == [
        ("", "source"), ("", "diet"), ("", "extra images"), ("test error, percent", "plain"),
        ("test error, percent", "against control"), ("test error, percent", "balanced"), ("paper", "flipped, percent"),
        ("paper", "against control"), ("paper", "median L2"), ("natural cured, percent", "fed: harden"),
        ("natural cured, percent", "paper"), ("natural new, percent", "paper"),
        ("old images still flip, percent", "paper"), ("", "minutes"),
    ]  # fmt: skip
    assert answer.rows == [
        ["ONE", "before", "–", "10.00", "–", "–", "50.0", "–", "–", "–", "–", "–", "–", "–"],
        ["ONE", "control", "–", "–", "–", "–", ("40.0", "[30.0, 50.0]"), "–", "∞", "–", "–", "–", "–", "–"],
        ["ONE", "hard", "1,600", ("12.34", "[10.00, 15.00]"), ("+0.00*†", "[-2.00, +2.00]"), "20.00", "25.0", "-15.0†",
         ("1,234", "[1,000, 1,469]"), "75.0", "50.0", "150.0", "90.0", "2.5"],
    ]  # fmt: skip
    assert "paper: 1,000 to 1,200 attempts on each network by ffa-line, the attack of this sheet." in answer.notes


def test_marks_begin_below_five_percent():
    rows = [
        {"network": name, "diet": name, "measure": "error", "sample": "test", "value": 0.1, "against_control": 0.01,
         "p_seeds": p, "p_images": p}
        for name, p in (("control", 0.05), ("hard", 0.0499))
    ]  # fmt: skip
    answer, *_ = fine_tuning.sheets(laid_out(rows), one_family())
    assert [row[4] for row in answer.rows] == ["+1.00", "+1.00*†"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tunings", "text", "told"),
    [
        (tunings_of("one", {"c": "control", "h": "hard"}, [None]), "One run each", True),
        (tunings_of("one", {"c": "control", "h": "hard"}, [1, 2, 3]), "of 3 they reach 2.5 standard deviations", True),
        (
            tunings_of("one", {"c": "control"}, [1, 2]) + tunings_of("one", {"h": "hard"}, [1]),
            "Means over 1 to 2 seeds",
            True,
        ),
        (tunings_of("one", {"h": "hard", "p": "pgd"}, [1, 2]), "number of epochs: hard, pgd.", True),
        (tunings_of("one", {"c": "control", "h": "hard"}, [1, 2]), "No difference without a control", False),
    ],
)
def test_notes_tell_of_seeds_and_controls(tmp_path, tunings, text, told):
    made = make_up(described([network("one", True)], tunings), images=3)
    paths = made.write(tmp_path)
    for module in (fine_tuning, fine_tuning_natural):
        frame = module.compute(paths, made.run)
        notes = " ".join(module.sheets(frame, made.run)[0].notes)
        assert (text in notes) == told
        assert "The faces are drawn" in notes
        on_photographs = replace(made.run, dataset="celeba")
        assert "drawn" not in " ".join(module.sheets(frame, on_photographs)[0].notes)


def test_a_rule_between_sources_and_attacks(two, table):
    made, _ = two
    answer, errors, rates, *_ = fine_tuning.sheets(table, made.run)
    assert [row[0] for row in answer.rows] == ["MOON"] * 5 + ["apart"] * 3
    assert answer.breaks == errors.breaks == {5}
    assert [row[0] for row in rates.rows] == ["fgs-line"] * 8 + ["ffa-line"] * 8
    assert rates.breaks == {5, 8, 13}


def chained():
    """MOON is fine-tuned, and what came of it again on the same sample; separate networks of one attribute, too."""
    tunings = tunings_of("moon", {"plain": "control", "firm": "hard"}, [None])
    again = tunings_of("firm", {"again": "hard", "still": "control"}, [None])
    tunings += [replace(each, checkpoint="tuned") for each in again]
    one = tunings_of("apart", {"few": "adversarial"}, [None])
    tunings += [replace(each, attributes=("Smiling",), attacked=("Smiling",)) for each in one]
    return described([network("moon", True), network("apart", False)], tunings)


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    made = make_up(chained(), seed=5)
    made.attempts += [
        each | {"sample": "harden"} for each in made.attempts if (each["network"], each["sample"]) == ("firm", "unseen")
    ]
    return made, fine_tuning.compute(made.write(tmp_path_factory.mktemp("chain")), made.run)


def test_what_was_fine_tuned_can_be_a_source(chain):
    _, frame = chain
    means = frame[frame["seed"] == "mean"]
    for source in ("moon", "firm"):
        before = means[(means["source"] == source) & (means["diet"] == "")]
        assert {"paper", "unseen"} == set(before.loc[before["measure"] == "flipped", "sample"])
    compared = means[(means["measure"] == "error") & means["against_control"].notna()]
    assert {("moon", "firm"), ("firm", "again")} == set(zip(compared["source"], compared["network"], strict=True))


def test_nobody_is_judged_by_what_was_fed(chain):
    _, frame = chain
    assert (
        not frame.loc[frame["measure"].isin(["flipped", "median_l2_all", "natural_new"]), "sample"].eq("harden").any()
    )


def test_a_source_is_asked_of_the_attributes_of_its_fine_tunings(chain):
    made, frame = chain
    rows = [row for row in made.predictions if (row["network"], row["checkpoint"]) == ("apart", "converged")]
    wrong = [
        (row["score"] > 0) != (row["label"] > 0)
        for row in rows
        if (row["split"], row["attribute"]) == ("test", "Smiling")
    ]
    found = frame.query("network == 'apart' and measure == 'error' and sample == 'test' and seed == 'mean'")
    assert found["value"].tolist() == pytest.approx([sum(wrong) / len(wrong)])
