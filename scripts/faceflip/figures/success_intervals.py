"""Success per attribute with intervals: how sure the differences between attributes and networks are.

Dots are shares of the attacked images that FFA with line search turns adversarial, lines are Wilson 95 % intervals;
left the correctly classified images, right the misclassified ones. Attributes whose lines overlap cannot be ranked from
this sample. An attribute without a dot had no such image.
"""

import numpy as np
from matplotlib.figure import Figure

from faceflip.analysis.frames import FigureInputs, read_csv
from faceflip.analysis.names import SIGNS, display_name, ordered
from faceflip.analysis.run import RunDescription
from faceflip.catalogue import LINE
from faceflip.figures.style import COLUMN, MM, SMALL, nothing, page


def draw(inputs: FigureInputs, run: RunDescription) -> Figure:
    """Draw a row per attribute, by the rate of the first network."""
    success = read_csv(inputs["success"])
    success = success[success["search"] == LINE]
    if success.empty:
        return nothing(run, "This run has no line search on converged networks.")
    method = "ffa" if "ffa" in set(success["method"]) else success["method"].iloc[0]
    success = success[success["method"] == method]
    networks = ordered(success["network"], run.network_names)
    first = success[(success["network"] == networks[0]) & (success["sign"] == "+")].set_index("attribute")["rate"]
    # From the bottom up: the rates ascending, attributes without one below and by alphabet from the top.
    names = ordered(success["attribute"])[::-1]
    names.sort(key=lambda name: np.nan_to_num(first.get(name, -1), nan=-1))
    figure = page(run, COLUMN, (22 + 3.9 * max(len(names), 5)) * MM)
    sides = figure.subplots(1, 2, sharey=True)
    for axes, sign in zip(sides, SIGNS, strict=True):
        for network, offset in zip(networks, np.linspace(0.22, -0.22, len(networks)), strict=True):
            chosen = (success["network"] == network) & (success["sign"] == sign)
            part = success[chosen].set_index("attribute").reindex(names)
            rates, places = 100 * part["rate"], np.arange(len(names)) + offset
            look = {
                "color": run.network(network).color,
                "markersize": 2.4,
                "elinewidth": 0.7,
                "label": run.network(network).short,
            }
            spread = np.abs(100 * part[["low", "high"]].to_numpy().T - rates.to_numpy()) if "low" in part else None
            axes.errorbar(rates, places, xerr=spread, fmt="o", **look)
        axes.set_xlim(-3, 103)
        axes.set_xlabel(f"adversarial by {method.upper()}\nwith line search, %")
        words = {"+": "correctly classified (+)", "-": "misclassified (−)"}[sign]
        axes.set_title(words, loc="left", fontsize=SMALL)
        axes.grid(axis="x")
        axes.hlines(np.arange(len(names) - 1) + 0.5, -3, 103, color="#EEEEEE", linewidth=0.4, zorder=0)
    sides[0].set_yticks(np.arange(len(names)), [display_name(name) for name in names])
    sides[0].set_ylim(-0.6, len(names) - 0.4)
    for axes in sides:
        axes.tick_params(axis="y", length=0)
    handles, labels = sides[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure
