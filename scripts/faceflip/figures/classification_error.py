"""Classification error of each attribute on the test split (Fig. 2).

A column is an attribute, a mark the error of one method, lower is better. The grey bar is Trivial, which gives every
image the majority class of the training split: a network above it has learned nothing about the attribute, and where
the bar is low there is little to gain. It would be surprising if a network of all attributes (MOON in the paper) were
far from the separate networks.

Of CelebA alone: hollow marks are published errors, which are always those on CelebA.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from faceflip.analysis.frames import FigureInputs, read_csv, wide
from faceflip.analysis.run import RunDescription, RunNetwork
from faceflip.analysis.tables.classification_error import MEAN, MEAN_ALL, means_over
from faceflip.catalogue import GREEN, ORANGE, PURPLE
from faceflip.figures.lettering import every, more_room, short_names
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


@dataclass(frozen=True)
class Arranged:
    """Attributes side by side, and the means of some of them behind these.

    Attributes:
        rows: Attributes, those with separate networks first, by ascending error, and means.
        attributes: How many of the rows are attributes; of these `separate` have networks of their own.
        separate: See there.
        step: One of so many attributes has room for its name.
        places: Of the rows on the axis.
        names: Of the rows.
    """

    rows: list[str]
    attributes: int
    separate: int
    step: int
    places: np.ndarray
    names: list[str]

    def label(self, axes: Axes) -> None:
        """Name the attributes below the axes."""
        named = [*range(0, self.attributes, self.step), *range(self.attributes, len(self.rows))]
        axes.set_xticks(self.places[named], [self.names[place] for place in named], rotation=90)
        for label, place in zip(axes.get_xticklabels(), named, strict=True):
            label.set_color(GREY if self.separate <= place < self.attributes else "black")
            label.set_fontweight("bold" if place >= self.attributes else "normal")
        axes.set_xlabel(f"one of {self.step} attributes has its name; the table has all" if self.step > 1 else "")
        axes.tick_params(axis="x", length=0, pad=1)
        axes.set_xlim(self.places[0] - 0.7, self.places[-1] + 0.7 * self.step)

    @property
    def room(self) -> float:
        """Return the inches that the names need beyond the usual."""
        return more_room(self.names[: self.attributes], SMALL)

    @property
    def size(self) -> float:
        """Return the size of marks in points."""
        return 2.6 if self.step == 1 else 1.6


def arranged(errors: pd.DataFrame, run: RunDescription) -> Arranged:
    """Arrange the rows of a table of errors, a column per method."""
    attributes, separate = _order(errors.drop(index=[MEAN, MEAN_ALL], errors="ignore"), run)
    means = [name for name in (MEAN, MEAN_ALL) if name in errors.index]
    step = every([*attributes, *means], ACROSS)
    # The means stand apart, and so do attributes without separate networks.
    places = np.arange(len(attributes)) + 0.6 * (np.arange(len(attributes)) >= separate)
    places = np.append(places, (places[-1] if len(places) else 0) + (1.6 + np.arange(len(means))) * step)
    over = means_over(attributes, run)
    names = short_names(run.attributes) | {name: f"mean of {over[name]}" for name in means}
    rows = [*attributes, *means]
    return Arranged(rows, len(attributes), separate, step, places, [names[name] for name in rows])


def marks_of(run: RunDescription) -> dict[str, tuple[str, dict[str, str]]]:
    """Return label and mark of each network of a run."""
    return {
        network.name: (
            network.title if network.joint else f"separate networks, {network.short}",
            {"marker": marker, "color": network.color},
        )
        for network, marker in zip(run.networks, cycle(MARKERS), strict=False)
    }


def side_by_side(names: Sequence[str]) -> np.ndarray:
    """Return how far from its attribute's place the mark of each method is."""
    return np.linspace(-0.3, 0.3, len(names))


def draw(inputs: FigureInputs, run: RunDescription) -> Figure:
    """Draw a bar for Trivial and a mark for each other method, attributes by the error of the separate networks."""
    errors = wide(read_csv(inputs["classification_error"]), "attribute", "method", "error")
    columns = arranged(errors, run)
    table = 100 * errors.loc[columns.rows]
    figure = page(run, PAGE, 82 * MM + columns.room)
    axes = figure.subplots()
    if "trivial_train" in table:
        label = "Trivial (majority of the training split)"
        axes.bar(columns.places, table["trivial_train"], width=0.86, color=LIGHT, label=label)
    marks = PUBLISHED | marks_of(run)
    present = [name for name in marks if name in table]
    for name, offset in zip(present, side_by_side(present), strict=True):
        label, look = marks[name]
        published = name in PUBLISHED
        look = {**look, "markerfacecolor": "white" if published else look["color"], "markeredgewidth": 0.6}
        look["alpha"] = 0.6 if published and run.synthetic else 1.0
        label += ", on CelebA" if published and run.synthetic else ""
        axes.plot(
            columns.places + offset,
            table[name],
            linestyle="",
            markersize=columns.size,
            clip_on=False,
            label=label,
            **look,
        )
    columns.label(axes)
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
