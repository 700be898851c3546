"""Scores must not change unless the definition's name does."""

import json

import numpy as np
from pass_pairs import face

from faceflip.similarity import NAME, Alignment, parameters, pass_scores

# pass, ssim, pass_gray, ssim_gray of one drawn face under three changes.
GOLDEN = {
    "pass-1": (
        (0.8479129, 0.8404944, 0.9227383, 0.9183859),
        (0.9723708, 0.5876559, 0.9818089, 0.5994266),
        (0.9877036, 0.9876927, 0.9881590, 0.9881490),
    )
}


def test_golden_scores():
    image = face(11, 90, 110)
    rng = np.random.default_rng(12)
    noisy = image + 5 * rng.choice([-1, 1], image.shape)
    moved = np.roll(image, 2, 1) + rng.choice([-2, 2], image.shape)
    brighter = image * 1.1 + 5
    changed = np.clip(np.rint(np.stack([noisy, moved, brighter])), 0, 255).astype(np.uint8)
    scores = pass_scores(image[None], changed)
    found = np.stack([scores.pass_, scores.ssim, scores.pass_gray, scores.ssim_gray], 1)
    assert (scores.status == Alignment.CONVERGED).all()
    np.testing.assert_allclose(found, GOLDEN[NAME], atol=2e-6)


def test_parameters_are_plain_json():
    assert json.loads(json.dumps(parameters())) == parameters()
    assert parameters()["name"] == NAME


def test_labels():
    assert [state.label for state in Alignment] == ["identical", "converged", "not_converged", "failed", "implausible"]
