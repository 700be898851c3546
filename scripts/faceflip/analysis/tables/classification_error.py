"""Classification error (Fig. 2): how often each attribute is wrong on the test split, and each of its two classes.

Trivial gives every image the majority class, once the training split's and once the test split's. A network that does
not beat Trivial has learned nothing about its attribute. Images whose label is unknown do not count. The first mean is
over the attributes that are attacked; a second one, where there are more, is over all that are learned, for the methods
that have them all. (The CSV calls the rows of means `mean` and `mean_all`, and the methods by short names.)

Most attributes are biased: few faces are bald. On these an error can be small although every bald face is wrong. So
look at the balanced error, too, the mean of the errors of images with the attribute (false negatives) and without it
(false positives). Guessing has 50 % there whatever the bias, and so has Trivial; what is hardly below that has learned
hardly anything, and two rates far apart say that the network favours a class. The rarer class has the wide interval.

Of CelebA alone: Trivial of the training split is what the paper's text says, that of the test split what its 19.96 %
is. FaceTracer and LNets+ANet are published errors (Liu et al. 2015). So are those of the column MOON, published (Rudd
et al. 2016), whose cells are unconfirmed and marked with †: only their mean over all 40 attributes, 9.06 %, is in
print. Published errors are no measure of a run on other images.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from importlib import resources

import numpy as np
import pandas as pd

from faceflip.analysis.frames import Inputs, in_order, read_csv, read_predictions, wide, with_rate
from faceflip.analysis.names import checkpoint_name, display_name, ordered
from faceflip.analysis.pages import MISSING, Cell, Column, Sheet, marked, percent_cell
from faceflip.analysis.run import RunDescription
from faceflip.analysis.statistics.intervals import equal_weights, independent, weighted_sum, wilson
from faceflip.attempt import FINAL
from faceflip.data.celeba import ATTRIBUTES
from faceflip.errors import UserError
from faceflip.wording import first_of

OTHERS = {
    "trivial_train": "Trivial, train majority",
    "trivial_test": "Trivial, test majority",
    "facetracer": "FaceTracer",
    "lnets_anet": "LNets+ANet",
    "moon_published": "MOON, published",
}
"""Methods beside the networks of a run, and their headings."""

PUBLISHED = {
    "facetracer": ("facetracer", "published, Liu et al. 2015, CelebA"),
    "lnets_anet": ("lnets_anet", "published, Liu et al. 2015, CelebA"),
    "moon_published": ("moon", "Rudd et al. 2016, CelebA, cells unconfirmed"),
}
RATES = {
    "balanced_error": "balanced error",
    "false_negative_rate": "error on images with the attribute",
    "false_positive_rate": "error on images without the attribute",
}
"""Shares of wrong answers beside the plain error: the mean of the other two, those of the two classes of images."""
COLUMNS = ["method", "attribute", "wrong", "images", "error", "low", "high", "origin"]
COLUMNS += ["positives", "false_negatives", "false_negative_rate", "false_positive_rate"]
COLUMNS += ["balanced_error", "balanced_low", "balanced_high"]
COUNTS = ("wrong", "images", "positives", "false_negatives")
CLASSES = {
    "with": ("false_negative_rate", "false_negatives", "positives"),
    "without": ("false_positive_rate", "false_positives", "negatives"),
}
"""The classes of images on pages, and the columns of their rate, and of how many of how many are wrong."""
CONVERGED_NOTE = "Networks are the converged ones, unless an epoch is named."
GUESSING = (
    "Mean of the errors on images with the attribute and without it. Trivial, as every answer that never changes, has "
    "50 %, where there are images of both."
)
MEAN, MEAN_ALL = "mean", "mean_all"
MOST_NAMED = 20
"""So many attributes without a test label are named."""
UNCONFIRMED = "†"
"""Marks what rests on single published cells that nobody has confirmed."""
UNCONFIRMED_NOTE = f"{UNCONFIRMED} From unconfirmed cells: of MOON's only the mean of all 40 attributes is in print."


def methods_of(run: RunDescription) -> dict[str, str]:
    """Return all methods and their headings: others, the run's converged networks, and their earlier checkpoints."""
    methods = OTHERS | {network.name: network.short for network in run.networks}
    for network in run.networks:
        methods |= {
            method_id(network.name, name): f"{network.short}, {checkpoint_name(name)}" for name in network.early
        }
    return methods


def method_id(network: str, checkpoint: str) -> str:
    """Return the name of a network at a checkpoint in the column `method`."""
    return network if checkpoint in FINAL else f"{network}_{checkpoint}"


def unconfirmed(method: str, attributes: int = 1) -> str:
    """Return the mark that the mean error of a method over so many attributes needs, or nothing."""
    return UNCONFIRMED if method == "moon_published" and attributes != len(ATTRIBUTES) else ""


