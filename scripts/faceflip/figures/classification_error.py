"""Classification error of each attribute on the test split (Fig. 2).

A column is an attribute, a mark the error of one method, lower is better. The grey bar is Trivial, which gives every
image the majority class of the training split: a network above it has learned nothing about the attribute, and where
the bar is low there is little to gain. It would be surprising if a network of all attributes (MOON in the paper) were
far from the separate networks.

Of CelebA alone: hollow marks are published errors, which are always those on CelebA.
"""

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from faceflip.analysis.frames import FigureInputs, read_csv, wide
from faceflip.analysis.run import RunDescription, RunNetwork
from faceflip.analysis.tables.classification_error import MEAN, MEAN_ALL, means_over
from faceflip.catalogue import GREEN, ORANGE, PURPLE
from faceflip.figures.labels import every, more_room, short_names
from faceflip.figures.style import GREY, LIGHT, MM, PAGE, SMALL, page

PUBLISHED = {
    "facetracer": ("FaceTracer", {"marker": "^", "color": PURPLE}),
    "lnets_anet": ("LNets+ANet", {"marker": "s", "color": ORANGE}),
    "moon_published": ("MOON as published (cells unconfirmed)", {"marker": "o", "color": GREEN}),
}
MARKERS = ("o", "D", "P", "v", "*", "X", "<", ">")
"""Of the run's networks, in order; colours alone do not tell them apart."""
ACROSS = 155.0
"""Millimetres that the attributes have."""
FEW = 6
"""Marks whose names have room for four side by side."""


def draw(inputs: FigureInputs, run: RunDescription) -> Figure:
    """Draw a bar for Trivial and a mark for each other method, attributes by the error of the separate networks."""
    errors = wide(read_csv(inputs["classification_error"]), "attribute", "method", "error")
    attributes, separate = _order(errors.drop(index=[MEAN, MEAN_ALL], errors="ignore"), run)
    means = [name for name in (MEAN, MEAN_ALL) if name in errors.index]
    step = every([*attributes, *means], ACROSS)
    # The means stand apart, and so do attributes without separate networks.
    places = np.arange(len(attributes)) + 0.6 * (np.arange(len(attributes)) >= separate)
    places = np.append(places, (places[-1] if len(places) else 0) + (1.6 + np.arange(len(means))) * step)
    table = 100 * errors.loc[[*attributes, *means]]

    over = means_over(attributes, run)
    names = short_names(run.attributes) | {name: f"mean of {over[name]}" for name in means}
    figure = page(run, PAGE, 82 * MM + more_room([names[name] for name in attributes], SMALL))
    axes = figure.subplots()
    if "trivial_train" in table:
        label = "Trivial (majority of the training split)"
        axes.bar(places, table["trivial_train"], width=0.86, color=LIGHT, label=label)
    marks = dict(PUBLISHED)
    for network, marker in zip(run.networks, cycle(MARKERS), strict=False):
        label = network.title if network.joint else f"separate networks, {network.short}"
        marks[network.name] = label, {"marker": marker, "color": network.color}
    present = [name for name in marks if name in table]
    for name, offset in zip(present, np.linspace(-0.3, 0.3, len(present)), strict=True):
        label, look = marks[name]
        published = name in PUBLISHED
        look = {**look, "markerfacecolor": "white" if published else look["color"], "markeredgewidth": 0.6}
        look["alpha"] = 0.6 if published and run.synthetic else 1.0
        label += ", on CelebA" if published and run.synthetic else ""
        axes.plot(
            places + offset,
            table[name],
            linestyle="",
            markersize=2.6 if step == 1 else 1.6,
            clip_on=False,
            label=label,
            **look,
        )
    named = [*range(0, len(attributes), step), *range(len(attributes), len(places))]
    axes.set_xticks(places[named], [names[name] for name in table.index[named]], rotation=90)
    for label, place in zip(axes.get_xticklabels(), named, strict=True):
        label.set_color(GREY if separate <= place < len(attributes) else "black")
        label.set_fontweight("bold" if place >= len(attributes) else "normal")
    axes.set_xlabel(f"one of {step} attributes has its name; the table has all" if step > 1 else "")
    axes.tick_params(axis="x", length=0, pad=1)
    axes.set_xlim(places[0] - 0.7, places[-1] + 0.7 * step)
    axes.set_ylim(0)
    axes.set_ylabel("test error, %")
    axes.grid(axis="y")
    ncols = 4 if len(present) <= FEW else 3
    figure.legend(loc="outside upper center", ncols=ncols, columnspacing=1.2, handletextpad=0.4)
    return figure


def _order(errors: pd.DataFrame, run: RunDescription) -> tuple[list[str], int]:
    """Return the attributes, those with separate networks first, by ascending error, and how many these are."""
    separate, joint = (_first_known(errors, networks) for networks in (run.separate, run.joint))
    groups = [group.sort_values(kind="stable").index for group in (separate.dropna(), joint[separate.isna()])]
    return [name for group in groups for name in group], len(groups[0])


def _first_known(errors: pd.DataFrame, networks: Sequence[RunNetwork]) -> pd.Series:
    """Return for each attribute the error of the first of some networks that decides on it."""
    found = pd.Series(np.nan, index=errors.index)
    for network in networks:
        if network.name in errors:
            found = found.fillna(errors[network.name])
    return found
