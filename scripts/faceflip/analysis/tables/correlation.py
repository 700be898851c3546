"""Correlation on MOON (Fig. 5): what adversarial images of one attribute do to MOON's other outputs.

Column A, row B: the share of A's adversarial images on MOON (FFA, both signs) that also change its decision on B. The
diagonal is 100 % by construction. The matrix is not symmetric: flipping Goatee may flip No Beard without the converse.
Large shares among related attributes are what the paper found; among unrelated ones they would be surprising. The
iterative search changes less of the image, and yet the paper found it to flip related attributes more often.
"""

import pandas as pd

from faceflip.analysis.frames import Inputs, read_attempts
from faceflip.analysis.matrices import matrix_sheet, rates_of, read_transfers
from faceflip.analysis.names import SEARCH_NAMES, SEARCHES, ordered
from faceflip.analysis.pages import Sheet
from faceflip.analysis.run import RunDescription


def correlation(attempts: pd.DataFrame, transfers: pd.DataFrame, run: RunDescription) -> pd.DataFrame:
    """Count transfers among the outputs of MOON.

    Returns:
        Columns search (``line`` for the left matrix, ``iterative`` for the right one), source, target, images, changed,
        rate, low, high.
    """
    experiments = {search: ("moon", "converged", f"ffa-{search}") for search in SEARCHES}
    return rates_of(experiments, "search", attempts, transfers, run.threshold, ordered(run.moon_attributes))


def compute(inputs: Inputs, run: RunDescription) -> pd.DataFrame:
    """Return `correlation` of the run."""
    return correlation(read_attempts(inputs["attempts"]), read_transfers(inputs["transfers"]), run)


def sheets(frame: pd.DataFrame, run: RunDescription) -> list[Sheet]:
    """Lay out both matrices."""
    return [
        matrix_sheet(part, f"MOON, {SEARCH_NAMES[search]}", run) for search, part in frame.groupby("search", sort=False)
    ]
