"""Adversarial success per attribute (Fig. 3), a panel for each search, the line search above.

Dark bars above the line are shares of the correctly classified images (+) that an attack flips with a PASS of at least
tau, which the titles name, light bars below it shares of the misclassified ones (-). An M before an attack is for a
network of all attributes. Attributes stand in the order of FGS+ with line search. Whiskers are Wilson 95 % intervals. A
cross says that no image was there to attack, which is not a rate of zero. By line search FFA as a rule flips more than
FGS; of the iterative searches either may be ahead, as a step of FGS changes every pixel and one of FFA few. It would be
surprising if an iterative search flipped less than its line search, unless its cap of steps ended many attempts. Where
there are more attributes than have room, some are shown, evenly spread over this order.
"""

from collections.abc import Mapping, Sequence
from itertools import chain, product, repeat

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from faceflip.analysis.frames import FigureInputs, read_csv
from faceflip.analysis.names import METHODS, SEARCHES, SIGNS, ordered, search_name, spread
from faceflip.analysis.run import RunDescription
from faceflip.catalogue import BLACK, BLUE, GREEN, LINE, ORANGE, PURPLE, SKY, VERMILION, YELLOW, find_loss
from faceflip.figures.lettering import more_room, of_all, short_names
from faceflip.figures.style import GREY, MM, NO_ATTACKS, PAGE, PAGE_HEIGHT, SMALL, nothing, page

OTHERS = (ORANGE, YELLOW, BLACK, PURPLE, SKY, GREEN, VERMILION, BLUE)
"""Of methods beside FFA, which has the networks' own colours: FGS is orange where no network is."""
DARKER = (0.6, 0.35)
"""What is left of the brightness of colours, black aside, where all have been given and more are needed."""
PAPER_LOSSES = {"euclidean", "softmax"}
MOST = 72
"""Attributes that have room side by side."""
MOST_KEYS = 4
"""Keys side by side."""
BELOW, PANEL, ROOMY = 34, 46, 40
"""Millimetres: for legend and attributes, of a panel where there is room, and below which its labels are shorter."""
CROSS = {"marker": "x", "color": GREY, "markersize": 1.8, "markeredgewidth": 0.4, "linestyle": ""}

Pair = tuple[str, str]
"""Network and method."""


def draw(inputs: FigureInputs, run: RunDescription) -> Figure:
    """Draw the line search above and the iterative search below, attributes by the line search's success of FGS+."""
    success = read_csv(inputs["success"])
    success = success[success["sign"].isin(SIGNS)]
    if success.empty:
        return nothing(run, NO_ATTACKS)
    success = success.assign(loss=[run.network(name).loss for name in success["network"]])
    losses = list(dict.fromkeys(network.loss for network in run.networks if network.loss in set(success["loss"])))
    if set(losses) <= PAPER_LOSSES:  # the first alone, as in the paper
        losses = losses[:1]
    success = success[success["loss"].isin(losses)]
    panels = {
        (loss, search): part
        for loss, search in product(losses, ordered(success["search"], SEARCHES))
        if not (part := success[(success["loss"] == loss) & (success["search"] == search)]).empty
    }
    order, colors = _order(success, run), _colors(success, run)
    attributes = spread(order, MOST)
    short = short_names(run.attributes)
    names = [short[name] for name in attributes]
    height = min(PANEL, (PAGE_HEIGHT / MM - BELOW) / len(panels))
    figure = page(run, PAGE, (BELOW + height * len(panels)) * MM + more_room(names, SMALL))
    rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    told = set()
    for axes, ((loss, search), part) in zip(rows, panels.items(), strict=True):
        _draw(axes, part, attributes, colors, run)
        words = ("misclassified (−)", "correct (+)") if height >= ROOMY else ("wrong (−)", "right (+)")
        sides = f"{words[0]}        {words[1]}   " if height >= ROOMY else "    ".join(words)
        axes.set_ylabel(f"adversarial, %\n{sides}")
        title = search_name(search) if len(losses) == 1 else f"{find_loss(loss).title} loss, {search_name(search)}"
        axes.set_title(f"{title}, PASS ≥ τ = {run.threshold:g}", loc="left", pad=3)
        if len(losses) > 1 and loss not in told:
            _legend(axes, success[success["loss"] == loss], colors, run)
        told.add(loss)
    rows[-1].set_xticks(np.arange(len(attributes)), names, rotation=90)
    rows[-1].set_xlabel(of_all(attributes, order))
    if len(losses) == 1:
        _legend(figure, success, colors, run)
    return figure


