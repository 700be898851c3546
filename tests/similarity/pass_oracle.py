"""PASS as most people would put it together: OpenCV's alignment and warp, scikit-image's SSIM."""

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from faceflip.similarity import Alignment, definition

_LUMA = np.array(definition.LUMA, np.float32)
_CRITERIA = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-6)


def gray(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32) @ _LUMA


def corner_shift(warp: np.ndarray, width: int, height: int) -> float:
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]], np.float64).T
    with np.errstate(all="ignore"):
        moved = warp.astype(np.float64) @ corners
        return float(np.hypot(*(moved[:2] / moved[2] - corners[:2])).max())


def align(original: np.ndarray, perturbed: np.ndarray, criteria=_CRITERIA) -> tuple[np.ndarray, Alignment, float]:
    """Return warp, how it ended and the coefficient; failed and implausible warps become the identity."""
    height, width = original.shape[:2]
    if np.array_equal(original, perturbed):
        return np.eye(3), Alignment.IDENTICAL, 1.0
    warp = np.eye(3, dtype=np.float32)
    try:
        first, second = gray(original), gray(perturbed)
        ecc, warp = cv2.findTransformECC(first, second, warp, cv2.MOTION_HOMOGRAPHY, criteria, None, 5)
    except cv2.error:
        return np.eye(3), Alignment.FAILED, np.nan
    if not np.isfinite(warp).all():
        return np.eye(3), Alignment.FAILED, np.nan
    if not corner_shift(warp, width, height) <= definition.PLAUSIBLE_SHIFT * min(width, height):
        return np.eye(3), Alignment.IMPLAUSIBLE, ecc
    return warp, Alignment.CONVERGED, ecc


def warped(image: np.ndarray, warp: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(
        image.astype(np.float32), warp.astype(np.float32), (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
    )


def ssim(first: np.ndarray, second: np.ndarray) -> float:
    axis = 2 if first.ndim == 3 else None
    return structural_similarity(
        first.astype(np.float64),
        second.astype(np.float64),
        channel_axis=axis,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )


def score(original: np.ndarray, perturbed: np.ndarray) -> tuple[float, np.ndarray, Alignment, float]:
    """Return PASS in colour, warp, status and coefficient."""
    warp, status, ecc = align(original, perturbed)
    if status is Alignment.IDENTICAL:
        return 1.0, warp, status, ecc
    return ssim(original, warped(perturbed, warp)), warp, status, ecc
