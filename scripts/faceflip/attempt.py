"""The fields of an attempt, which is one network, checkpoint, attribute, image and attack.

Results of attacks, perturbation stores and the table of attempts all take their columns from here.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

CONVERGED = "converged"
"""The checkpoint of a training with the lowest validation error."""
GIVEN = "given"
"""The one checkpoint of a network that was brought, trained elsewhere."""
TUNED = "tuned"
"""The one checkpoint of a network that was fine-tuned from another's, after its last epoch."""
FINAL = (CONVERGED, GIVEN, TUNED)
"""The last checkpoints of networks, which most tables and figures are about; others are of epochs before."""


@dataclass(frozen=True)
class Field:
    """One value an attempt.

    Attributes:
        dtype: Of the array, as NumPy writes it; None for text.
        missing: What stands where there is no attempt; of floating-point columns also where it did not flip.
        description: What it is, with its unit.
        origin: ``known`` before the attack, ``found`` by it, or ``derived`` from the perturbation.
    """

    name: str
    dtype: str | None
    missing: Any
    description: str
    origin: Literal["known", "found", "derived"]


FIELDS = (
    Field("image", "<i8", -1, "row of the original image in the dataset", "known"),
    Field("file_name", None, "", "file name of the original image", "known"),
    Field("attribute", None, "", "attacked attribute", "known"),
    Field("label", "<i1", 0, "annotated label of the attribute: -1 or +1", "known"),
    Field("score_before", "<f8", math.nan, "decision value on the original image; present if > 0", "found"),
    Field("score_after", "<f8", math.nan, "decision value on the adversarial image; NaN if not flipped", "found"),
    Field("flipped", "?", False, "1 if the decision changed, else 0", "found"),
    Field(
        "epsilon",
        "<f8",
        math.nan,
        "line: length along the ray, in pixel values; iterative: number of steps; NaN if not flipped",
        "found",
    ),
    Field("steps", "<i4", -1, "gradient steps taken; 1 for a line search", "found"),
    Field("gradient_passes", "<i4", -1, "backward passes spent on the attempt", "found"),
    Field("forward_passes", "<i4", -1, "forward passes spent on the attempt", "found"),
    Field("outcome", "<i1", -1, "why the attempt ended", "found"),
    Field(
        "linf", "<i2", -1, "largest absolute value of the perturbation, in pixel values; 0 if not flipped", "derived"
    ),
    Field("l2", "<f8", math.nan, "Euclidean norm of the perturbation, in pixel values; 0 if not flipped", "derived"),
)
"""In the order of the columns of a perturbation store."""

FOUND = tuple(field for field in FIELDS if field.origin == "found")


@dataclass(frozen=True, order=True)
class Experiment:
    """One attack on one checkpoint of one network, on the images of one sample."""

    sample: str
    network: str
    checkpoint: str
    attack: str

    def __str__(self) -> str:
        return f"{self.sample}/{self.network}/{self.checkpoint}/{self.attack}"
