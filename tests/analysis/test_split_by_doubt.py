"""Misclassified pairs by whether their label is in doubt: recounted from the attempts, and what must stay as it was."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceflip.analysis.frames import count_flips, read_csv, with_parts
from faceflip.analysis.html import sheets_of
from faceflip.analysis.names import SIGNS, SPLIT_SIGNS, doubt_notes, doubted_by
from faceflip.analysis.statistics.intervals import wilson
from faceflip.analysis.tables.checkpoint_overlap import checkpoint_overlap, pair_checkpoints
from faceflip.analysis.tables.flippability import flippability
from faceflip.analysis.tables.seeds import compute as spread_of_seeds
from faceflip.analysis.tables.seeds import sheets as seed_sheets
from faceflip.analysis.tables.statistics import count_statistics, progress_statistics
from faceflip.analysis.tables.success import success
from faceflip.data.label_doubt import SOURCES
from faceflip.report.readme import headlines
from faceflip.workflow.products import OF_DOUBT, TABLES, Reading
from specimen import Specimen, make_tables, specimen

pytestmark = pytest.mark.slow

ATTRIBUTES = ("Bald", "Male", "Smiling")
SPLIT = ("flippability", "success", "checkpoint_overlap", "best_known", "statistics")
KEYS = {
    "flippability": ["network", "method", "search", "threshold"],
    "success": ["network", "method", "search", "attribute"],
    "checkpoint_overlap": ["network", "checkpoint", "method", "search"],
    "best_known": ["network", "attribute", "size"],
}
COUNTS = {
    "flippability": ["total", "flipped"],
    "success": ["total", "adversarial"],
    "checkpoint_overlap": ["early", "converged", "overlap", "overlap_other_sign"],
    "best_known": ["images", "flipped", "by_ffa", "missed_by_ffa", "unflipped"],
}


@pytest.fixture(scope="module")
def doubted() -> Specimen:
    size = {"attributes": ATTRIBUTES, "moon_attributes": ATTRIBUTES, "sample": 30, "test": 12}
    return specimen(seed=2, doubt=("rules",), unknown={"Smiling": 0.3}, dataset="celeba", **size)


def undoubted(made: Specimen) -> Specimen:
    attempts = made.attempts.drop(columns="doubtful")
    return replace(made, run=replace(made.run, doubt=()), attempts=attempts, doubts=None)


@pytest.fixture(scope="module")
def both(doubted, tmp_path_factory) -> tuple[dict, dict]:
    """All tables with doubts and without."""
    made = []
    for each in (doubted, undoubted(doubted)):
        folder = tmp_path_factory.mktemp("tables")
        made.append(make_tables(TABLES, each.write(folder), each.run, folder))
    return tuple(made)


@pytest.fixture(scope="module")
def minus(doubted) -> pd.DataFrame:
    """The misclassified attempts, with the columns of tables made in another way."""
    wrong = doubted.attempts[~doubted.attempts["correct"]].copy()
    wrong[["method", "search"]] = wrong["attack"].str.split("-", expand=True)
    wrong["hit"] = wrong["flipped"] & (wrong["pass"] >= doubted.run.threshold)
    return wrong


def by_sign(table: pd.DataFrame, name: str, sign: str) -> pd.DataFrame:
    return table[table["sign"] == sign].set_index(KEYS[name])[COUNTS[name]].sort_index()


@pytest.mark.parametrize("name", KEYS)
def test_firm_and_doubtful_add_up_to_the_minus_row(both, name):
    table = read_csv(both[0][name]["csv"])
    whole, firm, doubtful = (by_sign(table, name, sign) for sign in ("-", *SPLIT_SIGNS))
    assert firm.sum().sum() > 0
    assert doubtful.sum().sum() > 0
    pd.testing.assert_frame_equal(firm + doubtful, whole)


@pytest.mark.parametrize("name", SPLIT)
def test_the_other_rows_are_as_without_doubt(both, name):
    table, plain = (read_csv(tables[name]["csv"]) for tables in both)
    if name == "statistics":
        old = table["id"].isin(plain["id"])
        new = table.loc[~old, "id"]
        assert new.str.contains("(?:^|_)(?:firm|doubtful)_").all()
        assert len(new) > 20
    else:
        old = ~table["sign"].isin(SPLIT_SIGNS)
        assert (~old).any()
    pd.testing.assert_frame_equal(table[old].reset_index(drop=True), plain)


@pytest.mark.parametrize("name", sorted(set(TABLES) - set(SPLIT)))
@pytest.mark.parametrize("kind", ["csv", "md", "tex", "html"])
def test_other_tables_do_not_know_of_doubt(both, name, kind):
    """Those that compare with the paper among them: they take the whole minus rows."""
    first, second = (tables[name][kind].read_bytes() for tables in both)
    assert first == second


@pytest.mark.parametrize("name", SPLIT)
def test_pages_speak_of_doubt_only_where_there_is(both, name):
    page, plain = (sheets_of(tables[name]["html"].read_text()) for tables in both)
    assert "Label in doubt: by contradictions." in page
    assert "Contradictions find few of the wrong labels" in page
    assert "doubt" not in plain
    assert "label is firm" not in plain
    assert "Label firm" not in plain
    # The sheets that there were come first, unchanged.
    first = [tables[name]["md"].read_text() for tables in both]
    if name != "statistics":
        assert first[0].startswith(first[1])


def test_table_1_recounted(doubted, minus):
    table = flippability(doubted.attempts, doubted.run)
    final = minus[minus["checkpoint"] == "converged"]
    for sign, doubtful in zip(SPLIT_SIGNS, (False, True), strict=True):
        part = final[final["doubtful"] == doubtful]
        for threshold in doubted.run.thresholds:
            hit = (part["pass"] >= threshold).groupby([part["network"], part["method"], part["search"]])
            found = table[(table["sign"] == sign) & (table["threshold"] == threshold)]
            found = found.set_index(["network", "method", "search"])
            assert len(found) == 10
            assert (found["total"] == hit.size().reindex(found.index, fill_value=0)).all()
            assert (found["flipped"] == hit.sum().reindex(found.index, fill_value=0)).all()
            rates = found["rate"].dropna()
            assert rates.to_dict() == pytest.approx(hit.mean().to_dict())
            assert (found["low"][rates.index] <= rates).all()
            assert (rates <= found["high"][rates.index]).all()


def test_success_recounted(doubted, minus):
    """An attribute has one attempt an image, so that its intervals are Wilson's."""
    table = success(doubted.attempts, doubted.run)
    final = minus[minus["checkpoint"] == "converged"]
    keys = ["network", "method", "search", "attribute"]
    for sign, doubtful in zip(SPLIT_SIGNS, (False, True), strict=True):
        hit = final[final["doubtful"] == doubtful].groupby(keys)["hit"]
        found = table[table["sign"] == sign].set_index(keys)
        assert (found["total"] == hit.size().reindex(found.index, fill_value=0)).all()
        assert (found["adversarial"] == hit.sum().reindex(found.index, fill_value=0)).all()
        assert (found["total"] == 0).equals(found["rate"].isna())
        low, high = wilson(found["adversarial"], found["total"])
        assert found["low"].tolist() == pytest.approx(low.tolist(), nan_ok=True)
        assert found["high"].tolist() == pytest.approx(high.tolist(), nan_ok=True)


