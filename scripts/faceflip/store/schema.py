"""Format version 2 of the perturbation store: names, types and fill values.

``docs/reference/store-format.md`` is its specification.
"""

from dataclasses import dataclass, replace

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


SIDE = 4096
"""The most pixels of an image's height and width."""
NAME_BYTES, PATH_BYTES = 255, 4096
"""The most bytes of a text in a column, and of a path of a view's source."""
EXPANSION = 1 << 14
"""A stored perturbation has at least one byte for so many of its image; deflate reaches 1,032, Blosc some 1,200."""
OVERHEAD = 1024
"""A stored perturbation has at most so many bytes, and a 64th, more than its image: what cannot be compressed."""
JSON_DEPTH = 16
"""So many objects and lists may lie in each other."""


@dataclass(frozen=True)
class Attribute:
    """One of the root group; without a `dtype` it is text.

    Numbers are from `least` to `most`; in texts that are JSON objects, the values are of one type; names have no slash.
    Only stores of these `kinds` have it, and they MUST, if it is `required`.
    """

    name: str
    dtype: str | None = None
    least: int = -(2**63)
    most: int = 2**63 - 1
    is_name: bool = False
    is_json: bool = False
    values: type = object
    kinds: tuple[str, ...] = (SHARD, VIEW)
    required: bool = True


ATTRIBUTES = (
    *(Attribute(name, is_name=True) for name in ("sample", "network", "checkpoint", "attack")),
    Attribute("parameters", is_json=True),
    Attribute("checkpoint_sha256", is_json=True, values=str),
    Attribute("dataset_fingerprint"),
    Attribute("seed", "<i8"),
    Attribute("shard", "<i8", 0, kinds=(SHARD,)),
    Attribute("first_attempt", "<i8", 0),
    Attribute("attempts", "<i8", 1),
    Attribute("height", "<i8", 1, SIDE),
    Attribute("width", "<i8", 1, SIDE),
    Attribute("compression", kinds=(SHARD,)),
    Attribute("margins", is_json=True, values=float, kinds=(SHARD,), required=False),
    Attribute("warnings", is_json=True, values=list, required=False),
    Attribute("software", is_json=True, values=str),
    Attribute("complete", "<u1", 0, 1),
)
"""Those of the root group but `format`, `version` and `kind`, which tell how to read the others."""


def text_dtype(length: int) -> np.dtype:
    """Return the HDF5 type of a text column: UTF-8, `length` bytes (at least 1), padded with NUL."""
    return h5py.string_dtype("utf-8", max(length, 1))
