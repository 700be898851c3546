"""Classification error (Fig. 2): how often each attribute is wrong on the test split.

Trivial gives every image the majority class, once the training split's and once the test split's. A network that does
not beat Trivial has learned nothing about its attribute. Images whose label is unknown do not count. The first mean is
over the attributes that are attacked; a second one, where there are more, is over all that are learned, for the methods
that have them all. (The CSV calls the rows of means `mean` and `mean_all`, and the methods by short names.)

Of CelebA alone: Trivial of the training split is what the paper's text says, that of the test split what its 19.96 %
is. FaceTracer and LNets+ANet are published errors (Liu et al. 2015). So are those of the column MOON, published (Rudd
et al. 2016), whose cells are unconfirmed and marked with †: only their mean over all 40 attributes, 9.06 %, is in
print. Published errors are no measure of a run on other images.
"""

from collections.abc import Iterable, Sequence
from importlib import resources

import numpy as np
import pandas as pd

from faceflip.analysis.frames import Inputs, in_order, read_csv, read_predictions, wide, with_rate
from faceflip.analysis.names import checkpoint_name, display_name, ordered
from faceflip.analysis.pages import MISSING, Column, Sheet, marked, percent_cell
from faceflip.analysis.run import RunDescription
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
    wrong, images, of the images whose label is known.
    """
    counts = wide(labels, "attribute", "split", ["images", "positives"])
    images, positives = counts["images", "test"], counts["positives", "test"]
    errors = []
    for split in ("train", "test"):
        present = 2 * counts["positives", split] > counts["images", split]
        wrong = np.where(present, images - positives, positives)
        counted = {"attribute": counts.index, "wrong": wrong, "images": images.array}
        errors.append(pd.DataFrame(counted).assign(method=f"trivial_{split}"))
    return pd.concat(errors, ignore_index=True)


def measured_errors(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the test errors of the networks: columns method (of `method_id`), attribute, wrong, images.

    Predictions have the columns network, checkpoint, attribute, split, label, score.
    """
    test = predictions[predictions["split"] == "test"]
    wrong = (test["score"] > 0) != (test["label"] > 0)
    keys = ["network", "checkpoint", "attribute"]
    grouped = test[keys].assign(wrong=wrong).groupby(keys, observed=True)["wrong"]
    counted = grouped.agg(wrong="sum", images="size").reset_index().astype(dict.fromkeys(keys, "str"))
    methods = list(map(method_id, counted.pop("network"), counted.pop("checkpoint")))
    return counted.assign(method=methods)


def classification_error(predictions: pd.DataFrame, labels: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Gather the errors of all methods on all attributes that some network of the run predicts on labelled images.

    Returns:
        Columns method, attribute, wrong, images, error (fraction), low, high, origin; for published errors (only of a
        run `like_paper`) and means there are no counts. The row `mean` is over the attacked attributes.

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
    frame = pd.concat([counted, published_errors()], ignore_index=True) if run.like_paper else counted
    frame = frame[frame["attribute"].isin(everything)]
    frame = pd.concat([frame, _means(frame, run.attacked, MEAN)], ignore_index=True)
    if not set(everything) <= set(run.attacked):
        frame = pd.concat([frame, _means(frame, everything, MEAN_ALL)], ignore_index=True)
    frame = in_order(frame, {"method": list(methods_of(run)), "attribute": [*everything, MEAN, MEAN_ALL]})
    columns = ["method", "attribute", "wrong", "images", "error", "low", "high", "origin"]
    return frame[columns].astype({"wrong": "Int64", "images": "Int64"})


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
    return means.assign(attribute=name, origin=origin).reset_index()


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `classification_error` of the run."""
    columns = ("network", "checkpoint", "attribute", "split", "label", "score")
    return classification_error(read_predictions(inputs["predictions"], run, *columns), read_csv(inputs["labels"]), run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the errors out with a row per attribute."""
    headings = methods_of(run)
    methods = [name for name in headings if name in set(frame["method"])]
    records = frame.rename(columns={"error": "rate"}).to_dict("records")
    cells = {(row["method"], row["attribute"]): percent_cell(row) for row in records}
    attributes = frame["attribute"].unique()
    over = means_over(attributes, run)
    rows = []
    for attribute in attributes:
        name = f"mean of {over[attribute]}" if attribute in over else display_name(attribute)
        marks = [unconfirmed(method, over.get(attribute, 1)) for method in methods]
        found = [cells.get((method, attribute), MISSING) for method in methods]
        rows.append([name, *map(marked, found, marks)])
    means = sum(name in over for name in attributes)
    notes = ["Networks are the converged ones, unless an epoch is named."]
    if run.like_paper:
        published = (
            "FaceTracer, LNets+ANet: published errors on CelebA (Liu et al. 2015). MOON, published: Rudd et al. 2016 "
            "on CelebA."
        )
        notes = [f"{published} {notes[0]}", UNCONFIRMED_NOTE]
    if unlabelled := [display_name(name) for name in run.learned if name not in attributes]:
        notes.append(f"No image of the test split has a label of {first_of(unlabelled, MOST_NAMED)}.")
    columns = [Column("attribute", align="l"), *(Column(headings[method]) for method in methods)]
    title = "Classification error on the test split, percent"
    return [Sheet(title, columns, rows, notes, breaks=frozenset({len(rows) - means}))]