def test_table_2_recounted(doubted, minus):
    table = checkpoint_overlap(pair_checkpoints(doubted.attempts, doubted.run), doubted.run)
    hits = doubted.attempts[doubted.attempts["flipped"] & (doubted.attempts["pass"] >= doubted.run.threshold)]
    for row in table[table["sign"].isin(SPLIT_SIGNS)].to_dict("records"):
        chosen = hits[hits["network"].eq(row["network"]) & hits["attack"].eq(f"{row['method']}-{row['search']}")]
        chosen = chosen[chosen["doubtful"] == (row["sign"] == "- doubtful")]
        found = {
            (checkpoint, correct): set(zip(part["attribute"], part["image"], strict=True))
            for (checkpoint, correct), part in chosen.groupby(["checkpoint", "correct"])
        }
        early, late, right = (
            found.get(key, set()) for key in (("epoch2", False), ("converged", False), ("converged", True))
        )
        assert [row[name] for name in COUNTS["checkpoint_overlap"]] == [
            *map(len, (early, late, early & late, early & right))
        ]


def test_natural_counts_recounted(doubted, minus):
    found = {each.id: each for each in count_statistics(doubted.attempts, doubted.run)}
    for (network, checkpoint, attack), part in minus.groupby(["network", "checkpoint", "attack"]):
        name = f"{network}_{checkpoint}_{attack}"
        for kind, doubtful in (("firm", False), ("doubtful", True)):
            share, those = found[f"natural_{kind}_{name}"], part[part["doubtful"] == doubtful]
            assert (share.count, share.of) == (those["hit"].sum(), len(those))
        parts = [found[f"natural_{kind}{name}"] for kind in ("", "firm_", "doubtful_")]
        assert parts[0].count == parts[1].count + parts[2].count
        assert parts[0].of == parts[1].of + parts[2].of
    every = doubted.attempts.drop_duplicates(["network", "checkpoint", "attribute", "image"])
    for (network, checkpoint), part in every.groupby(["network", "checkpoint"]):
        wrong, name = part[~part["correct"]], f"{network}_{checkpoint}"
        for kind, doubtful in (("firm", False), ("doubtful", True)):
            share = found[f"wrong_{kind}_{name}"]
            assert share.count == (wrong["doubtful"] == doubtful).sum()
            assert share.of == (part["doubtful"] == doubtful).sum()
        share = found[f"doubtful_among_wrong_{name}"]
        assert (share.count, share.of) == (wrong["doubtful"].sum(), len(wrong))
        assert share.low <= share.value <= share.high
    assert len(found) == len(list(count_statistics(doubted.attempts, doubted.run))), "no two have one id"


