"""PASS of the flipped attempts: Table 1 for every threshold at once.

A curve at x is the share of all attempts on a kind of network that flip with a PASS of at least x; the scale stretches
towards 1, where a perturbation cannot be seen. The dotted lines with numbers are the thresholds of Table 1. Where a
curve is steep, a small change of the threshold changes the table much.
"""

import numpy as np
from matplotlib.figure import Figure

from faceflip.analysis.frames import FigureInputs, read_attempts
from faceflip.analysis.run import RunDescription
from faceflip.figures.distributions import draw_cumulative
from faceflip.figures.style import GREY, SMALL

TICKS = (0.5, 0.9, 0.99, 0.999, 0.9999)
SMALLEST = 5e-5


def draw(inputs: FigureInputs, run: RunDescription) -> Figure:
    """Draw the cumulative distribution of 1 - PASS on a logarithmic scale."""
    attempts = read_attempts(inputs["attempts"], run)
    attempts["loss"] = 1 - attempts["pass"]
    figure = draw_cumulative(attempts, "loss", np.geomspace(SMALLEST, 1, 500), run, "PASS of at least")
    for axes in figure.axes:
        axes.set_xlim(1, SMALLEST)
        axes.set_xticks([1 - tick for tick in TICKS], [f"{tick:g}" for tick in TICKS])
        for threshold in run.thresholds:
            if 0 < threshold < 1:
                axes.axvline(1 - threshold, color=GREY, linewidth=0.5, linestyle=":")
                place = {"transform": axes.get_xaxis_transform(), "rotation": 90, "ha": "right", "va": "bottom"}
                axes.text(1 - threshold, 0.02, f"{threshold:g}", color=GREY, fontsize=SMALL - 0.5, **place)
    return figure
