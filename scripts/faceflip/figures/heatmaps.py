"""Matrices of transfers side by side: Figs. 4 and 5."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain, groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from faceflip.analysis.frames import read_csv
from faceflip.analysis.matrices import matrices, matrix
from faceflip.analysis.pages import WHITE_BELOW
from faceflip.analysis.run import RunDescription
from faceflip.analysis.statistics.ordering import clustered
from faceflip.figures.lettering import POINTS, extent, short_names
from faceflip.figures.style import (
    AS_IT_IS,
    DPI,
    GREY,
    MM,
    NORMAL,
    PAGE,
    PAGE_HEIGHT,
    SMALL,
    note_height,
    nothing,
    with_note,
)

GAP, RIGHT, TOP, LINE, AXIS, BAR = 3.0, 1.0, 11.0, 3.0, 3.0, 16.0
"""Millimetres between the matrices, right of them, for titles and counts, for titles of two lines more, for the title
of an axis, and for the colour bar and keys."""
WIDEST_CELL, HIGHEST_CELL, HIGHEST = 34.0, 6.0, 150.0
"""Millimetres that a cell is wide and high, and a matrix is high, at most."""
KEYS = 80.0
"""Millimetres for the keys below the colour bar."""
LARGEST_TYPE, SMALLEST_TYPE = 6.5, 4.5
"""Points of the labels at most, and at least where that keeps the figure on a page."""
SLACK = 1e-6
"""Of a number that was rounded."""
SMALL_CELL = 1.0
"""Millimetres."""
USUAL = 2
"""Matrices side by side where there is room."""
ATTACKED, WATCHED = "attacked attribute", "watched attribute"
COLORS = "cividis"
HATCHED = {"facecolor": "#F2F2F2", "edgecolor": "#9A9A9A", "hatch": "//////", "linewidth": 0}
FEW = 10
"""Adversarial images below which a column is dimmed: 95 % intervals of its rates are up to 60 points wide."""
DIMMED = {"facecolor": (1, 1, 1, 0.7), "edgecolor": "none", "linewidth": 0}


def draw_matrices(table: Path, run: RunDescription, why: str) -> Figure:
    """Draw the matrices of a table with targets as rows and sources as columns, on a page if that is legible.

    Args:
        table: CSV of rates, as `rates_of` returns them.
        run: What was run, and the order of the attributes.
        why: What to say where there are none.
    """
    panels = dict(matrices(read_csv(table), run))
    if not panels:
        return nothing(run, why)
    layout = _best_layout(panels, run)
    figure = with_note(Figure(tuple(layout.size * MM), DPI), run)
    top = layout.size[1]
    for row in layout.rows:
        axes = _draw_row(figure, row, layout, top - layout.above)
        top -= layout.above + layout.cell[1] * len(row[0].rates) + layout.below
    _draw_bar(figure, axes, layout.size, (layout.labels, top))
    return figure


class _Matrix(NamedTuple):
    """A matrix as it is drawn: a row per target, a column per source, and the sources' adversarial images."""

    title: str
    rates: pd.DataFrame
    images: pd.Series


class _Layout(NamedTuple):
    """Where matrices go, in millimetres; the letters in points."""

    rows: list[list[_Matrix]]
    columns: int
    size: np.ndarray
    cell: np.ndarray
    letters: float
    labels: float
    above: float
    below: float
    two_lines: bool
    names: Mapping[str, str]

    @property
    def every(self) -> tuple[int, int]:
        """Names are shown at every n-th column and row: n."""
        across, down = (max(math.ceil(self.letters / (side * POINTS) - SLACK), 1) for side in self.cell)
        return across, down


def _best_layout(panels: Mapping[str, pd.DataFrame], run: RunDescription) -> _Layout:
    """Return the layout of a page with the largest type, or where none is legible one that is higher.

    Where none is legible at all, matrices are laid out in which not every row and column has its name.
    """
    names = short_names(run.attributes)
    shown = {name for rates in panels.values() for name in (*rates["source"].unique(), *rates["target"].unique())}
    extents = {name: extent(names[name]) for name in shown}
    make = partial(_layout, panels, run.order, names, extents, note_height(run) / MM)
    layouts = [make(count) for count in range(min(USUAL, len(panels)), len(panels) + 1)]
    best = max(filter(None, layouts), key=lambda layout: layout.letters, default=None)
    for layout in chain([best], (make(count, higher=True) for count in (USUAL, 1))):
        if layout and layout.letters >= SMALLEST_TYPE:
            return layout
    return make(USUAL, higher=True, all_named=False)


