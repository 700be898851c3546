"""Line search against brute force over every image of a ray, and against the closed form on linear networks."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from attack_networks import Linear, Ridge
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from faceflip.attacks import AttackOptions, attack, plain
from faceflip.attacks.plain import along
from faceflip.outcomes import Outcome

SHAPE = (2, 2, 3)
PIXELS = 12

checked = settings(max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.too_slow], database=None)
pixel = st.one_of(st.integers(0, 255), st.sampled_from([0, 1, 254, 255]))
images = st.lists(pixel, min_size=PIXELS, max_size=PIXELS).map(lambda values: np.array(values, np.uint8))
# Few different weights tie breakpoints; large ones keep them apart. Whole numbers of this size keep scores exact.
few = st.integers(-3, 3)
many = st.integers(-2000, 2000)
weights = st.one_of(*[st.lists(kind, min_size=PIXELS, max_size=PIXELS) for kind in (few, many)])


@st.composite
def linear_networks(draw) -> tuple[nn.Module, np.ndarray]:
    """Draw an image and a linear network whose score of it lies anywhere that a ray may reach, zero included."""
    image, weight = draw(images), np.array(draw(weights))
    score = draw(st.integers(-40, 40)) * int(np.abs(weight).max())
    return Linear(weight[None], float(score - weight @ image.astype(int))), image


@st.composite
def ridges(draw) -> tuple[nn.Module, np.ndarray]:
    """Draw an image and a network with kinks, so that the score goes up and down along a ray."""
    image = draw(images)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    hidden = random.integers(-9, 10, (6, PIXELS))
    offsets = hidden @ image.astype(int) + random.integers(-900, 900, 6)
    network = Ridge(hidden, offsets, random.integers(-5, 6, 6), 0)
    network.bias = float(draw(st.integers(-60, 60)) * 8) - score(network, image)
    return network, image


def score(network: nn.Module, image: np.ndarray) -> float:
    with torch.no_grad():
        return network(torch.from_numpy(image.reshape(1, *SHAPE)).float().permute(0, 3, 1, 2))[0, 0].item()


def scores(network: nn.Module, several: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        batch = torch.from_numpy(several.reshape(-1, *SHAPE)).float().permute(0, 3, 1, 2)
        return network(batch)[:, 0].numpy()


def direction(network: nn.Module, image: np.ndarray, name: str, **options) -> np.ndarray:
    """Return the direction by the plain formula."""
    method = plain.Method(network, image, SHAPE, 0, "euclidean", 0, AttackOptions.of(options), name)
    return method.gradient(method.image)[1]


def distinct(image: np.ndarray, ray: np.ndarray, low: float, high: float) -> list[tuple[float, np.ndarray]]:
    """Return every distinct image of a ray from `low` to `high` that any float gives, with an epsilon of each.

    Values change one way only, so floats between two images that differ by one in one value need not be tried. Between
    the others the search goes on until none is left.
    """
    tried = np.linspace(low, high, 2000)
    while True:
        pictures = np.rint(np.clip(image + tried[:, None] * ray.astype(np.float64), 0, 255))
        middle = (tried[1:] + tried[:-1]) / 2
        apart = np.abs(np.diff(pictures, axis=0)).sum(axis=1) > 1
        between = middle[apart & (middle > tried[:-1]) & (middle < tried[1:])]
        if not len(between):
            new = np.concatenate([[True], (pictures[1:] != pictures[:-1]).any(axis=1)])
            return list(zip(tried[new], pictures[new], strict=True))
        tried = np.sort(np.concatenate([tried, between]))


@pytest.mark.slow
@given(linear_networks())
@checked
def test_ffa_on_a_linear_network_is_the_closed_form(case):
    network, image = case
    weight = network.weights.detach().numpy()[0].astype(int)
    before = score(network, image)
    result = attack(network, image.reshape(1, *SHAPE), "ffa-line")
    assert result.score_before[0] == before
    if before == 0 or not weight.any():
        assert Outcome(result.outcome[0]) == Outcome.ZERO_GRADIENT
        return
    # Every value moves against the score; value i changes for the k-th time at (k + 1/2) / |d_i|.
    ray = direction(network, image, "ffa")
    changes = sorted(
        (Fraction(2 * k + 1, 2) / Fraction(abs(float(ray[i]))), i)
        for i in np.flatnonzero(ray)
        for k in range(255 - int(image[i]) if ray[i] > 0 else int(image[i]))
    )
    present, value, found = before > 0, before, None
    for epsilon, place in changes:
        value -= abs(int(weight[place])) * (1 if present else -1)
        if (value > 0) != present:
            found = epsilon
            break
    within = found is not None and found <= 255
    assert result.flipped[0] == within
    if within:
        # The score moves one way only, so the first image of the ray that flips is the smallest.
        every = np.stack([picture for _, picture in distinct(image, ray, 0, 255)])
        smallest = every[np.argmax((scores(network, every) > 0) != present)]
        np.testing.assert_array_equal(result.perturbation.ravel(), smallest - image)
        ties = len([1 for epsilon, _ in changes if epsilon == found])
        changed = np.abs(result.perturbation).sum()
        below = len([1 for epsilon, _ in changes if epsilon < found])
        # Where several values change at once, those that round half to even may go before the others.
        assert below < changed <= below + ties
        # Any epsilon up to the next change gives this very image.
        following = min((epsilon for epsilon, _ in changes if epsilon > found), default=Fraction(255))
        assert found * (1 - Fraction(1, 10**9)) <= Fraction(float(result.epsilon[0])) <= max(following, found)
        if ties == 1:
            counts = np.bincount([place for epsilon, place in changes if epsilon <= found], minlength=PIXELS)
            np.testing.assert_array_equal(result.perturbation.ravel(), np.sign(ray) * counts)


@given(linear_networks(), st.sampled_from(["current", "opposite"]), st.sampled_from([0, -8, -16]))
@checked
def test_fgs_on_a_linear_network_is_the_closed_form(case, label, power):
    network, image = case
    with torch.no_grad():  # exact; brings scores to where the loss of the current decision leads out of it, |f| < 1
        network.weights *= 2.0**power
        network.bias *= 2.0**power
    weight = network.weights.detach().numpy()[0].astype(np.float64)
    before = score(network, image)
    result = attack(network, image.reshape(1, *SHAPE), "fgs-line", fgs_label=label)
    assert result.score_before[0] == before
    decision = 1 if before > 0 else -1
    moves = np.sign(before - decision) if label == "current" else -np.sign(before + decision)
    ray = (moves * np.sign(weight)).astype(int)
    if not ray.any():
        assert Outcome(result.outcome[0]) == Outcome.ZERO_GRADIENT
        return
    room = np.where(ray > 0, 255 - image.astype(int), image)
    # (255, PIXELS): each value goes a whole epsilon far, or to its limit. The score moves one way only.
    changes = ray * np.minimum(np.arange(1, 256)[:, None], room)
    flipping = np.flatnonzero((before + changes @ weight > 0) != (before > 0))
    assert result.flipped[0] == (len(flipping) > 0)
    if len(flipping):
        assert result.epsilon[0] == flipping[0] + 1
        np.testing.assert_array_equal(result.perturbation.ravel(), changes[flipping[0]])


def certify(network, image, name, search="doubling", limit=255.0, **options):
    """Check the result against every distinct image of the ray's last section, and every end of a section before."""
    whole = name == "fgs-line"
    result = attack(network, image.reshape(1, *SHAPE), name, search=search, max_epsilon=limit, **options)
    assert result.margin == 0
    present = score(network, image) > 0
    ray = direction(network, image, name.removesuffix("-line"), **options)
    outcome = Outcome(result.outcome[0])
    if not ray.any():
        assert outcome == Outcome.ZERO_GRADIENT
        return result, ray
    ends, epsilon = [], 0.0
    while epsilon < limit:
        epsilon = min(epsilon + 1 if search == "scan" else 2 * epsilon + 1, np.floor(limit) if whole else limit)
        ends.append(epsilon)
    at_ends = (scores(network, np.stack([along(image, ray, end) for end in ends])) > 0) != present
    assert result.flipped[0] == at_ends.any()
    if not at_ends.any():
        assert outcome in (Outcome.MAX_EPSILON, Outcome.SATURATED)
        assert not result.perturbation.any()
        return result, ray
    high = ends[int(np.argmax(at_ends))]
    low = ([0.0, *ends])[int(np.argmax(at_ends))]
    epsilon = result.epsilon[0]
    assert low < epsilon <= high
    found = image + result.perturbation.ravel()
    np.testing.assert_array_equal(found, along(image, ray, epsilon))
    assert (score(network, found) > 0) != present
    assert result.score_after[0] == score(network, found)
    if whole:
        assert epsilon == round(epsilon)
        assert (score(network, along(image, ray, epsilon - 1)) > 0) == present or epsilon - 1 == low == 0
    else:
        every = distinct(image, ray, low, high)
        place = [(picture == found).all() for _, picture in every].index(True)
        assert place > 0, "the end of the section before flips, too"
        assert (score(network, every[place - 1][1]) > 0) == present
    return result, ray


