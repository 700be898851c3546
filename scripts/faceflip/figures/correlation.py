"""Correlation of attributes within a network of all attributes (Fig. 5, the paper's MOON).

Column A, row B: how many percent of the adversarial images of the attacked attribute A (FFA) also change the network's
decision on the watched attribute B; the diagonal is 100 % by construction. A hatched column has no adversarial image,
which is not zero; a dimmed one has fewer than ten. First the line search, then the iterative one. Related attributes
pull each other along; bright cells of unrelated ones would be surprising. The matrix is not symmetric.
"""

from matplotlib.figure import Figure

from faceflip.analysis.frames import FigureInputs
from faceflip.analysis.run import RunDescription
from faceflip.analysis.tables.correlation import NOTHING
from faceflip.figures.heatmaps import draw_matrices


def draw(inputs: FigureInputs, run: RunDescription) -> Figure:
    """Draw a matrix for each search, the line search first."""
    return draw_matrices(inputs["correlation"], run, NOTHING)
