"""Flips by size of the perturbation, before and after fine-tuning: a row for each diet.

A curve at x is the share of the correctly classified images that the leading attack flips by a perturbation of at most
that size: by L2, by the largest change of a pixel value (L-infinity), and by 1 - PASS, where the dotted line is tau.
Images that it does not flip are beyond every x, so a curve need not come to 100 %. Colours are the diet, each seed as a
thin line and the mean as a thick one; grey is the source before, dashed the control, which was trained on for as many
steps on clean images. The further to the right and down a curve lies, the more robust the network is. Compare the
colour with the dashes, not with the grey: what the control gained, too, came from more training and not from the diet.
The images are those of the first sample of the test split that was attacked, of which no network has learned, else of
the first sample. It would be surprising if a curve moved by one measure alone: then the flips became other ones, and
not rarer.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from faceflip.analysis.frames import FigureInputs
from faceflip.analysis.run import RunDescription
from faceflip.analysis.smallest import with_sizes
from faceflip.analysis.tunings import BEFORE, CONTROL, TunedGroup, read_tuned_attempts
from faceflip.figures.curves import curve, grids_of, mark_tau, rows_of_panels
from faceflip.figures.style import SMALL, nothing
from faceflip.figures.tuned_looks import (
    NO_TUNING,
    attack_name,
    families_of,
    label_of,
    lead_attempts,
    look_of,
    sample_name,
    source_name,
)

ABOVE = 12
"""Millimetres for legend and titles."""
THIN, THICK = 0.4, 1.1


def draw(inputs: FigureInputs, run: RunDescription) -> Figure:
    """Draw a row for each diet of each source."""
    found = lead_attempts(read_tuned_attempts(inputs["attempts"], run, "l2", "linf"), run)
    if found is None:
        return nothing(run, NO_TUNING)
    attempts, attack, sample = found
    attempts = with_sizes(attempts[attempts["correct"]])
    attacked = set(attempts["network"])
    families = [
        [group for group in family if attacked.intersection(each.name for each in group.networks)]
        for family in families_of(run)
    ]
    rows = [(family, group) for family in families for group in _with_rows(family)]
    if not rows:
        return nothing(run, NO_TUNING)
    grids = grids_of(attempts)
    figure, panels = rows_of_panels(run, [label_of(group) for _, group in rows], grids, ABOVE)
    for line, (family, group) in zip(panels, rows, strict=True):
        first = group is _with_rows(family)[0]
        mark_tau(line[-1], run, first)
        for axes, (size, grid) in zip(line, grids.items(), strict=True):
            _draw(axes, attempts, size, grid, family, group)
        if first:
            line[0].set_title(source_name(family[0], run), loc="left", fontsize=SMALL)
    _legend(
        figure,
        [group for family in families for group in family],
        rows[0][1],
        f"{attack_name(attack, run)}; {sample_name(sample, run)}",
    )
    return figure


def _with_rows(family: Sequence[TunedGroup]) -> list[TunedGroup]:
    """Return the groups that have rows: all diets, and the control where there is no other."""
    diets = [group for group in family if group.diet not in (BEFORE, CONTROL)]
    return diets or [group for group in family if group.diet == CONTROL]


def _draw(
    axes: Axes,
    attempts: pd.DataFrame,
    size: str,
    grid: np.ndarray,
    family: Sequence[TunedGroup],
    group: TunedGroup,
) -> None:
    attempts = attempts[attempts["attribute"].isin(group.networks[0].attributes)]
    chosen = [each for each in family if each.diet == BEFORE]
    controls = [each for each in family if each.diet == CONTROL and each is not group]
    # One of as many steps, where there are several.
    chosen += sorted(controls, key=lambda each: each.epochs != group.epochs)[:1]
    for each in [*chosen, group]:
        curves = [curve(attempts.loc[attempts["network"] == one.name, size], grid) for one in each.networks]
        curves = [drawn for drawn in curves if np.isfinite(drawn).all()]
        if not curves:
            continue
        look = _look(each)
        if each is group and len(curves) > 1:
            for drawn in curves:
                axes.plot(grid, drawn, linewidth=THIN, alpha=0.7, drawstyle="steps-post", **look)
        axes.plot(grid, np.mean(curves, axis=0), linewidth=THICK, drawstyle="steps-post", **look)


def _look(group: TunedGroup) -> dict:
    return {"color": look_of(group.diet)[0], "linestyle": (0, (3, 1.2)) if group.diet == CONTROL else "-"}


def _legend(figure: Figure, groups: Sequence[TunedGroup], first: TunedGroup, title: str) -> None:
    """Put keys above the figure, the diets' one in the colour of the first."""
    color = look_of(first.diet)[0]
    handles = []
    for diet, label in ((BEFORE, "source, before"), (CONTROL, "control: as many steps on clean images")):
        found = [group for group in groups if group.diet == diet]
        handles += [Line2D([], [], label=label, linewidth=THICK, **_look(found[0]))] if found else []
    several = any(len(group.networks) > 1 for group in groups if group.diet not in (BEFORE, CONTROL))
    handles.append(Line2D([], [], label="the diet (mean)" if several else "the diet", linewidth=THICK, color=color))
    if several:
        handles.append(Line2D([], [], label="a seed", linewidth=THIN, color=color))
    legend = figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), title=title)
    legend.get_title().set_fontsize(SMALL)
