"""A look-alike of CelebA: drawn faces whose 40 attributes can be seen, in CelebA's own folder layout.

Nothing here needs torch, and importing the package imports no more than the standard library.
"""

import os
import shutil
from collections.abc import Callable
from numbers import Integral, Real
from pathlib import Path

from faceflip.data.celeba import PROVENANCE
from faceflip.errors import UserError
from faceflip.io.files import name_beside, telling_disk_errors

MISLABELLED = 0.04
"""Share of each attribute's rarer class that is annotated wrongly unless the caller says otherwise."""

LAST_NUMBER = 999_999
"""The highest image number: file names have six digits."""


def write_celeba(
    folder: str | os.PathLike,
    *,
    train: int,
    validation: int,
    test: int,
    seed: int,
    mislabelled: float = MISLABELLED,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a drawn CelebA: `img_align_celeba/`, `list_attr_celeba.txt`, `list_eval_partition.txt`, `synthetic.json`.

    `mislabelled.csv` has a row, `file_name,attribute`, for each label that was falsified on purpose.

    The folder appears whole or not at all; it may exist when it is empty or holds an earlier look-alike, which is
    replaced. Images are numbered from 000001: `train` (1 or more), then `validation` and `test` (0 or more). An image
    and its annotation depend on `seed` (0 or more), on its number, on its split and on `mislabelled` (between 0 and
    0.5, see `faceflip.data.synthetic.label_model.Annotations`) alone, not on the processes that draw, `workers`.
    `progress` is called as `progress(done, total)` in the calling thread while images are written. Raises UserError
    where an argument is out of range, or the folder holds something else.
    """
    from faceflip.data.synthetic.folder import fill

    sizes = {"train": train, "validation": validation, "test": test}
    _check(sizes, seed, mislabelled, workers)
    folder = Path(folder)
    _check_replaceable(folder)
    beside = name_beside(folder)
    with telling_disk_errors(folder):
        beside.mkdir(parents=True)
    try:
        fill(beside, sizes, seed, mislabelled, workers, progress)
        if folder.exists():
            shutil.rmtree(folder)
        beside.replace(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _check(sizes: dict[str, int], seed: int, mislabelled: float, workers: int) -> None:
    least = {"train": 1, "validation": 0, "test": 0, "seed": 0, "workers": 1}
    faults = [
        f"{name} must be a whole number of {least[name]} or more, not {value!r}"
        for name, value in {**sizes, "seed": seed, "workers": workers}.items()
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least[name]
    ]
    if not faults and sum(sizes.values()) > LAST_NUMBER:
        faults.append(f"train, validation and test together must be at most {LAST_NUMBER}: file names have six digits")
    if isinstance(mislabelled, bool) or not isinstance(mislabelled, Real) or not 0 <= mislabelled <= 0.5:
        faults.append(f"mislabelled must be between 0 and 0.5, not {mislabelled!r}")
    if faults:
        raise UserError("Cannot draw faces: " + "; ".join(faults) + ".")


def _check_replaceable(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; the look-alike of CelebA needs a folder of its own.")
    if not (folder / PROVENANCE).is_file() and any(path.is_file() for path in folder.rglob("*")):
        raise UserError(
            f"{folder} holds files and no {PROVENANCE}, so it was not written by this program and is left alone. "
            "Name an empty or new folder, or remove this one."
        )
