"""Accuracy under attack: images that are classified correctly and that no attack flips within a budget.

Read a row as: of the attacked images so many percent are classified correctly (budget 0), and so many are still when
the attack may change each pixel value by at most 1, 2 and so on (L∞), or may change the image as long as its PASS is at
least the number above. The row of all attacks counts an image as robust where none of them flips it, and is the one to
read: a single attack says as much about itself as about the network. Attributes together are pairs of attribute and
image.

Every number is an upper bound of the true robust accuracy. Attacks overlook flips; and they look for one flip, not for
one within a budget: what an attack flipped with L∞ of 5 may also flip with 3. Large numbers of a network with dead
gradients say nothing. Shares fall from left to right of L∞, and rise with the PASS that is asked for. (The CSV has each
attack on each attribute, and `all attacks`; `measure` is `linf` or `pass`.)

Balanced accuracy is the mean of the accuracies on images with the attribute and without it; of attributes together it
is the mean over them. An answer that never changes has 50 % there, and cannot be flipped: of a biased attribute, which
few images have, plain accuracy under attack can look good for that reason alone. Look whether one class goes first.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from faceflip.analysis.frames import Inputs, adversarial, only_final, read_attempts, shares_by_image, sums_by_image
from faceflip.analysis.names import ALL, display_name, ordered
from faceflip.analysis.pages import MISSING, Cell, Column, Sheet, nothing, percent_cell
from faceflip.analysis.run import RunDescription
from faceflip.analysis.smallest import PAIR, TOGETHER, arranged_by_attack, attack_names
from faceflip.analysis.statistics.intervals import clustered_sum, equal_weights, independent, weighted_sum

TITLE, BALANCED = "Accuracy under attack", "Balanced accuracy under attack"
KEYS = ["network", "attack", "attribute"]
RATES = {"balanced_rate": "balanced", "present_rate": "with the attribute", "absent_rate": "without it"}
"""Columns of the balanced share and of that of each class, and what pages call them."""
COLUMNS = [*KEYS, "measure", "budget", "images", "robust", "rate", "low", "high"]
COLUMNS += ["positives", "present_rate", "absent_rate", "balanced_rate", "balanced_low", "balanced_high"]


def robust_accuracy(attempts: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Count the images that are correct and stay so within the run's budgets and thresholds of PASS.

    Args:
        attempts: Of `read_attempts`, with linf and label.
        run: Its `budgets` (those above 0; 0 is added) and `thresholds` above 0 are counted.

    Returns:
        Columns network, attack (`TOGETHER`: robust against each), attribute (``all``: together), measure (``linf``, in
        pixel values, or ``pass``), budget, images, robust, rate, low, high (95 %, of `shares_by_image`); and those of
        `_balanced`.
    """
    attempts = only_final(attempts)
    if attempts.empty:
        return pd.DataFrame(columns=COLUMNS)
    attempts = attempts.sort_values([*KEYS, "image"], ignore_index=True)
    pair = attempts.groupby(PAIR, observed=True).ngroup().to_numpy()
    first = np.unique(pair, return_index=True)[1]
    trials = pd.concat([attempts, attempts.iloc[first].assign(attack=TOGETHER)], ignore_index=True)
    trials = trials[[*KEYS, "image", "label"]].astype(dict.fromkeys(KEYS, "category"))
    correct = attempts["correct"].to_numpy(bool)
    parts = []
    for measure, budget, within in _budgets(attempts, run):
        some = np.bincount(pair, weights=within) > 0
        hit = np.concatenate([correct & ~within, correct[first] & ~some])
        hits = trials.assign(hit=hit)
        counted = [shares_by_image(hits, KEYS), shares_by_image(hits, KEYS[:2]).assign(attribute=ALL)]
        counted = pd.concat(counted, ignore_index=True).merge(_balanced(hits), on=KEYS, validate="one_to_one")
        parts.append(counted.assign(measure=measure, budget=budget))
    frame = pd.concat(parts, ignore_index=True).rename(columns={"successes": "robust", "trials": "images"})
    return arranged_by_attack(frame[COLUMNS], run, KEYS)


