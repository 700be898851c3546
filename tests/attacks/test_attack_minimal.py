"""The searches for small perturbations: what they promise, and how they stand beside the attacks that they follow."""

import numpy as np
import pytest
import torch
from attack_networks import Linear, Padded, convolutional, noise_images
from torch import nn

from faceflip.attacks import AttackResult, attack, plain
from faceflip.outcomes import Outcome

pytestmark = pytest.mark.usefixtures("one_thread")

MINIMAL = ("ffa-newton", "ffa-descent")


def l2_of(result: AttackResult) -> np.ndarray:
    sizes = np.sqrt(np.square(result.perturbation.astype(float)).sum(axis=(1, 2, 3)))
    return np.where(result.flipped, sizes, np.inf)


class Recording(nn.Module):
    """Keeps the first image of every batch, and the network's score of it."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.seen = network, []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores = self.network(images)
        self.seen.append((images[0].detach().permute(1, 2, 0).numpy().copy(), float(scores[0, 0])))
        return scores


def test_a_descent_ends_with_no_larger_a_flip_than_any_that_it_saw():
    network = convolutional(1, seed=3, spread=1.5)
    for image in noise_images(12, seed=2):
        recording = Recording(network)
        found = plain.attack(recording, image, "ffa-descent")
        flips = [
            np.square(seen - image).sum()
            for seen, score in recording.seen
            if (score > 0) != (found.score_before > 0) and (seen == np.rint(seen)).all()
        ]
        assert found.flipped == bool(flips)
        if flips:
            assert np.square(found.perturbation.astype(float)).sum() <= min(flips)


def test_a_descent_finds_smaller_flips_than_the_first_ray():
    network, images = convolutional(1, seed=3, spread=1.5), noise_images(60, seed=2)
    line, newton, descent = (l2_of(attack(network, images, name)) for name in ("ffa-line", *MINIMAL))
    assert np.isfinite(descent).all()
    assert (descent <= 1.001 * newton).mean() > 0.9
    assert (descent < 0.99 * line).mean() > 0.6
    assert np.median(descent / newton) < 0.99
    assert np.median(newton / line) < 0.999


@pytest.mark.parametrize("name", MINIMAL)
@pytest.mark.parametrize("options", [{"max_epsilon": 3}, {"descent_steps": 2, "max_steps": 1}], ids=str)
def test_caps_hold(name, options):
    network, images = convolutional(1, seed=3, spread=1.5), noise_images(30, seed=2)
    result = attack(network, images, name, **options)
    most = options.get("max_epsilon", 255)
    assert np.abs(result.perturbation).max() <= most
    assert set(result.outcome.tolist()) <= {Outcome.FLIPPED, Outcome.MAX_EPSILON, Outcome.SATURATED}
    if "max_steps" in options:
        assert result.gradient_passes.max() <= {"ffa-newton": 2, "ffa-descent": 3}[name]
        assert result.steps.max() <= {"ffa-newton": 1, "ffa-descent": 2}[name]
    else:
        assert 0 < result.flipped.mean() < 1


@pytest.mark.parametrize("name", MINIMAL)
def test_neighbours_make_no_difference(name):
    """Where the network was tried on the same images, an image's attempt is the same whatever else is attacked."""
    network, images = convolutional(1, seed=3, spread=1.5), noise_images(50, seed=4)
    examined = images[:16]
    whole = attack(network, images, name, batch_size=16, examined=examined)
    chosen = np.array([41, 3, 17, 28, 29])
    part = attack(network, images[chosen], name, batch_size=16, examined=examined)
    np.testing.assert_array_equal(part.perturbation, whole.perturbation[chosen])
    np.testing.assert_array_equal(part.epsilon, whole.epsilon[chosen])
    np.testing.assert_array_equal(part.forward_passes, whole.forward_passes[chosen])


@pytest.mark.parametrize("name", MINIMAL)
@pytest.mark.parametrize("objective", ["euclidean", "softmax"])
def test_no_gradient_is_told(name, objective):
    network = Linear(np.zeros((2, 48)), np.array([1.0, 2.0]))
    result = attack(network, noise_images(3, 0, (4, 4)), name, objective=objective)
    assert (result.outcome == Outcome.ZERO_GRADIENT).all()
    assert (result.gradient_passes == 1).all()


class Torn(nn.Module):
    """A network whose gradient is no number where its score is nearly zero."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores = self.network(images)
        if scores.requires_grad:
            near = scores.detach().abs() < 0.3
            scores.register_hook(lambda gradient: gradient.where(~near, torch.nan))
        return scores


@pytest.mark.slow
@pytest.mark.parametrize("name", [*MINIMAL, "ffa-iterative"])
def test_a_gradient_that_is_no_number_is_no_direction(name):
    """The engine does what the plain method does: it goes on by what it knows."""
    network, images = Torn(convolutional(1, seed=3, spread=1.5)), noise_images(40, seed=2)
    with torch.no_grad():
        scores = network(torch.from_numpy(images).permute(0, 3, 1, 2).float())[:, 0]
    images = images[scores.abs().numpy() > 0.4][:16]  # those that attacks begin at must have a gradient
    result = attack(network, images, name, batch_size=16, max_steps=20)
    alone = Padded(network, 16)
    found = [plain.attack(alone, image, name, margin=result.margin, max_steps=20) for image in images]
    np.testing.assert_array_equal(result.outcome, [each.outcome for each in found])
    np.testing.assert_array_equal(result.perturbation, [each.perturbation for each in found])
    assert (result.outcome == Outcome.FLIPPED).any() == (name in MINIMAL)


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["ffa", "fgs", "ffa-ssim"])
@pytest.mark.parametrize("search", ["newton", "descent"])
def test_every_direction_goes_with_these_searches(direction, search):
    """Flips hold on whole pixel values in a batch of one. Directions that lead back are turned round."""
    size = (16, 16)
    network, images = convolutional(1, seed=3, size=size, spread=1.5), noise_images(20, 2, size)
    result = attack(network, images, "mine", direction=direction, search=search)
    assert result.flipped.mean() > 0.8
    alone = Padded(network, 1)
    for image, change, before in zip(images, result.perturbation, result.score_before, strict=True):
        perturbed = image + change
        assert perturbed.min() >= 0
        assert perturbed.max() <= 255
        if change.any():
            batch = torch.from_numpy(perturbed).permute(2, 0, 1)[None].float()
            with torch.no_grad():
                assert (float(alone(batch)) > 0) != (before > 0)


class TwoLogits(nn.Module):
    """Logits [-v, v] of a network of one score."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        value = self.network(images)
        return torch.cat([-value, value], dim=1)


@pytest.mark.peers
def test_newton_goes_where_deepfool_goes():
    foolbox = pytest.importorskip("foolbox")
    network, images = convolutional(1, seed=3, spread=1.5).requires_grad_(False), noise_images(20, seed=2)
    batch = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        decided = (network(batch)[:, 0] > 0).long()
    model = foolbox.PyTorchModel(TwoLogits(network).eval(), bounds=(0, 255))
    theirs, _, success = foolbox.attacks.L2DeepFoolAttack(steps=50, candidates=2)(model, batch, decided, epsilons=None)
    assert success.all()
    for image, label, their in zip(images, decided.tolist(), theirs, strict=True):
        far = their.permute(1, 2, 0).numpy() - image
        method = plain.Method(
            network, image.ravel(), image.shape, 0, "euclidean", 0, plain.AttackOptions(max_epsilon=10_000), "boundary"
        )
        rays = []
        method.on_ray = lambda way, steps, rays=rays: rays.append(way)
        method.newton()
        cosine = rays[0] @ far.ravel() / np.linalg.norm(rays[0]) / np.linalg.norm(far)
        assert cosine > 0.99, label


@pytest.mark.slow
@pytest.mark.peers
def test_a_descent_is_about_as_small_as_ddn_with_three_times_the_steps():
    """Foolbox's DDN as a direction for the line search, so that rounding does not count against it."""
    pytest.importorskip("foolbox")
    network, images = convolutional(1, seed=5, spread=1.5), noise_images(40, seed=6)
    options = {"file": "foolbox.attacks:DDNAttack", "options": {"steps": 100}, "then": "line"}
    theirs, ours = l2_of(attack(network, images, "ddn", **options)), l2_of(attack(network, images, "ffa-descent"))
    assert np.isfinite(ours).mean() >= np.isfinite(theirs).mean()
    assert np.median(ours) <= 1.02 * np.median(theirs)
