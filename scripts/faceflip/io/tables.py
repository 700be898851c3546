"""Tidy tables on disk, as Parquet whose every byte is guarded.

Parquet has a checksum for each page of values, but none for the footer, which says what the pages mean. Its digest lies
right before it, where readers of Parquet do not look: they find the footer from the end, and pages by their offsets.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from faceflip.errors import UserError
from faceflip.io.files import replacing, require_regular

if TYPE_CHECKING:
    import pandas as pd

MARK = b"footer's SHA-256"
"""Comes before the digest; a table without it is of other origin, and its footer is taken as it is."""
DIGEST_BYTES = hashlib.sha256().digest_size
TAIL_BYTES = 8
"""After the footer: its length and the format's signature."""


def write_table(path: Path | str, table: "pd.DataFrame") -> None:
    """Write a table, whole or not at all; the same table gives the same bytes."""
    with replacing(path) as beside:
        table.to_parquet(beside, index=False, compression="zstd", write_page_checksum=True)
        with beside.open("r+b") as file:
            size = file.seek(-TAIL_BYTES, 2)
            length = int.from_bytes(file.read(4), "little")
            file.seek(size - length)
            footer = file.read()
            file.seek(size - length)
            file.write(MARK + hashlib.sha256(footer).digest() + footer)


def read_table(path: Path | str, columns: Sequence[str] | None = None, only: str | None = None) -> "pd.DataFrame":
    """Read a table, or some columns of it, or the rows alone in which the column `only` is true.

    Raises UserError where the file is missing, not Parquet or damaged, or lacks a column.
    """
    import pandas as pd

    try:
        require_sound_footer(path)
        chosen = None if only is None else [(only, "==", True)]
        return pd.read_parquet(path, columns=columns, filters=chosen, page_checksum_verification=True)
    except Exception as error:  # Arrow and pandas raise whatever damaged bytes lead them to
        raise UserError(f"{path}: not a readable table ({error}); delete it and run the workflow again") from error


def concatenate(paths: Iterable[Path | str]) -> "pd.DataFrame":
    """Put tables of the same columns under each other, with the `attrs` in which all agree; none give an empty one."""
    import pandas as pd

    tables = [read_table(path) for path in paths]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def require_sound_footer(path: Path | str) -> None:
    """Compare the footer of a table of `write_table` with its digest; raises ValueError where it has changed."""
    require_regular(path)
    with Path(path).open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        length = int.from_bytes(file.read(4), "little") + TAIL_BYTES
        file.seek(max(0, size - length - DIGEST_BYTES - len(MARK)))
        guarded = file.read()
    digest, footer = guarded[:-length].removeprefix(MARK), guarded[-length:]
    if guarded.startswith(MARK) and digest != hashlib.sha256(footer).digest():
        raise ValueError("its footer is not as it was written")
