"""Optimality, best known flips and robust accuracy against plain loops, and against areas below curves."""

import math
import statistics
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from faceflip.analysis.frames import read_csv
from faceflip.analysis.make import make_table
from faceflip.analysis.smallest import SIZES, TOGETHER, best_known, read_sizes, with_sizes
from faceflip.analysis.tables import best_known as best_known_table
from faceflip.analysis.tables import optimality as optimality_table
from faceflip.analysis.tables import robust_accuracy as robust_table
from faceflip.analysis.tables.best_known import smallest_flips
from faceflip.analysis.tables.optimality import optimality
from faceflip.analysis.tables.robust_accuracy import robust_accuracy
from faceflip.workflow.products import TABLES
from specimen import specimen

pytestmark = pytest.mark.slow

NAMES = ("best_known", "optimality", "robust_accuracy")


def attempt(attack, image, size=None, *, attribute="Male", network="euclidean", correct=True, similarity=0.99, label=1):
    """Return one attempt; one without a size did not flip. L2 is ten times L∞."""
    flipped = size is not None
    about = {"network": network, "checkpoint": "converged", "attack": attack, "attribute": attribute, "image": image}
    found = {"linf": size or 0, "l2": 10.0 * (size or 0), "pass": similarity if flipped else math.nan}
    return {**about, "label": label, "correct": correct, "flipped": flipped, **found}


def sizes_of(*attempts: dict) -> pd.DataFrame:
    """Return what `read_sizes` would."""
    return with_sizes(pd.DataFrame(attempts))


def row_of(frame: pd.DataFrame, **values) -> pd.Series:
    chosen = np.logical_and.reduce([frame[name] == value for name, value in values.items()])
    (row,) = frame[chosen].to_dict("records")
    return row


def area_below(sizes, end: float) -> float:
    """Return the area below the share of images that flip with at most a budget, from 0 to an end, step by step."""
    corners = sorted({0.0, end, *(size for size in sizes if size < end)})
    steps = pairwise(corners)
    return sum((right - left) * sum(size <= left for size in sizes) / len(sizes) for left, right in steps)


@pytest.fixture
def sizes(made, tmp_path):
    return read_sizes(made.write(tmp_path)["attempts"], made.run)


def test_sizes_are_those_of_flips_of_the_last_checkpoints(made, sizes):
    final = made.attempts[made.attempts["checkpoint"] == "converged"]
    assert len(sizes) == len(final) > 0
    assert (np.isfinite(sizes[list(SIZES)]).all(axis=1) == sizes["flipped"]).all()
    keys = ["network", "attack", "attribute", "image"]
    both = sizes.astype(dict.fromkeys(keys[:3], "str")).merge(final, on=keys, suffixes=("", "_kept"))
    both = both[both["flipped"]]
    assert both["l2"].tolist() == both["l2_kept"].tolist()
    assert both["dissimilarity"].tolist() == [max(1 - each, 0) for each in both["pass"]]


def test_best_known_against_a_loop(sizes):
    expected: dict[tuple, list[float]] = {}
    for row in sizes.to_dict("records"):
        found = expected.setdefault((row["network"], row["attribute"], row["image"]), [math.inf] * 3)
        expected[row["network"], row["attribute"], row["image"]] = [
            min(before, row[size]) for before, size in zip(found, SIZES, strict=True)
        ]
    best = best_known(sizes)
    assert len(best) == len(expected)
    for row in best.to_dict("records"):
        found = expected[row["network"], row["attribute"], row["image"]]
        assert [row[size] for size in SIZES] == found
        assert row["flipped"] == math.isfinite(found[0])


