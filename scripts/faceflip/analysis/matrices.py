"""What adversarial images of one attribute do to the decisions on others: matrices of rates (Figs. 4 and 5)."""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from faceflip.analysis.frames import adversarial, read_parquet, wide, with_rate
from faceflip.analysis.names import checkpoint_name, display_name, ordered
from faceflip.analysis.pages import Column, Heat, Sheet, nothing, percent, percent_cell
from faceflip.analysis.run import RunDescription, RunNetwork
from faceflip.analysis.statistics.intervals import clustered as clustered_ends
from faceflip.analysis.statistics.intervals import ends, resampled
from faceflip.analysis.statistics.ordering import clustered
from faceflip.errors import UserError

TRANSFERS = ("network", "checkpoint", "attack", "attribute", "image", "target", "changed")
"""The columns of the transfers table that the matrices need."""

Transferred = tuple[str, str, str]
"""Network, checkpoint and attack of adversarial images."""

CELLS = 4_096
"""So many cells of a matrix are drawn anew at a time, which bounds the memory."""
LARGEST, MOST_COLUMNS = 5_000, 64
"""Cells and columns that a matrix on a page has at most; of a larger one the page lists so many `STRONGEST` pairs."""
STRONGEST = 100

MATRIX = ["network", "checkpoint", "attack", "search"]
"""The columns that tell the matrices of a table apart."""


def read_transfers(path: Path) -> pd.DataFrame:
    """Read the columns of the transfers table that the matrices need."""
    return read_parquet(path, TRANSFERS)


def _of(table: pd.DataFrame, made: Transferred) -> pd.Series:
    network, checkpoint, attack = made
    return (table["network"] == network) & (table["checkpoint"] == checkpoint) & (table["attack"] == attack)


def transfer_rates(
    attempts: pd.DataFrame, transfers: pd.DataFrame, made: Transferred, threshold: float, targets: Sequence[str]
) -> pd.DataFrame:
    """Count the adversarial images of each attribute that change the decision on each target.

    Returns:
        One row per attacked attribute and target: source, target, images (adversarial ones of the source, both signs),
        changed, rate (NaN where there is no adversarial image), low, high; both in the order of `targets`.

    Raises:
        UserError: Some adversarial image was not tested on some target.
    """
    attempts = attempts[_of(attempts, made)]
    rows = np.flatnonzero(pd.Index(targets).isin(attempts["attribute"].unique()))
    images = attempts[adversarial(attempts, threshold)]
    tested = transfers[_of(transfers, made)]
    tested = tested[tested["target"].isin(targets)]
    tested = tested[np.isin(_keys(tested, targets), _keys(images, targets))]

    size = (len(targets), len(targets))
    cell = np.ravel_multi_index((_places(tested["attribute"], targets), _places(tested["target"], targets)), size)
    counts = np.bincount(cell, minlength=size[0] * size[1]).reshape(size)
    changed = np.bincount(cell[tested["changed"].to_numpy(bool)], minlength=size[0] * size[1]).reshape(size)
    per_source = np.bincount(_places(images["attribute"], targets), minlength=len(targets))
    if (counts[rows] != per_source[rows, None]).any():
        raise UserError(
            f"transfers of {'/'.join(made)} hold {counts[rows].sum():,} tests instead of "
            f"{per_source[rows].sum() * len(targets):,} ({per_source[rows].sum():,} images with PASS of at least "
            f"{threshold:g}, {len(targets)} targets); make the transfers anew with this threshold"
        )
    frame = pd.DataFrame(
        {
            "source": np.repeat(np.array(targets)[rows], len(targets)),
            "target": np.tile(np.array(targets), len(rows)),
            "images": np.repeat(per_source[rows], len(targets)),
            "changed": changed[rows].ravel(),
        }
    )
    return with_rate(frame, "changed", "images")


