"""Probes in a lower precision: whatever that says, what an attempt comes to holds in float32.

TF32 is told by PyTorch's flag, which a CPU does not heed: networks here round, or err, while it is set. bfloat16 is
PyTorch's autocast itself.
"""

from copy import deepcopy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from attack_networks import Linear, Padded, convolutional, noise_images
from hypothesis import given
from hypothesis import strategies as st
from test_attack_line import SHAPE, checked, direction, distinct, linear_networks, ridges, score, scores
from torch import nn

from faceflip.attacks import AttackOptions, attack, iterate, plain
from faceflip.attacks.plain import along
from faceflip.attacks.precision import computing_in, require_float32
from faceflip.errors import UserError
from faceflip.outcomes import Outcome

pytestmark = pytest.mark.usefixtures("one_thread")

ROWS, IMAGES = 16, 60
CPU = torch.device("cpu")
TRIED = 5
"""Passes that are made to compare a lower precision with float32, at the start of a run."""
UNFLIPPED = (Outcome.MAX_EPSILON, Outcome.SATURATED)


def low() -> bool:
    """Return whether probes of `search_precision: tf32` are being computed."""
    return torch.backends.cuda.matmul.allow_tf32


@pytest.fixture
def no_doubt(monkeypatch):
    """Take every verdict of a lower precision, however close it is, until float32 looks at the ends."""
    monkeypatch.setattr("faceflip.attacks.sanity.DOUBT", 0.0)


