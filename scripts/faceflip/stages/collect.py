"""The attempts table: one row an attempt, from which every table and figure is computed."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path

import pandas as pd

from faceflip.attempt import FIELDS, Experiment
from faceflip.errors import UserError
from faceflip.outcomes import Outcome
from faceflip.store import open_store
from faceflip.store.remedies import remake
from faceflip.store.scores import read_scores_of

SIMILARITIES = ("pass", "ssim", "pass_gray", "ssim_gray", "alignment")
COLUMNS = (*(field.name for field in (*fields(Experiment), *FIELDS)), "correct", *SIMILARITIES)


def collect_attempts(
    pairs: Iterable[tuple[Path | str, Path | str]], metrics: Sequence[str] = (), doubts: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Put the attempts of all shards into one table, given pairs of a perturbation store and its table of scores.

    `metrics` are the names of more similarities in the tables of scores; `doubts` has the columns image and attribute,
    a row a pair whose label is in doubt.

    Returns:
        The columns `COLUMNS` and `metrics`, and with `doubts` also `doubtful`: `correct` tells whether the unperturbed
        image was classified as its label says; epsilon, score_after and the similarities are NaN, and alignment is
        empty, where the attempt did not flip. The frame's `attrs`, which go to the file with it, hold the parameters of
        the similarities as `similarity`.

    Raises UserError where a file cannot be read, scores are not those of their store, or those of some shards were made
    by another definition of the similarity.
    """
    pairs = list(pairs)
    tables = [_shard(store, scores, metrics) for store, scores in pairs]
    if not tables:
        return pd.DataFrame(columns=[*COLUMNS, *metrics, *(["doubtful"] if doubts is not None else [])])
    definitions = [table.attrs.get("similarity") for table in tables]
    others = [str(scores) for (_, scores), used in zip(pairs, definitions, strict=True) if used != definitions[0]]
    if others:
        raise UserError(
            f"{', '.join(others)}: scored by another definition of the similarity than {pairs[0][1]}; {remake(*others)}"
        )
    attempts = pd.concat(tables, ignore_index=True)
    if doubts is not None:
        pairs_of = [
            pd.MultiIndex.from_frame(each[["attribute", "image"]].astype({"attribute": "str"}))
            for each in (attempts, doubts)
        ]
        attempts["doubtful"] = pairs_of[0].isin(pairs_of[1])
    attempts.attrs = {"similarity": definitions[0]}
    return attempts


def _shard(path: Path | str, scores_path: Path | str, metrics: Sequence[str]) -> pd.DataFrame:
    with open_store(path) as store:
        table, header = store.attempts, store.header
        scores = read_scores_of(store, scores_path)
    table = table.merge(scores, on="row", validate="one_to_one")
    table = table[table["outcome"] != Outcome.UNKNOWN_LABEL.label]  # takes no part
    decision = (table["score_before"] > 0) * 2 - 1
    identity = vars(header.experiment)
    table = table.assign(**identity, correct=decision == table["label"])[[*COLUMNS, *metrics]]
    table.attrs = {"similarity": scores.attrs.get("similarity")}
    return table
