"""Losses that look at a third class: attacks of libraries that need one get it, and no decision changes."""

import math

import numpy as np
import pytest
import torch
from attack_networks import Linear, convolutional, noise_images
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from faceflip.attacks import attack
from faceflip.attacks.libraries import is_installed
from faceflip.attacks.third_class import WithThirdClass
from faceflip.errors import UserError

pytestmark = [pytest.mark.usefixtures("one_thread")]

OWN = '''
import torch


def of_classes(network, images, decisions, loss="ce", n_classes=7):
    """An image that says how many logits and classes there are."""
    logits = network(images)
    assert logits.shape[1] == (4 if loss == "DLR" else 2)
    assert n_classes == 2
    return images.clamp(0.5)
'''


class Fixed(nn.Module):
    """Two logits [-v, v], v the first value of an image."""

    def forward(self, images):
        value = images[:, 0, 0, 0]
        return torch.stack([-value, value], dim=1)


def of_value(value):
    return torch.full((1, 3, 2, 2), float(value), dtype=torch.float64)


def croce_hein(logits, label):
    """Return the ratio of logits of the decided class, written out from eq. (6) of Croce and Hein 2020."""
    ordered = sorted(logits, reverse=True)
    other = max(each for place, each in enumerate(logits) if place != label)
    return (logits[label] - other) / (ordered[0] - ordered[2])


values = st.floats(-50, 50).filter(lambda value: abs(value) > 1e-6)


@given(clean=values, here=values)
def test_no_decision_changes_and_the_ratio_is_that_of_the_values(clean, here):
    network = WithThirdClass(Fixed(), of_value(clean))
    logits = network(of_value(here))[0].tolist()
    assert logits[:2] == [-here, here]
    assert logits[2] == logits[3] < -abs(here)
    ratio = croce_hein(logits, int(clean > 0))
    assert ratio == pytest.approx(np.sign(clean) * here / (abs(here) + abs(clean)), rel=1e-9)


@given(clean=values, here=values)
def test_the_gradient_leads_to_the_boundary_from_anywhere(clean, here):
    """That of v / (|v| + |v0|) is |v0| / (|v| + |v0|)^2 of v's own."""
    image = of_value(here).requires_grad_()
    logits = WithThirdClass(Fixed(), of_value(clean))(image)[0]
    ordered = logits.sort(descending=True).values
    ratio = (logits[1] - logits[0]) / (ordered[0] - ordered[2])
    (gradient,) = torch.autograd.grad(ratio, image)
    assert float(gradient.sum()) == pytest.approx(abs(clean) / (abs(here) + abs(clean)) ** 2, rel=1e-6)


def test_a_tie_has_a_third_class_below(tmp_path):
    logits = WithThirdClass(Fixed(), of_value(0))(of_value(0))
    assert logits.tolist() == [[0, 0, -1, -1]]


@pytest.mark.parametrize("options", [{}, {"loss": "ce"}, {"loss": "DLR"}])
def test_it_is_given_where_the_loss_is_a_ratio(tmp_path, options):
    """And what asks for the number of classes is told it."""
    (tmp_path / "own.py").write_text(OWN)
    found = attack(
        Linear(np.ones((1, 12)), -900.0), noise_images(3, 1, (2, 2)), f"{tmp_path}/own.py:of_classes", options=options
    )
    assert len(found.flipped) == 3


@pytest.fixture(scope="module")
def case():
    """Return a network of two attributes, of which the second is attacked, and images of which windows of 11 fit."""
    return convolutional(2, seed=3, size=(24, 20), spread=1.5), noise_images(8, seed=4, size=(24, 20))


def require(module):
    if not is_installed(module):
        pytest.skip(f"{module} is not installed")


def compared(case, file, *options):
    """Return the results of an attack with each of these options."""
    require(file.partition(":")[0].partition(".")[0])
    network, images = case
    return [attack(network, images, file, 1, options=each) for each in options]


