"""Audited labels: a table in which people looked again at some labels of a dataset.

It has the form of a table of labels of your own (`faceflip.data.table`): a row an image, a column an attribute, and
nothing in a cell that was not audited. It may have a few of the dataset's images and attributes; its columns of splits
and identities are passed over.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from faceflip.data.table import faults_of_files, labels_of, read_columns, read_words, words_of
from faceflip.errors import UserError, did_you_mean
from faceflip.wording import first_of, quantity

if TYPE_CHECKING:
    import numpy as np


def audit_faults(path: Path | str, attributes: Sequence[str]) -> list[str]:
    """Return what is wrong with the header of a table of audited labels, each with the table's name; no rows are read.

    Args:
        path: CSV, TSV or Parquet table.
        attributes: Those of the dataset.
    """
    try:
        columns = read_columns(str(path))
    except UserError as error:
        return str(error).splitlines()
    faults = [
        f"{path} has a column {name!r}, which is no attribute of the dataset{did_you_mean(name, attributes)}"
        for name in columns.attributes
        if name not in attributes
    ]
    if columns.file in attributes:
        faults.append(f"{path} has the attribute {columns.file!r} first and no column 'file' that says the image")
    return faults


def read_audit(
    path: Path | str,
    file_names: "np.ndarray",
    attributes: Sequence[str],
    tell: Callable[[str], object] | None = None,
) -> "np.ndarray":
    """Return the audited labels of a dataset, (N, A) int8: -1, +1, or 0 where a label was not audited.

    An audit may be of more images than the dataset has, such as of the whole of which it is a part; `tell` is called
    with how many these are.

    Args:
        path: CSV, TSV or Parquet table.
        file_names: (N,) names of the dataset's images.
        attributes: (A,) names of its attributes.
        tell: Called with a line on what is unusual and no fault.

    Raises:
        UserError: The table cannot be read, has other columns or what is no label, names an image twice, or has no
            label of the dataset's images. All faults of a kind are reported.
    """
    import numpy as np
    import pandas as pd

    if faults := audit_faults(path, attributes):
        raise UserError("\n".join(faults))
    columns = read_columns(str(path))
    rows = read_words(Path(path), [columns.file, *columns.attributes])
    names = words_of(rows, columns.file)
    faults = faults_of_files(names)
    found = labels_of(rows, columns.attributes, faults)
    if faults:
        raise UserError("\n".join(f"{path}: {fault}" for fault in faults))
    places = pd.Index(file_names).get_indexer(names)
    strangers = [name for name, place in zip(names, places, strict=True) if place < 0]
    audited = np.zeros((len(file_names), len(attributes)), "int8")
    own = [[*attributes].index(name) for name in columns.attributes]
    audited[np.ix_(places[places >= 0], own)] = found[places >= 0]
    if not audited.any():
        what = "names none of the dataset's images" if len(strangers) == len(names) else "has no label of its images"
        raise UserError(
            f"{path} {what}: it has {first_of(names, 3)}, the dataset {first_of([*map(str, file_names[:3])], 3)}"
        )
    if strangers and tell:
        tell(f"{path}: {quantity(len(strangers), 'image')} not in the dataset, such as {first_of(strangers, 3)}")
    return audited