def published_errors() -> pd.DataFrame:
    """Return the published errors on CelebA: columns method, attribute, error (fraction), origin."""
    with resources.files("faceflip.analysis").joinpath("reference/reference_errors.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file)
    tables = [
        pd.DataFrame({"method": name, "attribute": table["attribute"], "error": table[column] / 100, "origin": origin})
        for name, (column, origin) in PUBLISHED.items()
    ]
    return pd.concat(tables, ignore_index=True)


def trivial_errors(labels: pd.DataFrame) -> pd.DataFrame:
    """Return the test errors of the majority class; without a majority that is *absent*, as for a score of zero.

    Labels have the columns attribute, split (``train``, ``test``), images, positives; errors have method, attribute,
    and `COUNTS` of the images whose label is known: positives are those with the attribute, false negatives wrong ones
    of these.
    """
    counts = wide(labels, "attribute", "split", ["images", "positives"])
    images, positives = counts["images", "test"], counts["positives", "test"]
    errors = []
    for split in ("train", "test"):
        present = 2 * counts["positives", split] > counts["images", split]
        wrong = np.where(present, images - positives, positives)
        counted = {"attribute": counts.index, "wrong": wrong, "images": images.array, "positives": positives.array}
        counted["false_negatives"] = np.where(present, 0, positives)
        errors.append(pd.DataFrame(counted).assign(method=f"trivial_{split}"))
    return pd.concat(errors, ignore_index=True)


def measured_errors(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the test errors of the networks: columns method (of `method_id`), attribute, and `COUNTS`.

    Predictions have the columns network, checkpoint, attribute, split, label, score.
    """
    test = predictions[predictions["split"] == "test"]
    present = test["label"] > 0
    wrong = (test["score"] > 0) != present
    keys = ["network", "checkpoint", "attribute"]
    each = test[keys].assign(wrong=wrong, images=1, positives=present, false_negatives=wrong & present)
    counted = each.groupby(keys, observed=True)[list(COUNTS)].sum().reset_index().astype(dict.fromkeys(keys, "str"))
    methods = list(map(method_id, counted.pop("network"), counted.pop("checkpoint")))
    return counted.assign(method=methods)


def _with_classes(counted: pd.DataFrame) -> pd.DataFrame:
    """Return errors with `COUNTS` and the rates of both classes, and their mean with its interval.

    NaN of a class without images, whose other one is then the balanced error.
    """
    positives, missed = counted["positives"], counted["false_negatives"]
    wrong, images = (missed, counted["wrong"] - missed), (positives, counted["images"] - positives)
    weights = equal_weights(images)
    low, high = independent(wrong, images, weights)
    rates = (some / of.where(of > 0) for some, of in zip(wrong, images, strict=True))
    rates = dict(zip(RATES, (weighted_sum(wrong, images, weights), *rates), strict=True))
    return counted.assign(**rates, balanced_low=low, balanced_high=high)


def classification_error(predictions: pd.DataFrame, labels: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Gather the errors of all methods on all attributes that some network of the run predicts on labelled images.

    Returns:
        Columns `COLUMNS`: method, attribute, wrong, images, error (fraction), low, high, origin; positives (images with
        the attribute), false_negatives (wrong ones of these), false_negative_rate, false_positive_rate, balanced_error
        (the mean of these two, or the one that there is), balanced_low, balanced_high (95 %). For published errors
        (only of a run `like_paper`) and means there are no counts, and for published ones no rates of classes. The row
        `mean` is over the attacked attributes; that of a class over those of them of which it has images.

    Raises:
        UserError: The label counts lack a predicted attribute.
    """
    measured = measured_errors(predictions)
    everything = ordered(measured["attribute"], run.attributes)
    missing = sorted(set(everything).difference(labels["attribute"]))
    if missing:
        raise UserError(f"the label counts lack {', '.join(missing)}; make them anew for the whole dataset")
    counted = pd.concat([trivial_errors(labels), measured], ignore_index=True)
    counted = with_rate(counted, "wrong", "images").rename(columns={"rate": "error"}).assign(origin="this run")
    counted = _with_classes(counted)
    frame = pd.concat([counted, published_errors()], ignore_index=True) if run.like_paper else counted
    frame = frame[frame["attribute"].isin(everything)]
    frame = pd.concat([frame, _means(frame, run.attacked, MEAN)], ignore_index=True)
    if not set(everything) <= set(run.attacked):
        frame = pd.concat([frame, _means(frame, everything, MEAN_ALL)], ignore_index=True)
    frame = in_order(frame, {"method": list(methods_of(run)), "attribute": [*everything, MEAN, MEAN_ALL]})
    return frame[COLUMNS].astype(dict.fromkeys(COUNTS, "Int64"))


def complete_errors(frame: pd.DataFrame, attributes: Sequence[str]) -> pd.DataFrame:
    """Return errors with a row per attribute and a column for each method that has all of them, in order.

    Attributes that the frame lacks, those without a labelled test image, are left out.
    """
    errors = wide(frame[frame["attribute"].isin(attributes)], "attribute", "method", "error")
    rows = [name for name in attributes if name in errors.index]
    return errors.reindex(index=rows, columns=frame["method"].unique()).dropna(axis="columns")


def means_over(attributes: Iterable[str], run: RunDescription) -> dict[str, int]:
    """Return over how many of the attributes of a table of errors each of its rows of means is."""
    present = set(attributes)
    return {MEAN: len(present & set(run.attacked)), MEAN_ALL: len(present & set(run.learned))}


def _means(frame: pd.DataFrame, attributes: Sequence[str], name: str) -> pd.DataFrame:
    origin = frame.drop_duplicates("method").set_index("method")["origin"]
    means = complete_errors(frame, attributes).mean().rename("error").to_frame()
    chosen = frame[frame["attribute"].isin(attributes)]
    means = means.assign(**{rate: wide(chosen, "attribute", "method", rate).mean() for rate in RATES})
    return means.assign(attribute=name, origin=origin).reset_index()


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `classification_error` of the run."""
    columns = ("network", "checkpoint", "attribute", "split", "label", "score")
    return classification_error(read_predictions(inputs["predictions"], run, *columns), read_csv(inputs["labels"]), run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the errors out with a row per attribute, then the balanced ones, then those of each class."""
    notes = [CONVERGED_NOTE]
    if run.like_paper:
        published = (
            "FaceTracer, LNets+ANet: published errors on CelebA (Liu et al. 2015). MOON, published: Rudd et al. 2016 "
            "on CelebA."
        )
        notes = [f"{published} {CONVERGED_NOTE}", UNCONFIRMED_NOTE]
    attributes = frame["attribute"].unique()
    if unlabelled := [display_name(name) for name in run.learned if name not in attributes]:
        notes.append(f"No image of the test split has a label of {first_of(unlabelled, MOST_NAMED)}.")
    over = means_over(attributes, run)
    cells = {
        (method, name): marked(cell, unconfirmed(method, over.get(name, 1)))
        for (method, name), cell in _cells(frame.rename(columns={"error": "rate"})).items()
    }
    columns = {name: Column(heading) for name, heading in methods_of(run).items() if name in set(frame["method"])}
    own = {name: column for name, column in columns.items() if name not in OTHERS}
    balanced = frame.drop(columns=["low", "high"], errors="ignore")
    balanced = _cells(
        balanced.rename(columns={f"balanced_{end}": end for end in ("low", "high")} | {"balanced_error": "rate"})
    )
    return [
        _sheet("Classification error on the test split, percent", columns, cells, frame, run, notes),
        _sheet("Balanced error on the test split, percent", own, balanced, frame, run, [GUESSING, CONVERGED_NOTE]),
        _of_classes(frame, own, run),
    ]


def _of_classes(frame: pd.DataFrame, own: Mapping[str, Column], run: RunDescription) -> Sheet:
    """Lay out the errors of networks on the images of each class, side by side, and how many these are."""
    counts = frame.astype(dict.fromkeys(COUNTS, "float64"))
    counts["negatives"] = counts["images"] - counts["positives"]
    counts["false_positives"] = counts["wrong"] - counts["false_negatives"]
    columns = {("", which): Column(which, "images") for which in CLASSES}
    columns |= {(method, which): Column(which, column.heading) for method, column in own.items() for which in CLASSES}
    cells = {}
    for which, (rate, wrong, of) in CLASSES.items():
        found = counts.rename(columns={rate: "rate"})
        if "low" in frame:
            found["low"], found["high"] = wilson(counts[wrong], counts[of])
        cells |= {((method, which), name): cell for (method, name), cell in _cells(found).items()}
        images = counts.dropna(subset=of).drop_duplicates("attribute").set_index("attribute")[of]
        cells |= {(("", which), name): f"{count:,.0f}" for name, count in images.items()}
    title = "Error on images with the attribute (false negatives) and without it (false positives), percent"
    return _sheet(title, columns, cells, frame, run, [CONVERGED_NOTE])


def _cells(rates: pd.DataFrame) -> dict[tuple[str, str], Cell]:
    """Return the column `rate` with its interval, if there is one, by method and attribute."""
    return {(row["method"], row["attribute"]): percent_cell(row) for row in rates.to_dict("records")}


def _sheet(
    title: str,
    columns: Mapping[Hashable, Column],
    cells: Mapping[tuple[Hashable, str], Cell],
    frame: pd.DataFrame,
    run: RunDescription,
    notes: Sequence[str],
) -> Sheet:
    """Lay cells out by column and attribute, those of the frame and the means over them."""
    attributes = frame["attribute"].unique()
    over = means_over(attributes, run)
    names = [f"mean of {over[name]}" if name in over else display_name(name) for name in attributes]
    rows = [
        [shown, *(cells.get((key, name), MISSING) for key in columns)]
        for shown, name in zip(names, attributes, strict=True)
    ]
    heads = [Column("attribute", align="l"), *columns.values()]
    return Sheet(title, heads, rows, notes, frozenset({len(rows) - sum(name in over for name in attributes)}))