def test_progress_recounted(doubted):
    pairs = pair_checkpoints(doubted.attempts, doubted.run)
    found = {each.id: each for each in progress_statistics(pairs, doubted.run)}
    natural = {side: pairs[f"adversarial_{side}"] & ~pairs[f"correct_{side}"] for side in ("early", "converged")}
    for (network, method), part in pairs.groupby(["network", "method"]):
        for kind, doubtful in (("firm", False), ("doubtful", True)):
            of = part[part["doubtful"] == doubtful].index
            early, late = natural["early"][of], natural["converged"][of]
            name = f"{kind}_{network}_{method}"
            assert found[f"natural_lost_{name}"].value == (early & ~late).sum()
            share = found[f"natural_lost_correct_{name}"]
            assert share.of == (early & ~late).sum()
            assert share.count == pairs.loc[of, "correct_converged"][early & ~late].sum()
            share = found[f"natural_differ_{kind}_converged_{network}_{method}"]
            assert (share.count, share.of) == ((late & ~early).sum(), late.sum())


def test_seeds_recounted(tmp_path):
    networks = {f"joint{seed}": {"loss": "euclidean", "per": "all"} for seed in (1, 2)}
    size = {"attributes": ATTRIBUTES, "moon_attributes": ATTRIBUTES, "sample": 30, "test": 12}
    made = specimen(seed=2, networks=networks, doubt=SOURCES, **size)
    groups = tuple(replace(each, group="joint", seed=int(each.name[-1])) for each in made.run.networks)
    run = replace(made.run, networks=groups)
    table = spread_of_seeds(made.write(tmp_path), run)
    wrong = made.attempts[~made.attempts["correct"] & (made.attempts["checkpoint"] == "converged")]
    hit = wrong["flipped"] & (wrong["pass"] >= run.threshold)
    rates = hit.groupby([wrong["doubtful"], wrong["attack"], wrong["network"]]).mean()
    for row in table[table["sign"].isin(SPLIT_SIGNS)].to_dict("records"):
        expected = rates[row["sign"] == "- doubtful", row["attack"]]
        assert (row["value"], row["least"], row["most"]) == pytest.approx(
            (expected.mean(), expected.min(), expected.max())
        )
    assert set(table["sign"]) == {"", *SIGNS, *SPLIT_SIGNS}
    titles = [sheet.title for sheet in seed_sheets(table, run)]
    assert titles[-1].endswith("by whether their label is in doubt")
    plain = undoubted(replace(made, run=run))
    (tmp_path / "plain").mkdir()
    before = spread_of_seeds(plain.write(tmp_path / "plain"), plain.run)
    pd.testing.assert_frame_equal(table[~table["sign"].isin(SPLIT_SIGNS)].reset_index(drop=True), before)


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.sampled_from("AB"), st.integers(0, 3), st.booleans(), st.booleans(), st.booleans()),
        min_size=1,
        max_size=25,
        unique_by=lambda row: row[:2],
    )
)
def test_parts_add_up_whatever_the_attempts(doubted, rows):
    attempts = pd.DataFrame(rows, columns=["attribute", "image", "correct", "flipped", "doubtful"])
    attempts = attempts.assign(network="moon", checkpoint="converged", attack="ffa-line")
    attempts["pass"] = attempts["flipped"].map({True: 0.99, False: float("nan")})
    parts = with_parts(attempts, doubted.run)
    counted = count_flips(parts, ["attribute"], [0.95])
    plain = count_flips(parts.drop(columns="doubtful"), ["attribute"], [0.95])
    kept = counted[counted["sign"].isin(SIGNS)].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, plain)
    for _, part in counted.groupby("attribute"):
        numbers = part.set_index("sign")[["total", "flipped"]]
        assert set(numbers.index) == {*SIGNS, *SPLIT_SIGNS}
        assert (numbers.loc["- firm"] + numbers.loc["- doubtful"] == numbers.loc["-"]).all()


