"""How large the flips of attacks are, and the smallest that are known: the best of all attacks of a run.

What an attack finds is an upper bound of the smallest perturbation, and so is the best of several.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from faceflip.analysis.frames import in_order, only_final, read_attempts
from faceflip.analysis.names import ALL, SIGNS, SPLIT_SIGNS, ordered
from faceflip.analysis.run import RunDescription

SIZES = {"l2": "L2", "linf": "L∞", "dissimilarity": "1 − PASS"}
"""Columns that say how large a flip is, and what pages call them: in pixel values, the last one from 0 to 1 or 2."""
PAIR = ["network", "attribute", "image"]
"""What is attacked; each attack has one attempt on it."""
TOGETHER = "all attacks"
"""What tables call the best of all attacks; no attack has this name, which has a space."""


def read_sizes(path: Path, run: RunDescription) -> pd.DataFrame:
    """Read the attempts on the run's sample and the last checkpoints, with the sizes of their flips.

    Returns:
        Columns network, attack, attribute, image, correct, flipped and those of `SIZES`, infinite where not flipped;
        in the order of the first four, so that sums do not depend on that of the file. And doubtful, as the attempts.
    """
    sizes = with_sizes(only_final(read_attempts(path, run, "l2", "linf")))
    keys = ["network", "attack", "attribute", "image"]
    kept = [*keys, "correct", "flipped", *SIZES, *sizes.columns.intersection(["doubtful"])]
    return sizes[kept].sort_values(keys, ignore_index=True)


def with_sizes(attempts: pd.DataFrame) -> pd.DataFrame:
    """Return attempts with the columns of `SIZES`, made of l2, linf and pass, infinite where not flipped."""
    sizes = attempts.assign(dissimilarity=(1 - attempts["pass"].astype(float)).clip(lower=0))
    for size in SIZES:
        sizes[size] = sizes[size].where(sizes["flipped"], np.inf).astype(float)
    return sizes


def best_known(sizes: pd.DataFrame) -> pd.DataFrame:
    """Return the smallest of each size over all attacks: a row for each network, attribute and image.

    Returns:
        Columns of `PAIR`, correct, flipped (by any attack), those of `SIZES`, which may be of different attacks, and
        doubtful where the attempts have it.
    """
    found = {"correct": "first", "flipped": "any", **dict.fromkeys(SIZES, "min")}
    found |= {"doubtful": "first"} if "doubtful" in sizes else {}
    return sizes.groupby(PAIR, observed=True, as_index=False).agg(found)


def arranged_by_attack(frame: pd.DataFrame, run: RunDescription, by: Sequence[str]) -> pd.DataFrame:
    """Return a table sorted by columns: attacks as the configuration has them, what is of all of them last."""
    orders = {
        "network": run.network_names,
        "attribute": [*run.attributes, ALL],
        "sign": [*SIGNS, *SPLIT_SIGNS, ALL],
        "attack": [*attack_names(run, frame.get("attack", ())), TOGETHER],
        "size": list(SIZES),
    }
    return in_order(frame, {name: orders[name] for name in by})


def attack_names(run: RunDescription, present: Iterable[str]) -> list[str]:
    """Return the attacks that are present, those of the configuration first and in its order."""
    return ordered(set(present) - {TOGETHER}, [each.name for each in run.attack_list])
