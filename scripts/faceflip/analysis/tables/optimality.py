"""Optimality: how close the flips of each attack come to the smallest that any attack of the run has found.

The best known flip of an image is the smallest over all attacks, for each measure of size on its own: L2 and L∞ in
pixel values, and 1 − PASS. Optimality compares two curves, the share of images that an attack flips within a budget and
the share that the best known flips do: it is the area below the one over the area below the other, up to the budget
with which the best known flips everything that is flipped at all. 100 % means that the attack found the smallest flip
of every image; an image that it does not flip adds nothing to its area. The median ratio looks only at images that the
attack did flip: 1.1 is ten percent larger than the best known. An attack that gives up on hard images can have a good
ratio and a bad optimality. Where a few best known flips are huge, any ordinary flip counts nearly in full: then the
ratio tells more. Where several attacks tie on an image, each of them is among the smallest.

The best known is an upper bound: a better attack beside these would lower the optimality of them all. So compare
attacks of one run, and attack a network at least twice before you read anything into it. Attributes together are all
pairs of attribute and image, both the correctly classified and the misclassified. Intervals draw images anew, and keep
the best known. (The CSV has fractions, and has the largest of the best known, where the curves end, as `largest`.)

Source: Cinà et al. 2025, AttackBench: Evaluating Gradient-based Attacks for Adversarial Examples, AAAI (there local
optimality, of one network).
"""

import numpy as np
import pandas as pd

from faceflip.analysis.frames import Inputs, sums_by_image
from faceflip.analysis.names import ALL, display_name, ordered
from faceflip.analysis.pages import MISSING, Cell, Column, Sheet, nothing, number, percent, percent_cell
from faceflip.analysis.run import RunDescription
from faceflip.analysis.smallest import PAIR, SIZES, arranged_by_attack, attack_names, read_sizes
from faceflip.analysis.statistics.intervals import ends, resampled

TITLE = "How close each attack comes to the smallest flips"
KEYS = ["network", "attribute", "attack"]
COUNTS = ["attempts", "flipped", "best_flipped", "best"]
COLUMNS = [*KEYS, "size", "attempts", "flipped", "rate", "best_flipped", "best", "ratio", "largest"]
COLUMNS += ["optimality", "low", "high"]


