"""Flipped share against the size of the perturbation: what figures with a column for each size share."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike

from faceflip.analysis.run import RunDescription
from faceflip.analysis.statistics.intervals import clustered
from faceflip.figures.lettering import in_lines
from faceflip.figures.style import GREY, MM, PAGE, PAGE_HEIGHT, SMALL, page

SIZES = {
    "l2": "L2 of at most, pixel values",
    "linf": "L-infinity of at most, pixel values",
    "dissimilarity": "1 − PASS of at most",
}
"""Columns, as `faceflip.analysis.smallest.SIZES` has them, and what their axes say."""
SMALLEST = 1e-4
"""What 1 - PASS is drawn from: less cannot be seen."""
POINTS_DRAWN = 400
BELOW, ROW, LEAST = 8, 30, 17
"""Millimetres: for the axis, and of a row where there is room, and at least."""
ENDS = 3
"""Millimetres of a row that its name leaves free."""


def grids_of(sizes: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return by size the x at which curves of attempts are drawn, whose sizes are infinite where they did not flip."""
    return {size: _grid(sizes.loc[np.isfinite(sizes[size]), size], size) for size in SIZES}


def _grid(values: pd.Series, size: str) -> np.ndarray:
    """Return all whole L-infinities, else what is evenly spread over the logarithms."""
    if values.empty:
        return np.geomspace(*((SMALLEST, 1) if size == "dissimilarity" else (1, 10)), 2)
    if size == "linf":
        return np.arange(1, max(int(values.max()), 2) + 1)
    low = SMALLEST if size == "dissimilarity" else values[values > 0].min() * 0.9
    return np.geomspace(low, max(values.max(), 2 * low), POINTS_DRAWN)


def curve(values: ArrayLike, grid: np.ndarray) -> np.ndarray:
    """Return the percentage of values, infinite where nothing flipped, up to each of the grid; NaN of no values."""
    values = np.sort(values)
    if not len(values):
        return np.full(len(grid), np.nan)
    return 100 * np.searchsorted(values, grid, side="right") / len(values)


def band(values: ArrayLike, images: ArrayLike, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends, in percent, of the 95 % interval around `curve` that allows for several values of one image."""
    found, image = np.unique(images, return_inverse=True)
    place = np.searchsorted(grid, values, side="left")
    shape = (len(found), len(grid) + 1)
    counts = np.bincount(image * shape[1] + place, minlength=shape[0] * shape[1]).reshape(shape)
    successes = counts.cumsum(axis=1)[:, :-1]
    # Where nothing more flips the interval stays.
    _, different, again = np.unique(successes.sum(axis=0), return_index=True, return_inverse=True)
    successes = successes[:, different]
    low, high = clustered(successes, np.broadcast_to(counts.sum(axis=1, keepdims=True), successes.shape))
    return 100 * low[again], 100 * high[again]


def rows_of_panels(
    run: RunDescription, names: Sequence[str], grids: Mapping[str, np.ndarray], above: float
) -> tuple[Figure, np.ndarray]:
    """Return a page with rows of empty panels, a column a size.

    The rows have `names`, ready to be drawn, and `above` them are so many millimetres for legend and titles. Where all
    rows have no room on a page, even at their `LEAST`, the figure is longer than one.
    """
    height = max(min(ROW, (PAGE_HEIGHT / MM - above - BELOW) / len(names)), LEAST)
    figure = page(run, PAGE, (above + BELOW + height * len(names)) * MM)
    panels = figure.subplots(len(names), len(SIZES), sharex="col", sharey=True, squeeze=False)
    for name, line in zip(names, panels, strict=True):
        line[0].set_ylabel(f"{in_lines(name, height - ENDS, SMALL)}\n% flipped")
        for axes, size in zip(line, SIZES, strict=True):
            axes.set_xscale("log")
            axes.set_xlim(grids[size][0], grids[size][-1])
            axes.set_ylim(0, 101)
            axes.set_yticks([0, 50, 100])
            axes.grid()
    for axes, label in zip(panels[-1], SIZES.values(), strict=True):
        axes.set_xlabel(label)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return figure, panels


def mark_tau(axes: Axes, run: RunDescription, named: bool) -> None:
    """Draw a dotted line at 1 - tau into a panel of 1 - PASS, and say what it is where it is `named`."""
    if run.threshold < 1:
        axes.axvline(1 - run.threshold, color=GREY, linewidth=0.5, linestyle=":")
        if named:
            place = {"transform": axes.get_xaxis_transform(), "ha": "left", "va": "bottom", "color": GREY}
            axes.text(1.08 * (1 - run.threshold), 0.03, f"τ = {run.threshold:g}", fontsize=SMALL - 0.5, **place)