def test_optimality_is_the_ratio_of_areas_below_curves(made, sizes):
    table = optimality(sizes, made.run)
    assert len(table) == 3 * (5 + 1) * (4 + 4 + 2)
    known = best_known(sizes).astype({"network": "str", "attribute": "str"})
    checked = 0
    for row in table.to_dict("records"):
        own, best = (
            part[
                (part["network"] == row["network"])
                & ((part["attribute"] == row["attribute"]) | (row["attribute"] == "all"))
            ]
            for part in (sizes[sizes["attack"] == row["attack"]], known)
        )
        finite = best.loc[best["flipped"], row["size"]]
        assert row["attempts"] == len(own) == len(best)
        assert (row["flipped"], row["best_flipped"]) == (own["flipped"].sum(), best["flipped"].sum())
        assert row["rate"] == row["flipped"] / row["attempts"]
        if len(finite) and area_below(best[row["size"]].tolist(), finite.max()):
            areas = [area_below(each[row["size"]].tolist(), finite.max()) for each in (own, best)]
            assert row["optimality"] == pytest.approx(areas[0] / areas[1])
            assert row["low"] - 1e-9 <= row["optimality"] <= row["high"] + 1e-9
            assert row["largest"] == finite.max()
            checked += 1
        else:
            assert math.isnan(row["optimality"])
        pairs = own.merge(best, on=["attribute", "image"], suffixes=("", "_best")).query("flipped")
        ratios = (pairs[row["size"]] / pairs[f"{row['size']}_best"]).tolist()
        assert row["best"] == sum(ratio == 1 for ratio in ratios)
        assert (statistics.median(ratios) if ratios else math.nan) == pytest.approx(row["ratio"], nan_ok=True)
    assert checked > 100


@given(st.lists(st.tuples(*[st.none() | st.integers(1, 9)] * 3), min_size=1, max_size=12))
@settings(max_examples=20)
def test_optimality_of_whatever_attacks_find(found):
    run = specimen_run()
    rows = [
        attempt(attack, image, size)
        for image, each in enumerate(found)
        for attack, size in zip("abc", each, strict=True)
    ]
    table = optimality(sizes_of(*rows), run).query("size == 'linf'")
    columns = [[math.inf if each[place] is None else each[place] for each in found] for place in range(3)]
    best = [min(each) for each in zip(*columns, strict=True)]
    end = max((size for size in best if size < math.inf), default=math.nan)
    whole = 0 if math.isnan(end) else area_below(best, end)
    for attack, own in zip("abc", columns, strict=True):
        for attribute in ("Male", "all"):
            row = row_of(table, attack=attack, attribute=attribute)
            assert row["optimality"] == pytest.approx(area_below(own, end) / whole if whole else math.nan, nan_ok=True)
            assert row["best"] == sum(mine == least < math.inf for mine, least in zip(own, best, strict=True))
            if whole:
                assert 0 <= row["low"] <= row["high"] <= 1
    if whole:
        # The best of all attacks, were it an attack, would be optimal; and it lowers nobody.
        more = [attempt("d", image, None if size == math.inf else size) for image, size in enumerate(best)]
        again = optimality(sizes_of(*rows, *more), run).query("size == 'linf'")
        assert row_of(again, attack="d", attribute="all")["optimality"] == 1
        assert (
            row_of(again, attack="a", attribute="all")["optimality"]
            == row_of(table, attack="a", attribute="all")["optimality"]
        )


@cache
def specimen_run():
    return specimen(attributes=("Male",), moon_attributes=("Male",), sample=3, test=3).run


def test_optimality_by_hand(made):
    rows = [attempt("ffa-line", image, size) for image, size in enumerate((2, 4, 6, None))]
    rows += [attempt("fgs-line", image, size) for image, size in enumerate((1, 8, None, None))]
    table = optimality(sizes_of(*rows), made.run).query("size == 'linf' and attribute == 'Male'").set_index("attack")
    # Best known: 1, 4, 6, none; the curves end at 6, the areas are 5 + 2 + 0 of which one finds 4 + 2, the other 5.
    assert table["optimality"].to_dict() == pytest.approx({"fgs-line": 5 / 7, "ffa-line": 6 / 7})
    assert table["ratio"].to_dict() == {"fgs-line": 1.5, "ffa-line": 1}
    assert table["best"].to_dict() == {"fgs-line": 1, "ffa-line": 2}
    assert table["best_flipped"].tolist() == [3, 3]
    assert table["flipped"].to_dict() == {"fgs-line": 2, "ffa-line": 3}


