"""Epsilon of the flipped attempts: how far along its direction an attack has to go.

A curve at x is the share of all attempts on a kind of network that flip with an epsilon of at most x, in pixel values.
A curve that still rises at the right end says that a larger cap would flip more. For FFA by line search epsilon is the
largest change before rounding, so it may lie below 1. The epsilon of iterative attacks is the number of their steps, of
one pixel value each.
"""

import numpy as np
from matplotlib.figure import Figure

from faceflip.analysis.frames import FigureInputs, read_attempts
from faceflip.analysis.run import RunDescription
from faceflip.figures.distributions import draw_cumulative

TICKS = (1, 3, 10, 30, 100, 255, 1_000, 10_000, 65_535)
SMALLEST, LARGEST = 0.4, 255.0


def draw(inputs: FigureInputs, run: RunDescription) -> Figure:
    """Draw the cumulative distribution of epsilon on a logarithmic scale."""
    attempts = read_attempts(inputs["attempts"], run, "epsilon")
    largest = max(LARGEST, float(attempts["epsilon"].fillna(0).max()))
    ticks = [tick for tick in TICKS if tick <= largest]
    grid = np.geomspace(SMALLEST, largest, 400)
    figure = draw_cumulative(attempts, "epsilon", grid, run, "ε of at most, pixel values")
    for axes in figure.axes:
        axes.set_xlim(SMALLEST, largest)
        axes.set_xticks(ticks, [f"{tick:,g}" for tick in ticks])
    return figure
