"""Correlation of attributes within a network: what adversarial images of one attribute do to its other outputs.

Column A, row B: the share of A's adversarial images on a network of all attributes (MOON in the paper; FFA, both signs)
that also change its decision on B. The diagonal is 100 % by construction. The matrix is not symmetric: flipping one
attribute may flip another without the converse, as Goatee and No Beard do in the paper. Large shares among related
attributes are what the paper found (Fig. 5); among unrelated ones they would be surprising. The iterative search
changes less of the image, and yet the paper found it to flip related attributes more often.
"""

import pandas as pd

from faceflip.analysis.frames import Inputs, read_attempts
from faceflip.analysis.matrices import matrix_sheets, rates_of, read_transfers
from faceflip.analysis.pages import Sheet
from faceflip.analysis.run import RunDescription

NOTHING = "This run has no attacks on a network of all attributes."


def correlation(attempts: pd.DataFrame, transfers: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Return `rates_of` the networks of all attributes; by search they are the paper's left and right matrix."""
    return rates_of(run.joint, attempts, transfers, run)


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `correlation` of the run."""
    return correlation(read_attempts(inputs["attempts"], run), read_transfers(inputs["transfers"]), run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay out the matrices."""
    return matrix_sheets(frame, run, NOTHING)
