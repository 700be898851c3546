"""Figure 2: classification error of each attribute on the test split.

A column is an attribute, a mark the error of one method, lower is better. The grey bar is Trivial, which gives every
image the majority class of the training split: a network above it has learned nothing about the attribute, and where
the bar is low there is little to gain. Published errors are always those on CelebA. It would be surprising if MOON, one
network for all attributes, were far from the separate networks.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from faceflip.analysis.frames import read_csv, wide
from faceflip.analysis.names import display_name
from faceflip.analysis.run import RunDescription
from faceflip.analysis.tables.classification_error import MEAN, MEAN_ALL
from faceflip.figures.options import FigureInputs, Options
from faceflip.figures.style import BLUE, GREEN, GREY, LIGHT, MM, ORANGE, PAGE, PURPLE, VERMILION, page

PUBLISHED = {
    "facetracer": ("FaceTracer", {"marker": "^", "color": PURPLE}),
    "lnets_anet": ("LNets+ANet", {"marker": "s", "color": ORANGE}),
    "moon_published": ("MOON as published (cells unconfirmed)", {"marker": "o", "color": GREEN}),
}
MEASURED = {
    "euclidean": ("separate networks, Euclidean", {"marker": "o", "color": BLUE}),
    "softmax": ("separate networks, softmax", {"marker": "D", "color": VERMILION}),
    "moon": ("MOON", {"marker": "P", "color": GREEN}),
}


def draw(inputs: FigureInputs, run: RunDescription, options: Options) -> Figure:
    """Draw a bar for Trivial and a mark for each other method, attributes by the error of the separate networks."""
    errors = wide(read_csv(inputs["classification_error"]), "attribute", "method", "error")
    attributes, separate = _order(errors.drop(index=[MEAN, MEAN_ALL], errors="ignore"))
    means = [name for name in (MEAN, MEAN_ALL) if name in errors.index]
    # The means stand apart, and so do attributes without separate networks.
    places = np.arange(len(attributes)) + 0.6 * (np.arange(len(attributes)) >= separate)
    places = np.append(places, (places[-1] if len(places) else 0) + 1.6 + np.arange(len(means)))
    table = 100 * errors.loc[[*attributes, *means]]

    figure = page(run, PAGE, 82 * MM)
    axes = figure.subplots()
    if "trivial_train" in table:
        axes.bar(
            places, table["trivial_train"], width=0.86, color=LIGHT, label="Trivial (majority of the training split)"
        )
    marks = {**PUBLISHED, **MEASURED}
    present = [name for name in marks if name in table]
    for name, offset in zip(present, np.linspace(-0.3, 0.3, len(present)), strict=True):
        label, look = marks[name]
        published = name in PUBLISHED
        look = {**look, "markerfacecolor": "white" if published else look["color"], "markeredgewidth": 0.6}
        look["alpha"] = 0.6 if published and run.synthetic else 1.0
        label += ", on CelebA" if published and run.synthetic else ""
        axes.plot(places + offset, table[name], linestyle="", markersize=2.6, clip_on=False, label=label, **look)
    names = {MEAN: f"mean of {len(run.attributes)}", MEAN_ALL: f"mean of {len(run.moon_attributes)}"}
    labels = [names.get(name, display_name(name)) for name in table.index]
    axes.set_xticks(places, labels, rotation=90)
    for label, name in zip(axes.get_xticklabels(), table.index, strict=True):
        label.set_color("black" if name in names else GREY if name in attributes[separate:] else "black")
        label.set_fontweight("bold" if name in names else "normal")
    axes.tick_params(axis="x", length=0, pad=1)
    axes.set_xlim(places[0] - 0.7, places[-1] + 0.7)
    axes.set_ylim(0)
    axes.set_ylabel("test error, %")
    axes.grid(axis="y")
    figure.legend(loc="outside upper center", ncols=4, columnspacing=1.2, handletextpad=0.4)
    return figure


def _order(errors: pd.DataFrame) -> tuple[list[str], int]:
    """Return the attributes, those with separate networks first, by ascending error, and how many these are."""
    errors = errors.reindex(columns=[*errors.columns, *({"euclidean", "softmax", "moon"} - set(errors.columns))])
    first = errors["euclidean"].fillna(errors["softmax"])
    rest = errors.loc[first.isna(), "moon"]
    first = first.dropna()
    ordered = [*first.sort_values(kind="stable").index, *rest.sort_values(kind="stable").index]
    return ordered, len(first)