def test_headlines_tell_the_firm_share(doubted, both):
    made, plain = doubted, undoubted(doubted)
    errors = read_csv(both[0]["classification_error"]["csv"])
    *before, last = headlines(made.run, errors, made.attempts)
    assert before == headlines(plain.run, errors, plain.attempts)
    wrong = made.attempts[~made.attempts["correct"]]
    hit = wrong["flipped"] & (wrong["pass"] >= made.run.threshold)
    firm, doubtful = (f"{hit[wrong['doubtful'] == which].mean():.1%}" for which in (False, True))
    assert f"{wrong['doubtful'].mean():.1%} have a label in doubt (by contradictions)" in last
    assert f"{firm} of those with a firm label, {doubtful} of those with a label in doubt" in last
    right = made.attempts[made.attempts["correct"]]
    assert "None of the misclassified has a label in doubt" in headlines(made.run, errors, right)[-1]


@pytest.mark.parametrize(
    ("doubt", "words", "notes"),
    [
        (("rules",), "by contradictions", 2),
        (("scores",), "by out-of-fold scores", 1),
        (("rules", "scores"), "by contradictions or by out-of-fold scores", 1),
        (SOURCES, "by contradictions, by out-of-fold scores or by an audit", 1),
    ],
)
def test_what_says_so(doubt, words, notes):
    assert doubted_by(doubt) == words
    assert len(doubt_notes(doubt)) == notes
    assert doubt_notes(()) == []


def test_paragraphs_on_doubt_are_left_out_without():
    reading = Reading("What it is.", ("Always.", f"{OF_DOUBT}more."))
    assert reading.of(True, ("rules",)).paragraphs == reading.paragraphs
    assert reading.of(False).paragraphs == ("Always.",)


def test_a_run_without_attempts(doubted, tmp_path):
    made = replace(doubted, attempts=doubted.attempts.iloc[:0], transfers=doubted.transfers.iloc[:0])
    tables = make_tables({name: TABLES[name] for name in SPLIT[:-1]}, made.write(tmp_path), made.run, tmp_path)
    assert all(isinstance(files["md"], Path) and "firm" not in files["md"].read_text() for files in tables.values())
