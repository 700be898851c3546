"""Attributes with the prevalences and correlations of the real CelebA: a calibrated Gaussian copula.

Every attribute is the sign of a margin, "latent value minus threshold", and the latent values of one face are jointly
normal. Three steps find the model:

1. *Tetrachoric inversion*: for each pair, the latent correlation at which two thresholded normals have the phi
   coefficient of the real labels, by bisection.
2. *Projection*: pairs that are matched one by one need not fit together, so the nearest correlation matrix is taken.
3. *Calibration*: some attributes exclude each other in a drawing (`resolve_contradictions`). Thresholds and latent
   correlations are nudged until a large fixed sample, contradictions resolved, has the real statistics.
"""

import csv
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from faceflip.data.celeba import ATTRIBUTES, SPLITS

INDEX = {name: position for position, name in enumerate(ATTRIBUTES)}
"""Column of each attribute in all arrays of this module."""

HAIR_COLOURS = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")

_CALIBRATION_FACES = 1 << 15
_CALIBRATION_ROUNDS = 16
_DECIMALS = 6  # linear algebra differs in the last bits between machines and thread counts; what is drawn must not


class Statistics(NamedTuple):
    """Statistics of the real labels: shares per split (40,), and phi coefficients (40, 40) of the training labels."""

    prevalence: dict[str, np.ndarray]
    correlation: np.ndarray


def real_statistics() -> Statistics:
    """Read the statistics of the real CelebA that come with the package."""

    def columns(table: str, names: Sequence[str]) -> np.ndarray:
        with (files("faceflip.data.synthetic") / table).open(newline="", encoding="ascii") as file:
            rows = {row["attribute"]: row for row in csv.DictReader(file)}
        return np.array([[float(rows[attribute][name]) for attribute in ATTRIBUTES] for name in names])

    shares = columns("prevalence.csv", [f"prevalence_pct_{split}" for split in ("train", "val", "test")]) / 100
    return Statistics(dict(zip(SPLITS, shares, strict=True)), columns("correlation_train.csv", ATTRIBUTES))