@pytest.mark.peers
class TestAgainstTwoClasses:
    """Steps along signs and unit gradients go by the order of losses alone, which the ratio does not change."""

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("file", "option", "pair", "options"),
        [
            ("adv_lib.attacks:apgd", "loss_function", ("dlr", "ce"), {"eps": 0.03, "norm": math.inf, "n_iter": 12}),
            ("adv_lib.attacks:pgd_linf", "loss_function", ("dlr", "dl"), {"ε": 0.03, "steps": 12}),
            (
                "adv_lib.attacks.auto_pgd:minimal_apgd",
                "loss_function",
                ("dlr", "ce"),
                {"max_eps": 0.2, "norm": math.inf, "n_iter": 8, "binary_search_steps": 6},
            ),
            ("torchattacks:APGD", "loss", ("dlr", "ce"), {"eps": 0.03, "steps": 12}),
            (
                "art.attacks.evasion:AutoProjectedGradientDescent",
                "loss_type",
                ("difference_logits_ratio", "cross_entropy"),
                {"eps": 0.03, "eps_step": 0.01, "max_iter": 12, "nb_random_init": 1},
            ),
        ],
    )
    def test_the_ratio_finds_what_a_loss_of_two_classes_finds(self, case, file, option, pair, options):
        ratio, two = compared(case, file, *({**options, option: each} for each in pair))
        assert two.flipped.mean() > 0.5
        np.testing.assert_array_equal(ratio.flipped, two.flipped)
        np.testing.assert_array_equal(ratio.perturbation, two.perturbation)
        np.testing.assert_array_equal(ratio.gradient_passes, two.gradient_passes)
        np.testing.assert_array_equal(ratio.forward_passes, two.forward_passes)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("file", "options"),
        [
            ("adv_lib.attacks:apgd", {"eps": 0.03, "norm": math.inf, "n_iter": 12, "targeted": True}),
            ("adv_lib.attacks:apgd_targeted", {"eps": 0.03, "norm": math.inf, "n_iter": 12}),
            ("torchattacks:APGDT", {"eps": 0.03, "steps": 12}),
            ("torchattacks:AutoAttack", {"eps": 0.05}),
            ("torchattacks:FAB", {"eps": 0.2, "steps": 10, "multi_targeted": True}),
        ],
    )
    def test_those_for_targets_take_the_other_class(self, case, file, options):
        require(file.partition(":")[0].partition(".")[0])
        network, images = case
        found = attack(network, images, file, 1, options=options, then="line")
        assert found.flipped.mean() > 0.5


@pytest.mark.peers
class TestAlma:
    @pytest.mark.slow
    @pytest.mark.parametrize("distance", ["l1", "l2", "ssim", "ciede2000"])
    def test_it_flips_by_each_of_its_distances(self, case, distance):
        (found,) = compared(case, "adv_lib.attacks:alma", {"num_steps": 60, "distance": distance})
        assert found.flipped.mean() > 0.5, "what it returns lies at the boundary, and rounding undoes some"
        assert (found.gradient_passes == 60).all(), "the third class costs no pass"
        assert (found.forward_passes[found.flipped] == 1).all(), "the verdict"

    @pytest.mark.slow
    def test_it_comes_near_the_smallest_of_a_linear_network(self):
        generator = np.random.default_rng(5)
        images = generator.integers(100, 156, (6, 16, 14, 3), dtype=np.uint8)
        weights = generator.normal(size=(1, images[0].size))
        scores = images.reshape(6, -1) @ weights[0]
        require("adv_lib")
        options = {"num_steps": 100, "init_lr_distance": 0.5}
        for scale in (1 / 4096, 1.0):
            network = Linear(weights * scale, (150 * np.linalg.norm(weights) - scores.mean()) * scale)
            found = attack(network, images, "adv_lib.attacks:alma", options=options, then="line")
            smallest = np.abs(found.score_before) / np.linalg.norm(weights * scale)
            assert found.flipped.all()
            l2 = np.sqrt(np.square(found.perturbation.astype(float)).sum(axis=(1, 2, 3)))
            np.testing.assert_allclose(l2, smallest, rtol=0.05)


@pytest.mark.peers
def test_others_see_two_classes(case, monkeypatch):
    monkeypatch.setattr("faceflip.attacks.conventions.WithThirdClass", None)
    (found,) = compared(case, "torchattacks:APGD", {"steps": 3})
    assert len(found.flipped) == 8
    with pytest.raises(UserError, match="'NoneType' object is not callable"):
        compared(case, "torchattacks:APGD", {"steps": 3, "loss": "dlr"})
