"""How large the flips of attacks are, and the smallest that are known: the best of all attacks of a run.

What an attack finds is an upper bound of the smallest perturbation, and so is the best of several.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from faceflip.analysis.frames import only_final, read_attempts
from faceflip.analysis.run import RunDescription

SIZES = {"l2": "L2", "linf": "L∞", "dissimilarity": "1 − PASS"}
"""Columns that say how large a flip is, and what pages call them: in pixel values, the last one from 0 to 1 or 2."""
PAIR = ["network", "attribute", "image"]
"""What is attacked; each attack has one attempt on it."""


def read_sizes(path: Path, run: RunDescription) -> pd.DataFrame:
    """Read the attempts on the run's sample and the last checkpoints, with the sizes of their flips.

    Returns:
        Columns network, attack, attribute, image, correct, flipped and those of `SIZES`, infinite where not flipped;
        in the order of the first four, so that sums do not depend on that of the file.
    """
    sizes = with_sizes(only_final(read_attempts(path, run, "l2", "linf")))
    keys = ["network", "attack", "attribute", "image"]
    return sizes[[*keys, "correct", "flipped", *SIZES]].sort_values(keys, ignore_index=True)


def with_sizes(attempts: pd.DataFrame) -> pd.DataFrame:
    """Return attempts with the columns of `SIZES`, made of l2, linf and pass, infinite where not flipped."""
    sizes = attempts.assign(dissimilarity=(1 - attempts["pass"].astype(float)).clip(lower=0))
    for size in SIZES:
        sizes[size] = sizes[size].where(sizes["flipped"], np.inf).astype(float)
    return sizes


def best_known(sizes: pd.DataFrame) -> pd.DataFrame:
    """Return the smallest of each size over all attacks: a row for each network, attribute and image.

    Returns:
        Columns of `PAIR`, correct, flipped (by any attack), and those of `SIZES`, which may be of different attacks.
    """
    found = {"correct": "first", "flipped": "any", **dict.fromkeys(SIZES, "min")}
    return sizes.groupby(PAIR, observed=True, as_index=False).agg(found)