@given(linear_networks(), st.sampled_from(["current", "opposite"]))
@checked
def test_fgs_certificate_on_linear_networks(case, label):
    certify(*case, "fgs-line", fgs_label=label)


@given(linear_networks())
@checked
def test_ffa_certificate_on_linear_networks(case):
    certify(*case, "ffa-line")


@given(ridges(), st.sampled_from(["current", "opposite"]))
@checked
def test_fgs_certificate_where_rays_are_not_monotone(case, label):
    certify(*case, "fgs-line", fgs_label=label)


@given(ridges(), st.sampled_from([255.0, 7.0, 20.3]))
@checked
def test_ffa_certificate_where_rays_are_not_monotone(case, limit):
    certify(*case, "ffa-line", limit=limit)


@pytest.mark.slow
@given(ridges(), st.sampled_from(["fgs-line", "ffa-line"]))
@checked
def test_scan_misses_no_whole_epsilon(case, name):
    network, image = case
    scan, ray = certify(network, image, name, search="scan")
    line = attack(network, image.reshape(1, *SHAPE), name)
    if not ray.any():
        return
    present = score(network, image) > 0
    every = (scores(network, np.stack([along(image, ray, epsilon) for epsilon in range(1, 256)])) > 0) != present
    assert scan.flipped[0] == every.any()
    assert scan.flipped[0] >= line.flipped[0]
    if scan.flipped[0]:
        assert np.ceil(scan.epsilon[0]) == 1 + np.argmax(every)


