"""The annotations follow the real CelebA."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from faceflip.data.celeba import ATTRIBUTES, SPLITS
from faceflip.data.synthetic import label_model as labels
from faceflip.data.synthetic.label_model import HAIR_COLOURS, INDEX

FACES = 100_000


@pytest.fixture(scope="module")
def normals():
    return np.random.Generator(np.random.Philox(77)).standard_normal((FACES, len(ATTRIBUTES)))


@pytest.fixture(scope="module")
def annotated(normals):
    return labels.real_copula().annotate(normals, "train")


def test_the_real_statistics_are_complete():
    real = labels.real_statistics()
    assert set(real.prevalence) == set(SPLITS)
    assert real.correlation.shape == (40, 40)
    np.testing.assert_array_equal(real.correlation, real.correlation.T)
    np.testing.assert_array_equal(np.diag(real.correlation), 1)
    # The counts of the training labels, as published with the data: 68,261 men of 162,770.
    assert real.prevalence["train"][INDEX["Male"]] == pytest.approx(68261 / 162770, abs=1e-6)


@pytest.mark.parametrize("split", SPLITS)
def test_prevalences_are_the_real_ones_of_each_split(normals, split):
    present = labels.real_copula().annotate(normals, split)[0] > 0
    wanted = labels.real_statistics().prevalence[split]
    sampling = np.sqrt(wanted * (1 - wanted) / FACES)
    # Four standard errors, and 0.4 points for what the calibration leaves.
    assert (np.abs(present.mean(axis=0) - wanted) < 4 * sampling + 0.004).all()


def test_correlations_are_the_real_ones(annotated):
    found = labels.phi_coefficients(annotated[0] > 0)
    error = (found - labels.real_statistics().correlation)[np.triu_indices(40, 1)]
    assert np.abs(error).max() < 0.05
    assert np.sqrt((error**2).mean()) < 0.012


def test_phi_coefficients_are_correlations_of_the_bits():
    sample = np.random.Generator(np.random.Philox(3)).random((1001, 5)) < np.array([0.1, 0.3, 0.5, 0.9, 0.02])
    sample[:, 1] |= sample[:, 0]
    np.testing.assert_allclose(labels.phi_coefficients(sample), np.corrcoef(sample.T.astype(float)), atol=1e-12)


def test_tetrachoric_inverts_the_bivariate_normal():
    prevalence, latent = np.array([0.3, 0.08]), -0.4
    thresholds = labels.ndtri(1 - prevalence)
    both = multivariate_normal([0, 0], [[1, latent], [latent, 1]]).cdf(-thresholds)
    phi = (both - prevalence.prod()) / np.sqrt((prevalence * (1 - prevalence)).prod())
    found = labels.tetrachoric(prevalence, np.array([[1, phi], [phi, 1]]))
    assert found[0, 1] == pytest.approx(latent, abs=1e-4)
    np.testing.assert_array_equal(np.diag(found), 1)


def test_nearest_correlation_repairs_an_impossible_matrix():
    impossible = np.array([[1, 0.9, 0.9], [0.9, 1, -0.9], [0.9, -0.9, 1]])
    assert np.linalg.eigvalsh(impossible).min() < 0
    found = labels.nearest_correlation(impossible)
    assert np.linalg.eigvalsh(found).min() > 0
    np.testing.assert_allclose(np.diag(found), 1)
    possible = np.array([[1, 0.5], [0.5, 1]])
    np.testing.assert_allclose(labels.nearest_correlation(possible), possible, atol=1e-9)


def test_contradictions_do_not_occur(annotated):
    present = annotated[0] > 0
    column = {name: present[:, position] for name, position in INDEX.items()}
    assert np.sum([column[name] for name in HAIR_COLOURS], axis=0).max() == 1
    never_together = [
        *[("Bald", name) for name in ("Bangs", "Black_Hair", "Blond_Hair", "Brown_Hair", "Straight_Hair", "Wavy_Hair")],
        ("Wearing_Hat", "Receding_Hairline"),
        ("Receding_Hairline", "Bangs"),
        ("Straight_Hair", "Wavy_Hair"),
        *[("No_Beard", name) for name in ("Goatee", "Mustache", "Sideburns")],
    ]
    for one, other in never_together:
        assert not (column[one] & column[other]).any(), (one, other)
    for name in ("Bald", "5_o_Clock_Shadow", "Goatee", "Mustache", "Sideburns", "Wearing_Necktie"):
        assert column["Male"][column[name]].all(), name
    assert column["No_Beard"][~column["Male"]].all()


def test_strength_has_the_sign_of_the_label_and_borderline_faces_exist(annotated):
    signs, strength = annotated
    np.testing.assert_array_equal(np.where(strength > 0, 1, -1), signs)
    share = np.minimum((signs > 0).mean(axis=0), (signs < 0).mean(axis=0))
    borderline = (np.abs(strength) < 0.1).mean(axis=0)
    assert (borderline > 0.08 * share).all()
    assert (borderline < 0.25 * share).all()


def test_mislabelled_faces_show_the_opposite_at_the_stated_rate(normals):
    uniforms = np.random.Generator(np.random.Philox(78)).random(normals.shape)
    plain = labels.annotations(normals, uniforms, "train", 0.0)
    wrong = labels.annotations(normals, uniforms, "train", 0.1)
    assert not plain.mislabelled.any()
    np.testing.assert_array_equal(wrong.labels, plain.labels)
    np.testing.assert_array_equal(wrong.strength, np.where(wrong.mislabelled, -plain.strength, plain.strength))
    share = labels.real_statistics().prevalence["train"]
    expected = 2 * 0.1 * np.minimum(share, 1 - share)
    np.testing.assert_allclose(wrong.mislabelled.mean(axis=0), expected, atol=0.006)
    # As many of either class, so that what is drawn has the real prevalences too.
    np.testing.assert_allclose((wrong.strength > 0).mean(axis=0), share, atol=0.009)
