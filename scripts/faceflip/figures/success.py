"""Adversarial success per attribute (Fig. 3), a panel for each search, the line search above.

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

from faceflip.analysis.frames import FigureInputs, read_csv
from faceflip.analysis.names import METHODS, SEARCHES, SIGNS, display_name, ordered, search_name
from faceflip.analysis.run import RunDescription
from faceflip.catalogue import BLACK, LINE, ORANGE, PURPLE, SKY, YELLOW, find_loss
from faceflip.figures.style import GREY, MM, PAGE, nothing, page

FGS_COLOR = ORANGE
OTHERS = (PURPLE, SKY, YELLOW, BLACK)
"""Of methods beside FGS and FFA."""
PAPER_LOSSES = {"euclidean", "softmax"}
CROSS = {"marker": "x", "color": GREY, "markersize": 1.8, "markeredgewidth": 0.4, "linestyle": ""}


def draw(inputs: FigureInputs, run: RunDescription) -> Figure:
    """Draw the line search above and the iterative search below, attributes by the line search's success of FGS+."""
    success = read_csv(inputs["success"])
    losses = _losses(success, run)
    if not losses:
        return nothing(run, "This run has no attacks on converged networks.")
    panels = [(loss, search) for loss in losses for search in ordered(success["search"], SEARCHES)]
    panels = [panel for panel in panels if not _part(success, run, *panel).empty]
    attributes = _order(success, run)
    figure = page(run, PAGE, (34 + 46 * len(panels)) * MM)
    rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (loss, search) in zip(rows, panels, strict=True):
        _draw(axes, _part(success, run, loss, search), attributes, run)
        title = search_name(search) if len(losses) == 1 else f"{find_loss(loss).title} loss, {search_name(search)}"
        axes.set_title(title, loc="left", pad=3)
    rows[-1].set_xticks(np.arange(len(attributes)), [display_name(name) for name in attributes], rotation=90)
    figure.supylabel("adversarial images, %", fontsize=rows[0].yaxis.label.get_size())
    figure.legend(handles=_legend(success, losses, run), loc="outside upper center", ncols=4, columnspacing=1.5)
    return figure


def _losses(success: pd.DataFrame, run: RunDescription) -> list[str]:
    """Return the losses that get panels: of the paper's two the first alone, as in the paper; else all."""
    attacked = set(success["network"])
    losses = list(dict.fromkeys(network.loss for network in run.networks if network.name in attacked))
    return losses[:1] if set(losses) <= PAPER_LOSSES else losses


def _part(success: pd.DataFrame, run: RunDescription, loss: str, search: str) -> pd.DataFrame:
    """Return the rates of the networks of a loss by a search."""
    names = [network.name for network in run.networks if network.loss == loss]
    return success[success["network"].isin(names) & (success["search"] == search)]


def _legend(success: pd.DataFrame, losses: list[str], run: RunDescription) -> list[Patch | Line2D]:
    """Return a column of keys, + and -, for each attack, and one for what is missing."""
    networks = [network for network in run.networks if network.loss in losses]
    drawn = success[success["network"].isin([network.name for network in networks])]
    several = max(len(run.separate), len(run.joint)) > 1 and len(networks) > 2
    keys = [
        Patch(**_look(pair, sign, run), label=f"{_name(pair, run, several)}{'⁺' if sign == '+' else '⁻'}")
        for pair in _pairs(drawn, run)
        for sign in SIGNS
    ]
    if (drawn["total"] == 0).any():
        keys.append(Line2D([], [], **CROSS, label="no image to attack"))
    return keys


def _name(pair: tuple[str, str], run: RunDescription, several: bool) -> str:
    name = run.method_name(*pair)
    return f"{name} ({run.network(pair[0]).short})" if several else name


def _pairs(success: pd.DataFrame, run: RunDescription) -> list[tuple[str, str]]:
    """Return the pairs of network and method that are drawn side by side."""
    present = set(zip(success["network"], success["method"], strict=True))
    methods = ordered(success["method"], METHODS)
    return [pair for pair in product(run.network_names, methods) if pair in present]


def _look(pair: tuple[str, str], sign: str, run: RunDescription) -> dict:
    network, method = run.network(pair[0]), pair[1]
    if method == "ffa":
        color = network.color
    elif method == "fgs" and not network.joint:
        color = FGS_COLOR
    else:
        others = ordered((attack.method for attack in run.attack_list), METHODS)
        color = OTHERS[others.index(method) % len(OTHERS)]
    return {"facecolor": color if sign == "+" else (*to_rgb(color), 0.35), "edgecolor": color, "linewidth": 0.4}


def _order(success: pd.DataFrame, run: RunDescription) -> list[str]:
    """Return the attributes by ascending success of FGS+ with line search on the first network, others at the end."""
    key = (success["network"] == run.network_names[0]) & (success["method"] == "fgs") & (success["sign"] == "+")
    rates = success[key & (success["search"] == LINE)].set_index("attribute")["rate"]
    attributes = ordered(success["attribute"])
    return sorted(attributes, key=lambda name: np.nan_to_num(rates.get(name, np.inf), nan=np.inf))


def _draw(axes: Axes, success: pd.DataFrame, attributes: list[str], run: RunDescription) -> None:
    pairs = _pairs(success, run)
    width = 0.84 / max(len(pairs), 1)
    for number, (network, method) in enumerate(pairs):
        places = np.arange(len(attributes)) + (number - (len(pairs) - 1) / 2) * width
        for sign, side in (("+", 1), ("-", -1)):
            chosen = (success["network"] == network) & (success["method"] == method) & (success["sign"] == sign)
            part = success[chosen].set_index("attribute").reindex(attributes)
            heights = 100 * part["rate"].to_numpy()
            axes.bar(places, side * np.nan_to_num(heights), width=0.88 * width, **_look((network, method), sign, run))
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
