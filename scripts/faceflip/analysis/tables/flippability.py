"""Table 1: how many attributes of the attacked images flip, by least PASS.

Read a row as: of all pairs of image and attribute that the converged networks classify correctly (+) or misclassify
(-), so many percent flip with a perturbation whose PASS is at least tau. At tau 0 nearly every flip counts, so this
column also depends on how far an attack goes before it gives up. Rates fall from left to right by construction. It
would be surprising if the iterative search flipped less than the line search from 0.95 on, or if misclassified pairs
were harder to flip than correct ones. The totals of a network's two signs add up to attributes times images.
"""

from collections.abc import Sequence

import pandas as pd

from faceflip.analysis.frames import Inputs, count_flips, in_order, read_attempts, with_parts
from faceflip.analysis.names import (
    METHODS,
    NETWORK_NAMES,
    NETWORKS,
    SEARCH_NAMES,
    SEARCHES,
    SIGNS,
    method_name,
    ordered,
)
from faceflip.analysis.pages import MISSING, Cell, Column, Sheet, number, percent_cell
from faceflip.analysis.run import RunDescription


def table1(attempts: pd.DataFrame, thresholds: Sequence[float]) -> pd.DataFrame:
    """Count flips on the converged networks.

    Args:
        attempts: The attempts table.
        thresholds: Least PASS, ascending.

    Returns:
        Columns network, method, sign, search, threshold, total, flipped, rate, low, high.
    """
    converged = with_parts(attempts[attempts["checkpoint"] == "converged"])
    counted = count_flips(converged, ["network", "method", "search"], thresholds)
    columns = ["network", "method", "sign", "search", "threshold", "total", "flipped", "rate", "low", "high"]
    orders = {
        "network": NETWORKS,
        "sign": SIGNS,
        "method": ordered(counted["method"], METHODS),
        "search": ordered(counted["search"], SEARCHES),
        "threshold": list(thresholds),
    }
    return in_order(counted[columns], orders)


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `table1` of the run's attempts."""
    return table1(read_attempts(inputs["attempts"]), run.thresholds)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the rates out as the paper does: MOON among the networks with Euclidean loss, softmax below."""
    searches = ordered(frame["search"], SEARCHES)
    thresholds = sorted(set(frame["threshold"]))
    cells = {
        (row["network"], row["method"], row["sign"], row["search"], row["threshold"]): row
        for row in frame.to_dict("records")
    }
    rows: list[list[Cell]] = []
    breaks = set()
    for networks in (("euclidean", "moon"), ("softmax",)):
        breaks.add(len(rows))
        for sign in SIGNS:
            for network in networks:
                for method in ordered(frame.loc[frame["network"] == network, "method"], METHODS):
                    found = [
                        cells.get((network, method, sign, search, tau)) for search in searches for tau in thresholds
                    ]
                    total = next(row["total"] for row in found if row)
                    rates = [percent_cell(row) if row else MISSING for row in found]
                    rows.append(
                        [NETWORK_NAMES[network], f"{method_name(network, method)}{sign}", *rates, number(total)]
                    )
    rates = [Column(f"τ = {tau:g}", SEARCH_NAMES.get(search, search)) for search in searches for tau in thresholds]
    return [
        Sheet(
            title="Flipped attributes by PASS, percent",
            columns=[Column("network", align="l"), Column("attack", align="l"), *rates, Column("total")],
            rows=rows,
            notes=["+ counts pairs of image and attribute that were classified correctly, - the misclassified ones."],
            breaks=frozenset(breaks - {0}),
        )
    ]
