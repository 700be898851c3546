"""Figure 4: portability across the separate networks, two matrices; see `faceflip.analysis.portability`."""

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
