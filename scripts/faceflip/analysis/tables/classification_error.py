"""Classification error (Fig. 2): how often each attribute is wrong on the test split.

Trivial gives every image the majority class, once the training split's (what the paper's text says) and once the test
split's (what the paper's 19.96 % is). A network that does not beat Trivial has learned nothing about its attribute.
FaceTracer and LNets+ANet are published errors on CelebA (Liu et al. 2015). So are those of the column MOON, published
(Rudd et al. 2016), whose cells are unconfirmed and marked with †: only their mean over all 40 attributes, 9.06 %, is in
print. Published errors are no measure of a run on other images. The first mean is over the attributes that
are attacked; a second one, where there are more, is over all that are learned, for the methods that have them all. (The
CSV calls the rows of means `mean` and `mean_all`, and the methods by short names.)
"""

from collections.abc import Sequence
from importlib import resources

import numpy as np
import pandas as pd

from faceflip.analysis.frames import Inputs, in_order, read_csv, read_parquet, wide, with_rate
from faceflip.analysis.names import checkpoint_name, display_name, ordered
from faceflip.analysis.pages import Column, Sheet, marked, percent_cell
from faceflip.analysis.run import CONVERGED, RunDescription
from faceflip.errors import UserError

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
UNCONFIRMED = "†"
"""Marks what rests on single published cells that nobody has confirmed."""
UNCONFIRMED_NOTE = f"{UNCONFIRMED} From unconfirmed cells: of MOON's only the mean of all 40 attributes is in print."
CONFIRMED_MEAN = 40
"""Attributes in the published mean that is confirmed."""


def methods_of(run: RunDescription) -> dict[str, str]:
    """Return all methods and their headings: others, the run's converged networks, and their earlier checkpoints."""
    networks = {method_id(network.name, CONVERGED): network.short for network in run.networks}
    early = {
        method_id(network.name, name): f"{network.short}, {checkpoint_name(name)}"
        for network in run.networks
        for name in network.checkpoints
        if name != CONVERGED
    }
    return {**OTHERS, **networks, **early}


def method_id(network: str, checkpoint: str) -> str:
    """Return the name of a network at a checkpoint in the column `method`."""
    return network if checkpoint == CONVERGED else f"{network}_{checkpoint}"


def unconfirmed(method: str, attributes: int = 1) -> str:
    """Return the mark that the error of a method needs, or nothing.

    Args:
        method: Of `methods_of`.
        attributes: How many attributes it is the mean of.
    """
    return UNCONFIRMED if method == "moon_published" and attributes != CONFIRMED_MEAN else ""


