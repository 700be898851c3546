"""A comparison for people: the short of it for a terminal, and all of it for a page."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from faceflip.analysis.comparison.beside import NUMBER, SideBySide, minus
from faceflip.analysis.comparison.compared import Comparison
from faceflip.analysis.comparison.pairs import ADVERSARIAL, ERROR, FLIPPED, PAIRED, SIZES
from faceflip.analysis.comparison.what_differs import in_common
from faceflip.analysis.names import ALL
from faceflip.analysis.pages import MISSING, Cell, Column, Sheet, number, percent, percent_cell
from faceflip.analysis.tables.classification_error import MEAN
from faceflip.attempt import FINAL
from faceflip.wording import quantity

MOST_ROWS = 60
"""So many numbers of a table are shown on a page; the files have all."""
SIZE_NAMES = {"epsilon": "ε", "l2": "L2", "pass": "PASS"}
SIGNS = {ALL: "all", "+": "+", "-": "−"}
SIGNS_NOTE = "+: classified correctly by both runs; −: misclassified by both, where pairs are compared."
HEADLINES = (
    ("classification_error", "method", {"attribute": MEAN}, "error"),
    ("classification_error", "method", {"attribute": MEAN}, "balanced_error"),
    ("flippability", "network", {}, "rate"),
)
"""Numbers that are shown over runs: table, its key that names networks, values of others, and the number."""

Rows = list[list[Cell]]


def short(found: Comparison) -> list[Sheet]:
    """Lay out what differs, the numbers that say most, and how many numbers of each table differ."""
    final = found.tests[found.tests["checkpoint"].isin(FINAL)]
    errors = final[final["measure"] == ERROR]
    hits = final[(final["measure"] == ADVERSARIAL) & (final["sign"] == ALL)]
    made = [runs(found), settings(found), comparable(found)]
    made.append(_shares("Wrong answers on the test split, percent", errors, found))
    title = f"Adversarial images, PASS of at least {found.first.description.threshold:g}, percent"
    made.append(_shares(title, hits, found))
    return [*made, *over_runs(found), contents(found)]


def whole(found: Comparison) -> list[tuple[str, list[Sheet]]]:
    """Lay out everything, in parts with headings."""
    differ = _that_differ(found.tests)
    pairs = [
        _shares("Wrong answers on the test split, percent", differ[differ["measure"] == ERROR], found),
        _shares(
            "Flipped and adversarial attempts, percent", differ[differ["measure"].isin([FLIPPED, ADVERSARIAL])], found
        ),
        _sizes(differ[differ["measure"].isin(SIZES)], found),
    ]
    if same := len(found.tests) - len(differ):
        left_out = f"{quantity(same, 'comparison')} of pairs that are all alike left out here; tests.csv has them."
        pairs = [replace(sheet, notes=[*sheet.notes, left_out]) for sheet in pairs]
    tables = [sheet for table in found.tables for sheet in _table(table, found)]
    return [
        ("What differs", [runs(found), settings(found), comparable(found)]),
        ("In short", short(found)[3:]),
        ("The same attempts and answers", pairs),
        ("Tables", tables),
    ]


def _that_differ(tests: pd.DataFrame) -> pd.DataFrame:
    """Return the comparisons but for those of pairs that are all alike."""
    counts = tests[["only_first", "only_other"]].astype(float).fillna(0).any(axis=1)
    sizes = tests["measure"].isin(SIZES) & tests[["difference", "low", "high"]].fillna(0).any(axis=1)
    return tests[counts | sizes | (tests["kind"] != PAIRED)]


def runs(found: Comparison) -> Sheet:
    """Lay out which runs are compared."""
    rows = [[run.letter, str(run.folder), run.description.line] for run in found.runs]
    return Sheet("Runs", [Column(name, align="l") for name in ("", "folder", "what was run")], rows)


def settings(found: Comparison) -> Sheet:
    """Lay out the settings that are not the same in all runs."""
    rows = [[each.name, *each.told] for each in found.differences]
    heads = [Column("setting", align="l"), *(Column(letter, align="l") for letter in found.letters)]
    same = in_common(found.differences, found.runs)
    notes = [same] if rows else ["Nothing differs: the runs have the same settings, data and code.", same]
    return Sheet("What differs", heads, rows, notes)


def comparable(found: Comparison) -> Sheet:
    """Lay out why numbers are not of the same."""
    rows = [[each.aspect, each.text] for each in found.cautions]
    notes = [] if rows else ["Yes: the same data, attacked images, PASS and threshold."]
    return Sheet(
        "Are the numbers of the same?", [Column("", align="l"), Column("no, or in part", align="l")], rows, notes
    )


def contents(found: Comparison) -> Sheet:
    """Lay out how many numbers of each table there are and differ."""
    rows = []
    for table in found.tables:
        alone = [f"{table.only_in(letter):,}" if letter in table.letters else "no table" for letter in found.letters]
        if table.without_keys:
            counts = [MISSING, MISSING, MISSING, *[MISSING] * len(alone)]
        else:
            counts = [f"{table.in_all:,}", f"{int(table.differ.sum()):,}", f"{len(table.words):,}", *alone]
        rows.append([table.name, *counts])
    heads = [Column("table", align="l"), Column("in all", "numbers"), Column("differ", "numbers")]
    heads += [Column("differ", "words"), *(Column(letter, "numbers of one run alone") for letter in found.letters)]
    notes = [
        f"{table.name}: your own table, in which no column of text tells the rows apart; it is not compared."
        for table in found.tables
        if table.without_keys
    ]
    return Sheet("Tables", heads, rows, notes)


def over_runs(found: Comparison) -> Iterator[Sheet]:
    """Yield the means over runs of the numbers that say most, where the runs differ by their seeds alone."""
    if not found.over_seeds:
        return
    by_name = {table.name: table for table in found.tables}
    wanted = (headline for headline in HEADLINES if headline[0] in by_name)
    rows = [row for name, *which in wanted for row in _headlines(by_name[name], *which, found)]
    heads = [Column("network", align="l"), Column("number", align="l"), Column("runs"), Column("mean, percent")]
    heads += [Column("standard deviation"), *(Column(letter, "percent") for letter in found.letters)]
    notes = [
        "The runs differ by their seeds alone. Mean with Student's 95 % interval over runs; the CSV files have both of "
        "every number."
    ]
    yield Sheet("Over runs", heads, rows, notes)


def _headlines(table: SideBySide, network: str, keys: Mapping[str, str], wanted: str, found: Comparison) -> Rows:
    """Return the rows of a table's number over runs, of networks at their last checkpoints."""
    run, rows = found.first.description, []
    keys = dict(keys) | ({"threshold": f"{run.threshold:g}"} if "threshold" in table.keys else {})
    for row in table.numbers[table.numbers[NUMBER] == wanted].to_dict("records"):
        if row[network] in run.network_names and all(row[key] == value for key, value in keys.items()):
            others = (row[key] for key in table.keys if key not in (network, *keys))
            mean = percent_cell({"rate": row["mean"], "low": row["mean_low"], "high": row["mean_high"]}, 2)
            values = (percent(row[name], 2) for name in ("deviation", *table.letters))
            rows.append(
                [row[network], " ".join([wanted.replace("_", " "), *others]), f"{row['runs']:.0f}", mean, *values]
            )
    return rows


