"""Figure 4: portability across the separate networks, two matrices.

Column A, row B: how many percent of the adversarial images of attribute A (FFA, line search) change the decision of B's
converged network. Left the images were made on the converged networks, and the diagonal is 100 % by construction; right
on those of the early epoch, and the diagonal tells what further training did not unlearn. A hatched column has no
adversarial image, which is not zero. Bright cells off the diagonal are surprising: the networks were trained apart.
"""

from matplotlib.figure import Figure

from faceflip.analysis.frames import read_csv
from faceflip.analysis.run import RunDescription
from faceflip.figures.heatmaps import draw_matrices
from faceflip.figures.options import FigureInputs, Options


def draw(inputs: FigureInputs, run: RunDescription, options: Options) -> Figure:
    """Draw converged to converged on the left, early epoch to converged on the right."""
    rates = read_csv(inputs["portability"])
    titles = {
        "converged": "Made on the converged networks",
        "epoch2": f"Made on the networks after epoch {run.early_epoch}",
    }
    panels = {titles[name]: part for name, part in rates.groupby("checkpoint", sort=False)}
    return draw_matrices(panels, run, options.order)
