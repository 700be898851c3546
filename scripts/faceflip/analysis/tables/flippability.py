"""Flippability (Table 1): how many attributes of the attacked images flip, by least PASS.

Read a row as: of all pairs of image and attribute that the converged networks classify correctly (+) or misclassify
(-), so many percent flip with a perturbation whose PASS is at least tau. At tau 0 nearly every flip counts, so this
column also depends on how far an attack goes before it gives up. Rates fall from left to right by construction. It
would be surprising if the iterative search flipped less than the line search from 0.95 on, or if misclassified pairs
were harder to flip than correct ones. The totals of a network's two signs add up to the pairs of attribute and image
whose label is known: attributes times images, unless labels are missing.
"""

from itertools import product

import pandas as pd

from faceflip.analysis.frames import Inputs, arranged, count_flips, only_final, read_attempts, with_parts
from faceflip.analysis.names import METHODS, SEARCHES, SIGNS, SPLIT_SIGNS, ordered, search_name, signed
from faceflip.analysis.pages import MISSING, Cell, Column, Sheet, number, percent_cell
from faceflip.analysis.run import RunDescription


def flippability(attempts: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Count flips on the converged networks.

    Returns:
        Columns network, method, sign, search, threshold (each of the run's), total, flipped, rate, low, high.
    """
    counted = count_flips(with_parts(only_final(attempts), run), ["network", "method", "search"], run.thresholds)
    columns = ["network", "method", "sign", "search", "threshold", "total", "flipped", "rate", "low", "high"]
    return arranged(counted[columns], run, ["network", "sign", "method", "search"])


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `flippability` of the run's attempts."""
    return flippability(read_attempts(inputs["attempts"], run), run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the rates out as the paper does: networks of one loss together, each loss below the other.

    The misclassified come again on a second sheet where labels are in doubt.
    """
    note = "+ counts pairs of image and attribute that were classified correctly, - the misclassified ones."
    whole = _sheet("Flipped attributes by PASS, percent", frame, run, note)
    if not run.doubt or not whole.rows:
        return [whole]
    title = "Flipped attributes by PASS, misclassified pairs by whether their label is in doubt, percent"
    return [whole, _sheet(title, frame, run, *run.doubt_notes, split=True)]


def _sheet(title: str, frame: pd.DataFrame, run: RunDescription, *notes: str, split: bool = False) -> Sheet:
    """Return a sheet of both signs, or of the misclassified with their parts below."""
    searches = ordered(frame["search"], SEARCHES)
    thresholds = sorted(set(frame["threshold"]))
    keys = ["network", "method", "sign", "search", "threshold"]
    cells = {tuple(row[key] for key in keys): row for row in frame.to_dict("records")}
    rows: list[list[Cell]] = []
    breaks = set()
    for loss in dict.fromkeys(network.loss for network in run.networks):
        breaks.add(len(rows))
        attacks = [
            (network, method)
            for network in run.networks
            if network.loss == loss
            for method in ordered(frame.loc[frame["network"] == network.name, "method"], METHODS)
        ]
        parts_below = product(attacks, ("-", *SPLIT_SIGNS))
        for (network, method), sign in parts_below if split else (pair[::-1] for pair in product(SIGNS, attacks)):
            about = (network.name, method, sign)
            found = [cells.get((*about, *which)) for which in product(searches, thresholds)]
            total = next(row["total"] for row in found if row)
            rates = [percent_cell(row) if row else MISSING for row in found]
            rows.append([network.title, signed(run.method_name(network.name, method), sign), *rates, number(total)])
    rates = [Column(f"τ = {tau:g}", search_name(search)) for search, tau in product(searches, thresholds)]
    columns = [Column("network", align="l"), Column("attack", align="l"), *rates, Column("total")]
    notes = notes if rows else ["This run has no attacks on converged networks."]
    return Sheet(title, columns, rows, notes, frozenset(breaks - {0, len(rows)}))
