"""Tidy tables on disk, as Parquet."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from faceflip.errors import UserError
from faceflip.files import replacing

if TYPE_CHECKING:
    import pandas as pd


def write_table(path: Path | str, table: "pd.DataFrame") -> None:
    """Write a table, whole or not at all; the same table gives the same bytes."""
    with replacing(path) as beside:
        table.to_parquet(beside, index=False, compression="zstd")


def read_table(path: Path | str) -> "pd.DataFrame":
    """Read a table.

    Raises:
        UserError: The file is missing or not Parquet.
    """
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable table ({error}); delete it and run the workflow again") from error


def concatenate(paths: Iterable[Path | str]) -> "pd.DataFrame":
    """Read tables of the same columns and put them under each other; no paths give an empty table."""
    import pandas as pd

    tables = [read_table(path) for path in paths]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