def test_a_pass_of_one_has_no_size(made):
    rows = [attempt("ffa-line", image, 2, similarity=similarity) for image, similarity in enumerate((1, 1, 0.9))]
    rows += [attempt("fgs-line", image, 2, similarity=similarity) for image, similarity in enumerate((1, 0.5, 0.5))]
    table = optimality(sizes_of(*rows), made.run).query("size == 'dissimilarity' and attribute == 'all'")
    ratios = table.set_index("attack")["ratio"].to_dict()
    # 0 / 0 counts as alike, 0.5 / 0 as infinitely larger, and 0.5 is five times 0.1.
    assert ratios == pytest.approx({"ffa-line": 1, "fgs-line": 5})
    rows += [attempt("fgs-line", 3, 2, similarity=0.5), attempt("ffa-line", 3, 2, similarity=1)]
    rows += [attempt("fgs-line", 4, 2, similarity=0.5), attempt("ffa-line", 4, 2, similarity=1)]
    table = optimality(sizes_of(*rows), made.run)
    assert row_of(table, size="dissimilarity", attribute="all", attack="fgs-line")["ratio"] == math.inf
    sheet, *_ = optimality_table.sheets(table, made.run)
    assert "∞" in sheet.rows[1 if sheet.rows[1][1] == "fgs-line" else 0]


def test_intervals_of_optimality_keep_the_trials_of_an_image_together(made):
    """Eight attributes that go alike tell no more than one."""
    random = np.random.default_rng(1)
    found = random.integers(1, 20, (60, 2))
    attributes = ("Bald", "Eyeglasses", "Male", "Smiling", "Young")
    rows = [
        attempt(attack, image, int(size), attribute=attribute)
        for attribute in attributes
        for image, each in enumerate(found)
        for attack, size in zip(("ffa-line", "fgs-line"), each, strict=True)
    ]
    table = optimality(sizes_of(*rows), made.run).query("attack == 'ffa-line' and size == 'linf'")
    assert len(table) == len(attributes) + 1
    for name in ("optimality", "low", "high"):
        assert table[name].to_list() == pytest.approx([table[name].iloc[0]] * len(table))
    assert table["high"].iloc[0] - table["low"].iloc[0] > 0.05


def test_best_known_table_against_loops(made, sizes):
    table = smallest_flips(sizes, made.run)
    records = sizes.to_dict("records")
    pairs: dict[tuple, list[dict]] = {}
    for row in records:
        pairs.setdefault((row["network"], row["attribute"], row["image"]), []).append(row)
    assert len(table) == 3 * 3 * 3 * (5 + 1)
    assert (table["images"] == 0).any(), "the specimen should have attributes that are never misclassified"
    order = [each.name for each in made.run.attack_list]
    for row in table.to_dict("records"):
        chosen = [
            rows
            for (network, attribute, _), rows in pairs.items()
            if network == row["network"]
            and row["attribute"] in ("all", attribute)
            and row["sign"] in ("all", "+" if rows[0]["correct"] else "-")
        ]
        flipped = [rows for rows in chosen if any(each["flipped"] for each in rows)]
        by_ffa = [rows for rows in chosen if any(each["flipped"] and each["attack"].startswith("ffa") for each in rows)]
        assert (row["images"], row["flipped"], row["by_ffa"]) == (len(chosen), len(flipped), len(by_ffa))
        assert row["unflipped"] == len(chosen) - len(flipped)
        if row["network"] == "moon":
            assert pd.isna(row["missed_by_ffa"]), "nothing else attacked it"
        else:
            assert row["missed_by_ffa"] == len(flipped) - len(by_ffa)
        least = [min(each[row["size"]] for each in rows) for rows in flipped]
        assert row["median"] == pytest.approx(statistics.median(least) if least else math.nan, nan_ok=True)
        finders = Counter(
            each["attack"]
            for rows, size in zip(flipped, least, strict=True)
            for each in rows
            if each[row["size"]] == size
        )
        assert row["found"] == max(finders.values(), default=0)
        if finders:
            assert row["found_by"] == min(finders, key=lambda name: (-finders[name], order.index(name)))
        else:
            assert pd.isna(row["found_by"])


