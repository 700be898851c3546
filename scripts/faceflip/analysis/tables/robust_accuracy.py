"""Accuracy under attack: images that are classified correctly and that no attack flips within a budget.

Read a row as: of the attacked images so many percent are classified correctly (budget 0), and so many are still when
the attack may change each pixel value by at most 1, 2 and so on (L∞), or may change the image as long as its PASS is at
least the number above. The row of all attacks counts an image as robust where none of them flips it, and is the one to
read: a single attack tells as much of itself as of the network. Attributes together are pairs of attribute and image.

Every number is an upper bound of the true robust accuracy. Attacks overlook flips; and they look for one flip, not for
one within a budget: what an attack flipped with L∞ of 5 may also flip with 3. Large numbers of a network with dead
gradients say nothing. Shares fall from left to right of L∞, and rise with the PASS that is asked for. (The CSV has each
attack on each attribute, and `all attacks`; `measure` is `linf` or `pass`.)
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from faceflip.analysis.frames import Inputs, adversarial, only_final, read_attempts, shares_by_image
from faceflip.analysis.names import ALL, display_name, ordered
from faceflip.analysis.pages import MISSING, Cell, Column, Sheet, nothing, percent_cell
from faceflip.analysis.run import RunDescription
from faceflip.analysis.smallest import PAIR, TOGETHER, arranged_by_attack, attack_names

TITLE = "Accuracy under attack"
KEYS = ["network", "attack", "attribute"]
COLUMNS = [*KEYS, "measure", "budget", "images", "robust", "rate", "low", "high"]


def robust_accuracy(attempts: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Count the images that are correct and stay so within the run's budgets and thresholds of PASS.

    Args:
        attempts: Of `read_attempts`, with linf.
        run: Its `budgets` (those above 0; 0 comes along) and `thresholds` above 0 are asked for.

    Returns:
        Columns network, attack (`TOGETHER`: robust against each), attribute (``all``: together), measure (``linf``, in
        pixel values, or ``pass``), budget, images, robust, rate, low, high (95 %, of `shares_by_image`).
    """
    attempts = only_final(attempts)
    if attempts.empty:
        return pd.DataFrame(columns=COLUMNS)
    attempts = attempts.sort_values([*KEYS, "image"], ignore_index=True)
    pair = attempts.groupby(PAIR, observed=True).ngroup().to_numpy()
    first = np.unique(pair, return_index=True)[1]
    trials = pd.concat([attempts, attempts.iloc[first].assign(attack=TOGETHER)], ignore_index=True)
    trials = trials[[*KEYS, "image"]].astype(dict.fromkeys(KEYS, "category"))
    correct = attempts["correct"].to_numpy(bool)
    parts = []
    for measure, budget, within in _budgets(attempts, run):
        some = np.bincount(pair, weights=within) > 0
        hit = np.concatenate([correct & ~within, correct[first] & ~some])
        hits = trials.assign(hit=hit)
        counted = (shares_by_image(hits, KEYS), shares_by_image(hits, KEYS[:2]).assign(attribute=ALL))
        parts += [each.assign(measure=measure, budget=budget) for each in counted]
    frame = pd.concat(parts, ignore_index=True).rename(columns={"successes": "robust", "trials": "images"})
    return arranged_by_attack(frame[COLUMNS], run, KEYS)


def _budgets(attempts: pd.DataFrame, run: RunDescription) -> Iterator[tuple[str, float, np.ndarray]]:
    """Yield each measure and budget, and which attempts flip within it."""
    for budget in sorted({0.0, *map(float, run.budgets)}):
        yield "linf", budget, (attempts["flipped"] & (attempts["linf"] <= budget)).to_numpy(bool)
    for threshold in sorted({float(each) for each in run.thresholds if each > 0}):
        yield "pass", threshold, adversarial(attempts, threshold).to_numpy(bool)


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `robust_accuracy` of the run's attempts."""
    return robust_accuracy(read_attempts(inputs["attempts"], run, "linf"), run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay out each attack on all attributes together, then all attacks together, by network, on each attribute."""
    if frame.empty:
        return [nothing(TITLE, "This run has no attacks on converged networks.")]
    budgets = list(frame[["measure", "budget"]].drop_duplicates().itertuples(index=False, name=None))
    cells = {(*(row[key] for key in KEYS), row["measure"], row["budget"]): row for row in frame.to_dict("records")}

    def row(network: str, attack: str, attribute: str) -> list[Cell]:
        found = [cells.get((network, attack, attribute, *budget)) for budget in budgets]
        images = next((f"{each['images']:,}" for each in found if each), MISSING)
        return [images, *(percent_cell(each) if each else MISSING for each in found)]

    columns = [Column("images"), *(_column(*budget) for budget in budgets)]
    rows: list[list[Cell]] = []
    breaks, each_network = set(), []
    for network, part in frame.groupby("network", sort=False):
        title, names = run.network(network).title, attack_names(run, part["attack"])
        breaks.add(len(rows))
        # One attack alone is all of them.
        attacks = [*names, TOGETHER] if len(names) > 1 else names
        rows += [[title, attack, *row(network, attack, ALL)] for attack in attacks]
        attributes = ordered(part["attribute"], [*run.attributes, ALL])
        shown = ["all together" if name == ALL else display_name(name) for name in attributes]
        own = [[name, *row(network, attacks[-1], attribute)] for name, attribute in zip(shown, attributes, strict=True)]
        heads = [Column("attribute", align="l"), *columns]
        each_network.append(
            Sheet(f"{TITLE}, {title}, {attacks[-1]}, percent", heads, own, [], frozenset({len(own) - 1}))
        )
    heads = [Column("network", align="l"), Column("attack", align="l"), *columns]
    notes = ["Upper bounds: attacks overlook flips, and look for one flip, not for one within a budget."]
    together = Sheet(f"{TITLE}, all attributes together, percent", heads, rows, notes, frozenset(breaks - {0}))
    return [together, *each_network]


def _column(measure: str, budget: float) -> Column:
    if measure == "pass":
        return Column(f"{budget:g}", "any flip, PASS of at least")
    return Column(f"{budget:g}", "L∞ of at most") if budget else Column("without attack")
