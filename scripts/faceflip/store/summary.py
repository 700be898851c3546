"""What `faceflip inspect` says about a store."""

from typing import TYPE_CHECKING, Any

import numpy as np

from faceflip.outcomes import Outcome
from faceflip.store import schema
from faceflip.store.reader import JoinedStore, Store
from faceflip.store.scores import read_scores

if TYPE_CHECKING:
    import pandas as pd

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def summarise(store: Store) -> dict[str, Any]:
    """Return a summary that JSON can hold.

    Of its keys: `iterative` (then epsilon counts steps), `epsilon` and `pass` (quantiles over the flipped attempts that
    have it, by probability, or None), `flipped` and `scored` (how many flipped, and have scores).
    """
    attempts = store.attempts
    flipped = attempts[attempts["flipped"]]
    scores = read_scores(store)
    passes = None if scores is None else scores.set_index("row")["pass"].reindex(flipped["row"])
    return {
        "file": str(store.path),
        "kind": schema.VIEW if isinstance(store, JoinedStore) else schema.SHARD,
        "version": store.version,
        "header": vars(store.header),
        "iterative": store.header.iterative,
        "software": store.software,
        "attempts": len(store),
        "image": {"height": store.image_shape[0], "width": store.image_shape[1]},
        "sizes": _sizes(store, len(flipped)),
        "outcomes": _outcomes(attempts, passes),
        "epsilon": _quantiles(flipped["epsilon"]),
        "pass": None if passes is None else _quantiles(passes),
        "scored": 0 if passes is None else int(passes.notna().sum()),
        "flipped": len(flipped),
        "shards": [str(source.path) for source in store.sources] if isinstance(store, JoinedStore) else None,
    }


def _sizes(store: Store, flipped: int) -> dict[str, Any]:
    shards = list(store.shards())
    stored = sum(shard.seal.bytes for shard in shards)
    perturbations = sum(shard.seal.bytes - shard.seal.structure_bytes for shard in shards)
    raw = flipped * store.image_shape[0] * store.image_shape[1] * 3
    return {
        "compression": ", ".join(sorted({shard.compression for shard in shards})),
        "bytes": stored,
        "perturbation_bytes": perturbations,
        "bytes_per_flipped_attempt": perturbations / flipped if flipped else None,
        "share_of_raw_8_bit": perturbations / raw if raw else None,
    }


def _outcomes(attempts: "pd.DataFrame", passes: "pd.Series | None") -> dict[str, dict[str, Any]]:
    table = {}
    for attribute, group in attempts.groupby("attribute"):
        flipped = group[group["flipped"]]
        counts = group["outcome"].value_counts()
        table[attribute] = {
            "attempts": int((group["outcome"] != Outcome.UNKNOWN_LABEL.label).sum()),
            **{outcome.label: int(counts.get(outcome.label, 0)) for outcome in Outcome},
            "median_epsilon": _number(flipped["epsilon"].median()),
            "median_pass": None if passes is None else _number(passes.reindex(flipped["row"]).median()),
        }
    return table


def _quantiles(values: "pd.Series") -> dict[str, float] | None:
    values = values.dropna()
    if values.empty:
        return None
    return {f"{q:g}": float(value) for q, value in zip(QUANTILES, np.quantile(values, QUANTILES), strict=True)}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