def _pairs(success: pd.DataFrame, run: RunDescription) -> list[Pair]:
    """Return the pairs of network and method that are drawn side by side."""
    present = set(zip(success["network"], success["method"], strict=True))
    methods = ordered(success["method"], METHODS)
    return [pair for pair in product(run.network_names, methods) if pair in present]


def _of(success: pd.DataFrame, network: str, method: str) -> pd.DataFrame:
    return success[(success["network"] == network) & (success["method"] == method)]


def _colors(success: pd.DataFrame, run: RunDescription) -> dict[Pair, str]:
    """Return the colours, in the order of the bars: of FFA the network's, of others one that no network has."""
    pairs = _pairs(success, run)
    taken = {run.network(network).color for network, _ in pairs}
    free = [color for color in OTHERS if color not in taken]
    bright = [to_rgb(color) for color in free if color != BLACK]
    darker = [to_hex([share * part for part in color]) for share in DARKER for color in bright]
    free = chain(free, darker, repeat(GREY))
    others = dict(zip(dict.fromkeys(_kind(pair, run) for pair in pairs if pair[1] != "ffa"), free, strict=False))
    return {pair: others[_kind(pair, run)] if pair[1] != "ffa" else run.network(pair[0]).color for pair in pairs}


def _kind(pair: Pair, run: RunDescription) -> tuple[bool, int, str]:
    """Return what bars in panels of different losses may have in common: kind of network, its place there, method."""
    network = run.network(pair[0])
    alike = [each.name for each in run.networks if (each.loss, each.joint) == (network.loss, network.joint)]
    return network.joint, alike.index(network.name), pair[1]


def _look(color: str, sign: str) -> dict:
    return {"facecolor": color if sign == "+" else (*to_rgb(color), 0.35), "edgecolor": color, "linewidth": 0.4}


def _legend(place: Figure | Axes, success: pd.DataFrame, colors: Mapping[Pair, str], run: RunDescription) -> None:
    """Put keys above a figure or into the line of a panel's title: of + and of - for each attack, and a cross."""
    pairs = _pairs(success, run)
    handles = [tuple(Patch(**_look(colors[pair], sign)) for sign in SIGNS) for pair in pairs]
    joint = [run.network(name).joint for name in {network for network, _ in colors}]
    # The network is named where it does not follow from the method and its mark.
    several = max(joint.count(True), joint.count(False)) > 1
    labels = [run.method_name(*pair) + (f" on {run.network(pair[0]).short}" if several else "") for pair in pairs]
    if (success["total"] == 0).any():
        handles.append(Line2D([], [], **CROSS))
        labels.append("no image to attack")
    above = {"loc": "outside upper center"}
    if isinstance(place, Axes):
        above = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0, "borderpad": 0.2}
    look = {"handler_map": {tuple: HandlerTuple(ndivide=None, pad=0)}, "columnspacing": 1.5, "handlelength": 2.2}
    place.legend(handles, labels, ncols=MOST_KEYS, **above, **look)


def _order(success: pd.DataFrame, run: RunDescription) -> list[str]:
    """Return the attributes by ascending success of the first network's first line search, others at the end."""
    lines = success[(success["search"] == LINE) & (success["sign"] == "+")]
    first = next(iter(_pairs(lines, run)), ("", ""))
    rates = _of(lines, *first).set_index("attribute")["rate"]
    return list(rates.reindex(ordered(success["attribute"], run.attributes)).sort_values(kind="stable").index)


def _draw(
    axes: Axes, success: pd.DataFrame, attributes: Sequence[str], colors: Mapping[Pair, str], run: RunDescription
) -> None:
    pairs = _pairs(success, run)
    width = 0.84 / len(pairs)
    for number, (network, method) in enumerate(pairs):
        places = np.arange(len(attributes)) + (number - (len(pairs) - 1) / 2) * width
        for sign, side in zip(SIGNS, (1, -1), strict=True):
            part = _of(success, network, method).query("sign == @sign").set_index("attribute").reindex(attributes)
            heights = 100 * part["rate"].to_numpy()
            look = _look(colors[network, method], sign)
            axes.bar(places, side * np.nan_to_num(heights), width=0.88 * width, **look)
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
    axes.tick_params(axis="x", length=0, pad=1)
    axes.grid(axis="y")
    axes.spines["bottom"].set_visible(False)
