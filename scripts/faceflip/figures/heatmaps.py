"""Matrices of transfers side by side: Figs. 4 and 5."""

from collections.abc import Mapping, Sequence

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
COLORS = "cividis"


def draw_matrices(panels: Mapping[str, pd.DataFrame], run: RunDescription, order: str) -> Figure:
    """Draw matrices with targets as rows and sources as columns.

    Args:
        panels: Rates as `transfer_rates` returns them, by title; all with the same targets.
        run: What was run.
        order: ``official``, or ``clustered``: related attributes side by side.
    """
    if not panels:
        return nothing(run, "This run has no adversarial images that were shown to other networks.")
    rates = {title: matrix(frame) for title, frame in panels.items()}
    targets = _order([*rates.values()], order)
    sources = {title: [name for name in targets if name in set(table.columns)] for title, table in rates.items()}
    columns = max(len(names) for names in sources.values())
    names = [display_name(name) for name in targets]
    longest = max(_extent(name) for name in names)
    letters = LARGEST_TYPE
    while True:
        labels = letters * longest + 2.5
        room = PAGE / MM - labels - GAP * (len(panels) - 1) - RIGHT
        width = min(room / (len(panels) * columns), WIDEST_CELL)
        height = min(width, HIGHEST_CELL, HIGHEST / len(targets))
        if letters <= min(width, height) * POINTS:
            break
        letters -= 0.1
    below = letters * max(_extent(display_name(name)) for shown in sources.values() for name in shown) + 3.0
    size = np.array([PAGE / MM, TOP + height * len(targets) + below + BAR + note_height(run) / MM])
    figure = with_note(Figure(tuple(size * MM), DPI), run)
    bottom = size[1] - TOP - height * len(targets)
    for number, (title, table) in enumerate(rates.items()):
        left = labels + number * (width * columns + GAP)
        box = np.array([left, bottom, width * len(sources[title]), height * len(targets)])
        axes = figure.add_axes((*(box[:2] / size), *(box[2:] / size)))
        images = panels[title].drop_duplicates("source").set_index("source")["images"]
        _draw(axes, table.loc[targets, sources[title]], images[sources[title]], (width, height), letters)
        figure.text(left / size[0], 1 - 2.6 / size[1], title, fontsize=NORMAL, va="center")
        if number == 0:
            axes.set_yticks(np.arange(len(targets)) + 0.5, names, fontsize=letters)
            axes.text(-0.7 / width, -0.9 / height, "images", ha="right", va="bottom", fontsize=letters, color=GREY)
    _draw_bar(figure, axes, size, (labels, bottom - below))
    return figure


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