def notes_of(run, *rows) -> list[str]:
    (sheet,) = best_known_table.sheets(smallest_flips(sizes_of(*rows), run), run)
    return sheet.notes


def many(attack, flips, images=100, **about):
    return [attempt(attack, image, 3 if image < flips else None, **about) for image in range(images)]


@pytest.mark.parametrize(
    ("ffa", "fgs", "note"),
    [
        (0, 7, "FFA flips fewer than 1 % of the images of Male (0 of 100, any attack 7 at a median PASS of"),
        (0, 0, "FFA flips fewer than 1 % of the images of Male (0 of 100), and no other attack flips more."),
        (1, 50, "There is no attribute of which FFA flips fewer than 1 % of the images."),
        (0, None, "Only FFA attacked this network; what it misses is not known."),
        (0, None, "FFA flips fewer than 1 % of the images of Male (0 of 100)."),
        (None, 3, "FFA did not attack this network."),
    ],
)
def test_notes_say_which_attributes_ffa_hardly_flips(made, ffa, fgs, note):
    rows = [
        row
        for attack, flips in (("ffa-line", ffa), ("fgs-line", fgs))
        if flips is not None
        for row in many(attack, flips)
    ]
    notes = notes_of(made.run, *rows)
    assert any(each.startswith(note) for each in notes), notes
    nobody = not ffa and not fgs
    assert ("No attack flips an image of Male." in notes) == nobody
    assert ("Each attribute flips on some image." in notes) != nobody
    assert "no proof" in notes[-1]


def test_flips_that_anybody_sees_are_no_failure_of_ffa(made):
    seen = notes_of(made.run, *many("ffa-line", 0), *many("fgs-line", 7, similarity=0.4))
    assert seen[0].endswith("any attack 7 at a median PASS of 0.40). Others flip more, but mostly by what can be seen.")
    unseen = notes_of(made.run, *many("ffa-line", 0), *many("fgs-line", 7, similarity=0.97))
    assert unseen[0].endswith("any attack 7 at a median PASS of 0.97). There the attack failed.")


def test_notes_tell_attributes_apart(made):
    rows = [*many("ffa-line", 0, attribute="Male"), *many("fgs-line", 9, attribute="Male")]
    rows += [*many("ffa-line", 0, attribute="Young"), *many("fgs-line", 0, attribute="Young")]
    rows += [*many("ffa-line", 50, attribute="Bald"), *many("fgs-line", 0, attribute="Bald")]
    notes = notes_of(made.run, *rows)
    assert "of Male (0 of 100, any attack 9 at a median PASS of" in notes[0]
    assert "of Young (0 of 100), and no" in notes[1]
    assert notes[2] == "No attack flips an image of Young."


def test_attacks_of_ffa_count_by_their_method(made):
    run = replace(
        made.run,
        attack_list=tuple(
            replace(each, method="mine" if each.name == "ffa-line" else each.method) for each in made.run.attack_list
        ),
    )
    rows = [*many("ffa-line", 9), *many("ffa-iterative", 2)]
    row = row_of(smallest_flips(sizes_of(*rows), run), attribute="Male", sign="all", size="l2")
    assert (row["by_ffa"], row["missed_by_ffa"]) == (2, 7)


@pytest.fixture
def robust(made):
    run = replace(made.run, budgets=(8, 0.5, 2, 2), thresholds=(0, 0.9, 0.99))
    return robust_accuracy(made.attempts, run)


