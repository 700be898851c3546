"""Cumulative shares of flipped attempts: what PASS and epsilon draw."""

from itertools import cycle, product

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from faceflip.analysis.frames import only_final, with_parts
from faceflip.analysis.names import METHODS, SEARCHES, SIGN_NAMES, SIGNS, method_name, ordered, search_name
from faceflip.analysis.run import RunDescription
from faceflip.catalogue import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION
from faceflip.figures.style import COLUMN, MM, NO_ATTACKS, PAGE_HEIGHT, SMALL, nothing, page

COLORS = (ORANGE, BLUE, PURPLE, GREEN, VERMILION, SKY, BLACK)
"""Of the methods: FGS, FFA, others."""
MARKS = ("", "o", "^", "s", "D", "v", "P", "X")
"""Of methods whose colour another one has."""
DASHES = ("-", (0, (3, 1.2)), ":", (0, (4, 1, 1, 1)), (0, (7, 1.5)), (0, (4, 1, 1, 1, 1, 1)))
"""Of the searches: line, iterative, others."""
SPREAD = 0.13
"""How far apart marks on a curve are, as a share of the panel's diagonal."""
BELOW, ROW = 18, 32
"""Millimetres: for legend and axis, and of a network's row."""


def draw_cumulative(attempts: pd.DataFrame, column: str, grid: np.ndarray, run: RunDescription, label: str) -> Figure:
    """Draw, for each network and sign, the share of attempts that flipped with a value up to x, on a logarithmic scale.

    The values stand in a `column` of the attempts table, and `grid` has those of the x axis, ascending. Attempts on
    converged networks count; those that did not flip are beyond every x.
    """
    attempts = with_parts(only_final(attempts), run)
    networks = ordered(attempts["network"].unique(), run.network_names)
    if not networks:
        return nothing(run, NO_ATTACKS)
    every = ordered([*METHODS, *attempts["method"].unique()], METHODS)
    faces = dict(zip(every, cycle(product(MARKS, COLORS)), strict=False))
    dashes = dict(zip(ordered([*SEARCHES, *attempts["search"].unique()], SEARCHES), cycle(DASHES), strict=False))
    height = BELOW + len(networks) * min(ROW, (PAGE_HEIGHT / MM - BELOW) / len(networks))
    figure = page(run, COLUMN, height * MM)
    grid_axes = figure.subplots(len(networks), len(SIGNS), sharex=True, sharey=True, squeeze=False)
    handles = {}
    for row, network in enumerate(networks):
        for axes, sign in zip(grid_axes[row], SIGNS, strict=True):
            part = attempts[(attempts["network"] == network) & (attempts["sign"] == sign)]
            methods, searches = ordered(part["method"].unique(), METHODS), ordered(part["search"].unique(), SEARCHES)
            for method, search in product(methods, searches):
                each = part[(part["method"] == method) & (part["search"] == search)]
                if each.empty:
                    continue
                flipped = np.sort(each.loc[each["flipped"], column])
                shares = 100 * np.searchsorted(flipped, grid, side="right") / len(each)
                key = f"{method_name(method)}, {search_name(search)}"
                mark, color = faces[method]
                look = {"color": color, "linestyle": dashes[search], "marker": mark, "markevery": SPREAD}
                handles[key] = axes.plot(grid, shares, markersize=2.4, markeredgewidth=0, **look)[0]
            axes.set_xscale("log")
            axes.set_ylim(0, 101)
            axes.grid()
            if row == 0:
                axes.set_title(SIGN_NAMES[sign], loc="left", fontsize=SMALL)
            if network == networks[-1]:
                axes.set_xlabel(label)
        grid_axes[row][0].set_ylabel(f"{run.network(network).short}\n% of attempts")
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=2)
    return figure