def _excess_joint_probability(first: np.ndarray, second: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """P(X > first, Y > second) - P(X > first) P(Y > second) of standard normals with the given correlation.

    The integral of the bivariate density over the correlation (Drezner and Wesolowsky 1990, eq. 3), substituted by
    r = sin(angle), with 24 Gauss-Legendre nodes.
    """
    nodes, weights = np.polynomial.legendre.leggauss(24)
    half = np.arcsin(correlation)[..., None] / 2
    angle = half * (nodes + 1)
    first, second = first[..., None], second[..., None]
    exponent = (first**2 + second**2 - 2 * first * second * np.sin(angle)) / (2 * np.cos(angle) ** 2)
    return (np.exp(-exponent) * weights * half).sum(axis=-1) / (2 * np.pi)


def tetrachoric(prevalence: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """Return the latent correlations (n, n) at which thresholded normals have the phi coefficients `phi` (n, n).

    Coefficients beyond what `prevalence` (n,), the shares above the thresholds, allows give -0.995 or 0.995.
    """
    threshold = ndtri(1 - prevalence)
    deviation = np.sqrt(prevalence * (1 - prevalence))
    covariance = phi * np.outer(deviation, deviation)
    first, second = np.broadcast_arrays(threshold[:, None], threshold[None, :])
    low, high = np.full(phi.shape, -0.995), np.full(phi.shape, 0.995)
    for _ in range(40):
        middle = (low + high) / 2
        above = _excess_joint_probability(first, second, middle) > covariance
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    latent = (low + high) / 2
    np.fill_diagonal(latent, 1.0)
    return latent


def nearest_correlation(matrix: np.ndarray, *, rounds: int = 6, smallest: float = 1e-4) -> np.ndarray:
    """Return a correlation matrix near `matrix` (symmetric), with eigenvalues of about `smallest` or more.

    Alternating projections with Dykstra's correction (Higham 2002, algorithm 3.3).
    """

    def semidefinite(symmetric: np.ndarray) -> np.ndarray:
        values, vectors = np.linalg.eigh(symmetric)
        return (vectors * np.maximum(values, smallest)) @ vectors.T

    current, correction = matrix.copy(), np.zeros_like(matrix)
    for _ in range(rounds):
        shifted = current - correction
        projected = semidefinite(shifted)
        correction = projected - shifted
        current = projected.copy()
        np.fill_diagonal(current, 1.0)
    current = semidefinite(current)
    scale = 1 / np.sqrt(np.diag(current))
    return current * np.outer(scale, scale)


def resolve_contradictions(margins: np.ndarray) -> np.ndarray:
    """Return which attributes (n, 40) bool are present, given margins (n, 40), with nothing that cannot be drawn.

    Of several hair colours, and of straight and wavy hair, the one with the largest margin stays. In the real labels
    what excludes each other here occurs together next to never (at 0.9 or more of the exclusion that the prevalences
    allow).
    """
    present = margins > 0
    column = {name: present[:, position] for name, position in INDEX.items()}  # views: changed in place

    def without(where: np.ndarray, *names: str) -> None:
        for name in names:
            column[name][where] = False

    strongest = margins[:, [INDEX[name] for name in HAIR_COLOURS]].argmax(axis=1)
    for position, name in enumerate(HAIR_COLOURS):
        without(strongest != position, name)
    men = column["Male"]
    without(~men, "Bald", "5_o_Clock_Shadow", "Goatee", "Mustache", "Sideburns", "Wearing_Necktie")
    without(column["Bald"], "Bangs", "Black_Hair", "Blond_Hair", "Brown_Hair", "Straight_Hair", "Wavy_Hair")
    without(column["Wearing_Hat"], "Receding_Hairline")
    without(column["Receding_Hairline"], "Bangs")
    straighter = margins[:, INDEX["Straight_Hair"]] > margins[:, INDEX["Wavy_Hair"]]
    without(column["Straight_Hair"] & straighter, "Wavy_Hair")
    without(column["Wavy_Hair"], "Straight_Hair")
    without(column["Goatee"] | column["Mustache"] | column["Sideburns"], "No_Beard")
    column["No_Beard"][~men] = True
    return present


def phi_coefficients(present: np.ndarray) -> np.ndarray:
    """Return the phi coefficients (40, 40) of a sample (n, 40) of bool, counted in packed bits: exact and fast."""
    faces = len(present)
    bits = np.packbits(np.pad(present, ((0, -faces % 64), (0, 0))), axis=0).T
    words = np.ascontiguousarray(bits).view(np.uint64)
    together = np.stack([np.bitwise_count(words & row).sum(axis=1, dtype=np.int64) for row in words]) / faces
    share = np.diag(together)
    deviation = np.sqrt(share * (1 - share))
    return (together - np.outer(share, share)) / np.outer(deviation, deviation)


class Copula(NamedTuple):
    """Latent values are `factor` (40, 40) @ normals, labels whether they are above a split's `thresholds` (40,)."""

    factor: np.ndarray
    thresholds: dict[str, np.ndarray]

    def annotate(self, normals: np.ndarray, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Turn independent standard normals (n, 40) into labels (n, 40) int8, -1 or 1, and strengths (n, 40).

        A strength, positive where the label is 1, is how far the face is from the other class, as a share of the rarer
        class, which lies evenly between 0 (borderline) and 1 on its side.
        """
        threshold = self.thresholds[split]
        # Rounded, because the last bits of a product depend on how many rows are multiplied at once.
        latent = (normals @ self.factor.T).round(9)
        present = resolve_contradictions(latent - threshold)
        share = ndtr(-threshold)
        strength = (ndtr(latent) - (1 - share)) / np.minimum(share, 1 - share)
        # What a contradiction changed is clearly absent (or present), not borderline.
        strength = np.where(present == (strength > 0), strength, np.where(present, 1.0, -1.0))
        return np.where(present, 1, -1).astype(np.int8), strength


@cache
def real_copula() -> Copula:
    """Calibrate the copula to the real CelebA (a second or less, once per process)."""
    real = real_statistics()
    sample = np.random.Generator(np.random.Philox(2018)).standard_normal((_CALIBRATION_FACES, len(ATTRIBUTES)))
    # Means of exactly 0, covariances of exactly 1 and 0.
    sample -= sample.mean(axis=0)
    normals = np.linalg.solve(np.linalg.cholesky(np.cov(sample.T, bias=True)), sample.T).T

    def corrected(threshold: np.ndarray, observed: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        density = np.exp(-(threshold**2) / 2) / np.sqrt(2 * np.pi)
        return threshold + 0.8 * (observed - wanted) / np.maximum(density, 0.05)

    wanted = real.prevalence["train"]
    threshold = ndtri(1 - wanted)
    target = tetrachoric(wanted, real.correlation)
    for _ in range(_CALIBRATION_ROUNDS):
        latent = nearest_correlation(target)
        present = resolve_contradictions(normals @ np.linalg.cholesky(latent).T - threshold)
        threshold = corrected(threshold, present.mean(axis=0), wanted)
        target = np.clip(latent - 0.7 * (phi_coefficients(present) - real.correlation), -0.999, 0.999)
        np.fill_diagonal(target, 1.0)
    factor = np.linalg.cholesky(nearest_correlation(target)).round(_DECIMALS)
    values = normals @ factor.T
    thresholds = {}
    for split, wanted in real.prevalence.items():
        fitted = threshold
        for _ in range(6):
            fitted = corrected(fitted, resolve_contradictions(values - fitted).mean(axis=0), wanted)
        thresholds[split] = fitted.round(_DECIMALS)
    return Copula(factor, thresholds)


class Annotations(NamedTuple):
    """Annotations of some faces of one split, and what the faces really look like.

    The drawing of a *mislabelled* attribute shows the opposite of its annotation, so that the annotations keep the
    real statistics. The share m of each attribute's rarer class is mislabelled, and as many of the more frequent class:
    a share m of everything where both are equally frequent, next to nothing for an attribute that is rare.

    All are (n, 40): `labels` int8, -1 or 1; `strength`, how clearly the drawing shows the attribute (above 0) or its
    absence (below 0); `mislabelled` bool.
    """

    labels: np.ndarray
    strength: np.ndarray
    mislabelled: np.ndarray


def annotations(normals: np.ndarray, uniforms: np.ndarray, split: str, mislabelled: float) -> Annotations:
    """Annotate faces from independent standard normals and uniforms on [0, 1), both (n, 40)."""
    copula = real_copula()
    labels, strength = copula.annotate(normals, split)
    share = real_statistics().prevalence[split]
    rate = np.where(labels > 0, np.minimum(1, (1 - share) / share), np.minimum(1, share / (1 - share)))
    wrong = uniforms < mislabelled * rate
    return Annotations(labels, np.where(wrong, -strength, strength), wrong)