def _shares(title: str, rows: pd.DataFrame, found: Comparison) -> Sheet:
    """Lay out shares of trials, the other run's beside the first one's, with difference and test."""
    always = ("network", "checkpoint", *(["attack"] if set(rows["measure"]) - {ERROR} else []))
    named = ("run", "sample", *always, "measure", "sign")
    about = [name for name in named if name in always or len(set(rows[name])) > 1]
    made: Rows = []
    for row in rows.replace({"sign": SIGNS}).to_dict("records"):
        alone = [MISSING if pd.isna(row[name]) else f"{row[name]:,}" for name in ("only_first", "only_other")]
        difference = _with_ends(row, lambda share: f"{round(100 * share, 2) + 0.0:+.2f}")
        shares = [percent(row[name], 2) for name in ("first", "other")]
        made.append([*(row[name] for name in about), f"{row['trials']:,}", *shares, difference, *alone, *_p(row)])
    heads = [Column({"sign": "classified"}.get(name, name), align="l") for name in about]
    heads += [Column("trials"), *_values(found), Column(f"{_other(found)} − {found.first.letter}")]
    heads += [Column(name, "trials of one alone") for name in (found.first.letter, _other(found))]
    notes = [*_notes(rows, found), *([SIGNS_NOTE] if "sign" in about else [])]
    return Sheet(title, [*heads, Column("p"), Column("p, Holm")], made, notes)


def _sizes(rows: pd.DataFrame, found: Comparison) -> Sheet:
    """Lay out medians of the sizes of flips that both runs have."""
    several = len(found.runs) > 2
    made: Rows = []
    for row in rows.to_dict("records"):
        about = [row["run"]] * several + [row["sample"], row["network"], row["checkpoint"], row["attack"]]
        values = [number(row[name], 4) for name in ("first", "other")]
        difference = _with_ends(row, lambda value: f"{value + 0.0:+.3g}")
        made.append([*about, SIZE_NAMES[row["measure"]], f"{row['trials']:,}", *values, difference, *_p(row)])
    heads = [Column("run", align="l")] * several
    heads += [Column(name, align="l") for name in ("sample", "network", "checkpoint", "attack", "size")]
    heads += [Column("flips"), *_values(found), Column(f"{_other(found)} − {found.first.letter}")]
    notes = []
    if made:
        notes.append(
            "Of what flipped in both runs. The difference is the median over images (an image's attributes count as "
            "their mean), with its exact interval; p is that of a sign test over images."
        )
    return Sheet("Sizes of the flips, medians", [*heads, Column("p"), Column("p, Holm")], made, notes or _none())


