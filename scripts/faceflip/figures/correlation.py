"""Figure 5: correlation of attributes on MOON, two matrices.

Column A, row B: how many percent of the adversarial images of attribute A (FFA) also change MOON's decision on B; the
diagonal is 100 % by construction, a hatched column has no adversarial image. Left the line search, right the iterative
one. Related attributes pull each other along; bright cells of unrelated ones would be surprising. The matrix is not
symmetric.
"""

from matplotlib.figure import Figure

from faceflip.analysis.frames import read_csv
from faceflip.analysis.run import RunDescription
from faceflip.figures.heatmaps import draw_matrices
from faceflip.figures.options import FigureInputs, Options


def draw(inputs: FigureInputs, run: RunDescription, options: Options) -> Figure:
    """Draw the line search on the left, the iterative search on the right."""
    rates = read_csv(inputs["correlation"])
    titles = {"line": "FFA, line search", "iterative": "FFA, iterative"}
    panels = {titles[name]: part for name, part in rates.groupby("search", sort=False)}
    return draw_matrices(panels, run, options.order)
