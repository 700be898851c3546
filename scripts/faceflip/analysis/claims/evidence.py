"""The numbers of a run that the paper's statements are judged by."""

import math
from collections.abc import Mapping

import pandas as pd

from faceflip.analysis.frames import adversarial
from faceflip.analysis.names import SEARCHES
from faceflip.analysis.run import CONVERGED, PAPER_ROLES, RunDescription
from faceflip.analysis.statistics.intervals import ends, resampled
from faceflip.analysis.tables.classification_error import PUBLISHED

Numbers = tuple[float, float, float]
"""A value with the low and the high end of its 95 % interval."""
UNKNOWN: Numbers = (math.nan, math.nan, math.nan)


class Evidence:
    """The numbers of a run that statements are judged by, those of the paper's networks by its names of them."""

    def __init__(self, tables: Mapping[str, pd.DataFrame], attempts: pd.DataFrame, run: RunDescription):
        """Take the tables of `TABLES_READ` and the attempts (with the columns of `read_attempts`)."""
        self.tables, self.run = tables, run
        self.names = {role: network.name for role in PAPER_ROLES if (network := run.paper_network(role))}
        self.attempts = attempts[attempts["checkpoint"] == CONVERGED]
        self._errors = _numbers(tables["classification_error"], ["method", "attribute"], "error")
        self._statistics = _numbers(tables["statistics"], ["id"], "value")
        cell = ["network", "method", "search", "sign", "threshold"]
        self._rates = _numbers(tables["flippability"], cell, "rate")
        self._correlation = _numbers(tables["correlation"], ["network", "search", "source", "target"], "rate")

    def error(self, method: str, attribute: str) -> Numbers:
        """Return a method's test error on an attribute; published ones have no interval, and are of CelebA alone."""
        if self.run.dataset != "celeba" and method in PUBLISHED:
            return UNKNOWN
        return self._errors.get((self.names.get(method) if method in PAPER_ROLES else method, attribute), UNKNOWN)

    def statistic(self, name: str) -> Numbers:
        """Return a statistic by its id, with the paper's names of networks in it."""
        words = [self.names.get(word, "") if word in PAPER_ROLES else word for word in name.split("_")]
        return self._statistics.get(("_".join(words),), UNKNOWN)

    def rate(self, role: str, method: str, search: str, sign: str, threshold: float) -> Numbers:
        """Return a cell of Table 1."""
        return self._rates.get((self.names.get(role), method, search, sign, threshold), UNKNOWN)

    def correlation(self, search: str, source: str, target: str) -> Numbers:
        """Return a cell of Fig. 5, on the network that stands for MOON."""
        return self._correlation.get((self.names.get("moon"), search, source, target), UNKNOWN)

    def adversarial_images(self, role: str, attribute: str, *attacks: str) -> tuple[int, int]:
        """Return how many images are adversarial on an attribute by any of some attacks, and of how many."""
        table = self.attempts
        chosen = (table["network"] == self.names.get(role)) & (table["attribute"] == attribute)
        chosen &= table["attack"].isin(attacks)
        hits = adversarial(table, self.run.threshold)[chosen].groupby(table.loc[chosen, "image"]).any()
        return int(hits.sum()), len(hits)

    def more_similar(self, role: str, method: str) -> Numbers:
        """Return by how much PASS is larger with the iterative search, over the pairs that both searches flip."""
        table = self.attempts[(self.attempts["network"] == self.names.get(role)) & self.attempts["flipped"]]
        line, iterative = (
            table[table["attack"] == f"{method}-{search}"][["attribute", "image", "pass"]].astype({"attribute": "str"})
            for search in SEARCHES
        )
        both = line.merge(iterative, on=["attribute", "image"], suffixes=("_line", "_iterative"))
        if both.empty:
            return UNKNOWN
        gain = (both["pass_iterative"] - both["pass_line"]).groupby(both["image"])
        low, high = ends(resampled(gain.sum().to_numpy()[:, None], gain.size().to_numpy()[:, None]))
        return float(gain.sum().sum() / len(both)), float(low[0]), float(high[0])


def _numbers(frame: pd.DataFrame, keys: list[str], column: str) -> dict[tuple, Numbers]:
    """Return the numbers of a table's column by its keys; the ends are the number itself where there is no interval."""
    frame = frame[frame[column].notna()]
    ends_ = [frame[end].fillna(frame[column]) if end in frame else frame[column] for end in ("low", "high")]
    names, numbers = zip(*(frame[key] for key in keys), strict=True), zip(frame[column], *ends_, strict=True)
    return dict(zip(names, numbers, strict=True))