def test_robust_accuracy_against_loops(made, robust):
    pairs: dict[tuple, dict[str, dict]] = {}
    for row in made.attempts[made.attempts["checkpoint"] == "converged"].to_dict("records"):
        pairs.setdefault((row["network"], row["attribute"], row["image"]), {})[row["attack"]] = row
    assert len(robust) == (5 + 1) * (5 + 5 + 3) * 6
    assert robust.query("measure == 'linf'")["budget"].unique().tolist() == [0, 0.5, 2, 8]
    assert robust.query("measure == 'pass'")["budget"].unique().tolist() == [0.9, 0.99]
    for row in robust.to_dict("records"):
        images = hits = 0
        for (network, attribute, _), by_attack in pairs.items():
            if network == row["network"] and row["attribute"] in ("all", attribute):
                tried = by_attack.values() if row["attack"] == TOGETHER else [by_attack[row["attack"]]]
                images += 1
                hits += all(
                    each["correct"]
                    and not (
                        each["flipped"]
                        and (
                            each["linf"] <= row["budget"] if row["measure"] == "linf" else each["pass"] >= row["budget"]
                        )
                    )
                    for each in tried
                )
        assert (row["images"], row["robust"]) == (images, hits)
        assert row["low"] <= row["rate"] <= row["high"]
        assert row["rate"] == pytest.approx(hits / images)


def test_balanced_accuracy_against_loops(made, robust):
    pairs: dict[tuple, list[dict]] = {}
    for row in made.attempts[made.attempts["checkpoint"] == "converged"].to_dict("records"):
        pairs.setdefault((row["network"], row["attribute"], row["label"], row["image"]), []).append(row)

    def accuracy(row: dict, attribute: str, label: int) -> tuple[int, int]:
        """Return of how many images of a class how many are right, and stay so."""
        tried = [
            [each for each in rows if row["attack"] in (each["attack"], TOGETHER)]
            for (network, name, of, _), rows in pairs.items()
            if (network, name, of) == (row["network"], attribute, label)
        ]
        size = (
            (lambda each: each["linf"] <= row["budget"])
            if row["measure"] == "linf"
            else (lambda each: each["pass"] >= row["budget"])
        )
        right = [all(each["correct"] and not (each["flipped"] and size(each)) for each in rows) for rows in tried]
        return sum(right), len(right)

    chosen = robust.query("budget in (0, 2, 0.9) and network in ('euclidean', 'moon')")
    assert {"all", "Bald"} <= set(chosen["attribute"])
    for row in chosen.to_dict("records"):
        names = made.run.attacked if row["attribute"] == "all" else [row["attribute"]]
        counts = {name: [accuracy(row, name, label) for label in (1, -1)] for name in names}
        assert row["positives"] == sum(each[0][1] for each in counts.values())
        for place, column in enumerate(("present_rate", "absent_rate")):
            shares = [each[place][0] / each[place][1] for each in counts.values() if each[place][1]]
            assert row[column] == pytest.approx(statistics.mean(shares) if shares else math.nan, nan_ok=True)
        both = [statistics.mean(right / of for right, of in each if of) for each in counts.values()]
        assert row["balanced_rate"] == pytest.approx(statistics.mean(both))
        assert row["balanced_low"] - 1e-12 <= row["balanced_rate"] <= row["balanced_high"] + 1e-12
        if len(names) == 1 and all(of for _, of in counts[names[0]]):
            (right, of), (others, among) = counts[names[0]]
            ends = confint_proportions_2indep(right, of, among - others, among, method="newcomb", compare="diff")
            assert (row["balanced_low"], row["balanced_high"]) == pytest.approx([(1 + end) / 2 for end in ends])


