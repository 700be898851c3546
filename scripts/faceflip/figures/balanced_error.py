"""Balanced error of each attribute on the test split, and the errors of its two classes.

A column is an attribute, in the order of the figure of classification errors. A mark is the balanced error of a
network, the mean of its errors on images with the attribute and without it; lower is better. The thin line goes from
the one error to the other, and its end with a bar is that on images with the attribute. The dashed line at 50 % is what
guessing has, and any answer that never changes, as Trivial's: a network there has learned nothing about the attribute,
however small its plain error. A long line is a network that favours one class, usually the more frequent one.
"""

from matplotlib.figure import Figure

from faceflip.analysis.frames import FigureInputs, read_csv, wide
from faceflip.analysis.run import RunDescription
from faceflip.figures.classification_error import arranged, marks_of, side_by_side
from faceflip.figures.style import GREY, MM, PAGE, page

GUESSING = 50.0
"""Percent."""
CLASSES = "errors of the classes, bar: with the attribute"
FAINT = 0.55
"""Opacity of the lines from rate to rate."""


def draw(inputs: FigureInputs, run: RunDescription) -> Figure:
    """Draw a mark for the balanced error of each network on each attribute, and a line between those of the classes."""
    table = read_csv(inputs["classification_error"])
    columns = arranged(wide(table, "attribute", "method", "error"), run)
    balanced, present, absent = (
        100 * wide(table, "attribute", "method", rate).loc[columns.rows]
        for rate in ("balanced_error", "false_negative_rate", "false_positive_rate")
    )
    figure = page(run, PAGE, 82 * MM + columns.room)
    axes = figure.subplots()
    axes.axhline(GUESSING, color=GREY, linestyle=(0, (4, 3)), linewidth=0.6, label="guessing, and Trivial")
    marks = {name: mark for name, mark in marks_of(run).items() if name in balanced}
    for (name, (label, look)), offset in zip(marks.items(), side_by_side(list(marks)), strict=True):
        places = columns.places + offset
        axes.vlines(places, absent[name], present[name], color=look["color"], linewidth=0.6, alpha=FAINT)
        bars = {"marker": "_", "markersize": columns.size, "markeredgewidth": 0.6, "clip_on": False}
        axes.plot(places, present[name], linestyle="", color=look["color"], alpha=FAINT, **bars)
        look = {**look, "markeredgewidth": 0.6, "markersize": columns.size, "clip_on": False}
        axes.plot(places, balanced[name], linestyle="", label=label, **look)
    columns.label(axes)
    largest = max(rates[list(marks)].max(axis=None) for rates in (present, absent)) if marks else 0
    axes.set_ylim(0, 100 if largest > GUESSING else GUESSING + 5)
    axes.set_ylabel("balanced test error, %")
    axes.grid(axis="y")
    axes.plot([], [], linestyle="", color=GREY, marker=r"$\top$", markersize=4, markeredgewidth=0.2, label=CLASSES)
    ncols = 5 if len(marks) <= 3 else 3
    figure.legend(loc="outside upper center", ncols=ncols, columnspacing=1.2, handletextpad=0.4)
    return figure