class Rounded(nn.Module):
    """A network whose layers see their inputs with so many bits of mantissa where precision is low.

    It notes the rows of each forward pass, whether precision was low, and whether a gradient was wanted.
    """

    def __init__(self, network: nn.Module, bits: int) -> None:
        super().__init__()
        self.network, self.bits, self.passes = deepcopy(network), bits, []
        for layer in self.network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                layer.register_forward_pre_hook(self._round)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.passes.append((len(images), low(), torch.is_grad_enabled()))
        return self.network(images)

    def _round(self, _: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        if not low():
            return inputs
        mantissa, exponent = torch.frexp(inputs[0])
        return (torch.ldexp((mantissa * 2**self.bits).round() / 2**self.bits, exponent),)


class Erring(nn.Module):
    """A network whose score of an image is another one where precision is low, by a function of image and score."""

    def __init__(self, network: nn.Module, error) -> None:
        super().__init__()
        self.network, self.error = network, error

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = self.network(images)
        return self.error(images, found) if low() else found


def noise(size: float):
    """An error of up to `size`, which looks random and is the same for the same image."""

    def error(images: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        places = torch.arange(1, images[0].numel() + 1, dtype=torch.float64).sqrt()
        mixed = (images.permute(0, 2, 3, 1).flatten(1).double() * places).sum(dim=1, keepdim=True)
        return found + size * (1000 * mixed).sin().float()

    return error


CASES = {
    "fgs": ("fgs-line", {"fgs_label": "opposite"}),
    "ffa": ("ffa-line", {}),
    "ffa near": ("ffa-line", {"epsilon_tolerance": 0.25}),
    "scan": ("fgs-line", {"fgs_label": "opposite", "search": "scan", "max_epsilon": 40}),
    "ffa scan": ("ffa-line", {"search": "scan", "max_epsilon": 40}),
}


@cache
def rough() -> nn.Module:
    """A network along whose rays decisions change between a few and some dozens of pixel values."""
    return convolutional(1, seed=5, spread=12.0)


@cache
def in_float32(case: str):
    name, options = CASES[case]
    return attack(rough(), pictures(), name, batch_size=ROWS, **options)


@cache
def pictures() -> np.ndarray:
    return noise_images(IMAGES, seed=1)


class Ray:
    """One attempt's ray and what float32 says of its images, by the plain formulas."""

    def __init__(self, case: str, place: int) -> None:
        name, options = CASES[case]
        self.image, self.margin = pictures()[place].ravel(), in_float32(case).margin
        self.network = Padded(rough(), ROWS)
        given = AttackOptions.of(options)
        toward, self.whole = name.removesuffix("-line"), name.startswith("fgs")
        method = plain.Method(self.network, self.image, pictures()[place].shape, 0, "euclidean", 0, given, toward)
        value, self.direction, _ = method.gradient(self.image)
        self.present, self.limit = value > 0, given.max_epsilon
        self.tolerance = given.epsilon_tolerance

    def at(self, epsilon: float) -> np.ndarray:
        return along(self.image, self.direction, epsilon)

    def value(self, picture: np.ndarray) -> float:
        with torch.no_grad():
            batch = torch.from_numpy(picture.astype(np.float32).reshape(1, *pictures().shape[1:]))
            return self.network(batch.permute(0, 3, 1, 2))[0, 0].item()

    def flips(self, epsilon: float) -> bool:
        value = self.value(self.at(epsilon))
        return value <= -self.margin if self.present else value > self.margin

    def before(self, epsilon: float) -> float:
        """Return the largest epsilon of the distinct image before that at `epsilon`."""
        if self.whole:
            return epsilon - 1
        change, low, high = np.abs(self.at(epsilon) - self.image).sum(), 0.0, epsilon
        while low < (middle := (low + high) / 2) < high:
            less = np.abs(self.at(middle) - self.image).sum() < change
            low, high = (middle, high) if less else (low, middle)
        return low

    def crossings(self, *ends: float) -> int:
        """Return how often the decision changes over all whole epsilons, or else over all images around two flips.

        Along FFA's rays neighbours may differ by one pixel value alone, so that a score goes up and down between two
        whole epsilons.
        """
        found = self._changes(np.arange(1, self.limit + 1))
        if found >= 2 or self.whole or np.isnan(ends).any():
            return found
        moving = np.abs(self.direction[self.direction != 0].astype(np.float64))
        steps = (np.arange(256)[:, None] + 0.5) / moving  # where a pixel value changes
        between = np.unique(steps[(steps > self.before(min(ends)) * 0.999) & (steps < max(ends) * 1.001)])
        return self._changes((between[1:] + between[:-1]) / 2)

    def _changes(self, epsilons: np.ndarray) -> int:
        return int(np.count_nonzero(np.diff([False, *map(self.flips, epsilons)])))


def assert_certified(case: str, found) -> None:
    """Check every flip and every attempt without one against float32."""
    for place in range(len(found)):
        ray = Ray(case, place)
        if not found.flipped[place]:
            assert Outcome(found.outcome[place]) in UNFLIPPED
            assert not ray.flips(ray.limit)
            assert np.isnan(found.epsilon[place])
            assert np.isnan(found.score_after[place])
            continue
        epsilon = found.epsilon[place]
        picture = ray.image + found.perturbation[place].ravel()
        np.testing.assert_array_equal(picture, ray.at(epsilon))
        assert ray.flips(epsilon)
        assert found.score_after[place] == ray.value(picture), "that of float32"
        if ray.tolerance:
            nearest = np.linspace(epsilon - ray.tolerance, epsilon, 100)[:-1]
            assert not all(ray.flips(each) for each in nearest if each > 0)
        else:
            assert not ray.flips(ray.before(epsilon))


def differing(case: str, found) -> list[int]:
    """Return the attempts that came to another image than by a search in float32; along each the decision comes back.

    With a tolerance that is another image further than it.
    """
    expected, places = in_float32(case), []
    for place in range(len(found)):
        same = (found.perturbation[place] == expected.perturbation[place]).all()
        near = abs(found.epsilon[place] - expected.epsilon[place]) <= CASES[case][1].get("epsilon_tolerance", -1)
        if not (same or near):
            places.append(place)
            ends = found.epsilon[place], expected.epsilon[place]
            assert Ray(case, place).crossings(*ends) >= 2, "not where there is one crossing alone"
    return places


def same_epsilon(found, expected) -> np.ndarray:
    return (found.epsilon == expected.epsilon) | (np.isnan(found.epsilon) & np.isnan(expected.epsilon))


@pytest.mark.slow
@pytest.mark.parametrize("precision", [10, 7, 3, "bfloat16"])
@pytest.mark.parametrize("case", CASES)
def test_flips_are_those_of_float32(case, precision):
    name, options = CASES[case]
    rounds = precision != "bfloat16"
    network, precision = (Rounded(rough(), precision), "tf32") if rounds else (rough(), precision)
    found = attack(network, pictures(), name, batch_size=ROWS, search_precision=precision, **options)
    expected = in_float32(case)
    assert_certified(case, found)
    others = differing(case, found)
    assert len(others) <= 0.05 * IMAGES
    assert same_epsilon(found, expected)[~found.overruled].all(), "probes are the same until float32 says otherwise"
    np.testing.assert_array_equal(found.score_before, expected.score_before)
    assert (found.gradient_passes == 1).all()
    assert (found.forward_passes > expected.forward_passes).any(), "passes that judge again count"
    assert expected.flipped.mean() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("bits", [10, 5, 3])
@pytest.mark.parametrize("case", CASES)
def test_what_a_lower_precision_had_wrong_is_put_right(case, bits, no_doubt):
    name, options = CASES[case]
    found = attack(Rounded(rough(), bits), pictures(), name, batch_size=ROWS, search_precision="tf32", **options)
    assert_certified(case, found)
    others = differing(case, found)
    if bits == 3:
        assert found.overruled.mean() > 0.2, "the test is about these"
    if name == "fgs-line":
        alike = np.setdiff1d(np.arange(IMAGES), others)
        assert same_epsilon(found, in_float32(case))[alike].all()


@pytest.mark.slow
@pytest.mark.parametrize("case", ["fgs", "ffa", "scan"])
@pytest.mark.parametrize("error", [1.0, 30.0])
def test_noise_as_large_as_scores_ends_certified(case, error, no_doubt):
    name, options = CASES[case]
    found = attack(Erring(rough(), noise(error)), pictures(), name, batch_size=ROWS, search_precision="tf32", **options)
    assert_certified(case, found)
    assert found.overruled.any()
    assert len(differing(case, found)) < IMAGES / 2


ALWAYS = {"present": lambda _, found: found.abs() + 1000, "absent": lambda _, found: -found.abs() - 1000}


@pytest.mark.slow
@pytest.mark.parametrize("case", ["fgs", "ffa", "scan"])
def test_attempts_that_a_lower_precision_ends_unflipped_are_rescued(case, no_doubt):
    name, options = CASES[case]
    expected = in_float32(case)
    kept = np.where(expected.score_before > 0, "present", "absent")
    for decision, error in ALWAYS.items():
        network = Erring(rough(), error)
        found = attack(network, pictures(), name, batch_size=ROWS, search_precision="tf32", **options)
        assert_certified(case, found)
        never = kept == decision  # says the lower precision; of the others that the first probe has flipped
        last = np.array([Ray(case, place).flips(Ray(case, place).limit) for place in np.flatnonzero(never)])
        assert last.any()
        assert (found.flipped[never] == last).all()
        assert (found.overruled[never] == last).all()
        np.testing.assert_array_equal(found.flipped[~never], expected.flipped[~never])


def test_a_lower_precision_that_errs_is_left_where_float32_never_flips(no_doubt):
    """The score stays above zero; pixel values are soon at their limits, or the largest epsilon is tried."""
    image = np.full((1, *SHAPE), 200, np.uint8)
    network = Erring(Linear([[1.0] * 12], 10.0), lambda _, found: -found)
    for limit, outcome in ((255, Outcome.MAX_EPSILON), (1000, Outcome.SATURATED), (20, Outcome.MAX_EPSILON)):
        found = attack(network, image, "ffa-line", search_precision="tf32", max_epsilon=limit)
        assert Outcome(found.outcome[0]) == outcome
        assert found.overruled[0]
        assert np.isnan([found.epsilon[0], found.score_after[0]]).all()
        assert not found.perturbation.any()


def test_scores_that_a_lower_precision_does_not_hold_are_left_to_float32():
    network = Erring(rough(), lambda images, found: torch.where(images[:, 0, :1, :1].flatten(1) > 99, torch.nan, found))
    found = attack(network, pictures(), "ffa-line", batch_size=ROWS, search_precision="tf32")
    expected = in_float32("ffa")
    np.testing.assert_array_equal(found.perturbation, expected.perturbation)
    np.testing.assert_array_equal(found.outcome, expected.outcome)


# Properties: any error at all, on networks whose scores are exact.
sizes = st.sampled_from([0.5, 40.0, 2000.0, 1e6])


def without_doubt(network: nn.Module, image: np.ndarray, name: str, size: float, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("faceflip.attacks.sanity.DOUBT", 0.0)
        low_precision = Erring(network, noise(size))
        return attack(low_precision, image.reshape(1, *SHAPE), name, search_precision="tf32", **options)


@given(linear_networks(), sizes, st.sampled_from(["fgs-line", "ffa-line"]), st.sampled_from(["doubling", "scan"]))
@checked
def test_on_rays_with_one_crossing_no_error_makes_a_difference(case, size, name, search):
    network, image = case
    options = {"fgs_label": "opposite", "search": search, "max_epsilon": 60 if search == "scan" else 255}
    found = without_doubt(network, image, name, size, **options)
    expected = attack(network, image.reshape(1, *SHAPE), name, **options)
    assert found.flipped[0] == expected.flipped[0]
    np.testing.assert_array_equal(found.perturbation, expected.perturbation)
    assert found.score_before[0] == expected.score_before[0]
    assert not found.flipped[0] or found.score_after[0] == expected.score_after[0]
    if name == "fgs-line" or not found.overruled[0]:
        assert same_epsilon(found, expected).all()


@given(ridges(), sizes, st.sampled_from(["fgs-line", "ffa-line"]), st.sampled_from([255.0, 20.3]))
@checked
def test_on_other_rays_flips_are_certified_and_differ_only_where_decisions_come_back(case, size, name, limit):
    network, image = case
    found = without_doubt(network, image, name, size, max_epsilon=limit)
    expected = attack(network, image.reshape(1, *SHAPE), name, max_epsilon=limit)
    ray = direction(network, image, name.removesuffix("-line"))
    if not ray.any():
        assert Outcome(found.outcome[0]) == Outcome.ZERO_GRADIENT
        return
    present = score(network, image) > 0
    if name == "fgs-line":
        every = np.stack([along(image, ray, epsilon) for epsilon in range(int(limit) + 1)])
    else:
        every = np.stack([picture for _, picture in distinct(image, ray, 0, limit)])
    flips = (scores(network, every) > 0) != present
    if found.flipped[0]:
        picture = image + found.perturbation.ravel()
        np.testing.assert_array_equal(picture, along(image, ray, found.epsilon[0]))
        place = int(np.argmax((every == picture).all(axis=1)))
        assert flips[place]
        assert not flips[place - 1]
        assert found.score_after[0] == score(network, picture)
    else:
        assert Outcome(found.outcome[0]) in UNFLIPPED
        assert not flips[-1]
    if np.count_nonzero(np.diff(flips)) <= 1:
        assert found.flipped[0] == expected.flipped[0]
        np.testing.assert_array_equal(found.perturbation, expected.perturbation)


# Passes.


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fgs-line", "ffa-line", "ffa-newton", "ffa-descent"])
def test_gradients_are_in_float32_and_passes_of_either_precision_are_full(name):
    network, images = Rounded(convolutional(1, seed=3, spread=1.5), 7), noise_images(120, seed=2)
    options = {"max_steps": 12, "descent_steps": 8, "fgs_label": "opposite", "batch_size": ROWS}
    found = attack(network, images, name, search_precision="tf32", **options)
    expected = attack(convolutional(1, seed=3, spread=1.5), images, name, **options)
    coarse = [rows for rows, is_low, _ in network.passes if is_low]
    assert sum(coarse) > 0.2 * found.forward_passes.sum(), "some of the work is done in it"
    assert not any(is_low and gradient for _, is_low, gradient in network.passes)
    np.testing.assert_array_equal(found.gradient_passes, expected.gradient_passes)
    np.testing.assert_array_equal(found.score_before, expected.score_before)
    same = (found.perturbation == expected.perturbation).all(axis=(1, 2, 3))
    assert same[~found.overruled].all()
    assert {rows for rows, _, _ in network.passes} <= {16, 8, 7, 4, 1}
    for_results = int(found.gradient_passes.sum() + found.forward_passes.sum())
    for_sanity = 2 * 32 + 16 + 7 + 3 * (8 + 4) + 16
    assert sum(rows for rows, _, _ in network.passes) <= 1.15 * for_results + for_sanity
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
@pytest.mark.parametrize("name", ["fgs-line", "ffa-line", "ffa-descent"])
def test_an_attempt_does_not_depend_on_its_company(name, precision):
    images, examined = noise_images(41, seed=7), noise_images(16, seed=9)
    options = {"descent_steps": 6, "fgs_label": "opposite", "batch_size": ROWS, "search_precision": precision}

    def found(order: np.ndarray):
        network = Rounded(convolutional(1, seed=3, spread=6.0), 4)
        return attack(network, images[order], name, examined=examined, **options)

    whole, other = found(np.arange(41)), np.random.default_rng(1).permutation(41)
    for order in (other, other[:17], other[17:22]):
        part = found(order)
        for column in ("perturbation", "overruled", *part.found()):
            np.testing.assert_array_equal(getattr(part, column), getattr(whole, column)[order], err_msg=column)


def test_an_exact_network_gives_the_same_results_in_any_batch_size(no_doubt):
    random = np.random.default_rng(0)
    network = Erring(Linear(random.integers(-9, 10, (1, 48)), bias=-500), noise(300.0))
    images = random.integers(0, 256, (23, 4, 4, 3), dtype=np.uint8)
    for name in ("fgs-line", "ffa-line"):
        given = {"fgs_label": "opposite", "search_precision": "tf32"}
        results = [attack(network, images, name, batch_size=size, **given) for size in (1, 4, 7, 32)]
        assert results[0].overruled.any()
        for other in results[1:]:
            for column in ("perturbation", "overruled", *other.found()):
                np.testing.assert_array_equal(getattr(results[0], column), getattr(other, column), err_msg=column)


@pytest.mark.parametrize("name", ["fgs-iterative", "ffa-iterative"])
def test_iterative_searches_have_no_use_for_it(name):
    network, images = Rounded(convolutional(1, seed=3, spread=1.5), 3), noise_images(20, seed=2)
    found = attack(network, images, name, max_steps=8, search_precision="tf32")
    assert sum(is_low for _, is_low, _ in network.passes) <= TRIED
    expected = attack(network.network, images, name, max_steps=8)
    for column in ("perturbation", "overruled", *found.found()):
        np.testing.assert_array_equal(getattr(found, column), getattr(expected, column), err_msg=column)


@pytest.mark.slow
def test_a_line_along_anothers_perturbation_has_probes_in_it_and_the_attack_itself_none():
    network, images = Rounded(convolutional(1, seed=3, spread=1.5), 7), noise_images(20, seed=2)
    file = f"{Path(__file__).parent}/foreign_attacks.py:steps"
    alone = attack(network, images, file, batch_size=8, search_precision="tf32")
    assert sum(is_low for _, is_low, _ in network.passes) <= TRIED
    network.passes.clear()
    found = attack(network, images, file, batch_size=8, then="line", search_precision="tf32")
    expected = attack(network.network, images, file, batch_size=8, then="line")
    assert sum(is_low for _, is_low, _ in network.passes) > TRIED
    np.testing.assert_array_equal(found.perturbation, expected.perturbation)
    assert (found.flipped >= alone.flipped).all()


# How it is switched on.


def test_precision_lasts_as_long_as_a_pass():
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    with computing_in("tf32", CPU):
        assert (products.allow_tf32, convolutions.allow_tf32) == (True, True)
    assert (products.allow_tf32, convolutions.allow_tf32) == before
    with pytest.raises(ZeroDivisionError), computing_in("tf32", CPU):
        1 / 0  # noqa: B018
    assert (products.allow_tf32, convolutions.allow_tf32) == before
    with computing_in("float32", CPU):
        assert (products.allow_tf32, convolutions.allow_tf32) == before
    with computing_in("bfloat16", CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_the_flag_is_as_it_was_between_blocks():
    blocks = iterate(rough(), pictures(), "ffa-line", batch_size=8, block_size=4, search_precision="bfloat16")
    for _ in blocks:
        assert not torch.is_autocast_enabled("cpu")


def test_verdicts_in_tf32_are_refused(monkeypatch):
    gpu = torch.device("cuda")
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    for precision, device in (("float32", gpu), ("tf32", CPU), ("bfloat16", CPU)):
        require_float32(precision, device)
    for precision in ("tf32", "bfloat16"):
        with pytest.raises(UserError, match=r"search_precision: \w+ probes need verdicts in float32.*prepare before"):
            require_float32(precision, gpu)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    require_float32("tf32", gpu)


class OnlyFloat32(nn.Module):
    """A network that fails in other types."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Linear(48, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = self.network(images.flatten(1))
        return hidden.addmm(hidden, torch.ones(1, 1)) if hidden.dtype == torch.float32 else hidden.view(torch.int64)


def test_a_network_that_fails_in_a_precision_is_told():
    with pytest.raises(UserError, match="network: fails on a bfloat16 batch 4 x 3 x 4 x 4"):
        attack(OnlyFloat32(), noise_images(3, 0, (4, 4)), search_precision="bfloat16")


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_on_a_gpu_probes_differ_and_flips_do_not(precision):
    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no GPU here")
    from faceflip.runtime.device import prepare

    device = prepare("cuda", threads=1)
    network = rough().to(device)
    batch = torch.from_numpy(pictures()).permute(0, 3, 1, 2).float().to(device)
    with torch.inference_mode():
        strict = network(batch)
        with computing_in(precision, device):
            coarse = network(batch).float()
        assert torch.equal(network(batch), strict)
    assert not torch.equal(coarse, strict)
    for name, options in CASES.values():
        found, expected = (
            attack(network, pictures(), name, batch_size=ROWS, search_precision=each, **options)
            for each in (precision, "float32")
        )
        assert same_epsilon(found, expected)[~found.overruled].all()
        np.testing.assert_array_equal(found.perturbation[~found.overruled], expected.perturbation[~found.overruled])
