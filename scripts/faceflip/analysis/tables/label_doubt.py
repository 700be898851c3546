"""Labels in doubt: which attributes have them, what says so, and on drawn faces how much of it is true.

A row is an attribute, over all images whose label of it is known. A label is in doubt where hard rules find it at odds
with other labels of the image, where networks that learned from other images score it against its annotation (scores),
or where an audit says otherwise; several can say so of one label. Soft rules only hint: they put nothing in doubt. The
shares of the two classes are of all labels annotated so. Where one class is rare its labels are often the more doubted
ones by far: as many mistakes weigh more in fewer labels.

A label in doubt is one to look at, and not a wrong one. The network can be what is wrong: on faces unlike those it
learned from, or on an attribute that it does not understand, of which it then doubts much. And a label that nothing
doubts can be wrong. So the share in doubt is no share of wrong labels, and says nothing of what errors would be if they
were mended. Attributes with much doubt by scores are those where networks and annotators see different things; look at
their faces in the figure of the most doubted labels.

Where networks of folds gave scores, their balanced error stands beside: the mean of the two classes' shares of labels
that they decide otherwise, without having learned from them. Guessing has 50 %.

On drawn faces some labels were falsified on purpose, and the second part says how well doubt finds these. AUROC is how
often a falsified label is doubted more than one that is not: 0.5 is chance, 1 finds all first. Precision at the true
rate is the share of falsified ones among the most doubted, of which as many are taken as were falsified. Precision is
the share of falsified ones among those in doubt, recall the share in doubt among the falsified ones. AUROC has a 95 %
interval (Newcombe 2006); over all it is the mean over attributes, its interval as if they were independent, while
everything else is over the sum of the counts. The networks' balanced error is here against what is drawn, not against
the labels, and an attribute counts as seen where it is 5 % or less: where networks cannot see what is drawn, no doubt
can be right. It would be surprising if labels in doubt were never falsified ones: then the network has learned the
falsified labels by heart, or hardly anything else.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from faceflip.analysis.doubts import read_doubts, where
from faceflip.analysis.frames import Inputs
from faceflip.analysis.names import ALL, display_name, ordered
from faceflip.analysis.pages import MISSING, Cell, Column, Sheet, nothing, percent
from faceflip.analysis.run import RunDescription
from faceflip.analysis.statistics.ranking import auroc, auroc_interval, hits_at_rate, mean_interval
from faceflip.data.celeba import SPLITS
from faceflip.data.label_doubt import FALSIFIED, SCORES, SOURCES, names_in, sources_in

TITLE = "Labels in doubt"
KEYS = ["split", "attribute"]
BY = {source: f"by_{source}" for source in SOURCES}
COUNTS = ["labels", "doubtful", *BY.values(), "hinted"]
CLASSES = ["present", "present_doubtful", "absent", "absent_doubtful"]
TRUTH = ["falsified", "caught", "ranked"]
ERRORS = ["score_error", "score_true_error"]
SEEN, UNSEEN = 0.05, 0.40
"""An attribute is seen by networks whose balanced error is at most, and hardly seen where it is at least so large."""
SHARES = {
    "share": ("doubtful", "labels"),
    "present_share": ("present_doubtful", "present"),
    "absent_share": ("absent_doubtful", "absent"),
    "precision": ("caught", "doubtful"),
    "recall": ("caught", "falsified"),
    "precision_at_rate": ("hits", "sought"),
}
"""Of what counts they are: the second ones, of which the first ones are a part."""
COLUMNS = [*KEYS, *COUNTS[:2], "share", *COUNTS[2:], *CLASSES[:2], "present_share", *CLASSES[2:], "absent_share"]
COLUMNS += ["score_error", *TRUTH[:2], "precision", "recall", TRUTH[2], "auroc", "low", "high", "precision_at_rate"]
COLUMNS += ["score_true_error"]


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return how many labels are in doubt by split and attribute, and how well doubt finds the falsified ones.

    Returns:
        Columns split (``all``: together), attribute (``all``: together), labels, doubtful, share, by_rules, by_scores,
        by_audit, hinted, then of each class (present, absent) its labels, those in doubt and their share, score_error
        (balanced, of scores against labels), falsified, caught (falsified and in doubt), precision and recall of
        `doubtful`, ranked (labels that have a doubt), auroc with low and high (95 %), precision_at_rate,
        score_true_error (balanced, against what is drawn). Shares are fractions, NaN of nothing. What is about truth is
        missing on other than drawn faces, and all about falsified labels but counts where there are none.
    """
    read = ["split", "attribute", "label", "score", "doubt", "reasons", "hints", "doubtful"]
    labels = read_doubts(inputs["doubts"], *read)
    if labels.empty:
        return pd.DataFrame(columns=COLUMNS)
    for source, name in BY.items():
        labels[name] = where(labels["reasons"], lambda text, source=source: source in sources_in(text))
    labels["hinted"] = where(labels.pop("hints"), names_in)
    rows = []
    for split in (ALL, *ordered(labels["split"].unique(), SPLITS)):
        part = labels if split == ALL else labels[labels["split"] == split]
        counts = {name: _count(group) for name, group in part.groupby("attribute", observed=True)}
        found = pd.DataFrame([counts[name] for name in ordered(counts, run.attributes)])
        found.insert(0, "attribute", ordered(counts, run.attributes))
        rows += [found.assign(split=split), _together(found).assign(split=split)]
    frame = pd.concat(rows, ignore_index=True)
    for name, (some, of) in SHARES.items():
        frame[name] = frame[some] / frame[of].where(frame[of] > 0)
    if FALSIFIED in labels:
        frame["precision"] = frame["precision"].where(frame["falsified"] > 0)
    return frame[COLUMNS].astype(dict.fromkeys([*COUNTS, *CLASSES, *TRUTH], "Int64"))


