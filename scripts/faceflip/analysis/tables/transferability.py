"""Transferability: what adversarial images of one attribute's network do to the networks of other attributes.

The paper calls it portability (Fig. 4). Column A, row B: the share of A's adversarial images (FFA, line search, both
signs) that change the decision of B's converged network against the unperturbed image. The images were made on the
converged networks (first matrix), or on those of an earlier epoch. The first diagonal is 100 % by construction; that of
an earlier epoch tells what further training did not unlearn, and is 100 % too for a network that had converged by then.
A column without adversarial images is empty, which is not zero. Off the diagonal large shares are surprising: the
networks were trained apart.
"""

import pandas as pd

from faceflip.analysis.frames import Inputs, read_attempts
from faceflip.analysis.matrices import matrix_sheets, rates_of, read_transfers
from faceflip.analysis.pages import Sheet
from faceflip.analysis.run import RunDescription

NOTHING = "This run has no line searches on networks of one attribute."


def transferability(attempts: pd.DataFrame, transfers: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Return `rates_of` the networks of one attribute; the column checkpoint says what the images were made on."""
    return rates_of(run.separate, attempts, transfers, run)


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `transferability` of the run."""
    return transferability(read_attempts(inputs["attempts"], run), read_transfers(inputs["transfers"]), run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay out the matrices."""
    return matrix_sheets(frame, run, NOTHING)
