"""Training curves: error on the training and validation splits after each epoch, a panel per attribute.

Solid lines are validation errors, dotted ones training errors; a circle marks the converged checkpoint, the epoch with
the lowest validation error from the early epoch on. A dotted line far below a solid one is a network that learned its
training images by heart.
"""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from faceflip.analysis.frames import read_csv
from faceflip.analysis.names import SHORT_NETWORK_NAMES, display_name, ordered
from faceflip.analysis.run import RunDescription
from faceflip.figures.options import FigureInputs, Options
from faceflip.figures.style import COLUMN, GREY, MM, NETWORK_COLORS, PAGE, SMALL, page

FEW = 12
"""Panels that have room in a column."""
MOON = "moon"


def draw(inputs: FigureInputs, run: RunDescription, options: Options) -> Figure:
    """Draw both losses of an attribute in one panel, and MOON in the last."""
    histories = {_name(Path(path)): read_csv(Path(path)) for path in inputs["histories"]}
    panels = [*ordered({name for network, name in histories if network != MOON})]
    panels += [MOON] * any(network == MOON for network, _ in histories)
    width, columns = (COLUMN, 3) if len(panels) <= FEW else (PAGE, 6)
    rows = max(-(-len(panels) // columns), 1)
    figure = page(run, width, (14 + 25 * rows) * MM)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for number, (axes, panel) in enumerate(zip(grid.flat, panels, strict=False)):
        for (network, name), history in histories.items():
            if panel in (name, network):
                _draw(axes, history, NETWORK_COLORS[network], run.early_epoch)
        axes.set_title(
            f"MOON, mean of {len(run.moon_attributes)}" if panel == MOON else display_name(panel), fontsize=SMALL
        )
        axes.set_ylim(0)
        axes.xaxis.get_major_locator().set_params(integer=True, nbins=5)
        if number + columns >= len(panels):
            axes.set_xlabel("epoch")
        if number % columns == 0:
            axes.set_ylabel("error, %")
    _legend(figure, {network for network, _ in histories})
    return figure


def _name(path: Path) -> tuple[str, str]:
    """Return network and attribute of ``.../moon/history.csv`` or ``.../euclidean/Male/history.csv``."""
    folder = path.parent
    return (MOON, MOON) if folder.name == MOON else (folder.parent.name, folder.name)


def _draw(axes: Axes, history: pd.DataFrame, color: str, early_epoch: int) -> None:
    axes.plot(history["epoch"], 100 * history["training_error"], color=color, linestyle=":", linewidth=0.7)
    axes.plot(history["epoch"], 100 * history["validation_error"], color=color, linewidth=0.8)
    candidates = history[history["epoch"] >= min(early_epoch, history["epoch"].max())]
    best = candidates.loc[candidates["validation_error"].idxmin()]
    axes.plot(best["epoch"], 100 * best["validation_error"], "o", color=color, markersize=2.6)


def _legend(figure: Figure, networks: set[str]) -> None:
    names = {name: label for name, label in SHORT_NETWORK_NAMES.items() if name in networks}
    handles = [Line2D([], [], color=NETWORK_COLORS[name], label=label) for name, label in names.items()]
    handles += [
        Line2D([], [], color=GREY, label="validation"),
        Line2D([], [], color=GREY, linestyle=":", label="training"),
    ]
    handles.append(Line2D([], [], color=GREY, marker="o", linestyle="", markersize=2.6, label="converged"))
    ncols = 3 if figure.get_figwidth() < PAGE else len(handles)
    figure.legend(handles=handles, loc="outside upper center", ncols=ncols)
