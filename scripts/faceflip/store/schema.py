"""Format version 2 of the perturbation store: names, types and fill values. ``docs/store.md`` is its specification."""

from dataclasses import replace

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
PERTURBATION, SOURCES = "perturbation", "sources"

LIBVER = ("earliest", "v110")
"""Oldest encodings, and nothing that the tools of HDF5 1.10 cannot read."""

MISSING_OUTCOME = 255
OUTCOME = h5py.enum_dtype(
    {outcome.label.upper(): int(outcome) for outcome in Outcome} | {"MISSING": MISSING_OUTCOME}, basetype="u1"
)
"""Self-describing: every tool of HDF5 shows the names."""


STORED = {"flipped": {"dtype": "<u1", "missing": 255}, "outcome": {"dtype": OUTCOME, "missing": MISSING_OUTCOME}}
"""Types and missing values of the fields that a store keeps as others than they are in memory."""

COLUMNS = tuple(replace(field, **STORED.get(field.name, {})) for field in FIELDS)
"""Texts are UTF-8 of fixed length, that of the longest value in the file. `missing` is what a joined view shows for the
attempts of a shard that is not there."""

PIXELS = Field(
    PERTURBATION,
    "<i2",
    np.iinfo(np.int16).min,  # no difference of two 8-bit images is near it
    "adversarial image minus original image, in pixel values of 8-bit RGB (attempt, row, column, channel); "
    "attempts that did not flip are not stored and read as zeros",
    "found",
)


def text_dtype(length: int) -> np.dtype:
    """Return the HDF5 type of a text column: UTF-8, `length` bytes (at least 1), padded with NUL."""
    return h5py.string_dtype("utf-8", max(length, 1))