def optimality(sizes: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Compare the flips of each attack (of `read_sizes`) with the best known.

    Returns:
        Columns network, attribute (``all``: together), attack, size (of `SIZES`), attempts, flipped, rate (its share),
        best_flipped (by any attack), best (flips that are the smallest known, ties too), ratio (median of size to best
        known), largest (of the best known), optimality, low, high (95 %, over images). Optimality is NaN where all
        best known flips are of one size or there is none; ratio where the attack flips nothing.
    """
    if sizes.empty:
        return pd.DataFrame(columns=COLUMNS)
    known = sizes.groupby(PAIR, observed=True)[list(SIZES)].transform("min")
    known["flipped"] = np.isfinite(known["l2"])
    both = (sizes, sizes.assign(attribute=ALL))
    frame = pd.concat([_compare(part, known, size) for part in both for size in SIZES], ignore_index=True)
    return arranged_by_attack(frame[COLUMNS], run, ["network", "size", "attribute", "attack"])


def _compare(sizes: pd.DataFrame, known: pd.DataFrame, size: str) -> pd.DataFrame:
    """Return the rows of one size, a row of `known` being the best known of the same row of `sizes`."""
    own, best = sizes[size], known[size]
    reached = best.where(known["flipped"])
    largest = reached.groupby([sizes["network"], sizes["attribute"]], observed=True).transform("max")
    # PASS can be 1 and the flip of no size by it: where both are, they are equal.
    ratio = (own / best.where(best > 0, np.nan)).where(best > 0, np.where(own > 0, np.inf, 1)).where(sizes["flipped"])
    smallest = sizes["flipped"] & (own == best)
    rows = sizes[KEYS].assign(
        attempts=1, flipped=sizes["flipped"], best_flipped=known["flipped"], best=smallest, ratio=ratio, largest=largest
    )
    groups = rows.groupby(KEYS, observed=True)
    frame = groups.agg(dict.fromkeys(COUNTS, "sum") | {"ratio": "median", "largest": "first"}).reset_index()
    areas = ((largest - each).clip(lower=0).fillna(0).to_numpy() for each in (own, best))
    area, whole = sums_by_image(sizes["image"], groups.ngroup(), *areas)
    low, high = ends(resampled(area, whole))
    with np.errstate(invalid="ignore"):
        reach = area.sum(axis=0) / whole.sum(axis=0)
    frame = frame.astype(dict.fromkeys(KEYS, "str") | dict.fromkeys(COUNTS, "int64"))
    rate = frame["flipped"] / frame["attempts"]
    return frame.assign(size=size, rate=rate, optimality=reach, low=low, high=high)


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `optimality` of the run's attempts."""
    return optimality(read_sizes(inputs["attempts"], run), run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay out all attributes together, then each, a sheet a network and size where several attacks are compared."""
    if frame.empty:
        return [nothing(TITLE, "This run has no attacks on converged networks.")]
    made = [_together(frame[frame["attribute"] == ALL], run)]
    for (network, size), part in frame.groupby(["network", "size"], sort=False):
        if len(set(part["attack"])) > 1:
            title = f"Optimality in {SIZES[size]}, {run.network(network).title}, percent"
            made.append(_by_attribute(title, part, run))
    return made


def _together(frame: pd.DataFrame, run: RunDescription) -> Sheet:
    rows: list[list[Cell]] = []
    breaks, notes = set(), []
    for network, part in frame.groupby("network", sort=False):
        breaks.add(len(rows))
        title = run.network(network).title
        cells = {(row["attack"], row["size"]): row for row in part.to_dict("records")}
        attacks = attack_names(run, part["attack"])
        for attack in attacks:
            found = [cells[attack, size] for size in SIZES]
            about = [title, attack, f"{found[0]['attempts']:,}", percent(found[0]["rate"])]
            shares = [percent(row["best"] / row["best_flipped"]) if row["best_flipped"] else MISSING for row in found]
            rows.append([*about, *map(_cell, found), *(_ratio(row["ratio"]) for row in found), *shares])
        if len(attacks) == 1:
            notes.append(
                f"{title}: {attacks[0]} is the only attack on it in this run and so its own best known. That says "
                "nothing of how good it is; a second attack would."
            )
    columns = [
        Column("network", align="l"),
        Column("attack", align="l"),
        Column("attempts"),
        Column("flipped, percent"),
    ]
    for group in ("optimality, percent", "median ratio to the best known", "among the smallest, percent"):
        columns += [Column(name, group) for name in SIZES.values()]
    notes += _note_on_gaps(frame)
    return Sheet("All attributes together", columns, rows, notes, frozenset(breaks - {0}))


def _by_attribute(title: str, part: pd.DataFrame, run: RunDescription) -> Sheet:
    attacks = attack_names(run, part["attack"])
    cells = {(row["attribute"], row["attack"]): row for row in part.to_dict("records")}
    rows = []
    for attribute in ordered(part["attribute"], [*run.attributes, ALL]):
        found = [cells.get((attribute, attack)) for attack in attacks]
        flipped = max(row["best_flipped"] for row in found if row)
        name = "all together" if attribute == ALL else display_name(attribute)
        rows.append([name, f"{flipped:,}", *(_cell(row) if row else MISSING for row in found)])
    columns = [Column("attribute", align="l"), Column("flipped by any"), *map(Column, attacks)]
    return Sheet(title, columns, rows, _note_on_gaps(part), frozenset({len(rows) - 1}))


def _cell(row: dict) -> Cell:
    return percent_cell({**row, "rate": row["optimality"]})


def _ratio(value: float) -> str:
    return "∞" if np.isinf(value) else number(value)


def _note_on_gaps(part: pd.DataFrame) -> list[str]:
    gap = f"{MISSING} in optimality: no attack flips an image, or the smallest flips of all images are of one size."
    return [gap] if part["optimality"].isna().any() else []
