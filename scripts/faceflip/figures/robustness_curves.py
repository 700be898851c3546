"""Flips by size of the perturbation: how many decisions each attack has changed with at most x, a row for each network.

A curve at x is the share of the correctly classified images, of all attributes together, that the attack flips by a
perturbation of at most that size: by L2, by the largest change of a pixel value (L-infinity), and by 1 - PASS. Dotted
are the budgets of L-infinity at which the table of accuracy under attack counts, and tau. Images that an attack does
not flip are beyond every x, so a curve need not come to 100 %. The further to the left and up a curve lies, the
stronger the attack. Dashed black is the smallest flip that is known: the best of all attacks on the network, where
there are several, for each image and each size. What lies between it and a curve is what the attack misses, and what it
lacks to 100 % at the right no attack of the run has flipped.

Colour and mark are the method, and the dashes the kind of search. Bands are 95 % intervals for other images, which
allow for several attempts on one image. All curves of a panel are of the same images: bands that overlap do not say
that two attacks are alike. Misclassified images are left out, as to flip one is to correct it.

It would be surprising if an attack that is the best by one size were far from it by the others, unless it was made for
that size, as FGS is for L-infinity.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import cycle, product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from faceflip.analysis.frames import FigureInputs
from faceflip.analysis.names import METHODS, SEARCHES, images_of, ordered
from faceflip.analysis.run import RunDescription
from faceflip.analysis.smallest import best_known, read_sizes
from faceflip.catalogue import BLACK, REFERENCE
from faceflip.figures.curves import band, curve, grids_of, mark_tau, rows_of_panels
from faceflip.figures.distributions import COLORS, DASHES, MARKS, SPREAD
from faceflip.figures.lettering import POINTS, extent, plain, told_apart
from faceflip.figures.style import GREY, MM, NO_ATTACKS, PAGE, SMALL, nothing

HANDLE, GAP, LONGEST = 3.0, 3.0, 32
"""In the legend: the piece of a line, and the space around it and between columns, in type sizes; characters."""
LINE = 3.1
"""Millimetres of a line of the legend."""
THIN = {"linewidth": 0.8, "markersize": 2.4, "markeredgewidth": 0}
SHADE = 0.12
"""Opacity of bands."""
NO_ROWS = "This run has no attacks on correctly classified images."
NONE_RIGHT = "no image is classified correctly"
BEST = {"label": "smallest that is known", "color": BLACK, "linestyle": (0, (2.5, 1.5)), "linewidth": 1.1, "zorder": 3}
TICKS = (1, 3, 10, 30, 100, 255)
APART = 1.6
"""Factor by which ticks of L-infinity differ at least, so that their labels have room."""


def draw(inputs: FigureInputs, run: RunDescription) -> Figure:
    """Draw a row for each attacked network."""
    sizes = read_sizes(inputs["attempts"], run)
    networks = ordered(sizes["network"].unique(), run.network_names)
    sizes = sizes[sizes["correct"]]
    if sizes.empty:
        return nothing(run, NO_ROWS if networks else NO_ATTACKS)
    attacks = ordered(sizes["attack"].unique(), (attack.name for attack in run.attack_list))
    looks = looks_of(attacks, run)
    handles = _handles(looks, run)
    columns = _columns(handles)
    above = 4 + LINE * (1 + -(-len(handles) // columns))
    grids = grids_of(sizes)
    figure, panels = rows_of_panels(run, [plain(run.network(name).short) for name in networks], grids, above)
    for line, network in zip(panels, networks, strict=True):
        part = sizes[sizes["network"] == network]
        of_attacks = {name: part[part["attack"] == name] for name in looks if (part["attack"] == name).any()}
        best = best_known(part) if len(of_attacks) > 1 else None
        _mark_budgets(line[1], run)
        mark_tau(line[-1], run, network == networks[0])
        for axes, (size, grid) in zip(line, grids.items(), strict=True):
            _draw(axes, of_attacks, best, size, grid, looks)
    title = f"attempts on the correctly classified of {images_of(run.sample)}, all attributes together"
    legend = figure.legend(handles=handles, loc="outside upper center", ncols=columns, title=title, handlelength=HANDLE)
    legend.get_title().set_fontsize(SMALL)
    return figure


def looks_of(attacks: Sequence[str], run: RunDescription) -> dict[str, dict[str, Any]]:
    """Return colour, mark and dashes of each attack; no two are alike as long as there are enough marks and dashes."""
    known = [run.attack(name) for name in attacks]
    methods = dict.fromkeys([*METHODS, *(each.method for each in known)])
    kinds = ordered([*SEARCHES, *(each.search for each in known)], (*SEARCHES, REFERENCE))
    faces = dict(zip(methods, cycle(product(MARKS, [color for color in COLORS if color != BLACK])), strict=False))
    dashes = dict(zip(kinds, cycle(DASHES), strict=False))
    looks = {}
    for each in known:
        mark, color = faces[each.method]
        looks[each.name] = {"color": color, "marker": mark, "linestyle": dashes[each.search]}
    return looks


def _draw(
    axes: Axes,
    of_attacks: Mapping[str, pd.DataFrame],
    best: pd.DataFrame | None,
    size: str,
    grid: np.ndarray,
    looks: Mapping[str, Mapping[str, Any]],
) -> None:
    """Draw the curves of a network, those of attacks with bands."""
    if not of_attacks:
        axes.text(0.5, 0.5, NONE_RIGHT, transform=axes.transAxes, ha="center", va="center", color=GREY)
    for number, (name, sizes) in enumerate(of_attacks.items()):
        low, high = band(sizes[size], sizes["image"], grid)
        axes.fill_between(grid, low, high, step="post", color=looks[name]["color"], alpha=SHADE, linewidth=0)
        # Marks of different curves stand at different places.
        look = {"label": name, "markevery": (SPREAD * number / len(of_attacks), SPREAD), **THIN, **looks[name]}
        axes.plot(grid, curve(sizes[size], grid), drawstyle="steps-post", **look)
    if best is not None:
        axes.plot(grid, curve(best[size], grid), drawstyle="steps-post", **BEST)


def _mark_budgets(axes: Axes, run: RunDescription) -> None:
    """Draw dotted lines at the budgets, with their numbers below the axis where these have room."""
    end = axes.get_xlim()[1]
    ticks = []
    for budget in sorted(each for each in run.budgets if 1 <= each <= end):
        axes.axvline(budget, color=GREY, linewidth=0.5, linestyle=":")
        ticks += [budget] if not ticks or budget >= APART * ticks[-1] else []
    ticks += [tick for tick in TICKS if tick <= end and (not ticks or tick >= APART * ticks[-1])]
    axes.set_xticks(ticks)


def _handles(looks: Mapping[str, Mapping[str, Any]], run: RunDescription) -> list[Artist]:
    """Return the keys of the legend: of the attacks, and of what all panels have."""
    words = {name: run.attack(name).words for name in looks}
    alike = Counter(words.values())
    words = {name: text if alike[text] == 1 else f"{text} ({name})" for name, text in words.items()}
    names = told_apart(words, LONGEST)
    handles = [Line2D([], [], label=names[name], **THIN, **look) for name, look in looks.items()]
    best = [Line2D([], [], **BEST)] if len(looks) > 1 else []
    return [*handles, *best, Patch(color=GREY, alpha=SHADE, linewidth=0, label="95 % interval")]


def _columns(handles: Sequence[Artist]) -> int:
    """Return how many columns of the legend have room across the page."""
    widest = max(SMALL * extent(each.get_label()) for each in handles) + (HANDLE + GAP) * SMALL / POINTS
    return min(int((PAGE / MM - 2) / widest), len(handles))