def _count(labels: pd.DataFrame) -> dict[str, float]:
    """Count the labels of an attribute, and what doubt finds of those falsified: `hits` where so many are `sought`."""
    doubtful, present = labels["doubtful"].to_numpy(bool), labels["label"].to_numpy() > 0
    counts = {"labels": len(labels), "doubtful": doubtful.sum(), **{name: labels[name].sum() for name in COUNTS[2:]}}
    for name, chosen in (("present", present), ("absent", ~present)):
        counts |= {name: chosen.sum(), f"{name}_doubtful": (doubtful & chosen).sum()}
    score = labels["score"].to_numpy(float)
    counts["score_error"] = _balanced_error(score, present)
    if FALSIFIED not in labels:
        return counts | dict.fromkeys([*TRUTH, "sought", "hits", "auroc", "low", "high", "score_true_error"], np.nan)
    falsified = labels[FALSIFIED].to_numpy(bool)
    counts["score_true_error"] = _balanced_error(score, present ^ falsified)
    doubt = labels["doubt"].to_numpy(float)
    ranked = ~np.isnan(doubt)
    doubt, true = doubt[ranked], falsified[ranked]
    counts |= {"falsified": falsified.sum(), "caught": (falsified & doubtful).sum(), "ranked": len(doubt)}
    counts |= {"sought": true.sum(), "hits": hits_at_rate(doubt, true), "auroc": auroc(doubt, true)}
    low, high = auroc_interval(counts["auroc"], true.sum(), (~true).sum())
    return counts | {"low": low, "high": high}


def _balanced_error(score: np.ndarray, present: np.ndarray) -> float:
    """Return the mean of both classes' shares of scores on the other side of 0.5; NaN where one has no score."""
    known = ~np.isnan(score)
    wrong = (score > 0.5) != present
    shares = [wrong[known & of].mean() if (known & of).any() else np.nan for of in (present, ~present)]
    return float(np.mean(shares))


