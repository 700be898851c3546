"""Success per attribute (Fig. 3): the share of attempts that give an adversarial image.

Read a row as: of all attacked images on which the converged network classifies (+) or misclassifies (-) this attribute,
so many became adversarial, that is flipped with a PASS of at least tau. Attributes differ widely, and an attribute
that hardly any image flips is one whose network gives the same answer nearly everywhere. Rates of - often rest on few
images: look at the total and the interval before the rate.
"""

import pandas as pd

from faceflip.analysis.frames import Inputs, count_flips, in_order, only_converged, read_attempts, with_parts
from faceflip.analysis.names import METHODS, SEARCHES, SIGNS, display_name, ordered, search_name
from faceflip.analysis.pages import MISSING, Column, Sheet, nothing, percent_cell
from faceflip.analysis.run import RunDescription


def success(attempts: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Count adversarial images per attribute on the converged networks.

    Args:
        attempts: The attempts table.
        run: What was run.

    Returns:
        Columns network, method, search, sign, attribute, threshold, total, adversarial, rate, low, high.
    """
    counted = count_flips(
        with_parts(only_converged(attempts), run), ["network", "method", "search", "attribute"], [run.threshold]
    )
    counted = counted.rename(columns={"flipped": "adversarial"})
    columns = ["network", "method", "search", "sign", "attribute", "threshold", "total", "adversarial"]
    orders = {
        "network": run.network_names,
        "method": ordered(counted["method"], METHODS),
        "search": ordered(counted["search"], SEARCHES),
        "sign": SIGNS,
        "attribute": ordered(counted["attribute"]),
    }
    return in_order(counted[[*columns, "rate", "low", "high"]], orders)


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `success` of the run's attempts."""
    return success(read_attempts(inputs["attempts"], run), run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the rates out with a row per attribute, one sheet per search and network."""
    made = [
        _sheet(part, f"Adversarial images, {run.network(network).title}, {search_name(search)}", run)
        for (search, network), part in frame.groupby(["search", "network"], sort=False)
    ]
    return made or [nothing("Adversarial images", "This run has no attacks on converged networks.")]


def _sheet(part: pd.DataFrame, title: str, run: RunDescription) -> Sheet:
    network = part["network"].iloc[0]
    heads = [(method, sign) for method in ordered(part["method"], METHODS) for sign in SIGNS]
    cells = {(row["attribute"], row["method"], row["sign"]): row for row in part.to_dict("records")}
    rows = []
    for attribute in ordered(part["attribute"]):
        row = [display_name(attribute)]
        for head in heads:
            found = cells.get((attribute, *head))
            row += [percent_cell(found), f"{found['total']:,}"] if found else [MISSING, MISSING]
        rows.append(row)
    columns = [
        column
        for method, sign in heads
        for column in (
            Column("percent", f"{run.method_name(network, method)}{sign}"),
            Column("images", f"{run.method_name(network, method)}{sign}"),
        )
    ]
    return Sheet(f"{title}, PASS of at least {run.threshold:g}", [Column("attribute", align="l"), *columns], rows)
