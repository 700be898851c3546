"""PASS scores of a store's attempts, where they lie beside it."""

from pathlib import Path
from typing import TYPE_CHECKING

from faceflip.errors import UserError
from faceflip.store.reader import JoinedStore, Store
from faceflip.store.remedies import remake
from faceflip.tables import read_table

if TYPE_CHECKING:
    import pandas as pd


def scores_path(shard: Path) -> Path | None:
    """Return where the scores of a shard are: ``results/attacks/...h5`` has ``results/scores/...parquet``."""
    parts = list(shard.absolute().parts)
    if "attacks" not in parts:
        return None
    parts[len(parts) - 1 - parts[::-1].index("attacks")] = "scores"
    return Path(*parts).with_suffix(".parquet")


def read_scores(store: Store) -> "pd.DataFrame | None":
    """Return the scores of a store's attempts, `row` counted in this store, or None where there are none (yet).

    Where only some shards of a view have scores, these are returned.

    Raises:
        UserError: Scores cannot be read, or are not those of the attempts.
    """
    import pandas as pd

    shards = [(store.path, 0, len(store))]
    if isinstance(store, JoinedStore):
        shards = [(source.path, source.first, source.attempts) for source in store.sources]
    tables = []
    for path, first, attempts in shards:
        file = scores_path(path)
        if file is None or not file.exists():
            continue
        table = read_table(file)
        if len(table) != attempts or not {"row", "pass"} <= set(table.columns):
            raise UserError(f"{file}: has {len(table)} rows, {path} has {attempts} attempts; {remake(file)}")
        tables.append(table.assign(row=table["row"] + first))
    return pd.concat(tables, ignore_index=True) if tables else None