def test_scan_finds_what_doubling_misses():
    # The score -|x - 110| + 1 is above zero at 110 alone; from 100, doubling tries 101, 103, 107, 115.
    network = Ridge(np.eye(1, 12), np.array([110.0]), np.array([-2.0]), 1.0)
    image = np.full((1, *SHAPE), 100, np.uint8)
    for name in ("fgs-line", "ffa-line"):
        assert not attack(network, image, name, fgs_label="opposite").flipped[0]
        scan = attack(network, image, name, fgs_label="opposite", search="scan")
        assert scan.perturbation[0, 0, 0, 0] == 10
        assert scan.forward_passes[0] == 10


@pytest.mark.slow
def test_the_passes_of_fgs_are_those_of_the_paper():
    for needed in range(1, 155):
        network = Linear([[1.0, *[0] * 11]], float(-100 - needed) + 0.5)
        result = attack(network, np.full((1, *SHAPE), 100, np.uint8), "fgs-line", fgs_label="opposite")
        assert result.epsilon[0] == needed
        section = needed.bit_length()  # sections end at 1, 3, 7, ..., their inner points number 2^(n - 1) - 1
        assert result.forward_passes[0] <= 2 * section - 1 <= 15
        assert (result.gradient_passes[0], result.steps[0]) == (1, 1)


def test_values_that_change_at_the_same_epsilon_change_together():
    # All move at 1/2, 3/2, ... and no float lies between; nothing is left to search after the last float.
    network = Linear([[-1.0] * 12], 1200 - 30.0 + 0.5 + 12)
    image = np.full((1, *SHAPE), 100, np.uint8)
    result = attack(network, image, "ffa-line")
    assert result.score_before[0] == -17.5
    assert result.perturbation.ravel().tolist() == [-2] * 12
    odd = np.where(np.arange(12) % 2, 101, 100).astype(np.uint8).reshape(1, *SHAPE)
    result = attack(Linear([[-1.0] * 12], 1206 - 5.5), odd, "ffa-line")
    # At 1/2 a half rounds to even: the odd values go first, and six of twelve are enough.
    assert result.epsilon[0] == pytest.approx(0.5)
    assert result.perturbation.ravel().tolist() == [0, -1] * 6


def test_epsilon_tolerance_ends_the_search_early():
    random = np.random.default_rng(3)
    network = Linear(random.integers(-2000, 2000, (1, 12)), 0.0)
    image = random.integers(60, 200, (20, *SHAPE), dtype=np.uint8)
    exact = attack(network, image, "ffa-line", max_epsilon=65_535)
    near = attack(network, image, "ffa-line", max_epsilon=65_535, epsilon_tolerance=0.25)
    assert exact.flipped.all()
    assert (near.epsilon >= exact.epsilon).all()
    assert (near.epsilon - exact.epsilon <= 0.25).all()
    assert near.forward_passes.sum() < exact.forward_passes.sum()


def test_every_image_of_a_ray_can_be_reached():
    # Breakpoints closer than float32 can tell apart, (k + 1/2) / d for d of 1 and 1 - 2^-24.
    ray = np.float32([1, 1 - 2**-24])
    network = Linear([[2.0**24, 2.0**24 - 1, *[0.0] * 10]], 0.0)
    image = np.zeros((1, *SHAPE), np.uint8)
    image.ravel()[:2] = 1
    # f = 2^25 - 1 > 0; one value down to 0 leaves it above zero, so both must go: test the state in between.
    network.bias.data.fill_(-(2.0**24) + 1)
    result = attack(network, image, "ffa-line")
    assert result.score_before[0] == 2.0**24
    assert distinct(image.ravel()[:2], -ray, 0, 1)[1][1].tolist() == [0, 1]
    assert result.perturbation.ravel()[:2].tolist() == [-1, 0]
