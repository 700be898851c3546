"""What PASS is: the parameters of the definition, what a score comes with, and how an alignment can end.

PASS(x~, x) = SSIM(warp(x~), x) (Rozsa et al. 2016, "Adversarial diversity and hard positive generation"): the perturbed
image is aligned to the original by the homography that maximises the enhanced correlation coefficient (Evangelidis and
Psarakis 2008), then compared by structural similarity (Wang et al. 2004); see `docs/reference/pass.md`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np

NAME = "pass-1"

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601)."""

# Enhanced correlation coefficient.
MAX_ITERATIONS = 50
CORNER_TOLERANCE = 2e-3
PIVOT_TOLERANCE = 1e-7
FLAT_VARIANCE = 1e-8
PLAUSIBLE_SHIFT = 0.1

# Structural similarity.
WINDOW = 11
SIGMA = 1.5
C1 = (0.01 * 255.0) ** 2
C2 = (0.03 * 255.0) ** 2


def parameters() -> dict[str, Any]:
    """Return name and parameters of the definition, to be stored beside every score (plain JSON types)."""
    return {
        "name": NAME,
        "luma": list(LUMA),
        "ecc_blur": [1, 4, 6, 4, 1],
        "ecc_motion": "homography",
        "ecc_max_iterations": MAX_ITERATIONS,
        "ecc_corner_tolerance_px": CORNER_TOLERANCE,
        "ecc_pivot_tolerance": PIVOT_TOLERANCE,
        "ecc_flat_variance": FLAT_VARIANCE,
        "ecc_plausible_corner_shift": PLAUSIBLE_SHIFT,
        "warp": "bilinear, replicated border, not rounded",
        "ssim_window": WINDOW,
        "ssim_sigma": SIGMA,
        "ssim_k1": 0.01,
        "ssim_k2": 0.03,
        "ssim_range": 255,
        "ssim_covariance": "population",
        "ssim_region": "valid",
    }


def window() -> np.ndarray:
    """Return the 11 weights of the separable Gaussian window of SSIM as float64; they sum to one."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-0.5 * (offsets / SIGMA) ** 2)
    return weights / weights.sum()


class Alignment(IntEnum):
    """How the alignment of a pair ended; the warp is the identity except where it converged or was still moving."""

    IDENTICAL = 0
    """No pixel differs: every score is exactly one and nothing was aligned."""
    CONVERGED = 1
    """The last step moved no corner by `CORNER_TOLERANCE` pixels or more."""
    NOT_CONVERGED = 2
    """Still moving after `MAX_ITERATIONS` steps; the last warp is kept."""
    FAILED = 3
    """The coefficient is undefined or the search broke down (constant image, singular, diverging)."""
    IMPLAUSIBLE = 4
    """The warp found would move a corner by more than a tenth of the shorter side."""

    @property
    def label(self) -> str:
        """The name used in tables: identical, converged, not_converged, failed, implausible."""
        return self.name.lower()


SIMILARITIES = ("pass_", "ssim", "pass_gray", "ssim_gray")
"""The fields of `PassScores` that hold similarities."""


@dataclass(frozen=True)
class PassScores:
    """Scores of n pairs; every field is an array whose first axis is the pair.

    Attributes:
        pass_, pass_gray: PASS, the similarity of the original and the aligned perturbed image, in colour and grey,
            float64, at most 1; NaN where it was not asked for.
        ssim, ssim_gray: The same without alignment.
        ecc: Enhanced correlation coefficient before the last step, float64; 1 for identical pairs, NaN where it is
            undefined or the search broke down.
        iterations: Gauss-Newton steps, int32.
        status: `Alignment` codes, int8.
        warp: n x 3 x 3 float64; the homography that was applied. It takes a pixel (x, y, 1) of the original to the
            place in the perturbed image that it is compared with.
    """

    pass_: np.ndarray
    ssim: np.ndarray
    pass_gray: np.ndarray
    ssim_gray: np.ndarray
    ecc: np.ndarray
    iterations: np.ndarray
    status: np.ndarray
    warp: np.ndarray

    @classmethod
    def empty(cls, n: int) -> "PassScores":
        """Return unfilled scores of `n` pairs: NaN similarities, no iterations, identity warps."""
        warp = np.zeros((n, 9))
        warp[:, ::4] = 1.0
        return cls(
            *np.full((5, n), np.nan),
            iterations=np.zeros(n, np.int32),
            status=np.full(n, Alignment.FAILED, np.int8),
            warp=warp.reshape(n, 3, 3),
        )

    def __len__(self) -> int:
        return len(self.pass_)

    def __getitem__(self, index) -> "PassScores":
        """Return the scores of some pairs (anything that indexes the first axis and keeps it)."""
        return PassScores(*(getattr(self, field.name)[index] for field in fields(self)))

    @property
    def alignment(self) -> list[str]:
        """The labels of `status`."""
        return [Alignment(code).label for code in self.status]

    def columns(self) -> Iterator[tuple[str, Any]]:
        """Yield name and values of the columns that score tables hold."""
        for name in (*SIMILARITIES, "ecc", "iterations", "alignment"):
            yield name.rstrip("_"), getattr(self, name)