def _layout(
    panels: Mapping[str, pd.DataFrame],
    order: str,
    names: Mapping[str, str],
    extents: Mapping[str, float],
    note: float,
    side_by_side: int,
    higher: bool = False,
    all_named: bool = True,
) -> _Layout | None:
    """Return the layout with so many matrices side by side, or None if their titles have no room.

    `extents` are those of the names that are shown, `note` is the height that the note takes. `higher` says that the
    figure may be higher than a page, `all_named` that names are as small as cells.
    """
    rows = _rows(panels, order, side_by_side)
    shown = [each for row in rows for each in row]
    count, columns = max(map(len, rows)), max(len(each.rates.columns) for each in shown)
    targets = [len(row[0].rates) for row in rows]
    longest = max(extents[name] for each in shown for name in each.rates.index)
    longest_below = max(extents[name] for each in shown for name in each.rates.columns)
    least = (PAGE / MM - LARGEST_TYPE * longest - 2.5 - AXIS - GAP * (count - 1) - RIGHT) / count
    room = min(least, WIDEST_CELL * columns) + GAP
    two_lines = side_by_side > USUAL or max(NORMAL * extent(title) for title in panels) > room
    above = TOP + LINE * two_lines
    letters = LARGEST_TYPE if all_named else SMALLEST_TYPE
    while letters > 0:
        left, below = letters * longest + 2.5 + AXIS, letters * longest_below + 3.0 + AXIS
        width = min((PAGE / MM - left - GAP * (count - 1) - RIGHT) / (columns * count), WIDEST_CELL)
        height = min(width, HIGHEST_CELL, HIGHEST / max(targets))
        if len(rows) > 1 and not higher:
            height = min(height, (PAGE_HEIGHT / MM - BAR - len(rows) * (above + below)) / sum(targets))
        if letters <= min(width, height) * POINTS or not all_named:
            break
        letters -= 0.1
    else:
        return None
    widest = max(NORMAL * extent(line) for title in panels for line in _lines(title, two_lines))
    if side_by_side > USUAL and widest > width * columns + GAP:
        return None
    total = sum(above + height * each + below for each in targets) + BAR + note
    across = max(left + count * columns * width + (count - 1) * GAP + RIGHT, left + KEYS)
    size, cell = np.array([min(across, PAGE / MM), total]), np.array([width, height])
    return _Layout(rows, columns, size, cell, letters, left, above, below, two_lines, names)


def _lines(title: str, two_lines: bool) -> list[str]:
    """Return a title, or its network and the rest in a line each."""
    return title.split(": ", 1) if two_lines else [title]


def _rows(panels: Mapping[str, pd.DataFrame], order: str, count: int) -> list[list[_Matrix]]:
    """Return the matrices that stand side by side: those with the same targets, so many at a time."""
    rows = []
    for _, alike in groupby(panels, key=lambda title: tuple(dict.fromkeys(panels[title]["target"]))):
        alike = list(alike)
        for titles in (alike[k : k + count] for k in range(0, len(alike), count)):
            tables = [matrix(panels[title]) for title in titles]
            targets = clustered(tables) if order == "clustered" else list(tables[0].index)
            rows.append([])
            for title, table in zip(titles, tables, strict=True):
                sources = [name for name in targets if name in table]
                images = panels[title].drop_duplicates("source").set_index("source")["images"]
                rows[-1].append(_Matrix(title, table.loc[targets, sources], images[sources]))
    return rows


def _draw_row(figure: Figure, row: Sequence[_Matrix], layout: _Layout, top: float) -> Axes:
    """Draw matrices so many millimetres above the lower edge of the figure and return the axes of the last one."""
    cell, letters, size = layout.cell, layout.letters, layout.size
    for number, (title, rates, images) in enumerate(row):
        extent = cell * rates.shape[::-1]
        left = layout.labels + number * (cell[0] * layout.columns + GAP)
        axes = _axes(figure, size, (left, top - extent[1], *extent))
        _draw(axes, rates, images, layout)
        place = (left / size[0], (top + layout.above - 1.2) / size[1])
        figure.text(*place, "\n".join(_lines(title, layout.two_lines)), fontsize=NORMAL, va="top")
        middle, bottom = left + extent[0] / 2, top - extent[1] - layout.below + AXIS
        title = _axis_title(ATTACKED, layout.every[0])
        figure.text(middle / size[0], bottom / size[1], title, fontsize=SMALL, ha="center", va="top", color=GREY)
        if number == 0:
            rows = np.arange(0, len(rates), layout.every[1])
            axes.set_yticks(rows + 0.5, [layout.names[name] for name in rates.index[rows]], fontsize=letters)
            axes.text(-0.7 / cell[0], -0.9 / cell[1], "images", ha="right", va="bottom", fontsize=letters, color=GREY)
            place = (0.8 / size[0], (top - extent[1] / 2) / size[1])
            look = {"rotation": 90, "rotation_mode": "anchor", "ha": "center", "va": "top"}
            figure.text(*place, _axis_title(WATCHED, layout.every[1]), fontsize=SMALL, color=GREY, **look)
    return axes