def _balanced(hits: pd.DataFrame) -> pd.DataFrame:
    """Return the shares of hits of the two classes of images, and their mean, of each attribute and of all (`ALL`).

    Returns:
        Columns of `KEYS`, positives (trials on images with the attribute), present_rate, absent_rate (NaN of a class
        without images), balanced_rate (their mean, or the one that there is), balanced_low, balanced_high (95 %). Those
        of all attributes are means over these, with an interval that allows for several trials of one image.
    """
    rows = []
    for (network, attack), part in hits.groupby(KEYS[:2], observed=True):
        attribute = part["attribute"].cat.remove_unused_categories().cat
        names, cell = attribute.categories, 2 * attribute.codes + (part["label"] < 0)
        size = 2 * len(names)
        by_image = [
            np.pad(each, ((0, 0), (0, size - each.shape[1])))
            for each in sums_by_image(part["image"], cell, part["hit"].to_numpy(float), None)
        ]
        # By class, present and absent, and attribute.
        successes, trials = (each.sum(axis=0).reshape(-1, 2).T for each in by_image)
        weights = equal_weights(trials)
        shares = np.divide(successes, trials, out=np.full_like(trials, np.nan, dtype=float), where=trials > 0)
        own = [trials[0], *shares, weighted_sum(successes, trials, weights), *independent(successes, trials, weights)]
        rows += [(network, attack, *row) for row in zip(names, *own, strict=True)]
        of_all = weights / len(names)
        rates = (np.nanmean(row) if (row == row).any() else np.nan for row in shares)
        ends = clustered_sum(*by_image, of_all.T.ravel())
        rows.append((network, attack, ALL, trials[0].sum(), *rates, np.nanmean(own[3]), *ends))
    frame = pd.DataFrame(rows, columns=[*KEYS, *COLUMNS[-6:]])
    return frame.astype(dict.fromkeys(KEYS, "str") | {"positives": "int64"})


def _budgets(attempts: pd.DataFrame, run: RunDescription) -> Iterator[tuple[str, float, np.ndarray]]:
    """Yield each measure and budget, and which attempts flip within it."""
    for budget in sorted({0.0, *map(float, run.budgets)}):
        yield "linf", budget, (attempts["flipped"] & (attempts["linf"] <= budget)).to_numpy(bool)
    for threshold in sorted({float(each) for each in run.thresholds if each > 0}):
        yield "pass", threshold, adversarial(attempts, threshold).to_numpy(bool)


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `robust_accuracy` of the run's attempts."""
    return robust_accuracy(read_attempts(inputs["attempts"], run, "linf", "label"), run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay out each attack on all attributes together, then all attacks together, by network, on each attribute.

    Then the same of the balanced accuracy, that of attributes together beside the accuracies on the two classes.
    """
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
    return [together, *each_network, *_balanced_sheets(frame, budgets, run)]


def _balanced_sheets(frame: pd.DataFrame, budgets: Sequence[tuple[str, float]], run: RunDescription) -> Iterator[Sheet]:
    """Yield the balanced accuracy on all attributes, of each attack, and then on each, of all of them."""
    frame = frame.drop(columns=["rate", "low", "high"], errors="ignore")
    cells = {}
    for rate in RATES:
        ends = {"balanced_low": "low", "balanced_high": "high"} if rate == "balanced_rate" else {}
        for row in frame.rename(columns={rate: "rate"} | ends).to_dict("records"):
            key = (rate, *(row[key] for key in KEYS), row["measure"], row["budget"])
            cells[key] = percent_cell(row)

    def found(*key: str) -> list[Cell]:
        return [cells.get((*key, *budget), MISSING) for budget in budgets]

    columns = [_column(*budget) for budget in budgets]
    rows, breaks, each_network = [], set(), []
    for network, part in frame.groupby("network", sort=False):
        title, names = run.network(network).title, attack_names(run, part["attack"])
        attacks = [*names, TOGETHER] if len(names) > 1 else names
        for attack in attacks:
            breaks.add(len(rows))
            rows += [[title, attack, words, *found(rate, network, attack, ALL)] for rate, words in RATES.items()]
        images = part.drop_duplicates("attribute").set_index("attribute")[["positives", "images"]]
        own = []
        for name in ordered(part["attribute"], [*run.attributes, ALL]):
            with_it, of = images.loc[name]
            shown = "all together" if name == ALL else display_name(name)
            own.append(
                [shown, f"{with_it:,}", f"{of - with_it:,}", *found("balanced_rate", network, attacks[-1], name)]
            )
        heads = [Column("attribute", align="l"), Column("with", "images"), Column("without", "images"), *columns]
        each_network.append(
            Sheet(f"{BALANCED}, {title}, {attacks[-1]}, percent", heads, own, [], frozenset({len(own) - 1}))
        )
    heads = [Column(name, align="l") for name in ("network", "attack", "accuracy")]
    notes = ["Means over attributes. Balanced: the mean of the accuracies on images with an attribute and without it."]
    title = f"{BALANCED}, all attributes together, percent"
    yield Sheet(title, [*heads, *columns], rows, notes, frozenset(breaks - {0}))
    yield from each_network


def _column(measure: str, budget: float) -> Column:
    if measure == "pass":
        return Column(f"{budget:g}", "any flip, PASS of at least")
    return Column(f"{budget:g}", "L∞ of at most") if budget else Column("without attack")
