"""Format version 1 of the perturbation store: names, types and fill values. ``docs/store.md`` is its specification."""

import math
from dataclasses import dataclass

import h5py
import numpy as np

from faceflip.outcomes import Outcome

FORMAT = "faceflip-perturbations"
VERSION = 1
USER_BLOCK = 512
"""Bytes before the HDF5 part; they hold the seal (see `faceflip.store.seal`)."""

SHARD, VIEW = "shard", "view"
"""The two kinds of store."""

PERTURBATION = "perturbation"
MISSING_PIXEL = np.iinfo(np.int16).min
"""What a view shows for the pixels of a shard that is not there; no difference of two 8-bit images is near it."""
SOURCES = "sources"

LIBVER = ("earliest", "v110")
"""Oldest encodings, and nothing that the tools of HDF5 1.10 cannot read."""

MISSING_OUTCOME = 255
OUTCOME = h5py.enum_dtype(
    {outcome.label.upper(): int(outcome) for outcome in Outcome} | {"MISSING": MISSING_OUTCOME}, basetype="u1"
)
"""Self-describing: every tool of HDF5 shows the names."""


@dataclass(frozen=True)
class Column:
    """One value per attempt.

    `missing` is what a joined view shows for the attempts of a shard that is not there (and, for the floating-point
    columns, what a shard holds where the attempt did not flip). `given` columns come from the caller, the others are
    computed by the writer.
    """

    name: str
    dtype: np.dtype | None
    missing: object
    description: str
    given: bool = True

    @property
    def is_text(self) -> bool:
        """Whether it is text: UTF-8 of fixed length, the length being that of the longest value in the file."""
        return self.dtype is None


def _number(name: str, dtype: object, missing: object, description: str, given: bool = True) -> Column:
    return Column(name, np.dtype(dtype), missing, description, given)


COLUMNS = (
    _number("image", "<i8", -1, "row of the original image in the dataset"),
    Column("file_name", None, "", "file name of the original image"),
    Column("attribute", None, "", "attacked attribute"),
    _number("label", "<i1", 0, "annotated label of the attribute: -1 or +1"),
    _number("score_before", "<f8", math.nan, "decision value on the original image; present if > 0"),
    _number("score_after", "<f8", math.nan, "decision value on the adversarial image; NaN if not flipped"),
    _number("flipped", "<u1", 255, "1 if the decision changed, else 0"),
    _number(
        "epsilon",
        "<f8",
        math.nan,
        "line: length along the ray, in pixel values; iterative: number of steps; NaN if not flipped",
    ),
    _number("steps", "<i4", -1, "gradient steps taken; 1 for a line search"),
    _number("gradient_passes", "<i4", -1, "backward passes spent on the attempt"),
    _number("forward_passes", "<i4", -1, "forward passes spent on the attempt"),
    Column("outcome", OUTCOME, MISSING_OUTCOME, "why the attempt ended"),
    _number(
        "linf", "<i2", -1, "largest absolute value of the perturbation, in pixel values; 0 if not flipped", given=False
    ),
    _number(
        "l2", "<f8", math.nan, "Euclidean norm of the perturbation, in pixel values; 0 if not flipped", given=False
    ),
)
PERTURBATION_DESCRIPTION = (
    "adversarial image minus original image, in pixel values of 8-bit RGB (attempt, row, column, channel); "
    "attempts that did not flip are not stored and read as zeros"
)


def text_dtype(length: int) -> np.dtype:
    """Return the HDF5 type of a text column: UTF-8, `length` bytes (at least 1), padded with NUL."""
    return h5py.string_dtype("utf-8", max(length, 1))
