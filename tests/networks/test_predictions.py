"""Predictions: what a network says of images, or that it says nothing."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from faceflip.errors import UserError
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.checkpoint import CheckpointInfo, save_checkpoint
from faceflip.networks.network import NetworkSpec, build
from faceflip.stages.predict import predict
from faceflip.training.loop import LabelledImages, error_rate


def overflowing():
    """Return a network whose weights are finite and whose scores are not."""
    spec = NetworkSpec("euclidean", ("Smiling",), (44, 54), ArchitectureOptions(width=0.0625))
    network = build(spec, seed=1)
    with torch.no_grad():
        network.layers[-1].weight.fill_(3e38)
    return network


IMAGES = np.random.default_rng(0).integers(0, 256, (5, 54, 44, 3), dtype=np.uint8)


def test_scores_that_are_not_finite_are_refused_and_the_image_named(tmp_path):
    save_checkpoint(tmp_path / "x.pt", overflowing(), CheckpointInfo("mine", "Smiling", 2, {}, {}, "abc"))
    dataset = SimpleNamespace(
        images=IMAGES,
        file_names=np.array([f"{k}.jpg" for k in range(5)]),
        rows=lambda _: np.array([2, 3, 4]),
        labels_of=lambda _: np.ones((5, 1), np.int8),
    )
    with pytest.raises(UserError, match=r"x\.pt: its scores of 3 images are not finite, of 2\.jpg first"):
        predict(dataset, {}, {"converged": tmp_path / "x.pt"}, "mine", ["Smiling"], torch.device("cpu"), 2)


def test_an_error_rate_needs_scores_that_are_finite():
    examples = LabelledImages(IMAGES, np.arange(5), np.ones((5, 1), np.int8))
    with pytest.raises(UserError, match=r"scores of validation images are not finite; lower training\.learning_rate"):
        error_rate(overflowing(), examples)
