"""PASS scores of a store's attempts: whose they are, and reading them where they lie beside the store."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from faceflip.errors import UserError
from faceflip.io.paths import RESULTS, SCORES, STORE, root_of, shard_name
from faceflip.io.tables import read_table
from faceflip.store.reader import Shard, Store
from faceflip.store.remedies import remake

if TYPE_CHECKING:
    import pandas as pd

STORE_SHA256 = "store_sha256"
"""Attribute of a table of scores: the digest in the seal of the store whose attempts were scored."""


def scores_path(shard: Shard) -> Path | None:
    """Return where a run keeps the scores of a shard, or None for one outside of a run's results (renamed or not)."""
    place = {**vars(shard.header.experiment), "shard": shard_name(shard.header.shard)}
    if shard.version == 1:
        place["sample"] = ""  # there was one, and no folder for it
    store, scores = (Path(pattern.of(**place)).relative_to(RESULTS) for pattern in (STORE, SCORES))
    results = root_of(shard.path, store)
    return None if results is None else results / scores


def read_scores_of(shard: Shard, file: Path | str) -> "pd.DataFrame":
    """Return the scores of a shard from a table; raises UserError where it cannot be read or is another shard's."""
    table = read_table(file)
    if fault := _fault(table, shard):
        raise UserError(f"{file}: {fault}; {remake(file)}")
    return table


def _fault(scores: "pd.DataFrame", shard: Shard) -> str | None:
    """Return why these are not the scores of a shard."""
    missing = sorted({"row", "pass"}.difference(scores.columns))
    if missing:
        return f"lacks the columns {', '.join(missing)} of a table of scores"
    if (scores["row"].dtype.kind, scores["pass"].dtype.kind) != ("i", "f"):
        return "must have whole numbers for rows, and numbers with a point for PASS"
    if len(scores) != len(shard):
        return f"has {len(scores)} rows, {shard.path} has {len(shard)} attempts"
    scored = scores.attrs.get(STORE_SHA256)
    if scored is None:
        return f"does not say which store it scores, so it need not be {shard.path}"
    if scored != (sealed := shard.seal.sha256):
        return f"holds the scores of a store of SHA-256 {scored[:12]}..., that of {shard.path} is {sealed[:12]}..."
    flipped = shard.column("flipped") == 1
    if not np.array_equal(scores["row"], np.arange(len(shard))) or not np.array_equal(scores["pass"].notna(), flipped):
        return f"must have one row for each attempt of {shard.path} in order, and a PASS exactly where it flipped"
    return None


def read_scores(store: Store) -> "pd.DataFrame | None":
    """Return the scores of a store's attempts, `row` counted in this store, or None where there are none (yet).

    Of a view, some shards may have scores. Raises UserError where they cannot be read or are not those of the attempts.
    """
    import pandas as pd

    tables, first = [], 0
    for shard in store.shards():
        file = scores_path(shard)
        if file is not None and file.exists():
            table = read_scores_of(shard, file)
            tables.append(table.assign(row=table["row"] + first))
        first += len(shard)
    return pd.concat(tables, ignore_index=True) if tables else None
