"""Success per attribute with intervals: how sure the differences between attributes and networks are.

Dots are shares of the attacked images that FFA with line search turns adversarial, lines are Wilson 95 % intervals;
left the correctly classified images, right the misclassified ones. Attributes whose lines overlap cannot be ranked from
this sample. An attribute without a dot had no such image. Where there are more attributes than have room, some are
shown, evenly spread over their order.

Where labels are in doubt: two panels on the right have the misclassified images again, first those whose label is
firm, then those whose label is in doubt; they are left out where none is. A wrong label looks like a mistake of the
network that is easy to correct, so read what the misclassified do off the firm ones.
"""

import numpy as np
from matplotlib.figure import Figure

from faceflip.analysis.frames import FigureInputs, read_csv
from faceflip.analysis.names import SIGN_NAMES, SIGNS, SPLIT_SIGNS, lead_method, method_name, ordered, spread
from faceflip.analysis.run import RunDescription
from faceflip.catalogue import LINE
from faceflip.figures.lettering import IN_COLUMN, of_all, short_names
from faceflip.figures.style import COLUMN, MM, PAGE, PAGE_HEIGHT, SMALL, nothing, page

MOST = 80
"""Attributes that have room below each other."""
BELOW, ROW, FEW = 22, 3.9, 3
"""Millimetres: for legend and axis, and of an attribute's row with few networks; how many these are."""


def draw(inputs: FigureInputs, run: RunDescription) -> Figure:
    """Draw a row per attribute, by the rate of the first network."""
    success = read_csv(inputs["success"])
    success = success[success["search"] == LINE]
    if success.empty:
        return nothing(run, "This run has no line search on converged networks.")
    networks = ordered(success["network"], run.network_names)
    methods = {name: lead_method(success.loc[success["network"] == name, "method"]) for name in networks}
    success = success[success["method"] == success["network"].map(methods)]
    first = success[(success["network"] == networks[0]) & (success["sign"] == "+")].set_index("attribute")["rate"]
    # From the bottom up: the rates ascending, attributes without one below and by alphabet from the top.
    rates = first.reindex(ordered(success["attribute"], run.attributes)[::-1]).sort_values(
        kind="stable", na_position="first"
    )
    order = list(rates.index)
    names = spread(order, MOST)
    rows, many = max(len(names), 5), max(len(networks) / FEW, 1)
    # Where no misclassified image has a label in doubt, the firm ones are all of them.
    split = run.doubt and success.loc[success["sign"] == SPLIT_SIGNS[1], "total"].any()
    signs = (*SIGNS, *SPLIT_SIGNS) if split else SIGNS
    figure = page(run, PAGE if split else COLUMN, min((BELOW + rows * ROW * many) * MM, PAGE_HEIGHT))
    sides = figure.subplots(1, len(signs), sharey=True)
    by = f" by {method_name(methods[networks[0]])}" if len(set(methods.values())) == 1 else ""
    labels = [run.network(name).short + (f", {method_name(methods[name])}" if not by else "") for name in networks]
    reach = 0.22 if many == 1 else 0.36
    for axes, sign in zip(sides, signs, strict=True):
        for name, label, offset in zip(networks, labels, np.linspace(reach, -reach, len(networks)), strict=True):
            chosen = (success["network"] == name) & (success["sign"] == sign)
            part = success[chosen].set_index("attribute").reindex(names)
            rates, places = 100 * part["rate"], np.arange(len(names)) + offset
            ends = np.abs(100 * part[["low", "high"]].to_numpy().T - rates.to_numpy()) if "low" in part else None
            look = {"color": run.network(name).color, "label": label, "markersize": 2.4 if many == 1 else 2.0}
            axes.errorbar(rates, places, xerr=ends, fmt="o", elinewidth=0.7, **look)
        axes.set_xlim(-3, 103)
        axes.set_xlabel(f"adversarial{by}\nwith line search, %")
        axes.set_title(SIGN_NAMES[sign], loc="left", fontsize=SMALL)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.hlines(np.arange(len(names) - 1) + 0.5, -3, 103, color="#EEEEEE", linewidth=0.4, zorder=0)
    short = short_names(run.attributes, IN_COLUMN)
    sides[0].set_yticks(np.arange(len(names)), [short[name] for name in names])
    sides[0].set_ylabel(of_all(names, order))
    sides[0].set_ylim(-0.6, len(names) - 0.4)
    figure.legend(*sides[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure
