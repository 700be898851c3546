"""Reading which labels are in doubt (`faceflip.data.label_doubt`), for the table and the figure on them."""

from pathlib import Path

import pandas as pd

from faceflip.analysis.frames import read_parquet
from faceflip.data.label_doubt import BETWEEN, FALSIFIED, SOURCES

RULES, SCORES, AUDIT = SOURCES


def read_doubts(path: Path, *columns: str) -> pd.DataFrame:
    """Read columns of the table of labels, and `falsified` where it has it: on drawn faces alone.

    Raises:
        UserError: As `read_parquet`.
    """
    return read_parquet(path, [*columns, *([FALSIFIED] if _knows_truth(path) else [])])


def _knows_truth(path: Path) -> bool:
    import pyarrow.parquet as pq

    try:
        return FALSIFIED in pq.read_schema(path).names
    except (OSError, ValueError):
        return False  # reading the table says what is wrong with it


def names_in(texts: str) -> list[str]:
    """Return the names of a cell of reasons or hints."""
    return texts.split(BETWEEN) if texts else []


def sources_in(reasons: str) -> set[str]:
    """Return what puts a label in doubt, of `SOURCES`, by a cell of reasons: all but two are names of rules."""
    return {name if name in (SCORES, AUDIT) else RULES for name in names_in(reasons)}


def where(column: pd.Series, is_so) -> pd.Series:
    """Return of which rows of a column of text something is so, asked once for each text."""
    column = column.astype("category")
    asked = {text: bool(is_so(text)) for text in column.cat.categories}
    return column.map(asked).astype(bool)
