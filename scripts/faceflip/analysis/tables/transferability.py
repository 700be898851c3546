"""Portability (Fig. 4): what adversarial images of one separate network do to the other separate networks.

Column A, row B: the share of A's adversarial images (FFA, line search, Euclidean loss, both signs) that change the
decision of B's converged network against the unperturbed image. The images were made on the converged networks (first
matrix), or on those of the early epoch (second). The first diagonal is 100 % by construction. The second tells what
further training did not unlearn; for a network that had converged by then it is 100 % too. A column without adversarial
images is empty, which is not zero. Off the diagonal large shares are surprising: the networks were trained apart.
"""

import pandas as pd

from faceflip.analysis.frames import Inputs, read_attempts
from faceflip.analysis.matrices import matrix_sheet, rates_of, read_transfers
from faceflip.analysis.names import ordered
from faceflip.analysis.pages import Sheet
from faceflip.analysis.run import RunDescription


def portability(attempts: pd.DataFrame, transfers: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Count transfers among the separate networks with Euclidean loss.

    Returns:
        Columns checkpoint (``converged`` for the left matrix, ``epoch2`` for the right one), source, target, images,
        changed, rate, low, high.
    """
    experiments = {checkpoint: ("euclidean", checkpoint, "ffa-line") for checkpoint in ("converged", "epoch2")}
    return rates_of(experiments, "checkpoint", attempts, transfers, run.threshold, ordered(run.attributes))


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `portability` of the run."""
    return portability(read_attempts(inputs["attempts"]), read_transfers(inputs["transfers"]), run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay out both matrices."""
    titles = {"converged": "Converged to converged", "epoch2": f"Epoch {run.early_epoch} to converged"}
    return [matrix_sheet(part, titles[name], run) for name, part in frame.groupby("checkpoint", sort=False)]
