"""Figure 3: adversarial success per attribute, the line search above, the iterative search below.

Bars above the line are shares of the correctly classified images (+) that an attack flips with a PASS of at least tau,
bars below it shares of the misclassified ones (-). Attributes stand in the order of FGS+ with line search. Whiskers are
Wilson 95 % intervals. A cross says that no image was there to attack, which is not a rate of zero. It would be
surprising if FGS flipped more than FFA on the whole, or the iterative search less than the line search.
"""

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from faceflip.analysis.frames import read_csv
from faceflip.analysis.names import METHODS, SEARCH_NAMES, SEARCHES, SIGNS, display_name, method_name, ordered
from faceflip.analysis.run import RunDescription
from faceflip.figures.options import FigureInputs, Options
from faceflip.figures.style import BLUE, GREEN, GREY, MM, ORANGE, PAGE, PURPLE, nothing, page

NETWORKS = ("euclidean", "moon")
COLORS = {("euclidean", "fgs"): ORANGE, ("euclidean", "ffa"): BLUE, ("moon", "ffa"): GREEN}
OTHER = PURPLE
CROSS = {"marker": "x", "color": GREY, "markersize": 1.8, "markeredgewidth": 0.4, "linestyle": ""}


def draw(inputs: FigureInputs, run: RunDescription, options: Options) -> Figure:
    """Draw the line search above and the iterative search below, attributes by the line search's success of FGS+."""
    success = read_csv(inputs["success"])
    success = success[success["network"].isin(NETWORKS)]
    if success.empty:
        return nothing(run, "This run has no attacks on converged networks with Euclidean loss.")
    searches = ordered(success["search"], SEARCHES)
    attributes = _order(success)
    figure = page(run, PAGE, (34 + 46 * len(searches)) * MM)
    rows = figure.subplots(len(searches), 1, sharex=True, squeeze=False)[:, 0]
    for axes, search in zip(rows, searches, strict=True):
        _draw(axes, success[success["search"] == search], attributes)
        axes.set_title(SEARCH_NAMES.get(search, search), loc="left", pad=3)
    rows[-1].set_xticks(np.arange(len(attributes)), [display_name(name) for name in attributes], rotation=90)
    figure.supylabel("adversarial images, %", fontsize=rows[0].yaxis.label.get_size())
    figure.legend(handles=_legend(success), loc="outside upper center", ncols=4, columnspacing=1.5)
    return figure


def _legend(success: pd.DataFrame) -> list[Patch | Line2D]:
    """Return a column of keys, + and -, for each attack, and one for what is missing."""
    keys = [
        Patch(**_look(pair, sign), label=f"{method_name(*pair)}{'⁺' if sign == '+' else '⁻'}")
        for pair in _pairs(success)
        for sign in SIGNS
    ]
    if (success["total"] == 0).any():
        keys.append(Line2D([], [], **CROSS, label="no image to attack"))
    return keys


def _pairs(success: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the pairs of network and method that are drawn side by side."""
    present = set(zip(success["network"], success["method"], strict=True))
    methods = ordered(success["method"], METHODS)
    return [pair for pair in product(NETWORKS, methods) if pair in present]


def _look(pair: tuple[str, str], sign: str) -> dict:
    color = COLORS.get(pair, OTHER)
    return {"facecolor": color if sign == "+" else (*to_rgb(color), 0.35), "edgecolor": color, "linewidth": 0.4}


def _order(success: pd.DataFrame) -> list[str]:
    """Return the attributes by ascending success of FGS+ with line search, those without it at the end."""
    key = (success["network"] == "euclidean") & (success["method"] == "fgs") & (success["sign"] == "+")
    rates = success[key & (success["search"] == "line")].set_index("attribute")["rate"]
    attributes = ordered(success["attribute"])
    return sorted(attributes, key=lambda name: np.nan_to_num(rates.get(name, np.inf), nan=np.inf))


def _draw(axes: Axes, success: pd.DataFrame, attributes: list[str]) -> None:
    pairs = _pairs(success)
    width = 0.84 / max(len(pairs), 1)
    for number, (network, method) in enumerate(pairs):
        places = np.arange(len(attributes)) + (number - (len(pairs) - 1) / 2) * width
        for sign, side in (("+", 1), ("-", -1)):
            chosen = (success["network"] == network) & (success["method"] == method) & (success["sign"] == sign)
            part = success[chosen].set_index("attribute").reindex(attributes)
            heights = 100 * part["rate"].to_numpy()
            axes.bar(places, side * np.nan_to_num(heights), width=0.88 * width, **_look((network, method), sign))
            if "low" in part:
                ends = 100 * part[["low", "high"]].to_numpy().T
                spread = {"ecolor": "#333333", "elinewidth": 0.35, "linestyle": ""}
                axes.errorbar(places, side * heights, yerr=np.abs(ends - heights)[::side], **spread)
            none = places[(part["total"] == 0).to_numpy()]
            axes.plot(none, np.full(len(none), 4 * side), **CROSS)
    axes.axhline(0, color="black", linewidth=0.5)
    axes.set_ylim(-104, 104)
    axes.set_yticks([-100, -50, 0, 50, 100], ["100", "50", "0", "50", "100"])
    axes.set_xlim(-0.7, len(attributes) - 0.3)
    axes.set_ylabel("misclassified (−)        correct (+)   ")
    axes.tick_params(axis="x", length=0, pad=1)
    axes.grid(axis="y")
    axes.spines["bottom"].set_visible(False)