def test_balanced_accuracy_shows_what_the_plain_one_hides(made):
    """One of ten images has the attribute, and the network never says so: nothing flips."""
    run = replace(made.run, budgets=(8,), thresholds=(0.95,))
    never = [attempt("ffa-line", image, correct=image > 0, label=-1 if image else 1) for image in range(10)]
    table = robust_accuracy(pd.DataFrame(never), run).query(
        "budget == 8 and attribute == 'Male' and attack == 'ffa-line'"
    )
    (row,) = table.to_dict("records")
    assert (row["rate"], row["balanced_rate"]) == (0.9, 0.5)
    assert (row["present_rate"], row["absent_rate"], row["positives"]) == (0, 1, 1)
    one_class = pd.DataFrame([attempt("ffa-line", image, 5 if image % 2 else None, label=-1) for image in range(6)])
    table = robust_accuracy(one_class, run).query("budget == 8")
    assert table["present_rate"].isna().all()
    assert table["balanced_rate"].tolist() == table["rate"].tolist() == [0.5] * 4
    assert table["balanced_low"].tolist() == pytest.approx(table["low"].tolist())
    assert "–" not in [row[-1] for row in robust_table.sheets(table, run)[-1].rows]


def test_balanced_sheets_come_after_the_others(made, robust):
    plain = robust.drop(columns=[name for name in robust if name.startswith("balanced_") and name != "balanced_rate"])
    for frame in (robust, plain.drop(columns=["low", "high"])):
        sheets = robust_table.sheets(frame, made.run)
        titles = [sheet.title for sheet in sheets]
        assert titles[len(titles) // 2 :] == [
            title.replace("Acc", "Balanced acc") for title in titles[: len(titles) // 2]
        ]
        together, of_one = sheets[len(titles) // 2], sheets[-1]
        assert [row[2] for row in together.rows[:3]] == ["balanced", "with the attribute", "without it"]
        row = robust.query("network == 'euclidean' and attribute == 'all' and budget == 0").iloc[0]
        cell = together.rows[0][3]
        assert (cell if isinstance(cell, str) else cell[0]) == f"{100 * row['balanced_rate']:.1f}"
        assert isinstance(cell, str) == ("low" not in frame)
        assert [column.group for column in of_one.columns[:3]] == ["", "images", "images"]


def test_robust_accuracy_falls_with_the_budget_and_with_more_attacks(robust):
    keys = ["network", "attribute", "attack"]
    for _, rates in robust.query("measure == 'linf'").groupby(keys)["rate"]:
        assert rates.is_monotonic_decreasing
    for _, rates in robust.query("measure == 'pass'").groupby(keys)["rate"]:
        assert rates.is_monotonic_increasing
    for _, part in robust.groupby(["network", "attribute", "measure", "budget"]):
        rates = part.set_index("attack")["rate"]
        assert rates[TOGETHER] <= rates.min()


def test_a_pass_and_a_change_at_the_budget_count(made):
    run = replace(made.run, budgets=(2,), thresholds=(0.95,))
    attempts = pd.DataFrame([attempt("ffa-line", 0, 2, similarity=0.95), attempt("ffa-line", 1, 3, similarity=0.949)])
    table = robust_accuracy(attempts, run).query("attribute == 'all' and attack == 'ffa-line'")
    assert table.set_index("measure").loc["pass", "robust"] == 1
    assert table.query("budget == 2")["robust"].tolist() == [1]
    wrong = pd.DataFrame([attempt("ffa-line", 0, correct=False)])
    assert robust_accuracy(wrong, run)["robust"].sum() == 0, "what is misclassified is not robust"


def written(made, tmp_path, name, **options) -> tuple[pd.DataFrame, str]:
    outputs = {kind: tmp_path / f"{name}.{kind}" for kind in ("csv", "md", "tex", "html")}
    make_table(TABLES[name], made.write(tmp_path), made.run, outputs, **options)
    return read_csv(outputs["csv"]), outputs["md"].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_a_run_without_attacks_says_so(tmp_path, name):
    made = specimen(
        attributes=("Male",), moon_attributes=("Male",), sample=5, test=5, attacks={("moon", "converged"): ()}
    )
    frame, page = written(made, tmp_path, name)
    assert frame.empty
    assert "This run has no attacks on converged networks." in page


@pytest.mark.parametrize("name", NAMES)
def test_order_of_the_attempts_and_other_checkpoints_do_not_matter(made, tmp_path, name):
    frame, _ = written(made, tmp_path, name)
    attempts = made.attempts.query("checkpoint == 'converged'").sample(frac=1, random_state=2)
    again, _ = written(replace(made, attempts=attempts), tmp_path, name)
    pd.testing.assert_frame_equal(frame, again, check_exact=True)


@pytest.mark.parametrize("name", NAMES)
def test_attributes_may_look_like_numbers_and_never_flip(tmp_path, name):
    made = specimen(attributes=("2020", "7"), moon_attributes=("2020", "7"), sample=8, test=8, dataset="table")
    never = made.attempts["attribute"] == "7"
    attempts = made.attempts.assign(flipped=made.attempts["flipped"] & ~never)
    attempts = attempts.assign(**{"pass": attempts["pass"].where(attempts["flipped"])})
    frame, page = written(replace(made, attempts=attempts), tmp_path, name)
    assert list(dict.fromkeys(frame["attribute"])) == ["2020", "7", "all"]
    assert "| 7 |" in page
    assert "nan" not in page.lower()
    if name == "best_known":
        assert frame.query("attribute == '7'")["found_by"].isna().all()
        assert "No attack flips an image of 7." in page
    if name == "optimality":
        assert frame.query("attribute == '7'")["optimality"].isna().all()
        assert "– in optimality: no attack flips an image" in page


@pytest.mark.parametrize("name", NAMES)
def test_nothing_flips_at_all(made, tmp_path, name):
    nothing = made.attempts.assign(flipped=False, **{"pass": math.nan})
    frame, page = written(replace(made, attempts=nothing), tmp_path, name)
    assert len(frame) > 0
    assert "nan" not in page.lower()
    if name == "robust_accuracy":
        for _, part in frame.groupby(["network", "attack", "attribute"]):
            assert len(set(part["robust"])) == 1


def test_one_attack_is_its_own_best_and_the_page_says_so(tmp_path):
    experiments = {("euclidean", "converged"): ("ffa-line",), ("moon", "converged"): ("ffa-line", "ffa-iterative")}
    made = specimen(
        attributes=("Male", "Young"), moon_attributes=("Male", "Young"), sample=20, test=9, attacks=experiments
    )
    frame, page = written(made, tmp_path, "optimality")
    assert set(frame.query("network == 'euclidean' and optimality == optimality")["optimality"]) == {1.0}
    assert page.count("is the only attack on it in this run and so its own best known") == 1
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert len(headings) == 1 + 3, "MOON alone has sheets of its attributes"
    _, page = written(made, tmp_path, "robust_accuracy")
    assert "## Accuracy under attack, separate networks, Euclidean loss, ffa-line, percent" in page
    assert "## Accuracy under attack, MOON, all attacks, percent" in page


@pytest.mark.parametrize("name", NAMES)
def test_pages_have_a_row_an_attribute_and_all_together_last(made, name):
    module = {"best_known": best_known_table, "optimality": optimality_table, "robust_accuracy": robust_table}[name]
    computed = robust_accuracy(made.attempts, made.run) if name == "robust_accuracy" else None
    if computed is None:
        final = made.attempts.query("checkpoint == 'converged'")
        sizes = sizes_of(*final.to_dict("records"))
        computed = optimality(sizes, made.run) if name == "optimality" else smallest_flips(sizes, made.run)
    for sheet in module.sheets(computed, made.run):
        assert all(len(row) == len(sheet.columns) for row in sheet.rows)
        if sheet.columns[0].heading == "attribute":
            assert [row[0] for row in sheet.rows] == [*made.run.attacked, "all together"]
            assert sheet.breaks == {len(sheet.rows) - 1}
