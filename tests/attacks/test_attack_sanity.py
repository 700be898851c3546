"""Networks as people bring them: attacked as they are meant, or refused with one sentence, or warned of."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from attack_networks import Linear, noise_images
from torch import Tensor, nn

from faceflip.attacks import AttackResult, attack, plain
from faceflip.catalogue import ATTACKS
from faceflip.errors import NetworkWarning, UserError
from faceflip.outcomes import Outcome

IMAGES = noise_images(40, seed=6, size=(12, 10))


class Brought(nn.Module):
    """A network as many people write it: normalisation, features, a head."""

    def __init__(self, norm: nn.Module | None = None) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.features = nn.Sequential(nn.Conv2d(3, 8, 3), norm or nn.Identity(), nn.ReLU(), nn.AdaptiveAvgPool2d(3))
            self.head = nn.Linear(72, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images / 127.5 - 1).flatten(1))


class Viewed(Brought):
    """Cannot work on channels_last."""

    def forward(self, images: Tensor) -> Tensor:
        features = self.features(images / 127.5 - 1)
        return self.head(features.view(features.size(0), -1))


class InPlace(Brought):
    """Changes the batch that it is given."""

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images.div_(127.5).sub_(1)).flatten(1))


class InPlaceUnseen(Brought):
    """Changes the batch that it is given behind the back of automatic differentiation, and puts nothing back."""

    def forward(self, images: Tensor) -> Tensor:
        scores = super().forward(images)
        with torch.no_grad():
            images.zero_()
        return scores


def frozen() -> nn.Module:
    with warnings.catch_warnings(action="ignore"):
        return torch.jit.freeze(torch.jit.script(Brought().eval()))


def exported(module: bool) -> object:
    sizes = ({0: torch.export.Dim("n", min=1, max=64)},)
    program = torch.export.export(Brought().eval(), (torch.zeros(4, 3, 12, 10),), dynamic_shapes=sizes)
    return program.module() if module else program


WORKING: dict[str, Callable[[], object]] = {
    "view behind a convolution": Viewed,
    "in place": InPlace,
    "frozen TorchScript": frozen,
    "exported program": lambda: exported(module=False),
    "exported module": lambda: exported(module=True),
    "function": lambda: Brought().eval().__call__,
    "squeezed": lambda: lambda images: Brought()(images).squeeze(),
    "with axes of one": lambda: lambda images: Brought()(images)[:, :, None, None],
    "frozen weights": lambda: Brought().requires_grad_(False),
}


@pytest.fixture(scope="module")
def expected() -> dict[str, AttackResult]:
    results = {name: attack(Brought(), IMAGES, name, batch_size=16) for name in ATTACKS}
    assert all(result.flipped.sum() > 30 for result in results.values())
    return results


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("kind", WORKING)
def test_networks_that_mean_the_same_are_attacked_alike(kind, name, expected):
    result, wanted = attack(WORKING[kind](), IMAGES, name, batch_size=16), expected[name]
    assert not result.warnings
    np.testing.assert_array_equal(result.flipped, wanted.flipped)
    np.testing.assert_allclose(result.score_before, wanted.score_before, atol=1e-5)
    different = (result.perturbation != wanted.perturbation).reshape(len(IMAGES), -1).mean(axis=1)
    assert np.median(different) < 0.01


def test_the_batch_that_a_network_gets_is_its_own(expected):
    for name in ATTACKS:
        result = attack(InPlaceUnseen(), IMAGES, name, batch_size=16)
        np.testing.assert_array_equal(result.perturbation, expected[name].perturbation)


@pytest.mark.parametrize("name", ATTACKS)
def test_the_default_type_of_tensors_makes_no_difference(name, expected):
    network = Brought()
    torch.set_default_dtype(torch.float64)
    try:
        result = attack(network, IMAGES, name, batch_size=16)
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_array_equal(result.perturbation, expected[name].perturbation)


def in_autocast(images: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return Brought()(images)


REFUSED = {
    "tuple": (lambda images: (Brought()(images), None), r"a tensor of scores, N x M, not tuple.*images: network\(im"),
    "list": (lambda images: [Brought()(images)], "not list"),
    "dictionary": (lambda images: {"scores": Brought()(images)}, "not dict"),
    "maps": (lambda images: images, "expected scores 16 x M for 16 images, not 16 x 3 x 12 x 10"),
    "half": (Brought().half(), "weights of torch.float16; expected torch.float32"),
    "double": (Brought().double(), "weights of torch.float64; expected torch.float32"),
    "autocast within": (in_autocast, "expected scores of torch.float32, not torch.bfloat16"),
    "detached": (lambda images: Brought()(images).detach(), "no gradient flows"),
    "decisions": (lambda images: (Brought()(images) > 0).float(), "no gradient flows"),
    "other size": (
        lambda images: nn.Linear(7, 1)(images.flatten(1)),
        "fails on a float32 batch 16 x 3 x 12 x 10: mat1",
    ),
    "dropout": (lambda images: Brought()(nn.functional.dropout(images, 0.1)), "for the same images a second time"),
    "batch statistics": (Brought(nn.BatchNorm2d(8, track_running_stats=False)), "same images in other batches"),
    "no network": (7, "expected a module, or a function from images to scores, not int"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_makes_verdicts_meaningless_is_refused(kind):
    network, message = REFUSED[kind]
    with pytest.raises(UserError, match=message):
        attack(network, IMAGES, batch_size=16)
    if isinstance(network, nn.Module):
        assert network.training, "left as it was"


def test_autocast_around_an_attack_is_refused():
    with torch.autocast("cpu", dtype=torch.bfloat16), pytest.raises(UserError, match="attack outside it"):
        attack(Brought(), IMAGES)


def squashed(images: Tensor) -> Tensor:
    return torch.sigmoid(Brought()(images))


def logarithms(images: Tensor) -> Tensor:
    scores = Brought()(images)
    return torch.log_softmax(torch.cat([-scores, scores], dim=1), dim=1)


def rounded(images: Tensor) -> Tensor:
    return in_autocast(images).float()


SUSPICIOUS = {
    "sigmoid": (squashed, "euclidean", "look like probabilities"),
    "log-softmax": (logarithms, "softmax", "look like log-probabilities"),
    "log-softmax as two attributes": (logarithms, "bce", "look like log-probabilities"),
    "bfloat16 within": (rounded, "euclidean", "have the precision of torch.bfloat16"),
    "constant": (lambda images: Brought()(images) * 0 + 1, "euclidean", "gradient is zero on all 16 images"),
}


@pytest.mark.parametrize("kind", SUSPICIOUS)
def test_what_is_suspicious_is_warned_of_and_kept_with_the_results(kind):
    network, objective, message = SUSPICIOUS[kind]
    with pytest.warns(NetworkWarning, match=message):
        result = attack(network, IMAGES, objective=objective, batch_size=16)
    assert any(message in sentence for sentence in result.warnings)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [1, 2, 40])
def test_nothing_is_suspicious_of_a_plain_network(count):
    assert attack(Brought(), IMAGES[:count]).warnings == ()


def test_a_network_whose_rounding_is_coarse_is_warned_of():
    with pytest.warns(NetworkWarning, match="rounds so coarsely"):
        attack(lambda images: Brought()(images) + 5e-5 * len(images), IMAGES, batch_size=16)


# Where arithmetic ends


@pytest.mark.parametrize("name", ["ffa-line", "fgs-line"])
def test_the_margin_is_measured_where_scores_move(name):
    """tanh is 1 at the far end of every ray, whatever the rounding; near the decision it is not."""
    network = Brought()
    bounded = attack(
        lambda images: torch.tanh(100 * network(images)), IMAGES, name, batch_size=16, fgs_label="opposite"
    )
    assert bounded.margin > 0
    after = IMAGES[bounded.flipped] + bounded.perturbation[bounded.flipped]
    batch = torch.from_numpy(after).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        for size in (1, 7, 64):
            again = torch.cat([network(part)[:, 0] for part in batch.split(size)]).numpy()
            assert ((again > 0) != (bounded.score_before[bounded.flipped] > 0)).all()


class Overflowing(Linear):
    """Infinite minus infinite once any pixel value has moved from 100 by more than 50, as in a type with less room."""

    def forward(self, images: Tensor) -> Tensor:
        far = ((images - 100).abs().amax(dim=(1, 2, 3)) > 50)[:, None]
        return super().forward(images) * torch.where(far, torch.inf, 1.0) * torch.where(far, 0.0, 1.0)


@pytest.mark.parametrize("name", ATTACKS)
def test_scores_that_overflow_far_from_the_image_are_no_verdicts(name):
    images = np.full((8, 2, 2, 3), 100, np.uint8)
    reached = Overflowing(np.full((1, 12), 0.25), bias=-300 + 20)  # flips at a change of 7
    result = attack(reached, images, name, fgs_label="opposite")
    assert result.flipped.all(), "the margin of the overflowing ends is no number"
    beyond = Overflowing(np.full((1, 12), 0.25), bias=-300 + 200)  # would flip at 67, but there is nothing at 51
    result = attack(beyond, images, name, fgs_label="opposite")
    assert {Outcome(outcome) for outcome in result.outcome} == {Outcome.NOT_FINITE}
    alone = plain.attack(beyond, images[0], name, fgs_label="opposite")
    assert (alone.outcome, alone.steps) == (Outcome.NOT_FINITE, result.steps[0])


def test_an_image_without_a_score_is_named():
    images = IMAGES.copy()
    images[3] = 0
    with pytest.raises(UserError, match="a score that is not finite for image 3"):
        attack(lambda batch: Brought()(batch) / batch.amax(dim=(1, 2, 3))[:, None].clamp(max=1), images, batch_size=16)
