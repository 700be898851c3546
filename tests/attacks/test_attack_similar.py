"""FFA turned to where SSIM loses least: the model against SSIM's own second derivatives, and what becomes of flips."""

import numpy as np
import pytest
import torch
from attack_networks import Linear, convolutional, noise_images
from scipy.signal.windows import gaussian

from faceflip.attacks import attack
from faceflip.attacks.plain import along
from faceflip.attacks.similar import SimilarFFA
from faceflip.attacks.slots import Slots
from faceflip.errors import UserError
from faceflip.outcomes import Outcome
from faceflip.pixels import perturbed
from faceflip.similarity import pass_scores

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = (14, 12)
SIMILAR = {"direction": "ffa-ssim", "search": "doubling"}


def half_smooth(count: int, seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return images of noise whose left half is a slope."""
    images = noise_images(count, seed, size)
    images[:, :, : size[1] // 2] = np.arange(60, 60 + 3 * size[0], 3, dtype=np.uint8)[:, None, None]
    return images


def ssim_of_windows(original: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return the SSIM of all whole windows of one channel (height, width) float64, from its definition."""
    kernel = torch.from_numpy(np.outer(gaussian(11, 1.5), gaussian(11, 1.5)))
    kernel = kernel / kernel.sum()
    x, y = (image.unfold(0, 11, 1).unfold(1, 11, 1) for image in (original, other))
    mean_x, mean_y = ((kernel * each).sum((-1, -2), keepdim=True) for each in (x, y))
    var_x, var_y = (
        (kernel * (each - mean) ** 2).sum((-1, -2)) for each, mean in zip((x, y), (mean_x, mean_y), strict=True)
    )
    both = (kernel * (x - mean_x) * (y - mean_y)).sum((-1, -2))
    c1, c2 = 2.55**2, 7.65**2
    mean_x, mean_y = mean_x[..., 0, 0], mean_y[..., 0, 0]
    light = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return light * (2 * both + c2) / (var_x + var_y + c2)


def cost(image: np.ndarray) -> np.ndarray:
    """Return minus half the second derivatives of the sum of SSIM of all windows and channels, (P, P)."""
    pixels = image.size
    form = np.zeros((pixels, pixels))
    for channel in range(3):
        x = torch.from_numpy(image[..., channel].astype(float))
        second = torch.autograd.functional.hessian(lambda y, x=x: ssim_of_windows(x, y).sum(), x)
        places = np.arange(channel, pixels, 3)
        form[np.ix_(places, places)] = -second.reshape(len(places), -1).numpy() / 2
    return form


def floor(image: np.ndarray) -> float:
    """Return the mean over pixel values of what their own change costs: a window's weights sum to one."""
    total = 0.0
    kernel = np.outer(gaussian(11, 1.5), gaussian(11, 1.5)) / gaussian(11, 1.5).sum() ** 2
    views = np.lib.stride_tricks.sliding_window_view(image.astype(float), (11, 11), axis=(0, 1))
    mean = (views * kernel).sum((-1, -2), keepdims=True)
    total = (1 / (2 * (kernel * (views - mean) ** 2).sum((-1, -2)) + 7.65**2)).sum()
    return total / image.size


def test_the_ssim_of_this_page_is_that_of_pass():
    one, other = half_smooth(2, seed=1)
    own = [
        ssim_of_windows(*(torch.from_numpy(each[..., c].astype(float)) for each in (one, other))).mean()
        for c in range(3)
    ]
    assert np.mean(own) == pytest.approx(pass_scores(one[None], other[None], align=False).ssim[0], abs=1e-6)


class Exact(SimilarFFA):
    steps = 300


@pytest.mark.parametrize("seed", [1, 2])
def test_the_direction_solves_the_quadratic_model(seed):
    image = half_smooth(1, seed)[0]
    gradient = np.random.default_rng(seed).normal(size=image.size)
    form = cost(image) + SimilarFFA.share * floor(image) * np.eye(image.size)
    best = np.linalg.solve(form, gradient)
    inputs = torch.from_numpy(gradient[None]).float(), torch.from_numpy(image[None])
    exact, found = (cls().steepest(*inputs)[0].double().numpy() for cls in (Exact, SimilarFFA))
    np.testing.assert_allclose(exact / np.abs(exact).max(), best / np.abs(best).max(), atol=1e-3)
    gained = [(gradient @ d) ** 2 / (d @ form @ d) for d in (gradient, found, best)]
    assert gained[0] < 0.8 * gained[1]
    assert 0.9 * gained[2] < gained[1] <= gained[2] * (1 + 1e-6)


def test_last_bits_do_not_depend_on_company():
    images = torch.from_numpy(half_smooth(9, seed=3))
    gradients = torch.randn(9, images[0].numel(), generator=torch.Generator().manual_seed(3))
    together = SimilarFFA().steepest(gradients, images)
    alone = torch.cat([SimilarFFA().steepest(gradients[i : i + 1], images[i : i + 1]) for i in range(9)])
    assert torch.equal(together, alone)


def test_flips_lie_on_the_ray_and_the_image_before_is_none():
    network = convolutional(1, seed=5, size=SIZE)
    images = noise_images(12, 5, SIZE)
    result = attack(network, images, "similar-line", margin=0.0, **SIMILAR)
    assert result.flipped.sum() > 6
    for at in np.flatnonzero(result.flipped):
        leaf = torch.from_numpy(images[at : at + 1]).permute(0, 3, 1, 2).float().requires_grad_()
        (-network(leaf) * result.score_before[at]).sum().backward()
        gradient = leaf.grad.permute(0, 2, 3, 1).flatten(1)
        ray = SimilarFFA().scale(SimilarFFA().steepest(gradient, torch.from_numpy(images[at : at + 1])))[0][0].numpy()
        change = result.perturbation[at].ravel()
        whole = along(images[at].ravel(), ray, result.epsilon[at]) - images[at].ravel()
        assert np.abs(whole - change).sum() <= 2  # the gradient of another batch, in its last bits
        assert (result.score_after[at] > 0) != (result.score_before[at] > 0)
        low, high = 0.0, result.epsilon[at]  # down to the last image on the ray that is another one
        for _ in range(60):
            middle = (low + high) / 2
            same = (along(images[at].ravel(), ray, middle) - images[at].ravel() == whole).all()
            low, high = (low, middle) if same else (middle, high)
        before = along(images[at].ravel(), ray, low).reshape(1, *SIZE, 3)
        with torch.no_grad():
            value = network(torch.from_numpy(before).permute(0, 3, 1, 2).float()).item()
        assert (value > 0) == (result.score_before[at] > 0)


def test_flips_cost_less_ssim_than_those_of_ffa():
    random = np.random.default_rng(7)
    size = (30, 24)
    images = half_smooth(10, seed=7, size=size)
    weights = random.normal(size=(1, images[0].size))
    network = Linear(weights, -float(np.median(images.reshape(10, -1) @ weights[0])))
    losses = []
    for options in ({}, SIMILAR):
        result = attack(network, images, "similar-line" if options else "ffa-line", **options)
        assert result.flipped.all()
        losses.append(1 - pass_scores(images, perturbed(images, result.perturbation), align=False).ssim)
    assert np.median(losses[1] / losses[0]) < 0.6


def test_slopes_are_products_of_gradient_and_direction(monkeypatch):
    seen = []
    original = Slots.gradient

    def recorded(self, rows, images):
        passed = original(self, rows, images)
        seen.append((rows, passed.slopes.copy(), passed.directions.double().numpy().copy()))
        return passed

    monkeypatch.setattr(Slots, "gradient", recorded)
    images = half_smooth(4, seed=8)
    weights = np.random.default_rng(8).normal(size=(1, images[0].size))
    attack(Linear(weights), images, "similar-line", **SIMILAR)
    for rows, slopes, directions in seen:
        np.testing.assert_allclose(slopes[: len(rows)], directions @ weights[0].astype(np.float32), rtol=1e-4)


def test_no_gradient_is_no_direction():
    images = half_smooth(2, seed=9)
    result = attack(Linear(np.zeros((1, images[0].size)), 1.0), images, "similar-line", **SIMILAR)
    assert (result.outcome == Outcome.ZERO_GRADIENT).all()


def test_images_smaller_than_a_window_are_refused():
    images = noise_images(2, seed=1, size=(12, 10))
    with pytest.raises(UserError, match=r"11 x 11 pixels at least, not 10 x 12"):
        attack(convolutional(1, seed=1), images, "similar-line", **SIMILAR)
