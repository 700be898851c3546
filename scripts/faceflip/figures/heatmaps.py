"""Matrices of transfers side by side: Figs. 4 and 5."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from faceflip.figures.style import DPI, GREY, MM, NORMAL, PAGE, PAGE_HEIGHT, note_height, nothing, with_note

GAP, RIGHT, TOP, LINE, BAR = 3.0, 1.0, 11.0, 3.0, 11.0
"""Millimetres between the matrices, right of them, for titles and counts, for titles of two lines more, and for the
colour bar."""
WIDEST_CELL, HIGHEST_CELL, HIGHEST = 14.0, 6.0, 150.0
"""Millimetres that a cell is wide and high, and a matrix is high, at most."""
LARGEST_TYPE, SMALLEST_TYPE = 6.5, 4.5
"""Points of the labels at most, and at least where that keeps the figure on a page."""
POINTS = 72 / 25.4
USUAL = 2
"""Matrices side by side where there is room."""
COLORS = "cividis"


def draw_matrices(panels: Mapping[str, pd.DataFrame], run: RunDescription, why: str) -> Figure:
    """Draw matrices with targets as rows and sources as columns, on a page if that is legible.

    Args:
        panels: Rates as `transfer_rates` returns them, by title.
        run: What was run, and the order of the attributes.
        why: What to say where there are none.
    """
    if not panels:
        return nothing(run, why)
    layout = _best_layout(panels, run)
    figure = with_note(Figure(tuple(layout.size * MM), DPI), run)
    top = layout.size[1]
    for row in layout.rows:
        axes = _draw_row(figure, row, layout, top - layout.top)
        top -= layout.height(row)
    _draw_bar(figure, axes, layout.size, (layout.labels, top))
    return figure


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
    def count(self) -> int:
        """How many matrices stand side by side."""
        return len(self.titles)

    @property
    def columns(self) -> int:
        """Columns of the widest matrix."""
        return max(len(self.of(title)) for title in self.titles)


@dataclass(frozen=True)
class _Layout:
    """Where matrices go.

    Attributes:
        rows: Of the figure.
        size: Width and height of the figure in millimetres.
        cell: Width and height of a matrix' cell in millimetres.
        letters: Size of the labels in points.
        labels: Width of the rows' labels in millimetres.
        top: Height in millimetres of what stands above a matrix.
        below: Height in millimetres of the columns' labels.
        two_lines: Whether titles need them.
    """

    rows: list[_Row]
    size: np.ndarray
    cell: np.ndarray
    letters: float
    labels: float
    top: float
    below: float
    two_lines: bool

    def height(self, row: _Row) -> float:
        """Return the height of a row with its titles and labels in millimetres."""
        return self.top + self.cell[1] * len(row.targets) + self.below


def _best_layout(panels: Mapping[str, pd.DataFrame], run: RunDescription) -> _Layout:
    """Return the layout of a page with the largest type, or where none is legible one that is higher."""
    layouts = [_layout(panels, run, count) for count in range(min(USUAL, len(panels)), len(panels) + 1)]
    best = max((layout for layout in layouts if layout), key=lambda layout: layout.letters, default=None)
    return best if best and best.letters >= SMALLEST_TYPE else _layout(panels, run, USUAL, higher=True)


def _layout(
    panels: Mapping[str, pd.DataFrame], run: RunDescription, side_by_side: int, higher: bool = False
) -> _Layout | None:
    """Return the layout with so many matrices side by side, or None if their titles have no room.

    Args:
        panels: Rates by title.
        run: What was run.
        side_by_side: Matrices at most.
        higher: Whether the figure may be higher than a page.
    """
    rows = [_Row(titles, panels, run.order) for titles in _side_by_side(panels, side_by_side)]
    count, columns = (max(getattr(row, name) for row in rows) for name in ("count", "columns"))
    targets = [len(row.targets) for row in rows]
    longest = max(_extent(display_name(name)) for row in rows for name in row.targets)
    longest_below = max(_extent(display_name(name)) for row in rows for name in row.sources)
    room_above, note = TOP + (LINE if side_by_side > USUAL else 0), note_height(run) / MM
    letters = LARGEST_TYPE
    while letters > 0:
        labels, below = letters * longest + 2.5, letters * longest_below + 3.0
        width = min((PAGE / MM - labels - GAP * (count - 1) - RIGHT) / (columns * count), WIDEST_CELL)
        height = min(width, HIGHEST_CELL, HIGHEST / max(targets))
        if len(rows) > 1 and not higher:
            height = min(height, (PAGE_HEIGHT / MM - BAR - len(rows) * (room_above + below)) / sum(targets))
        if letters <= min(width, height) * POINTS:
            break
        letters -= 0.1
    else:
        return None
    widest = max(NORMAL * _extent(line) for title in panels for line in _lines(title, side_by_side > USUAL))
    if widest > width * columns + GAP and side_by_side > USUAL:
        return None
    total = sum(room_above + height * each + below for each in targets) + BAR + note
    size, cell = np.array([PAGE / MM, total]), np.array([width, height])
    return _Layout(rows, size, cell, letters, labels, room_above, below, side_by_side > USUAL)


def _lines(title: str, two_lines: bool) -> list[str]:
    """Return a title, or its network and the rest in a line each."""
    return title.split(": ", 1) if two_lines else [title]


def _side_by_side(panels: Mapping[str, pd.DataFrame], count: int) -> Iterator[list[str]]:
    """Yield the titles of matrices that stand side by side: those with the same targets, so many at a time."""
    by_targets = groupby(panels, key=lambda title: tuple(dict.fromkeys(panels[title]["target"])))
    for _, titles in by_targets:
        titles = list(titles)
        yield from (titles[k : k + count] for k in range(0, len(titles), count))


def _draw_row(figure: Figure, row: _Row, layout: _Layout, top: float) -> Axes:
    """Draw matrices so many millimetres above the lower edge of the figure and return the axes of the last one."""
    cell, letters, size = layout.cell, layout.letters, layout.size
    columns = max(each.columns for each in layout.rows)
    for number, title in enumerate(row.titles):
        sources = row.of(title)
        extent = cell * (len(sources), len(row.targets))
        left = layout.labels + number * (cell[0] * columns + GAP)
        box = np.array([left, top - extent[1], *extent])
        axes = figure.add_axes((*(box[:2] / size), *(box[2:] / size)))
        _draw(axes, row.rates[title].loc[row.targets, sources], row.images[title][sources], tuple(cell), letters)
        place = (left / size[0], (top + layout.top - 1.2) / size[1])
        figure.text(*place, "\n".join(_lines(title, layout.two_lines)), fontsize=NORMAL, va="top")
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