def published_errors() -> pd.DataFrame:
    """Return the published errors on CelebA: columns method, attribute, error (fraction), origin."""
    with resources.files("faceflip.analysis").joinpath("reference/reference_errors.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file)
    return pd.concat(
        [
            pd.DataFrame(
                {"method": method, "attribute": table["attribute"], "error": table[column] / 100, "origin": origin}
            )
            for method, (column, origin) in PUBLISHED.items()
        ],
        ignore_index=True,
    )


def trivial_errors(labels: pd.DataFrame) -> pd.DataFrame:
    """Return the test errors of the majority class; without a majority that is *absent*, as for a score of zero.

    Args:
        labels: Columns attribute, split (``train``, ``test``), images, positives.

    Returns:
        Columns method, attribute, wrong, images.
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
    """Return the test errors of the networks.

    Args:
        predictions: Columns network, checkpoint, attribute, split, label, score.

    Returns:
        Columns method (of `method_id`), attribute, wrong, images.
    """
    test = predictions[predictions["split"] == "test"]
    wrong = (test["score"] > 0) != (test["label"] > 0)
    keys = ["network", "checkpoint", "attribute"]
    counted = test[keys].assign(wrong=wrong).groupby(keys, observed=True)["wrong"].agg(["sum", "size"]).reset_index()
    names = zip(counted["network"].astype("str"), counted["checkpoint"].astype("str"), strict=True)
    return pd.DataFrame(
        {
            "method": [method_id(*each) for each in names],
            "attribute": counted["attribute"].astype("str"),
            "wrong": counted["sum"],
            "images": counted["size"],
        }
    )


def classification_error(predictions: pd.DataFrame, labels: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Gather the errors of all methods on all attributes that some network of the run predicts.

    Args:
        predictions: As for `measured_errors`.
        labels: As for `trivial_errors`.
        run: What was run; the row `mean` is over the attacked attributes.

    Returns:
        Columns method, attribute, wrong, images, error (fraction), low, high, origin; for published errors and means
        there are no counts.

    Raises:
        UserError: The label counts lack a predicted attribute.
    """
    measured = measured_errors(predictions)
    everything = ordered(measured["attribute"])
    missing = sorted(set(everything).difference(labels["attribute"]))
    if missing:
        raise UserError(f"the label counts lack {', '.join(missing)}; make them anew for the whole dataset")
    counted = pd.concat([trivial_errors(labels), measured], ignore_index=True)
    counted = with_rate(counted, "wrong", "images").rename(columns={"rate": "error"}).assign(origin="this run")
    frame = pd.concat([counted, published_errors()], ignore_index=True)
    frame = frame[frame["attribute"].isin(everything)]
    frame = pd.concat([frame, _means(frame, run.attacked, MEAN)], ignore_index=True)
    if set(everything) != set(run.attacked):
        frame = pd.concat([frame, _means(frame, everything, MEAN_ALL)], ignore_index=True)
    frame = in_order(frame, {"method": list(methods_of(run)), "attribute": [*everything, MEAN, MEAN_ALL]})
    columns = ["method", "attribute", "wrong", "images", "error", "low", "high", "origin"]
    return frame[columns].astype({"wrong": "Int64", "images": "Int64"})


def _means(frame: pd.DataFrame, attributes: Sequence[str], name: str) -> pd.DataFrame:
    """Return the mean errors of the methods that have all the attributes."""
    errors = wide(frame[frame["attribute"].isin(attributes)], "attribute", "method", "error")
    complete = errors.reindex(list(attributes)).dropna(axis="columns")
    origin = frame.drop_duplicates("method").set_index("method")["origin"]
    return pd.DataFrame(
        {
            "method": complete.columns,
            "attribute": name,
            "error": complete.mean().to_numpy(),
            "origin": origin[complete.columns].to_numpy(),
        }
    )


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `classification_error` of the run."""
    columns = ("network", "checkpoint", "attribute", "split", "label", "score")
    return classification_error(read_parquet(inputs["predictions"], columns), read_csv(inputs["labels"]), run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the errors out with a row per attribute."""
    headings = methods_of(run)
    methods = [name for name in headings if name in set(frame["method"])]
    cells = {(row["method"], row["attribute"]): {**row, "rate": row["error"]} for row in frame.to_dict("records")}
    over = {MEAN: len(run.attacked), MEAN_ALL: len(run.learned)}
    names = {name: f"mean of {count}" for name, count in over.items()}
    rows = []
    for attribute in frame["attribute"].unique():
        found = [
            marked(
                percent_cell(cells.get((method, attribute), {"rate": np.nan})),
                unconfirmed(method, over.get(attribute, 1)),
            )
            for method in methods
        ]
        rows.append([names.get(attribute, display_name(attribute)), *found])
    means = int(frame["attribute"].drop_duplicates().isin(names).sum())
    notes = [
        "FaceTracer, LNets+ANet: published errors on CelebA (Liu et al. 2015). MOON, published: Rudd et al. 2016 on "
        "CelebA. Networks are the converged ones, unless an epoch is named.",
        UNCONFIRMED_NOTE,
    ]
    columns = [Column("attribute", align="l"), *(Column(headings[method]) for method in methods)]
    return [
        Sheet("Classification error on the test split, percent", columns, rows, notes, frozenset({len(rows) - means}))
    ]
