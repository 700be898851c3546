"""Format version 2 of the perturbation store: names, types and fill values. ``docs/store.md`` is its specification."""

from dataclasses import dataclass

import h5py
import numpy as np

from faceflip.attempt import FIELDS, Field
from faceflip.outcomes import Outcome

FORMAT = "faceflip-perturbations"
VERSION = 2
READABLE = (1, 2)
"""Version 1, of faceflip 0.1, knows no samples and names a network of all attributes by its own name."""
USER_BLOCK = 512
"""Bytes before the HDF5 part; they hold the seal (see `faceflip.store.seal`)."""

SHARD, VIEW = "shard", "view"
"""The two kinds of store."""

PERTURBATION = "perturbation"
SOURCES = "sources"

LIBVER = ("earliest", "v110")
"""Oldest encodings, and nothing that the tools of HDF5 1.10 cannot read."""

MISSING_OUTCOME = 255
OUTCOME = h5py.enum_dtype(
    {outcome.label.upper(): int(outcome) for outcome in Outcome} | {"MISSING": MISSING_OUTCOME}, basetype="u1"
)
"""Self-describing: every tool of HDF5 shows the names."""


@dataclass(frozen=True)
class StoredField:
    """A field of the attempts (`faceflip.attempt.FIELDS`) as a store keeps it.

    `missing` is what a joined view shows for the attempts of a shard that is not there, and what floating-point columns
    hold where the attempt did not flip. The caller gives the `given` columns, the writer computes the others.
    """

    name: str
    dtype: np.dtype | None
    missing: object
    description: str
    given: bool

    @property
    def is_text(self) -> bool:
        """Whether it is text: UTF-8 of fixed length, that of the longest value in the file."""
        return self.dtype is None


STORED = {"flipped": (np.dtype("<u1"), 255), "outcome": (OUTCOME, MISSING_OUTCOME)}
"""Types and missing values of the fields that a store keeps as others than they are in memory."""


def _column(field: Field) -> StoredField:
    dtype, missing = STORED.get(field.name, (field.dtype and np.dtype(field.dtype), field.missing))
    return StoredField(field.name, dtype, missing, field.description, field.origin != "derived")


COLUMNS = tuple(map(_column, FIELDS))
PIXELS = StoredField(
    PERTURBATION,
    np.dtype("<i2"),
    np.iinfo(np.int16).min,  # no difference of two 8-bit images is near it
    "adversarial image minus original image, in pixel values of 8-bit RGB (attempt, row, column, channel); "
    "attempts that did not flip are not stored and read as zeros",
    given=True,
)


def text_dtype(length: int) -> np.dtype:
    """Return the HDF5 type of a text column: UTF-8, `length` bytes (at least 1), padded with NUL."""
    return h5py.string_dtype("utf-8", max(length, 1))