def _notes(rows: pd.DataFrame, found: Comparison) -> list[str]:
    if rows.empty:
        return _none()
    notes = []
    tests = int(found.tests["p"].notna().sum())
    if (rows["kind"] == PAIRED).any():
        notes.append(
            "Pairs are of the same image and attribute. p is exact: McNemar's test, its signs flipped image by image "
            f"where an image comes several times. Holm's correction is for all {quantity(tests, 'test')}."
        )
    if (rows["kind"] != PAIRED).any():
        notes.append(
            "Rows without p are of other images in the two runs, or of all where only some are the same: shares of "
            "independent samples, with Newcombe's interval of their difference."
        )
    return notes


def _none() -> list[str]:
    return ["None, of networks and attacks of the same names."]


def _values(found: Comparison) -> list[Column]:
    return [Column(found.first.letter), Column(_other(found))]


def _other(found: Comparison) -> str:
    return "other" if len(found.runs) > 2 else found.runs[1].letter


def _with_ends(row: dict, text: Callable[[float], str]) -> Cell:
    if math.isnan(row["difference"]):
        return MISSING
    if math.isnan(row["low"]):
        return text(row["difference"])
    return text(row["difference"]), f"[{text(row['low'])}, {text(row['high'])}]"


def _p(row: dict) -> list[str]:
    return [MISSING if math.isnan(row[name]) else _small(row[name]) for name in ("p", "p_holm")]


def _small(p: float) -> str:
    return "< 1e-300" if p < 1e-300 else f"{p:.2g}"


def _table(table: SideBySide, found: Comparison) -> Iterator[Sheet]:
    """Yield the numbers of a table that differ, and its words that do."""
    if table.without_keys:
        return
    shown = table.numbers[table.differ]
    notes = [f"{quantity(table.in_all, 'number')} in all runs; {quantity(len(shown), 'number')} differ."]
    notes += [f"Not in {', '.join(table.missing)}: no such table."] if table.missing else []
    notes += [
        f"In {letter} alone: {quantity(count, 'number')}."
        for letter in table.letters
        if (count := table.only_in(letter))
    ]
    same = [key for key in table.keys if len(table.keys) > 1 and len(set(shown[key])) == 1]
    keys = [key for key in table.keys if key not in same]
    if alike := [f"{key} {shown[key].iloc[0]}" for key in same if shown[key].iloc[0]]:
        notes.append(f"All of {', '.join(alike)}.")
    if len(shown) > MOST_ROWS:
        notes.append(f"The {MOST_ROWS} that differ most, for their intervals or their size; the CSV has all.")
        shown = shown.iloc[np.sort(np.argsort(-_weight(shown, table), kind="stable")[:MOST_ROWS])]
    first, *others = table.letters
    rows = [
        [
            *(row[key] for key in keys),
            row[NUMBER],
            *(_value(row, letter) for letter in table.letters),
            *(_value(row, minus(letter, first), signed=True) for letter in others),
        ]
        for row in shown.to_dict("records")
    ]
    heads = [Column(key, align="l") for key in (*keys, NUMBER)]
    heads += [*map(Column, table.letters), *(Column(f"{letter} − {first}") for letter in others)]
    if rows or table.words.empty:
        yield Sheet(table.title, heads, rows, notes)
    if len(table.words):
        heads = [Column(key, align="l") for key in (*table.keys, "column", *table.letters)]
        words = table.words.astype(object).where(table.words.notna(), MISSING)
        cells = words.head(MOST_ROWS)[[*table.keys, "column", *table.letters]].to_numpy().tolist()
        more = [f"{MOST_ROWS} of {len(words):,} are shown; the CSV has all."] * (len(words) > MOST_ROWS)
        yield Sheet(f"{table.title}: words that differ", heads, cells, more)


def _weight(shown: pd.DataFrame, table: SideBySide) -> np.ndarray:
    """Return how much numbers differ: beyond what their intervals leave to chance first, then by their own size."""
    first, *others = table.letters
    weights = np.zeros(len(shown))
    for letter in others:
        name = minus(letter, first)
        difference, low, high = (shown[name + end].to_numpy(float) for end in ("", "_low", "_high"))
        size = np.fmax(shown[first].abs().to_numpy(float), shown[letter].abs().to_numpy(float))
        with np.errstate(divide="ignore", invalid="ignore"):
            by_interval = 2 * np.abs(difference) / (high - low)
            relative = np.abs(difference) / size
        weights = np.fmax(weights, np.where(np.isfinite(by_interval), 1 + by_interval, np.fmin(relative, 1)))
    return weights


def _value(row: dict, column: str, signed: bool = False) -> Cell:
    def text(value: float) -> str:
        return f"{value + 0.0:+.4g}" if signed else number(value, 4) if math.isfinite(value) else "∞"

    if math.isnan(row[column]):
        return MISSING
    low, high = (row[column + end] for end in ("_low", "_high"))
    return text(row[column]) if math.isnan(low) else (text(row[column]), f"[{text(low)}, {text(high)}]")
