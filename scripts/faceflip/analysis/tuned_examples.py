"""Which faces are shown before and after fine-tuning, chosen by rule."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from faceflip.analysis.names import ordered, spread
from faceflip.analysis.run import RunDescription
from faceflip.analysis.tunings import BEFORE, CONTROL, TunedGroup, TunedNetwork

DIETS_SHOWN = (BEFORE, CONTROL, "hard", "adversarial", "augmented", "natural", "pgd")
"""In the order of the columns; the source stands for the state before."""
SOME_DO_NOT = "no pair is classified correctly and flipped on all of these networks"


@dataclass(frozen=True)
class FaceExample:
    """A pair of attribute and image, and what flips it on each of some networks.

    Attributes:
        image: Row in the dataset.
        present: Decision of the source before the attack, which is right.
        l2: Of the perturbation on each network, in pixel values; NaN where it did not flip. `similarity` is its PASS.
        doubtful: Whether the label is in doubt; False, too, where nothing in the run says so.
    """

    attribute: str
    image: int
    present: bool
    l2: tuple[float, ...]
    similarity: tuple[float, ...]
    doubtful: bool = False


@dataclass(frozen=True)
class FaceChoice:
    """What is shown: pairs, with the median L2 on the source that they are chosen by, and what the rule left out."""

    faces: tuple[FaceExample, ...]
    median: float
    remark: str = ""


def networks_shown(family: Sequence[TunedGroup]) -> list[tuple[TunedGroup, TunedNetwork]]:
    """Return the first source of a family and what was first made of it on each of `DIETS_SHOWN`."""
    source = family[0].networks[0]
    shown = [(family[0], source)]
    for diet in DIETS_SHOWN[1:]:
        made = ((group, each) for group in family if group.diet == diet for each in group.networks)
        shown += [(group, each) for group, each in made if each.tuning.source == source.name][:1]
    return shown


def choose_faces(
    attempts: pd.DataFrame, networks: Sequence[TunedNetwork], run: RunDescription, most: int
) -> FaceChoice:
    """Choose so many pairs at most, one an attribute, spread over the attributes; the first network is the source.

    They are the pairs nearest to the median L2 of the source, among those that every network classifies correctly and
    the attack flips; where there are none, among those of the source. Attempts are by one attack on one sample, with
    the columns of `read_tuned_attempts`, l2 and score_before; `doubtful`, too, where the run says so.
    """
    keys = ["attribute", "image"]
    sides = [
        attempts[attempts["network"] == each.name].astype({"attribute": "str"}).set_index(keys) for each in networks
    ]
    before = sides[0][sides[0]["correct"] & sides[0]["flipped"]]
    median = float(before["l2"].median()) if len(before) else math.nan
    sides = [side.reindex(before.index) for side in sides]
    hits = [(side["correct"].eq(True) & side["flipped"].eq(True)).to_numpy() for side in sides]
    everywhere = np.logical_and.reduce(hits)
    remark = "" if everywhere.any() or before.empty else SOME_DO_NOT
    chosen = before[everywhere] if everywhere.any() else before
    ranked = chosen.reset_index()
    ranked = ranked.assign(distance=(ranked["l2"] - median).abs()).sort_values(["distance", *keys])
    nearest = ranked.drop_duplicates("attribute").set_index("attribute")
    names = spread(ordered(nearest.index, run.attributes), most)
    return FaceChoice(tuple(_face(name, nearest.loc[name], sides) for name in names), median, remark)


def _face(attribute: str, row: pd.Series, sides: Sequence[pd.DataFrame]) -> FaceExample:
    pair = attribute, row["image"]
    found = [side.loc[pair] for side in sides]
    l2, similarity = (
        tuple(float(each[name]) if each["flipped"] is True or each["flipped"] == 1 else math.nan for each in found)
        for name in ("l2", "pass")
    )
    present, doubtful = bool(row["score_before"] > 0), bool(row.get("doubtful", False))
    return FaceExample(attribute, int(row["image"]), present, l2, similarity, doubtful)
