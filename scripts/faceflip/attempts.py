"""The attempts table: one row an attempt, from which every table and figure is computed."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from faceflip.errors import UserError
from faceflip.store import open_store
from faceflip.tables import read_table

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "network",
    "checkpoint",
    "attack",
    "attribute",
    "image",
    "file_name",
    "label",
    "correct",
    "flipped",
    "outcome",
    "epsilon",
    "steps",
    "gradient_passes",
    "forward_passes",
    "linf",
    "l2",
    "score_before",
    "score_after",
    "pass",
    "ssim",
    "pass_gray",
    "ssim_gray",
    "alignment",
)


def collect_attempts(pairs: Iterable[tuple[Path | str, Path | str]]) -> "pd.DataFrame":
    """Put the attempts of all shards and their scores into one table.

    Args:
        pairs: For each shard, its perturbation store and its table of scores.

    Returns:
        The columns `COLUMNS`: `correct` tells whether the unperturbed image was classified as its label says; epsilon,
        score_after and the similarities are NaN, and alignment is empty, where the attempt did not flip.

    Raises:
        UserError: A file cannot be read, or scores and store do not have the same attempts.
    """
    import pandas as pd

    tables = [_shard(store, scores) for store, scores in pairs]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))


def _shard(path: Path | str, scores_path: Path | str) -> "pd.DataFrame":
    with open_store(path) as store:
        table, header = store.attempts, store.header
    scores = read_table(scores_path)
    if not scores["row"].equals(table["row"]):
        raise UserError(
            f"{scores_path}: {len(scores)} scores do not belong to the {len(table)} attempts of {path}; delete it"
        )
    table = table.merge(scores, on="row", validate="one_to_one")
    decision = (table["score_before"] > 0) * 2 - 1
    table = table.assign(
        network=header.network,
        checkpoint=header.checkpoint,
        attack=header.attack,
        correct=decision == table["label"],
    )
    return table[list(COLUMNS)]