def _axes(figure: Figure, size: np.ndarray, box: tuple[float, float, float, float], **more: Any) -> Axes:
    """Return axes in a box: left, lower edge, width and height in millimetres."""
    return figure.add_axes((*(box[:2] / size), *(box[2:] / size)), **more)


def _axis_title(what: str, every: int) -> str:
    return what if every == 1 else f"{what}, one of {every} named"


def _draw(axes: Axes, table: pd.DataFrame, images: pd.Series, layout: _Layout) -> None:
    cell, letters = layout.cell, layout.letters
    values = table.to_numpy(float)
    rows, columns = values.shape
    # Lines between cells that are this small would hide them, and a file of so many shapes would be large.
    edges = {"edgecolors": "white", "linewidth": 0.15} if cell.min() >= SMALL_CELL else {"rasterized": True}
    axes.pcolormesh(np.ma.masked_invalid(values), cmap=COLORS, vmin=0, vmax=1, **edges)
    for column in np.flatnonzero(images.to_numpy() == 0):
        axes.add_patch(Rectangle((column, 0), 1, rows, **HATCHED))
    few = ((images > 0) & (images < FEW)).to_numpy()
    for column in np.flatnonzero(few):
        axes.add_patch(Rectangle((column, 0), 1, rows, **DIMMED))
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    named = np.arange(0, columns, layout.every[0])
    names = [layout.names[name] for name in table.columns[named]]
    axes.set_xticks(named + 0.5, names, rotation=90, fontsize=letters)
    for label, count in zip(axes.get_xticklabels(), images.iloc[named], strict=True):
        label.set_color("black" if count >= FEW else "#8A8A8A")
    axes.set_yticks([])
    axes.tick_params(length=0, pad=1.5)
    axes.spines[:].set_visible(False)
    for column, count in zip(named, images.iloc[named], strict=True):
        place = (column + 0.5, -0.9 / cell[1])
        axes.text(*place, f"{count}", rotation=90, ha="center", va="bottom", fontsize=0.9 * letters, color=GREY)
    if cell[0] >= 5 and cell[1] >= 2.2:
        for row, column in np.argwhere(~np.isnan(values)):
            value = values[row, column]
            color = "white" if value < WHITE_BELOW and not few[column] else "black"
            gid = None if few[column] else AS_IT_IS
            look = {"ha": "center", "va": "center_baseline", "fontsize": letters, "color": color, "gid": gid}
            axes.text(column + 0.5, row + 0.5, f"{100 * value:.0f}", **look)


def _draw_bar(figure: Figure, axes: Axes, size: np.ndarray, corner: tuple[float, float]) -> None:
    """Draw the colour bar below its upper left corner (millimetres), and below it what columns look like."""
    left, top = corner
    bar = _axes(figure, size, (left, top - 6.4, 52, 2.0))
    scale = figure.colorbar(axes.collections[0], cax=bar, orientation="horizontal", ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.set_title("change the decision on the watched attribute, %", fontsize=SMALL, loc="left", pad=2)
    bar.set_xticklabels(["0", "25", "50", "75", "100"])
    bar.tick_params(pad=1.5)
    scale.outline.set_linewidth(0.3)
    for offset, look, words in ((0, HATCHED, "no adversarial image"), (36, DIMMED, f"fewer than {FEW} of them")):
        box = (left + offset, top - 13.2, 5, 2.0)
        key = _axes(figure, size, box, xticks=[], yticks=[], facecolor=colormaps[COLORS](0))
        key.add_patch(Rectangle((0, 0), 1, 1, **look))
        key.spines[:].set(visible=True, linewidth=0.3, color=GREY)
        key.text(1.2, 0.5, words, va="center")
