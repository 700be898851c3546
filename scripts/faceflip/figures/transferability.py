"""Transferability across the networks of one attribute (Fig. 4, the paper's portability).

Column A, row B: how many percent of the adversarial images of the attacked attribute A (FFA, line search) change the
decision of the converged network of the watched attribute B. Left the images were made on the converged networks, and
the diagonal is 100 % by construction; right on those of an earlier epoch, and the diagonal tells what further training
did not unlearn. A hatched column has no adversarial image, which is not zero; a dimmed one has fewer than ten. Bright
cells off the diagonal are surprising, unless dimmed: the networks were trained apart.
"""

from matplotlib.figure import Figure

from faceflip.analysis.frames import FigureInputs
from faceflip.analysis.run import RunDescription
from faceflip.analysis.tables.transferability import NOTHING
from faceflip.figures.heatmaps import draw_matrices


def draw(inputs: FigureInputs, run: RunDescription) -> Figure:
    """Draw a matrix for each checkpoint that the images were made on, converged first."""
    return draw_matrices(inputs["transferability"], run, NOTHING)
