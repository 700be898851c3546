"""Matrices of transfers side by side: Figs. 4 and 5."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath

from faceflip.analysis.matrices import matrix
from faceflip.analysis.names import display_name
from faceflip.analysis.run import RunDescription
from faceflip.analysis.statistics.ordering import clustered
from faceflip.figures.style import DPI, GREY, MM, NORMAL, PAGE, note_height, nothing, with_note

GAP, RIGHT, TOP, BAR = 3.0, 1.0, 11.0, 11.0
"""Millimetres between the matrices, right of them, for titles and counts, and for the colour bar."""
WIDEST_CELL, HIGHEST_CELL, HIGHEST, LARGEST_TYPE = 14.0, 6.0, 150.0, 6.5
"""Millimetres that a cell is wide and high, and all rows together are high, at most; points of the labels at most."""
POINTS = 72 / 25.4
SIDE_BY_SIDE = 2
"""Matrices next to each other; more go below."""
COLORS = "cividis"


def draw_matrices(panels: Mapping[str, pd.DataFrame], run: RunDescription) -> Figure:
    """Draw matrices with targets as rows and sources as columns, two side by side.

    Args:
        panels: Rates as `transfer_rates` returns them, by title.
        run: What was run, and the order of the attributes.
    """
    if not panels:
        return nothing(run, "This run has no adversarial images that were shown to other networks.")
    titles = list(panels)
    rows = [_Row(some, panels, run.order) for some in _side_by_side(panels)]
    widest = max(row.columns * (len(row.titles) if len(rows) == 1 else SIDE_BY_SIDE) for row in rows)
    side_by_side = min(len(titles), SIDE_BY_SIDE)
    longest = max(_extent(display_name(name)) for row in rows for name in row.targets)
    tallest = max(len(row.targets) for row in rows)
    letters = LARGEST_TYPE
    while True:
        labels = letters * longest + 2.5
        room = PAGE / MM - labels - GAP * (side_by_side - 1) - RIGHT
        cell = min(room / widest, WIDEST_CELL)
        cell = np.array([cell, min(cell, HIGHEST_CELL, HIGHEST / tallest)])
        if letters <= cell.min() * POINTS:
            break
        letters -= 0.1
    below = letters * max(_extent(display_name(name)) for row in rows for name in row.sources) + 3.0
    heights = [TOP + cell[1] * len(row.targets) + below for row in rows]
    size = np.array([PAGE / MM, sum(heights) + BAR + note_height(run) / MM])
    figure = with_note(Figure(tuple(size * MM), DPI), run)
    top = size[1]
    for row, height in zip(rows, heights, strict=True):
        axes = _draw_row(figure, row, size, (labels, top - TOP), cell, letters)
        top -= height
    _draw_bar(figure, axes, size, (labels, top))
    return figure


def _side_by_side(panels: Mapping[str, pd.DataFrame]) -> Iterator[list[str]]:
    """Yield the titles of matrices that stand side by side: those with the same targets, so many at a time."""
    by_targets = groupby(panels, key=lambda title: tuple(dict.fromkeys(panels[title]["target"])))
    for _, titles in by_targets:
        titles = list(titles)
        yield from (titles[k : k + SIDE_BY_SIDE] for k in range(0, len(titles), SIDE_BY_SIDE))


class _Row:
    """Matrices that stand side by side and share their rows' labels.

    Attributes:
        titles: Of the matrices.
        rates: Matrices by title.
        images: Adversarial images of each source by title.
        targets: Names of the rows.
    """

    def __init__(self, titles: Sequence[str], panels: Mapping[str, pd.DataFrame], order: str) -> None:
        self.titles = titles
        self.rates = {title: matrix(panels[title]) for title in titles}
        self.images = {title: panels[title].drop_duplicates("source").set_index("source")["images"] for title in titles}
        self.targets = _order([*self.rates.values()], order)

    def of(self, title: str) -> list[str]:
        """Return the sources of a matrix in the order of the rows."""
        return [name for name in self.targets if name in set(self.rates[title].columns)]

    @property
    def sources(self) -> set[str]:
        """All sources."""
        return {name for title in self.titles for name in self.of(title)}

    @property
    def columns(self) -> int:
        """Columns of the widest matrix."""
        return max(len(self.of(title)) for title in self.titles)


def _draw_row(
    figure: Figure, row: _Row, size: np.ndarray, corner: tuple[float, float], cell: np.ndarray, letters: float
) -> Axes:
    """Draw matrices below and right of their upper left corner (millimetres) and return the last one's axes."""
    for number, title in enumerate(row.titles):
        sources = row.of(title)
        extent = cell * (len(sources), len(row.targets))
        left = corner[0] + number * (cell[0] * row.columns + GAP)
        box = np.array([left, corner[1] - extent[1], *extent])
        axes = figure.add_axes((*(box[:2] / size), *(box[2:] / size)))
        _draw(axes, row.rates[title].loc[row.targets, sources], row.images[title][sources], tuple(cell), letters)
        place = (left / size[0], (corner[1] + TOP - 2.6) / size[1])
        figure.text(*place, title, fontsize=NORMAL, va="center")
        if number == 0:
            names = [display_name(name) for name in row.targets]
            axes.set_yticks(np.arange(len(row.targets)) + 0.5, names, fontsize=letters)
            axes.text(-0.7 / cell[0], -0.9 / cell[1], "images", ha="right", va="bottom", fontsize=letters, color=GREY)
    return axes


