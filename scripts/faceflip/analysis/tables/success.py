"""Success per attribute (Fig. 3): the share of attempts that give an adversarial image.

Read a row as: of all attacked images on which the converged network classifies (+) or misclassifies (-) this attribute,
so many became adversarial, that is flipped with a PASS of at least tau. Attributes differ widely, and an attribute
that hardly any image flips is one whose network gives the same answer nearly everywhere. Rates of - often rest on few
images: look at the total and the interval before the rate.
"""

from collections.abc import Sequence
from itertools import chain, product

import pandas as pd

from faceflip.analysis.frames import Inputs, arranged, count_flips, only_final, read_attempts, with_parts
from faceflip.analysis.names import METHODS, SIGNS, SPLIT_SIGNS, display_name, ordered, search_name, signed
from faceflip.analysis.pages import MISSING, Column, Sheet, nothing, percent_cell
from faceflip.analysis.run import RunDescription


def success(attempts: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Count adversarial images per attribute on the converged networks.

    Returns:
        Columns network, method, search, sign, attribute, threshold, total, adversarial, rate, low, high.
    """
    parts = with_parts(only_final(attempts), run)
    counted = count_flips(parts, ["network", "method", "search", "attribute"], [run.threshold])
    counted = counted.rename(columns={"flipped": "adversarial"})
    keys = ["network", "method", "search", "sign", "attribute"]
    return arranged(counted[[*keys, "threshold", "total", "adversarial", "rate", "low", "high"]], run, keys)


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `success` of the run's attempts."""
    return success(read_attempts(inputs["attempts"], run), run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay the rates out with a row per attribute, one sheet per search and network.

    Where labels are in doubt there are as many again, of the misclassified by that.
    """
    made = _by_attribute(frame, run, SIGNS)
    if run.doubt:
        made += _by_attribute(frame, run, SPLIT_SIGNS, ", misclassified", run.doubt_notes)
    return made or [nothing("Adversarial images", "This run has no attacks on converged networks.")]


def _by_attribute(
    frame: pd.DataFrame, run: RunDescription, signs: Sequence[str], which: str = "", notes: Sequence[str] = ()
) -> list[Sheet]:
    made = []
    for (search, network), part in frame.groupby(["search", "network"], sort=False):
        heads = list(product(ordered(part["method"], METHODS), signs))
        columns = [Column("attribute", align="l")]
        for method, sign in heads:
            name = signed(run.method_name(network, method), sign)
            columns += [Column("percent", name), Column("images", name)]
        cells = {(row["attribute"], row["method"], row["sign"]): row for row in part.to_dict("records")}
        rows = []
        for attribute in ordered(part["attribute"], run.attributes):
            found = [cells.get((attribute, *head)) for head in heads]
            pairs = [(percent_cell(row), f"{row['total']:,}") if row else (MISSING, MISSING) for row in found]
            rows.append([display_name(attribute), *chain.from_iterable(pairs)])
        title = f"Adversarial images, {run.network(network).title}, {search_name(search)}{which}"
        made.append(Sheet(f"{title}, PASS of at least {run.threshold:g}", columns, rows, notes))
    return made
