"""Samples: the images that are attacked, drawn once and the same in every experiment on the sample."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from faceflip.data.packed import Dataset
from faceflip.errors import UserError
from faceflip.io.files import replacing
from faceflip.seeds import derive

if TYPE_CHECKING:
    import pandas as pd

PAPER = "paper"
"""The sample of the paper; its draw is that of faceflip 0.1, which had no other."""


def draw_sample(
    dataset: Dataset, name: str, split: str, count: int, seed: int, apart: Sequence[np.ndarray] = ()
) -> "pd.DataFrame":
    """Draw `count` images from a split, without replacement and in random order; name and run's seed decide the draw.

    It is drawn from what other samples leave: `apart` has the rows of each.

    Returns columns `image` (row of the dataset) and `file_name`; raises UserError where there are fewer images.
    """
    import pandas as pd

    rows = np.setdiff1d(dataset.rows(split), np.concatenate([*apart, np.array([], np.int64)]))
    if count > len(rows):
        left = f"{len(rows)} images that no other sample has" if len(apart) else f"{len(rows)} images"
        raise UserError(f"samples.{name}.images is {count}, but the {split} split has {left}")
    own_seed = derive(seed, "sample") if name == PAPER else derive(seed, "sample", name)
    drawn = np.random.default_rng(own_seed).permutation(rows)[:count]
    return pd.DataFrame({"image": drawn, "file_name": dataset.file_names[drawn]})


def write_sample(path: Path | str, sample: "pd.DataFrame") -> None:
    """Write a sample as CSV, whole or not at all."""
    with replacing(path) as beside:
        sample.to_csv(beside, index=False, lineterminator="\n")


def read_sample(path: Path | str, dataset: Dataset) -> np.ndarray:
    """Return the rows of the dataset (N,) that a sample names; raises UserError where it is missing or another's."""
    # Without pandas: its import is a tenth of what an attack job takes to start.
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            sample = [(int(row["image"]), row["file_name"]) for row in csv.DictReader(file)]
        rows = np.array([row for row, _ in sample], np.int64)
        known = bool(sample) and [*dataset.file_names[rows]] == [name for _, name in sample]
    except (OSError, ValueError, KeyError, TypeError, IndexError, csv.Error):
        known = False
    if not known:
        raise UserError(
            f"{path}: expected columns image and file_name, rows of the packed dataset and the names there; draw the "
            "sample anew: delete the file and run again"
        )
    return rows