def _extent(text: str) -> float:
    """Return how wide a text is, in millimetres per point of type size."""
    return TextPath((0, 0), text, size=100, prop=FontProperties()).get_extents().width / 100 / POINTS


def _order(tables: Sequence[pd.DataFrame], order: str) -> list[str]:
    return clustered(tables) if order == "clustered" else list(tables[0].index)


def _draw(axes: Axes, table: pd.DataFrame, images: pd.Series, cell: tuple[float, float], letters: float) -> None:
    values = table.to_numpy(float)
    rows, columns = values.shape
    edges = {"edgecolors": "white", "linewidth": 0.15}
    axes.pcolormesh(np.ma.masked_invalid(values), cmap=COLORS, vmin=0, vmax=1, **edges)
    for column in np.flatnonzero(images.to_numpy() == 0):
        hatched = {"facecolor": "#F2F2F2", "edgecolor": "#9A9A9A", "hatch": "//////", "linewidth": 0}
        axes.add_patch(Rectangle((column, 0), 1, rows, **hatched))
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    names = [display_name(name) for name in table.columns]
    axes.set_xticks(np.arange(columns) + 0.5, names, rotation=90, fontsize=letters)
    for label, count in zip(axes.get_xticklabels(), images, strict=True):
        label.set_color("black" if count else "#8A8A8A")
    axes.set_yticks([])
    axes.tick_params(length=0, pad=1.5)
    axes.spines[:].set_visible(False)
    for column, count in enumerate(images):
        place = (column + 0.5, -0.9 / cell[1])
        axes.text(*place, f"{count}", rotation=90, ha="center", va="bottom", fontsize=0.9 * letters, color=GREY)
    if cell[0] >= 5 and cell[1] >= 2.2:
        for row, column in np.argwhere(~np.isnan(values)):
            value = values[row, column]
            color = "white" if value < 0.55 else "black"
            place = (column + 0.5, row + 0.5)
            axes.text(*place, f"{100 * value:.0f}", ha="center", va="center_baseline", fontsize=letters, color=color)


def _draw_bar(figure: Figure, axes: Axes, size: np.ndarray, corner: tuple[float, float]) -> None:
    """Draw the colour bar below its upper left corner (millimetres), and beside it what a hatched column means."""
    left, top = corner
    box = np.array([left, top - 3.2, 52, 2.0])
    bar = figure.add_axes((*(box[:2] / size), *(box[2:] / size)))
    scale = figure.colorbar(axes.collections[0], cax=bar, orientation="horizontal", ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.set_xticklabels(["0", "25", "50", "75", "100 % change the decision on the row's attribute"])
    bar.get_xticklabels()[-1].set_ha("left")
    bar.tick_params(pad=1.5)
    scale.outline.set_linewidth(0.3)
    box = np.array([left + 110, box[1], 5, 2.0])
    key = figure.add_axes((*(box[:2] / size), *(box[2:] / size)), xticks=[], yticks=[])
    key.add_patch(Rectangle((0, 0), 1, 1, facecolor="#F2F2F2", edgecolor="#9A9A9A", hatch="//////", linewidth=0))
    key.spines[:].set_visible(False)
    key.text(1.2, 0.5, "no adversarial image", va="center")
