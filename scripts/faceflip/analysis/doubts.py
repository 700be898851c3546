"""Reading which labels are in doubt (`faceflip.data.label_doubt`), for the table and the figure on them."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from faceflip.analysis.frames import read_parquet
from faceflip.data.label_doubt import FALSIFIED
from faceflip.io.tables import read_table


def read_doubts(path: Path, *columns: str) -> pd.DataFrame:
    """Read columns of the table of labels, and `falsified` where it has it: on drawn faces alone.

    Raises:
        UserError: As `read_parquet`.
    """
    return read_parquet(path, [*columns, *_truth_of(path)])


def read_doubted(path: Path, *columns: str) -> pd.DataFrame:
    """Read the same of the labels alone that are in doubt; categories are those of the whole table.

    Raises:
        UserError: As `read_table`.
    """
    return read_table(path, [*columns, *_truth_of(path)], only="doubtful")


def _truth_of(path: Path) -> list[str]:
    import pyarrow.parquet as pq

    try:
        return [FALSIFIED] if FALSIFIED in pq.read_schema(path).names else []
    except (OSError, ValueError):
        return []  # reading the table says what is wrong with it


def where(column: pd.Series, is_so: Callable[[str], object]) -> pd.Series:
    """Return in which rows a condition on a column of text holds, evaluated once for each text."""
    column = column.astype("category")
    asked = {text: bool(is_so(text)) for text in column.cat.categories}
    return column.map(asked).astype(bool)
