"""Training curves: error on the training and validation splits after each epoch, a panel per attribute.

Solid lines are validation errors, dotted ones training errors; a circle marks the converged checkpoint, the epoch with
the lowest validation error among those that may count as converged. A dotted line far below a solid one is a network
that learned its training images by heart. Where there are more attributes than have room, some are shown, evenly
spread over their order.
"""

from collections.abc import Sequence
from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from faceflip.analysis.frames import FigureInputs, read_csv
from faceflip.analysis.names import ordered, spread
from faceflip.analysis.run import RunDescription, RunNetwork
from faceflip.figures.labels import in_lines, of_all, short_names
from faceflip.figures.style import COLUMN, GREY, MM, PAGE, PAGE_HEIGHT, SMALL, nothing, page

MOST, WIDE = 48, 21.0
"""Panels of separate networks that have room on a page, and millimetres of their titles."""
FEW = 12
"""Panels that have room in a column."""
SHORT = 8
"""Characters of a network's name that have room beside others in a panel's title."""


def draw(inputs: FigureInputs, run: RunDescription) -> Figure:
    """Draw the separate networks of an attribute in one panel, and each network of all in one of its own."""
    if not inputs["histories"]:
        return nothing(run, "This run trained no network.")
    histories = pd.concat(map(read_csv, inputs["histories"]), ignore_index=True)
    joint = [network.name for network in run.joint]
    separate = histories[~histories["network"].isin(joint)]
    members = ordered(separate["member"], run.attributes)
    shown, names = spread(members, MOST), short_names(run.attributes)
    panels = [(in_lines(names[name], WIDE, SMALL), separate[separate["member"] == name]) for name in shown]
    for network in run.joint:
        between = ", " if len(network.short) <= SHORT else "\n"
        title = f"{network.short}{between}mean of {len(network.attributes)}"
        panels.append((title, histories[histories["network"] == network.name]))
    width, columns = (COLUMN, min(3, max(len(panels), 1))) if len(panels) <= FEW else (PAGE, 6)
    rows = max(-(-len(panels) // columns), 1)
    figure = page(run, width, min((14 + 25 * rows) * MM, PAGE_HEIGHT))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for number, (axes, (title, curves)) in enumerate(zip(grid.flat, panels, strict=False)):
        for name, history in curves.groupby("network", sort=False):
            _draw(axes, history, run.network(name))
        axes.set_title(title, fontsize=SMALL)
        axes.set_ylim(0)
        axes.xaxis.get_major_locator().set_params(integer=True, nbins=5)
        if number + columns >= len(panels):
            axes.set_xlabel("epoch")
        if number % columns == 0:
            axes.set_ylabel("error, %")
    figure.supxlabel(of_all(shown, members), fontsize=SMALL)
    _legend(figure, [network for network in run.networks if network.name in set(histories["network"])])
    return figure


def _draw(axes: Axes, history: pd.DataFrame, network: RunNetwork) -> None:
    color = network.color
    axes.plot(history["epoch"], 100 * history["training_error"], color=color, linestyle=":", linewidth=0.7)
    axes.plot(history["epoch"], 100 * history["validation_error"], color=color, linewidth=0.8)
    candidates = history[history["epoch"] >= min(network.training["min_epochs"], history["epoch"].max())]
    best = candidates.loc[candidates["validation_error"].idxmin()]
    axes.plot(best["epoch"], 100 * best["validation_error"], "o", color=color, markersize=2.6)


def _legend(figure: Figure, networks: Sequence[RunNetwork]) -> None:
    handles = [Line2D([], [], color=network.color, label=network.short) for network in networks]
    grey = partial(Line2D, [], [], color=GREY)
    handles += [grey(label="validation"), grey(label="training", linestyle=":")]
    handles.append(grey(label="converged", linestyle="", marker="o", markersize=2.6))
    ncols = 3 if figure.get_figwidth() < PAGE else min(len(handles), 7)
    figure.legend(handles=handles, loc="outside upper center", ncols=ncols)
