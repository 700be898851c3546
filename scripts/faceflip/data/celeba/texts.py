"""CelebA's text files as the official ones are written, with CRLF and the space at the end of the header."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from faceflip.data.celeba import ATTRIBUTES

if TYPE_CHECKING:
    import numpy as np


def annotations_text(names: Sequence[str], labels: "np.ndarray") -> str:
    """Return `list_attr_celeba.txt` for labels (n, 40), -1 or 1, in the order of `ATTRIBUTES`."""
    lines = [str(len(names)), " ".join(ATTRIBUTES) + " "]
    lines += [name + "".join(f" {label:2d}" for label in row) for name, row in zip(names, labels.tolist(), strict=True)]
    return "".join(f"{line}\r\n" for line in lines)


def partition_text(names: Sequence[str], splits: Iterable[int]) -> str:
    """Return `list_eval_partition.txt` for splits, as indices into `SPLITS`."""
    return "".join(f"{name} {split}\r\n" for name, split in zip(names, splits, strict=True))