def _together(found: pd.DataFrame) -> pd.DataFrame:
    """Return the row of all attributes: sums of counts, and the means of the areas and errors that there are."""
    areas = found[["auroc", "low", "high"]].dropna()
    low, high = mean_interval(areas["auroc"], areas["low"], areas["high"])
    row = found.drop(columns="attribute").sum(min_count=1).to_dict()
    row |= {"attribute": ALL, "auroc": areas["auroc"].mean(), "low": low, "high": high, **found[ERRORS].mean()}
    return pd.DataFrame([row])


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay out what is in doubt with a row an attribute, then by split, and on drawn faces what doubt finds."""
    if frame.empty:
        return [nothing(TITLE, "No label is known.")]
    whole = frame[frame["split"] == ALL]
    made = [_doubted(whole, run)]
    splits = [name for name in frame["split"].unique() if name != ALL]
    if len(splits) > 1:
        made.append(_by_split(frame, splits))
    if whole["falsified"].notna().any():
        made.append(_found(whole, run))
    return made


def _doubted(whole: pd.DataFrame, run: RunDescription) -> Sheet:
    """Lay out how many labels are in doubt, what says so, and of which class they are."""
    sources = [source for source in SOURCES if source in run.doubt]
    columns = [Column("labels"), Column("labels", "in doubt"), Column("%", "in doubt")]
    columns += [Column(source, "in doubt by") for source in sources]
    names = ["labels", "doubtful", "share", *(BY[source] for source in sources)]
    if "rules" in sources:
        columns.append(Column("of soft rules", "hints"))
        names.append("hinted")
    for state in ("present", "absent"):
        columns += [Column(heading, f"annotated {state}") for heading in ("labels", "in doubt", "%")]
        names += [state, f"{state}_doubtful", f"{state}_share"]
    if SCORES in run.doubt:
        columns.append(Column("balanced error, %", "scores"))
        names.append("score_error")
    notes = ["A label in doubt is one to look at, and not a wrong one. Percent of each class are of its own labels."]
    if len(sources) > 1:
        notes.append("Several can put a label in doubt: what they do may add up to more.")
    if unseen := _names(whole, whole["score_error"] >= UNSEEN):
        notes.append(
            f"Networks of folds have learned next to nothing of {unseen} (balanced error of {UNSEEN:.0%} or more): "
            "what their scores put in doubt means nothing there. Give them more images or epochs."
        )
    return _sheet(TITLE, columns, [[_cell(row, name) for name in names] for row in _rows(whole)], whole, notes)


def _by_split(frame: pd.DataFrame, splits: Sequence[str]) -> Sheet:
    """Lay out the labels in doubt of each split."""
    whole = frame[frame["split"] == ALL]
    by_key = {(row["split"], row["attribute"]): row for row in _rows(frame)}
    names, rows = {"labels": "labels", "doubtful": "in doubt", "share": "%"}, []
    for attribute in whole["attribute"]:
        found = [by_key.get((split, attribute)) for split in splits]
        rows.append([_cell(row, name) if row else MISSING for row in found for name in names])
    columns = [Column(heading, split) for split in splits for heading in names.values()]
    return _sheet(f"{TITLE} by split", columns, rows, whole, [])


def _found(whole: pd.DataFrame, run: RunDescription) -> Sheet:
    """Lay out how well doubt finds the labels that were falsified on purpose."""
    columns = [Column("falsified"), Column("AUROC", "by amount of doubt")]
    columns += [Column("precision at the true rate, %", "by amount of doubt")]
    columns += [Column(name, "labels in doubt") for name in ("falsified", "precision, %", "recall, %")]
    columns.append(Column("balanced error, %", "scores against the drawing"))
    names = ("falsified", "auroc", "precision_at_rate", "caught", "precision", "recall", "score_true_error")
    notes = ["Over all attributes AUROC is the mean over them; all else is over the sum of the counts."]
    seen = whole[(whole["attribute"] != ALL) & (whole["score_true_error"] <= SEEN) & whole["auroc"].notna()]
    if len(seen):
        notes.append(
            f"Seen, with a balanced error of {SEEN:.0%} or less, are {len(seen)} of the attributes: the mean AUROC "
            f"over these is {seen['auroc'].mean():.3f}."
        )
    if SCORES not in run.doubt:
        notes.append("No network scored the labels, so that nothing says how much one is in doubt.")
    rows = [[_cell(row, name) for name in names] for row in _rows(whole)]
    return _sheet("Doubt, and labels that were falsified on purpose", columns, rows, whole, notes)


def _sheet(title: str, columns: list[Column], rows: list[list[Cell]], whole: pd.DataFrame, notes: list[str]) -> Sheet:
    """Return a sheet whose first column are the attributes, the last of them all together below a rule."""
    names = ["all together" if name == ALL else display_name(name) for name in whole["attribute"]]
    named = [[name, *cells] for name, cells in zip(names, rows, strict=True)]
    return Sheet(title, [Column("attribute", align="l"), *columns], named, notes, frozenset({len(rows) - 1}))


def _names(whole: pd.DataFrame, chosen: pd.Series) -> str:
    """Return the attributes of chosen rows, as pages write them; nothing where none is chosen."""
    return ", ".join(display_name(name) for name in whole.loc[chosen, "attribute"] if name != ALL)


def _rows(frame: pd.DataFrame) -> list[dict]:
    return frame.to_dict("records")


def _cell(row: dict, name: str) -> Cell:
    """Return a number of a row as the page has it: counts, percent, or an area with its interval."""
    value = row[name]
    if pd.isna(value):
        return MISSING
    if name in SHARES or name in ERRORS:
        return percent(value)
    if name != "auroc":
        return f"{int(value):,}"
    low, high = row.get("low", np.nan), row.get("high", np.nan)
    return f"{value:.3f}" if pd.isna(low) else (f"{value:.3f}", f"[{low:.3f}, {high:.3f}]")
