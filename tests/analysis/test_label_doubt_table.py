"""Labels in doubt by attribute: every number by plain loops, areas by comparing all pairs, intervals by simulation."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import ROOT
from sklearn.metrics import balanced_accuracy_score

from faceflip.analysis.doubts import read_doubted
from faceflip.analysis.frames import read_csv
from faceflip.analysis.make import make_table
from faceflip.analysis.statistics.ranking import auroc, auroc_interval, hits_at_rate, mean_interval
from faceflip.analysis.tables.label_doubt import COLUMNS, compute, sheets
from faceflip.data.label_doubt import doubted_pairs, sources_in
from faceflip.errors import UserError
from faceflip.io.tables import write_table
from faceflip.workflow.products import TABLES_DOUBT
from specimen import label_doubts

ATTRIBUTES = ("Bald", "5_o_Clock_Shadow", "Male", "Young")
EVERYTHING = ("rules", "scores", "audit")
OF_TRUTH = ["falsified", "caught", "precision", "recall", "ranked", "auroc", "low", "high", "precision_at_rate"]
OF_TRUTH += ["score_true_error"]


@pytest.fixture(scope="module")
def run(made):
    return replace(made.run, doubt=EVERYTHING)


@pytest.fixture(scope="module")
def labels() -> pd.DataFrame:
    return label_doubts(ATTRIBUTES, 80)


@pytest.fixture
def table_of(run, tmp_path):
    """A function that computes the table of labels."""

    def compute_(labels: pd.DataFrame) -> pd.DataFrame:
        write_table(tmp_path / "label_doubt.parquet", labels)
        return compute({"doubts": tmp_path / "label_doubt.parquet"}, run)

    return compute_


def area_by_pairs(values, truth) -> float:
    true, false = ([v for v, t in zip(values, truth, strict=True) if t == side] for side in (True, False))
    wins = [(a > b) + (a == b) / 2 for a in true for b in false]
    return sum(wins) / len(wins) if wins else math.nan


def hits_by_orders(values, truth) -> float:
    """Return the mean, over all orders in which equal values may stand, of the hits among the first."""
    order = sorted(range(len(values)), key=lambda place: -values[place])
    groups = [list(group) for _, group in itertools.groupby(order, key=lambda place: values[place])]
    orders = itertools.product(*(list(itertools.permutations(group)) for group in groups))
    counts = [sum(truth[place] for place in list(itertools.chain(*order))[: sum(truth)]) for order in orders]
    return sum(counts) / len(counts)


def expected_of(rows: list[dict]) -> dict[str, float]:
    """Return the numbers of an attribute, by loops; those of truth are of all rows but for the area."""

    def count(chosen, of=rows):
        return sum(1 for row in of if chosen(row))

    def share(some, of):
        return some / of if of else math.nan

    names = [row["reasons"].split("; ") if row["reasons"] else [] for row in rows]
    found = {"labels": len(rows), "doubtful": count(lambda row: row["doubtful"])}
    found["by_rules"] = sum(1 for each in names if set(each) - {"scores", "audit"})
    found |= {f"by_{source}": sum(1 for each in names if source in each) for source in ("scores", "audit")}
    found["hinted"] = count(lambda row: row["hints"] != "")
    for name, label in (("present", 1), ("absent", -1)):
        found[name] = count(lambda row, label=label: row["label"] == label)
        found[f"{name}_doubtful"] = count(lambda row, label=label: row["label"] == label and row["doubtful"])
        found[f"{name}_share"] = share(found[f"{name}_doubtful"], found[name])
    found["share"] = share(found["doubtful"], found["labels"])
    found["falsified"] = count(lambda row: row["falsified"])
    found["caught"] = count(lambda row: row["falsified"] and row["doubtful"])
    found["precision"] = share(found["caught"], found["doubtful"]) if found["falsified"] else math.nan
    found["recall"] = share(found["caught"], found["falsified"])
    found["ranked"] = count(lambda row: not math.isnan(row["doubt"]))
    return found


def balanced_error_of(rows: list[dict], drawn: bool) -> float:
    """Return the balanced error of the scores, against labels or what is drawn, by scikit-learn."""
    scored = [row for row in rows if not math.isnan(row["score"])]
    truth = [(row["label"] > 0) != (drawn and row["falsified"]) for row in scored]
    return 1 - balanced_accuracy_score(truth, [row["score"] > 0.5 for row in scored])


def rows_of(labels: pd.DataFrame, split: str, attribute: str) -> list[dict]:
    texts = labels.astype(dict.fromkeys(("split", "attribute", "reasons", "hints"), "str")).to_dict("records")
    return [row for row in texts if split in ("all", row["split"]) and attribute in ("all", row["attribute"])]


def test_every_number_by_loops(labels, table_of, run):
    table = table_of(labels)
    assert list(table.columns) == COLUMNS
    in_order = ["5_o_Clock_Shadow", "Bald", "Male", "Young", "all"]
    assert list(table["attribute"]) == 4 * in_order, "as attributes stand in the dataset"
    assert list(dict.fromkeys(table["split"])) == ["all", "train", "validation", "test"]
    for row in table.to_dict("records"):
        expected = expected_of(rows_of(labels, row["split"], row["attribute"]))
        assert {name: row[name] for name in expected} == pytest.approx(expected, nan_ok=True), row["attribute"]


def test_areas_and_first_ones_a_second_way(labels, table_of):
    table = table_of(labels).set_index(["split", "attribute"])
    for split in ("all", "test"):
        areas, hits, sought = [], 0, 0
        for attribute in ATTRIBUTES:
            rows = rows_of(labels, split, attribute)
            truth = [row["falsified"] for row in rows]
            area = area_by_pairs([row["doubt"] for row in rows], truth)
            found = table.loc[(split, attribute)]
            assert found["auroc"] == pytest.approx(area)
            assert found["low"] < area
            assert found["high"] > area or area == 1
            areas.append(area)
            first = hits_at_rate([row["doubt"] for row in rows], truth)
            assert found["precision_at_rate"] == pytest.approx(first / sum(truth))
            hits, sought = hits + first, sought + sum(truth)
        whole = table.loc[(split, "all")]
        assert whole["auroc"] == pytest.approx(sum(areas) / len(areas)), "the mean over attributes"
        assert whole["precision_at_rate"] == pytest.approx(hits / sought), "of the sums of counts"
    assert 0.5 < table.loc[("all", "all"), "auroc"] < 1, "the specimen should not be perfect"


def test_balanced_errors_of_scores_as_scikit_learn_has_them(labels, table_of):
    scored = labels.assign(score=labels["score"].where(labels["image"] % 5 > 0))
    table = table_of(scored).set_index(["split", "attribute"])
    for name, drawn in (("score_error", False), ("score_true_error", True)):
        expected = [balanced_error_of(rows_of(scored, "all", attribute), drawn) for attribute in ATTRIBUTES]
        assert list(table.loc["all"].loc[list(ATTRIBUTES), name]) == pytest.approx(expected)
        assert table.loc[("all", "all"), name] == pytest.approx(sum(expected) / len(expected)), "the mean"
    assert (table["score_error"] != table["score_true_error"]).any()


def test_a_class_without_a_score_has_no_balanced_error(labels, table_of):
    table = table_of(labels[(labels["attribute"] != "Male") | (labels["label"] > 0)])
    assert np.isnan(table.set_index(["split", "attribute"]).loc[("all", "Male"), "score_error"])


def test_pages_warn_of_networks_that_learned_nothing(labels, run, table_of):
    assert not any("next to nothing" in note for note in sheets(table_of(labels), run)[0].notes)
    blind = labels.assign(score=labels["score"].where(labels["attribute"] != "Male", 0.1))
    (note,) = [note for note in sheets(table_of(blind), run)[0].notes if "next to nothing" in note]
    assert "nothing of Male (" in note


def test_pages_tell_the_area_over_what_is_seen(labels, run, table_of):
    drawn = (labels["label"] > 0) != labels["falsified"]
    seeing = labels["score"].where(~labels["attribute"].isin(["Bald", "Young"]), np.where(drawn, 0.9, 0.1))
    table = table_of(labels.assign(score=seeing))
    seen = table[(table["split"] == "all") & table["attribute"].isin(["Bald", "Young"])]
    (note,) = [note for note in sheets(table, run)[-1].notes if note.startswith("Seen")]
    assert f"2 of the attributes: the mean AUROC over these is {seen['auroc'].mean():.3f}." in note
    assert not any(note.startswith("Seen") for note in sheets(table_of(labels.assign(score=0.5)), run)[-1].notes)


def test_areas_are_of_labels_that_have_a_doubt(labels, table_of):
    """A pair without a score cannot be ranked; it counts in everything else."""
    some = labels.assign(doubt=labels["doubt"].where(labels["image"] % 3 > 0))
    found = table_of(some).set_index(["split", "attribute"]).loc[("all", "Male")]
    rows = [row for row in rows_of(some, "all", "Male") if row["image"] % 3]
    assert found["ranked"] == len(rows) < found["labels"]
    assert found["auroc"] == pytest.approx(
        area_by_pairs(*zip(*((r["doubt"], r["falsified"]) for r in rows), strict=True))
    )


def test_without_scores_nothing_is_ranked(table_of):
    table = table_of(label_doubts(ATTRIBUTES, 80, scored=False))
    assert table[["auroc", "low", "high", "precision_at_rate"]].isna().all(axis=None)
    assert (table["ranked"] == 0).all()
    assert (table["by_scores"] == 0).all()
    assert table.loc[table["attribute"] == "all", ["precision", "recall"]].notna().all(axis=None)


def test_without_falsified_labels_nothing_is_found(labels, table_of):
    table = table_of(labels.assign(falsified=False))
    assert (table["falsified"] == 0).all()
    assert table[["precision", "recall", "auroc", "precision_at_rate"]].isna().all(axis=None)


def test_other_faces_have_no_truth(table_of, run):
    labels = label_doubts(ATTRIBUTES, 80, drawn=False)
    table = table_of(labels)
    assert table[OF_TRUTH].isna().all(axis=None)
    assert [sheet.title for sheet in sheets(table, run)] == ["Labels in doubt", "Labels in doubt by split"]
    drawn = table_of(label_doubts(ATTRIBUTES, 80))
    pd.testing.assert_frame_equal(table.drop(columns=OF_TRUTH), drawn.drop(columns=OF_TRUTH))


def test_order_of_the_rows_does_not_matter(labels, table_of):
    pd.testing.assert_frame_equal(table_of(labels.sample(frac=1, random_state=1)), table_of(labels))


def make(run, labels: pd.DataFrame, folder, **options) -> dict:
    write_table(folder / "label_doubt.parquet", labels)
    outputs = {kind: folder / f"label_doubt.{kind}" for kind in ("csv", "md", "tex", "html")}
    make_table(TABLES_DOUBT["label_doubt"], {"doubts": folder / "label_doubt.parquet"}, run, outputs, **options)
    return outputs


def test_pages_show_the_numbers(labels, run, tmp_path):
    outputs = make(run, labels, tmp_path)
    table = read_csv(outputs["csv"]).set_index(["split", "attribute"])
    first, by_split, found = sheets(compute({"doubts": tmp_path / "label_doubt.parquet"}, run), run)
    assert [row[0] for row in first.rows] == ["5 o'Clock Shadow", "Bald", "Male", "Young", "all together"]
    assert all(len(row) == len(sheet.columns) for sheet in (first, by_split, found) for row in sheet.rows)
    male = table.loc[("all", "Male")]
    assert first.rows[2][1:4] == [f"{male['labels']:.0f}", f"{male['doubtful']:.0f}", f"{100 * male['share']:.1f}"]
    assert [column.heading for column in first.columns][4:8] == ["rules", "scores", "audit", "of soft rules"]
    assert by_split.rows[2][-1] == f"{100 * table.loc[('test', 'Male'), 'share']:.1f}"
    assert found.rows[2][2] == (f"{male['auroc']:.3f}", f"[{male['low']:.3f}, {male['high']:.3f}]")
    assert "mean over them" in found.notes[0]
    markdown = outputs["md"].read_text()
    assert markdown.startswith("Synthetic faces")
    assert "nan" not in markdown
    assert "<NA>" not in markdown


def test_pages_speak_of_what_the_run_asks_alone(run, tmp_path):
    only = replace(run, doubt=("rules",))
    markdown = make(only, label_doubts(ATTRIBUTES, 80, scored=False), tmp_path)["md"].read_text()
    assert "in doubt by, rules" in markdown
    assert "in doubt by, scores" not in markdown
    assert "No network scored the labels" in markdown


def test_intervals_can_be_left_out(labels, run, tmp_path):
    outputs = make(run, labels, tmp_path, intervals=False)
    assert not {"low", "high"} & set(read_csv(outputs["csv"]).columns)
    assert "[0." not in outputs["md"].read_text()


def test_a_table_without_a_label(labels, run, tmp_path):
    outputs = make(run, labels[:0], tmp_path)
    assert "No label is known." in outputs["md"].read_text()
    assert list(read_csv(outputs["csv"]).columns) == COLUMNS


def test_the_page_of_columns_has_them_all():
    page = (ROOT / "docs/reference/tables.md").read_text(encoding="utf-8")
    section = page.partition("| column of `label_doubt.csv` |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in section.splitlines()[2:]]
    assert [name.strip() for cell in cells for name in cell.split(",")] == COLUMNS


def test_damaged_and_missing_files_are_told(run, labels, tmp_path):
    path = tmp_path / "label_doubt.parquet"
    with pytest.raises(UserError, match=r"label_doubt\.parquet"):
        compute({"doubts": path}, run)
    path.write_bytes(b"no table")
    with pytest.raises(UserError, match="delete it"):
        compute({"doubts": path}, run)
    write_table(path, labels.drop(columns="hints"))
    with pytest.raises(UserError, match="lacks the columns hints"):
        compute({"doubts": path}, run)


def test_the_doubtful_ones_alone_are_read(labels, tmp_path):
    write_table(tmp_path / "label_doubt.parquet", labels)
    read = read_doubted(tmp_path / "label_doubt.parquet", "image", "attribute")
    chosen = labels[labels["doubtful"]]
    assert list(read.columns) == ["image", "attribute", "falsified"]
    assert list(read["image"]) == list(chosen["image"])
    assert list(read["falsified"]) == list(chosen["falsified"])
    assert len(doubted_pairs(tmp_path / "label_doubt.parquet")) == len(chosen)


@pytest.mark.parametrize(
    ("reasons", "sources"),
    [
        ("", set()),
        ("scores", {"scores"}),
        ("several hair colours", {"rules"}),
        ("a rule about scores; another", {"rules"}),
        ("several hair colours; scores; audit", {"rules", "scores", "audit"}),
    ],
)
def test_sources_of_reasons(reasons, sources):
    assert sources_in(reasons) == sources


ranked = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=6)


@given(ranked)
def test_area_is_that_of_all_pairs(rows):
    values, truth = zip(*rows, strict=True)
    assert auroc(values, truth) == pytest.approx(area_by_pairs(values, truth), nan_ok=True)


@given(ranked)
def test_hits_are_those_of_all_orders(rows):
    values, truth = zip(*rows, strict=True)
    assert hits_at_rate(values, truth) == pytest.approx(hits_by_orders(values, truth))


@given(st.floats(0, 1), st.integers(1, 200), st.integers(1, 10_000))
def test_ends_of_an_area_solve_the_equation(area, positives, negatives):
    """The distance of an end is 1.96 times the standard error of Hanley and McNeil there, with their own formula."""
    low, high = auroc_interval(area, positives, negatives)
    assert 0 <= low <= area + 1e-9
    assert area - 1e-9 <= high <= 1
    mean = (positives + negatives) / 2
    for end in (low, high):
        if 0.001 < end < 0.999 and abs(end - area) > 0.001:
            first, second = end / (2 - end), 2 * end**2 / (1 + end)
            among = end * (1 - end) + (mean - 1) * (first - end**2 + second - end**2)
            error = math.sqrt(among / (positives * negatives))
            assert abs(end - area) == pytest.approx(1.959964 * error, rel=1e-4)
    mirrored = auroc_interval(1 - area, positives, negatives)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-6)


def test_a_perfect_area_of_few_is_not_certain():
    low, high = auroc_interval(1.0, 4, 2000)
    assert (0.5 < low < 0.9, high) == (True, 1.0)
    assert auroc_interval(1.0, 100, 2000)[0] > 0.98
    assert all(map(math.isnan, auroc_interval(math.nan, 0, 10)))


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Of two normal distributions, the falsified ones few as they are in a run."""
    random = np.random.default_rng(3)
    truth = np.arange(115) < 15
    held = 0
    for _ in range(400):
        values = random.normal(size=115) + 2.0 * truth
        low, high = auroc_interval(auroc(values, truth), 15, 100)
        held += low <= 0.9213504 <= high  # the standard normal's share below 2 / sqrt(2)
    assert 0.92 < held / 400 <= 0.99


def test_interval_of_a_mean():
    assert mean_interval([0.8, 0.6], [0.7, 0.5], [0.83, 0.64]) == pytest.approx(
        (0.7 - math.sqrt(0.01 + 0.01) / 2, 0.7 + math.sqrt(0.0009 + 0.0016) / 2)
    )
    assert mean_interval([0.8], [0.7], [0.9]) == pytest.approx((0.7, 0.9))
    assert all(map(math.isnan, mean_interval([], [], [])))