def rates_of(
    networks: Iterable[RunNetwork], attempts: pd.DataFrame, transfers: pd.DataFrame, run: RunDescription
) -> pd.DataFrame:
    """Put the `transfer_rates` of some networks under each other, converged ones first.

    What was not run or not transferred is left out. The columns are network, checkpoint, attack, search, source,
    target, images, changed, rate, low, high.
    """
    parts = []
    for network in networks:
        made = [each for each in run.transfers if each[0] == network.name and _of(attempts, each).any()]
        for each in sorted(made, key=lambda each: run.checkpoints.index(each[1])):
            rates = transfer_rates(
                attempts, transfers, each, run.threshold, ordered(network.attributes, run.attributes)
            )
            about = dict(zip(MATRIX, (*each, run.attack(each[2]).search), strict=True))
            parts.append(rates.assign(**about))
    columns = [*MATRIX, "source", "target", "images", "changed", "rate", "low", "high"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def mean_interval(
    attempts: pd.DataFrame, transfers: pd.DataFrame, made: Transferred, threshold: float, own: bool
) -> tuple[float, float]:
    """Return the 95 % interval of the mean rate on the diagonal (`own`) or off it, by a bootstrap that draws images."""
    images = attempts[_of(attempts, made) & adversarial(attempts, threshold)]
    images = images[["attribute", "image"]].astype({"attribute": "str"})
    tested = transfers[_of(transfers, made)].astype({"attribute": "str", "target": "str"})
    tested = tested[(tested["attribute"] == tested["target"]) == own].merge(images, on=["attribute", "image"])
    if tested.empty:
        return math.nan, math.nan
    tested = tested.sort_values(["image", "attribute", "target"], kind="stable")
    changed = tested["changed"].to_numpy(bool)
    shown, image = np.unique(tested["image"], return_inverse=True)
    if changed.all() or not changed.any():  # a bootstrap would have no width
        of_image = (np.bincount(image, weights, len(shown))[:, None] for weights in (changed, None))
        low, high = clustered_ends(*of_image)
        return float(low[0]), float(high[0])
    cell = tested.groupby(["attribute", "target"], sort=False).ngroup().to_numpy()
    order = np.argsort(cell, kind="stable")
    image, cell, changed = image[order], cell[order], changed[order]
    total, count = np.zeros(0), np.zeros(0)
    for first in range(0, int(cell[-1]) + 1, CELLS):  # the cells are sorted
        part = slice(*np.searchsorted(cell, (first, first + CELLS)))
        width = int(cell[part][-1]) - first + 1
        place, size = image[part] * width + cell[part] - first, (len(shown), width)
        counted = (np.bincount(place, weights, np.prod(size)).reshape(size) for weights in (changed[part], None))
        rates = np.ma.masked_invalid(resampled(*counted))
        sums, counts = rates.sum(axis=1).filled(0.0), rates.count(axis=1)
        total, count = (sums, counts) if first == 0 else (total + sums, count + counts)
    with np.errstate(invalid="ignore"):
        low, high = (float(end) for end in ends(total / count))
    return low, high


def matrices(frame: pd.DataFrame, run: RunDescription) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield title and rates of each matrix of a table; the title says which network, and checkpoint or attack."""
    for (name, checkpoint, attack), part in frame.groupby(MATRIX[:3], sort=False):
        network = run.network(name)
        if network.joint:
            yield f"{network.short}: {run.attack(attack).words}", part
        else:
            yield f"{network.short}: {checkpoint_name(checkpoint).capitalize()} to converged", part


def matrix_sheets(frame: pd.DataFrame, run: RunDescription, why: str) -> list[Sheet]:
    """Lay out all matrices of a table, or say why there is none."""
    return [matrix_sheet(part, title, run) for title, part in matrices(frame, run)] or [nothing("Matrices", why)]


def _places(column: pd.Series, names: Sequence[str]) -> np.ndarray:
    """Return the place of each value among the names, -1 where it is none of them."""
    return pd.Index(names).get_indexer(column)


def _keys(table: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Return one number for each pair of attribute and image."""
    return table["image"].to_numpy(np.int64) * len(names) + _places(table["attribute"], names)


def matrix(rates: pd.DataFrame, column: str = "rate") -> pd.DataFrame:
    """Return the rates as a matrix with a row per target and a column per source, in order of appearance."""
    return wide(rates, "target", "source", column).reindex(
        index=rates["target"].unique(), columns=rates["source"].unique()
    )


def matrix_sheet(rates: pd.DataFrame, title: str, run: RunDescription) -> Sheet:
    """Lay a matrix out with numbered columns, so that forty of them fit."""
    cells = matrix(rates)
    title = f"{title}, PASS of at least {run.threshold:g}"
    if cells.size > LARGEST or len(cells.columns) > MOST_COLUMNS:
        return _strongest(rates, title, cells.shape)
    images = rates.drop_duplicates("source").set_index("source")["images"]
    place = {name: str(number) for number, name in enumerate(cells.index, start=1)}
    heads = [Column("", align="r"), Column("target", align="l")]
    heads += [Column(place[name], name=display_name(name)) for name in cells.columns]
    heats = {(row["target"], row["source"]): _heat(row) for row in rates.to_dict("records")}
    rows = [["", "adversarial images", *(f"{images[name]:,}" for name in cells.columns)]]
    for target in cells.index:
        rows.append([place[target], display_name(target), *(heats[target, source] for source in cells.columns)])
    notes = [
        "Percent of the adversarial images of the column's attribute that change the decision on the row's attribute. "
        "Columns have the numbers of the rows; a column without adversarial images is empty."
    ]
    related = [display_name(name) for name in clustered([cells])]
    return Sheet(title, heads, rows, notes, frozenset({1}), related)


def _strongest(rates: pd.DataFrame, title: str, shape: tuple[int, int]) -> Sheet:
    """List the pairs of a matrix that is too large for a page with the highest rates."""
    others = rates[(rates["source"] != rates["target"]) & (rates["images"] > 0)]
    by = ["low", "rate"] if "low" in others else ["rate", "images"]
    rows = [
        [display_name(row["source"]), display_name(row["target"]), percent_cell(row), f"{row['images']:,}"]
        for row in others.sort_values(by, ascending=False, kind="stable").head(STRONGEST).to_dict("records")
    ]
    heads = [Column("adversarial images of", align="l"), Column("decision on", align="l")]
    heads += [Column("changed, percent"), Column("adversarial images")]
    surest = ", by the lower end of the interval" if "low" in others else ""
    notes = [
        f"The matrix of {shape[1]:,} columns and {shape[0]:,} rows is too large for a page. These are the "
        f"{len(rows):,} pairs of different attributes with the largest shares{surest}; the CSV has every cell."
    ]
    return Sheet(title, heads, rows, notes)


def _heat(row: dict) -> Heat:
    hint = f"{display_name(row['source'])} → {display_name(row['target'])}: "
    if row["images"]:
        interval = f", 95 % interval {percent(row['low'])} to {percent(row['high'])} %" if "low" in row else ""
        hint += f"{percent(row['rate'])} % ({row['changed']:,} of {row['images']:,}){interval}"
    else:
        hint += "no adversarial image"
    return Heat(percent(row["rate"], 0), row["rate"], hint)


def summary(rates: pd.DataFrame) -> dict[str, float]:
    """Count the sources with adversarial images (`columns`) and without (`empty`), and summarise the rates of those.

    The rates (fractions) are `diagonal` and `others`, means, and `diagonal_least`.
    """
    own = rates["source"] == rates["target"]
    diagonal = rates.loc[own, "rate"].dropna()
    return {
        "columns": len(diagonal),
        "empty": int(own.sum()) - len(diagonal),
        "diagonal": float(diagonal.mean()),
        "diagonal_least": float(diagonal.min()),
        "others": float(rates.loc[~own, "rate"].mean()),
    }
