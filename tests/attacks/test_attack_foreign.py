"""Attacks of libraries and of your own, by name: what they see, and what becomes of what they return."""

import threading
from pathlib import Path

import foreign_attacks
import numpy as np
import pytest
import torch
from attack_networks import Linear, Ridge, balance, convolutional, noise_images
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from faceflip.attacks import attack, iterate
from faceflip.attacks.conventions import foreign_attack
from faceflip.attacks.libraries import version_of
from faceflip.attacks.options import AttackSettings, for_attack
from faceflip.attacks.two_logits import Answer, TwoLogits
from faceflip.attempt import Experiment
from faceflip.catalogue import ATTACK_LIBRARIES, find_search
from faceflip.data.packed import open_dataset
from faceflip.data.packing import pack_dataset
from faceflip.data.synthetic import write_celeba
from faceflip.errors import UserError
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.checkpoint import CheckpointInfo, save_checkpoint
from faceflip.networks.network import NetworkSpec, build
from faceflip.outcomes import Outcome
from faceflip.pixels import perturbed
from faceflip.registry import load
from faceflip.stages.attack import ShardOfAttempts, attack_shard
from faceflip.store.reader import open_store
from faceflip.workflow.plan import Part

pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.slow]

OWN = Path(foreign_attacks.__file__)
LIBRARIES = [
    ("adv_lib.attacks:ddn", {"steps": 20}),
    ("adv_lib.attacks:fmn", {"steps": 20, "norm": 2}),
    ("adv_lib.attacks:fmn", {"steps": 20, "norm": float("inf")}),
    ("adv_lib.attacks:fab", {"norm": 2.0, "n_iter": 10}),
    ("adv_lib.attacks:ddn", {"steps": 20, "targeted": True}),
    ("foolbox.attacks:DDNAttack", {"steps": 20}),
    ("foolbox.attacks:L2DeepFoolAttack", {}),
    ("foolbox.attacks:L2CarliniWagnerAttack", {"steps": 10, "binary_search_steps": 3}),
    ("foolbox.attacks:LinfBasicIterativeAttack", {"epsilons": [0.01, 0.03, 0.1], "random_start": False}),
    ("foolbox.attacks:LinfPGD", {"epsilons": 0.05, "steps": 10}),
    ("torchattacks:BIM", {"eps": 0.05, "alpha": 0.01, "steps": 10}),
    ("torchattacks:DeepFool", {"steps": 10}),
    ("torchattacks:Square", {"eps": 0.1, "n_queries": 20}),
    ("art.attacks.evasion:CarliniL2Method", {"max_iter": 5, "binary_search_steps": 2}),
    ("art.attacks.evasion:DeepFool", {"max_iter": 10}),
    ("art.attacks.evasion:ProjectedGradientDescent", {"eps": 0.05, "eps_step": 0.01, "max_iter": 10, "targeted": True}),
]
"""Attacks of libraries, and options with which they flip something on the network of `case`."""

RANDOM = [
    (f"{OWN}:drawn", {}),
    ("adv_lib.attacks:pgd_linf", {"ε": 0.05, "steps": 5}),
    ("adv_lib.attacks:apgd", {"eps": 0.05, "norm": float("inf"), "n_iter": 6}),
    ("torchattacks:PGD", {"eps": 0.05, "alpha": 0.01, "steps": 5}),
    (
        "art.attacks.evasion:ProjectedGradientDescent",
        {"eps": 0.05, "eps_step": 0.01, "max_iter": 5, "num_random_init": 1},
    ),
    ("foolbox.attacks:LinfPGD", {"epsilons": 0.05, "steps": 5}),
]


def own(name: str) -> str:
    """Return the reference to an attack of the file."""
    return f"{OWN}:{name}"


def require_library(file: str) -> None:
    """Skip where the library that a reference names is not installed."""
    module = file.partition(":")[0].partition(".")[0]
    if module in ATTACK_LIBRARIES and version_of(file) == module:
        pytest.skip(f"{module} is not installed")


@pytest.fixture(scope="module")
def case():
    """Return a network of two attributes, of which the second is attacked, and images."""
    return convolutional(2, seed=3, spread=1.5), noise_images(14, seed=4)


def norms(result):
    """Return the L2 and L-infinity norms of all perturbations."""
    changes = result.perturbation.astype(np.int64)
    return np.sqrt(np.square(changes).sum(axis=(1, 2, 3))), np.abs(changes).max(axis=(1, 2, 3))


def decided(network, images, column):
    """Return decision values of uint8 images, each alone."""
    with torch.no_grad():
        alone = [network(torch.from_numpy(each[None]).permute(0, 3, 1, 2).float()) for each in images]
    return torch.cat(alone)[:, column].numpy()


def assert_verdicts_hold(network, images, column, result):
    """Every flipped image is one, seen alone, and every field is that of an ordinary attempt."""
    before = decided(network, images, column)
    after = decided(network, perturbed(images, result.perturbation), column)
    assert (((after > 0) != (before > 0)) == result.flipped).all()
    tolerance = 1e-5 * np.abs(before).max()
    np.testing.assert_allclose(result.score_before, before, atol=tolerance)
    np.testing.assert_allclose(result.score_after[result.flipped], after[result.flipped], atol=tolerance)
    assert np.isnan(result.score_after[~result.flipped]).all()
    assert np.isnan(result.epsilon[~result.flipped]).all()
    assert (result.flipped == (result.outcome == Outcome.FLIPPED)).all()
    assert (norms(result)[1][~result.flipped] == 0).all()


@pytest.fixture(scope="module")
def linear():
    """Return a network, images far from black and white, and the smallest norms."""
    generator = np.random.default_rng(5)
    size = (16, 14)
    images = generator.integers(100, 156, (12, *size, 3), dtype=np.uint8)
    weights = generator.normal(size=(1, images[0].size))
    scores = images.reshape(12, -1) @ weights[0]
    # A hundred and more pixel values in L2: then rounding adds little to it.
    network = Linear(weights / 64, (150 * np.linalg.norm(weights) - scores.mean()) / 64)
    values = decided(network, images, 0)
    return network, images, np.abs(values) / np.linalg.norm(weights / 64)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_celeba(folder / "faces", train=9, validation=1, test=1, seed=1)
    pack_dataset(folder / "faces", folder / "d.h5", (32, 36))
    dataset = open_dataset(folder / "d.h5")
    architecture = ArchitectureOptions(width=0.0625, initialisation="msra", input_scale=1 / 64)
    spec = NetworkSpec("euclidean", ("Male", "Smiling"), (32, 36), architecture)
    info = CheckpointInfo("moon", "all", 1, {}, {}, dataset.fingerprint)
    network = build(spec, seed=2).eval()
    with torch.no_grad():
        scores = network(torch.from_numpy(np.array(dataset.images)).permute(0, 3, 1, 2).float())
    balance([each for each in network.modules() if isinstance(each, nn.Linear)][-1], scores)
    save_checkpoint(folder / "all.pt", network, info)
    return folder, dataset


class TestWhatAnAttackSees:
    def test_two_logits_of_the_attribute_on_images_on_0_to_1(self, case):
        network, images = case
        foreign_attacks.SEEN.clear()
        attack(network, images[:3], own("looks"), 1)
        # The file is imported under a name of its own.
        seen = load(own("SEEN"))
        assert len(seen) == 3
        values = decided(network, images[:3], 1)
        for image, value, (given_image, decision, logits) in zip(images, values, seen, strict=False):
            assert (given_image.shape, given_image.dtype) == ((1, 3, 12, 10), torch.float32)
            np.testing.assert_array_equal((given_image[0] * 255).permute(1, 2, 0), image)
            assert decision.tolist() == [int(value > 0)]
            np.testing.assert_allclose(logits, [[-value, value]], atol=1e-5)
        seen.clear()

    def test_of_softmax_networks_the_difference_of_the_two_logits(self):
        network = Linear(np.vstack([np.full(12, -2.0), np.full(12, 3.0)]), [0.0, -5000.0])
        image = np.full((1, 2, 2, 3), 100, np.uint8)
        found = attack(network, image, own("projection"), objective="softmax")
        assert found.score_before[0] == 12 * 100 * 5 - 5000
        assert found.flipped[0]

    def test_gradients_are_those_of_the_network(self):
        weights = np.arange(12).reshape(1, 12) - 5.0
        view = two_logits_of(Linear(weights, 3.0), (2, 2))
        images = torch.rand(4, 3, 2, 2, generator=torch.Generator().manual_seed(1)).double().requires_grad_()
        logits = view(images)
        expected = 255 * torch.tensor(weights).view(2, 2, 3).permute(2, 0, 1).expand(4, -1, -1, -1)
        for column, sign in ((1, 1), (0, -1)):
            (gradient,) = torch.autograd.grad(logits[:, column].sum(), images, retain_graph=True)
            np.testing.assert_allclose(gradient, sign * expected)
        assert logits.dtype == torch.float64

    def test_a_tie_is_absent(self):
        view = two_logits_of(Linear(np.ones((1, 12)), -1200.0), (2, 2))
        images = torch.full((1, 3, 2, 2), 100 / 255)
        assert view(images).tolist() == [[0, 0]]
        assert view(images).argmax(1).tolist() == [0]
        assert view(images[:0]).shape == (0, 2)

    def test_without_gradients_no_gradient_is_taken(self, case):
        network, images = case
        found = attack(network, images, own("looks"), 1)
        assert (found.gradient_passes == 1).all(), "the one that tells the decision tells it, too"
        assert (found.forward_passes == 0).all()


def of_the_page(name: str, folder: Path) -> Path:
    """Write a file that docs/guides/library-attacks.md writes out, and return where."""
    page = (Path(__file__).parents[2] / "docs/guides/library-attacks.md").read_text(encoding="utf-8")
    (folder / name).write_text(page.partition(f"`{name}`:\n\n```python\n")[2].partition("```")[0])
    return folder / name


def two_logits_of(network: nn.Module, size):
    """Return the two logits of a network's only score."""

    def ask(asked):
        pixels = asked.images.view(-1, *size, 3).permute(0, 3, 1, 2).clone().requires_grad_(asked.gradient)
        scores = network(pixels)[:, 0]
        gradients = None
        if asked.gradient:
            with torch.enable_grad():
                gradients = torch.autograd.grad(network(pixels).sum(), pixels)[0].permute(0, 2, 3, 1).flatten(1)
        return Answer(scores.detach().double().numpy(), gradients)

    return TwoLogits(ask, size, torch.device("cpu"))


class TestClosedForms:
    """On a linear network the smallest L2 norm is |f| / ||w||, but for rounding and clipping."""

    def test_ones_own(self, linear):
        network, images, smallest = linear
        found = attack(network, images, own("projection"), options={"beyond": 1.05})
        assert found.flipped.all()
        l2, linf = norms(found)
        np.testing.assert_allclose(l2, 1.05 * smallest, rtol=0.01)
        np.testing.assert_array_equal(found.epsilon, linf)
        along = attack(network, images, own("projection"), options={"beyond": 1.05}, then="line")
        assert along.flipped.all()
        np.testing.assert_allclose(norms(along)[0], smallest, rtol=0.01)
        assert (norms(along)[0] < l2).all()

    @pytest.mark.peers
    @pytest.mark.parametrize(
        ("file", "options"),
        [
            ("adv_lib.attacks:ddn", {"steps": 200, "levels": 100_000}),
            ("adv_lib.attacks:fmn", {"steps": 100, "norm": 2}),
            ("foolbox.attacks:L2DeepFoolAttack", {}),
            ("torchattacks:DeepFool", {}),
            ("art.attacks.evasion:DeepFool", {}),
        ],
    )
    def test_of_libraries(self, linear, file, options):
        require_library(file)
        network, images, smallest = linear
        found = attack(network, images, file, options=options, then="line")
        assert found.flipped.mean() > 0.5, "FMN misses some"
        np.testing.assert_allclose(norms(found)[0][found.flipped], smallest[found.flipped], rtol=0.01)

    def test_less_than_it_takes_flips_nothing_and_the_line_goes_on(self, linear):
        network, images, smallest = linear
        found = attack(network, images, own("nearly"))
        assert not found.flipped.any()
        assert (found.outcome == Outcome.MAX_STEPS).all()
        along = attack(network, images, own("nearly"), then="line")
        assert along.flipped.all()
        np.testing.assert_allclose(norms(along)[0], smallest, rtol=0.01)
        short = attack(network, images, own("nearly"), then="line", max_epsilon=1)
        assert set(short.outcome[~short.flipped]) == {Outcome.MAX_EPSILON}


class TestEachLibrary:
    pytestmark = pytest.mark.peers

    @pytest.mark.parametrize(("file", "options"), LIBRARIES, ids=lambda value: value if isinstance(value, str) else "")
    def test_verdicts_and_lines(self, case, file, options):
        require_library(file)
        network, images = case
        found = attack(network, images, file, 1, options=options)
        assert_verdicts_hold(network, images, 1, found)
        l2, linf = norms(found)
        assert (found.epsilon[found.flipped] == linf[found.flipped]).all()
        along = attack(network, images, file, 1, options=options, then="line")
        assert_verdicts_hold(network, images, 1, along)
        assert along.flipped.any(), "nothing to compare"
        assert (along.flipped >= found.flipped).all()
        for ours, theirs in zip(norms(along), (l2, linf), strict=True):
            assert (ours[found.flipped] <= theirs[found.flipped]).all()

    @pytest.mark.parametrize(
        ("file", "options", "gradients", "forwards"),
        [
            ("adv_lib.attacks:ddn", {"steps": 7}, 7, 1),
            ("foolbox.attacks:DDNAttack", {"steps": 7}, 7, 2),
            ("torchattacks:BIM", {"eps": 0.5, "alpha": 0.05, "steps": 7}, 7, 1),
            ("art.attacks.evasion:FastGradientMethod", {"eps": 0.3}, 1, 1),
        ],
    )
    def test_passes_are_counted(self, case, file, options, gradients, forwards):
        """The first gradient is at the unperturbed image, which tells the decision, too; the last forward judges."""
        require_library(file)
        network, images = case
        found = attack(network, images, file, 1, options=options)
        changed = found.flipped
        assert changed.any()
        assert (found.gradient_passes[changed] == gradients).all()
        assert (found.forward_passes[changed] == forwards).all()
        assert (found.steps == found.gradient_passes).all()

    def test_images_are_those_of_the_library_alone(self):
        """With exact arithmetic, image by image, of torchattacks called by hand."""
        torchattacks = pytest.importorskip("torchattacks")
        generator = np.random.default_rng(2)
        network = Linear(generator.integers(-4, 5, (1, 60)), 20.0)
        images = generator.integers(0, 256, (9, 5, 4, 3), dtype=np.uint8)

        class View(nn.Module):
            def __init__(self):
                super().__init__()
                self.network = network

            def forward(self, batch):
                value = self.network((batch * 255).round() if not batch.requires_grad else batch * 255)
                return torch.cat([-value, value], dim=1)

        options = {"eps": 40 / 255, "alpha": 8 / 255, "steps": 6}
        found = attack(network, images, "torchattacks:BIM", options=options)
        for image, change, flipped in zip(images, found.perturbation, found.flipped, strict=True):
            batch = torch.from_numpy(image[None]).permute(0, 3, 1, 2).float() / 255
            classes = (decided(network, image[None], 0) > 0).astype(int)
            theirs = torchattacks.BIM(View(), **options)(batch, torch.tensor(classes))
            if flipped:
                np.testing.assert_array_equal((theirs[0] * 255).round().permute(1, 2, 0), image.astype(int) + change)

    def test_the_first_of_several_epsilons_that_flips_counts(self, case):
        pytest.importorskip("foolbox")
        network, images = case
        file, options = "foolbox.attacks:LinfBasicIterativeAttack", {"random_start": False}
        each = [attack(network, images, file, 1, options={"epsilons": size, **options}) for size in (0.01, 0.03, 0.1)]
        found = attack(network, images, file, 1, options={"epsilons": [0.01, 0.03, 0.1], **options})
        assert 0 < each[0].flipped.sum() < len(images), "no difference to see"
        for row in range(len(images)):
            first = next((one for one in each if one.flipped[row]), each[-1])
            np.testing.assert_array_equal(found.perturbation[row], first.perturbation[row])


class TestTheSignatureOfAdvLib:
    """Also of functions elsewhere, where adv-lib is not installed."""

    def test_labels_and_targets(self, case):
        network, images = case
        found = attack(network, images, own("steps"), 1, options={"steps": 12})
        assert found.flipped.mean() > 0.7
        assert_verdicts_hold(network, images, 1, found)
        # Of two logits the target is the other one, and the sign of the gradient the same.
        targeted = attack(network, images, own("steps"), 1, options={"steps": 12, "targeted": True})
        np.testing.assert_array_equal(found.perturbation, targeted.perturbation)


def test_the_attack_of_the_page(case, tmp_path):
    network, images = case
    file = of_the_page("my_attack.py", tmp_path)
    found = attack(network, images, f"{file}:attack", 1, then="line")
    assert found.flipped.mean() > 0.8
    assert (found.gradient_passes <= 20).all()
    assert_verdicts_hold(network, images, 1, found)


class TestThenLine:
    @settings(max_examples=15)
    @given(
        seed=st.integers(0, 10_000), name=st.sampled_from(["ties", "drawn", "many", "beyond", "steps", "projection"])
    )
    def test_it_is_never_larger(self, seed, name):
        """Also on a network whose decision comes and goes along a ray."""
        generator = np.random.default_rng(seed)
        images = noise_images(6, seed=seed, size=(5, 4))
        hidden = generator.normal(size=(6, 60))
        offsets = (images.reshape(6, -1) @ hidden.T).mean(axis=0) + generator.normal(0, 300, 6)
        network = Ridge(hidden, offsets, generator.choice([-1.0, 1.0], 6), float(generator.normal(0, 300)))
        found = attack(network, images, own(name))
        along = attack(network, images, own(name), then="line")
        assert (along.flipped >= found.flipped).all()
        for ours, theirs in zip(norms(along), norms(found), strict=True):
            assert (ours[found.flipped] <= theirs[found.flipped]).all()
        assert_verdicts_hold(network, images, 0, along)

    def test_its_image_flips_and_the_one_before_on_the_ray_does_not(self, case):
        """The perturbations of one ray are nested, so the image before has one pixel value less of one change."""
        network, images = case
        along = attack(network, images, own("steps"), 1, options={"steps": 20}, then="line")
        reference = attack(network, images, own("steps"), 1, options={"steps": 20})
        smaller = norms(along)[0] < norms(reference)[0]
        assert smaller.mean() > 0.5
        # Along a direction of equal steps every whole epsilon is an image; the one below is not flipped.
        below = along.perturbation.astype(int)
        below -= np.sign(below) * (np.abs(below) == np.abs(below).max(axis=(1, 2, 3), keepdims=True))
        values = decided(network, perturbed(images, below), 1)
        assert (((values > 0) == (along.score_before > 0)) | (along.epsilon < 1))[along.flipped].mean() > 0.8

    def test_kinds_and_what_is_heeded(self):
        assert find_search(AttackSettings(file=own("steps")).attack("steps").search).kind == "reference"
        assert find_search(AttackSettings(file=own("steps"), then="line").attack("steps").search).kind == "line"


class TestWhatIsReturned:
    def test_nothing_new_is_no_flip(self, case):
        network, images = case
        for then in (None, "line"):
            found = attack(network, images, own("nowhere"), 1, then=then)
            assert (found.outcome == Outcome.MAX_STEPS).all()
            assert (found.forward_passes == 0).all(), "the unperturbed image is judged already"

    @pytest.mark.parametrize("name", ["in_place", "in_double"])
    def test_images_may_be_changed_in_place_and_be_of_double_precision(self, case, name):
        network, images = case
        kept = images.copy()
        found = attack(network, images, own(name), 1)
        np.testing.assert_array_equal(images, kept)
        assert found.flipped.mean() > 0.8
        assert_verdicts_hold(network, images, 1, found)
        assert (np.abs(found.perturbation).max(axis=(1, 2, 3))[found.flipped] == 30).all()

    def test_what_leaves_the_range_is_clipped(self, case):
        network, images = case
        found = attack(network, images, own("beyond"), 1)
        assert found.flipped.any()
        assert_verdicts_hold(network, images, 1, found)
        assert np.isin(perturbed(images, found.perturbation)[found.flipped], (0, 255)).mean() > 0.5

    def test_several_images_at_once_count_each(self, case):
        network, images = case
        found = attack(network, images, own("many"), 1)
        assert (found.gradient_passes == 1 + 3).all()
        assert (found.forward_passes == 3 + 3).all(), "three are asked for and three are judged"
        assert {13, 51} & set(found.epsilon[found.flipped]), "the first that flips"

    @pytest.mark.parametrize("name", ["no_number", "infinite"])
    def test_no_numbers_are_no_image(self, case, name):
        network, images = case
        found = attack(network, images, own(name), 1)
        assert (found.outcome == Outcome.NOT_FINITE).all()
        assert (found.perturbation == 0).all()

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            (
                "wrong_shape",
                ":wrong_shape: returned images of the shape 1 x 3 x 12 x 9; expected 1 x 3 x 12 x 10",
            ),
            ("of_pixels", r":of_pixels: returned pixel values from 0 to 255; expected images on 0-1"),
            ("of_bytes", ":of_bytes: returned images of uint8; expected floating-point numbers on 0-1"),
            ("a_pair", ":a_pair: returned tuple; expected a tensor of images like those given"),
            ("nothing", ":nothing: returned NoneType; expected a tensor of images"),
            ("failing", ":failing: fails on image 0: ValueError: no such thing"),
            ("leaving", ":leaving: fails on image 0: SystemExit: 3"),
            (
                "miscalling",
                r"the network is called with torch.float32 \(1, 12, 10, 3\); expected floats \(n, \(3",
            ),
            ("threaded", "the network is called from another thread than the attack's own"),
            ("twice", ":twice: fails on image 0: RuntimeError: "),
            ("NOT_CALLABLE", ":NOT_CALLABLE: expected a function of network, images and decisions, or an attack class"),
            ("Unknown", ":Unknown: expected a function of network, images and decisions, or an attack class"),
            ("stepz", ":stepz: .* has no 'stepz'; did you mean steps"),
        ],
    )
    def test_what_is_wrong_is_one_clear_message(self, case, name, message):
        network, images = case
        with pytest.raises(UserError, match=message):
            attack(network, images, own(name), 1)

    @pytest.mark.parametrize(
        ("file", "options", "message"),
        [
            (own("steps"), {"step": 3}, r":steps: cannot be called with the options step: .*; did you mean steps"),
            (own("steps"), {"labels": 3}, r":steps: cannot be called with the options labels: multiple values"),
            ("adv_lib.attacks:fmn", {}, "fmn: cannot be called without options: missing a required argument: 'norm'"),
            ("adv_lib.attacks:dddn", {}, "adv_lib.attacks has no 'dddn'; did you mean ddn"),
            ("adv_lib.attack:ddn", {}, "adv_lib.attack cannot be imported"),
            ("foolbox.attacks:LinfPGD", {}, "LinfPGD: needs the option epsilons, a number or a list of them"),
            ("foolbox.attacks:LinfPGD", {"stepz": 3}, "with the options stepz: .* did you mean steps"),
            ("torchattacks:BIM", {"model": 3}, "with the options model: multiple values"),
            ("torchattacks:BIM", {"epsilon": 3}, "with the options epsilon: .* did you mean eps"),
            ("art.attacks.evasion:DeepFool", {"maxiter": 3}, "with the options maxiter: .* did you mean max_iter"),
            ("art.estimators.classification:PyTorchClassifier", {}, "cannot be called without options"),
        ],
    )
    def test_options_that_do_not_fit_are_told_before_anything(self, file, options, message):
        require_library(file)
        with pytest.raises(UserError, match=message):
            foreign_attack(file, options)


class TestRandomness:
    @pytest.mark.parametrize(("file", "options"), RANDOM, ids=lambda value: value if isinstance(value, str) else "")
    def test_an_attempt_does_not_depend_on_its_neighbours(self, case, file, options):
        require_library(file)
        network, images = case
        common = {"options": options, "examined": images[:4], "batch_size": 8, "seed": 5}
        whole = attack(network, images, file, 1, **common)
        assert whole.flipped.any()
        for rows in (np.arange(14)[::-1], np.array([3]), np.array([7, 2, 9, 11, 13])):
            part = attack(network, images[rows], file, 1, **common)
            for name, values in {**part.found(), "perturbation": part.perturbation}.items():
                expected = whole.perturbation if name == "perturbation" else whole.found()[name]
                if name.startswith("score"):  # whose last bits some processors' kernels take from the place in a batch
                    np.testing.assert_allclose(values, expected[rows], rtol=1e-5, atol=1e-6)
                else:
                    np.testing.assert_array_equal(values, expected[rows], err_msg=name)

    @pytest.mark.parametrize(("file", "options"), RANDOM, ids=lambda value: value if isinstance(value, str) else "")
    def test_it_follows_from_the_seed_and_the_image(self, case, file, options):
        require_library(file)
        network, images = case
        some = images[[0, 0, *range(1, 8)]]
        one, again, other = (
            attack(network, some, file, 1, options=options, seed=seed).perturbation for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(one, again)
        assert (one != other).any()
        np.testing.assert_array_equal(one[0], one[1])

    def test_the_callers_generators_are_left_alone(self, case):
        import random

        network, images = case

        def draw():
            return random.random(), np.random.rand(), float(torch.rand(()))  # noqa: NPY002

        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(3)
        expected = draw()
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(3)
        attack(network, images, own("drawn"), 1)
        assert draw() == expected


class TestRuns:
    def test_one_that_is_broken_off_leaves_no_thread(self, case):
        network, images = case
        before = threading.active_count()
        results = iterate(network, images, own("uneven"), 1, batch_size=4, block_size=1)
        next(results)
        assert threading.active_count() > before
        results.close()
        assert threading.active_count() == before
        with pytest.raises(UserError, match="fails on image 0"):
            attack(network, images, own("failing"), 1)
        assert threading.active_count() == before

    def test_it_goes_on_without_gradients_and_in_inference_mode(self, case):
        network, images = case
        expected = attack(network, images, own("steps"), 1).perturbation
        for mode in (torch.no_grad, torch.inference_mode):
            with mode():
                np.testing.assert_array_equal(attack(network, images, own("steps"), 1).perturbation, expected)

    def test_the_batch_changes_last_bits_alone(self, case):
        network, images = case
        one, other = (attack(network, images, own("steps"), 1, then="line", batch_size=size) for size in (1, 32))
        np.testing.assert_array_equal(one.flipped, other.flipped)
        np.testing.assert_allclose(one.epsilon, other.epsilon, rtol=0.01)

    @pytest.mark.parametrize("name", ["drawn", "many", "steps", "art.attacks.evasion:FastGradientMethod"])
    def test_it_runs_where_it_is_told(self, case, device, name):
        file = name if ":" in name else own(name)
        require_library(file)
        network, images = case
        for then in (None, "line"):
            found, again = (attack(network, images, file, 1, then=then, device=device) for _ in range(2))
            assert found.flipped.any()
            assert_verdicts_hold(network, images, 1, found)
            np.testing.assert_array_equal(found.perturbation, again.perturbation)

    def test_a_mixture_of_attributes(self, case):
        network, images = case
        columns = np.arange(14) % 2
        mixed = attack(network, images, own("steps"), columns)
        for column in (0, 1):
            alone = attack(network, images, own("steps"), column)
            np.testing.assert_array_equal(mixed.perturbation[columns == column], alone.perturbation[columns == column])


class TestShards:
    """Their bytes are the same however an experiment is cut."""

    def attempts(self, bench, file, size, **options):
        """Return the columns and perturbations of an experiment in shards of so many attempts."""
        folder, dataset = bench
        sample = dataset.rows("train")
        joined = []
        for number, first in enumerate(range(0, 2 * len(sample), size)):
            wanted = range(first, min(first + size, 2 * len(sample)))
            parts = []
            for place, attribute in enumerate(("Male", "Smiling")):
                inside = [each - place * len(sample) for each in wanted if each // len(sample) == place]
                if inside:
                    parts.append(Part(attribute, "all", inside[0], inside[-1] + 1))
            shard = ShardOfAttempts(
                Experiment("paper", "moon", "converged", "mine"),
                number=number,
                first_attempt=first,
                parts=parts,
                options={"file": file, "batch_size": 8, **options},
                seed=3,
            )
            path = folder / f"{number:03}.h5"
            attack_shard(path, shard, {"all": folder / "all.pt"}, dataset, sample, torch.device("cpu"))
            with open_store(path) as store:
                names = ("image", "attribute", "flipped", "epsilon", "outcome", "score_before", "score_after", "steps")
                passes = ("gradient_passes", "forward_passes")
                table = store.attempts
                columns = {name: table[name].to_numpy() for name in (*names, *passes)}
                flipped = np.flatnonzero(columns["flipped"])
                changes = np.zeros((len(table), 36, 32, 3), np.int16)
                for row in flipped:
                    changes[row] = store.perturbation(row)
                joined.append({**columns, "perturbation": changes, "margin": store.header.margins["all"]})
        return joined

    @pytest.mark.parametrize("then", [None, "line"])
    @pytest.mark.parametrize(
        ("file", "options"),
        [
            (own("drawn"), {"size": 0.6}),
            ("torchattacks:PGD", {"eps": 0.6, "alpha": 0.2, "steps": 4}),
        ],
    )
    def test_of_one_three_and_eight_attempts(self, bench, file, options, then):
        require_library(file)
        more = {"options": options} | ({"then": then} if then else {})
        self.compare(bench, file, more, (1, 3, 8))

    @pytest.mark.parametrize(
        ("file", "options"),
        [
            ("adv_lib.attacks:apgd", {"eps": 0.6, "norm": float("inf"), "n_iter": 4}),
            ("foolbox.attacks:LinfPGD", {"epsilons": 0.6, "steps": 4}),
            (
                "art.attacks.evasion:ProjectedGradientDescent",
                {"eps": 0.6, "eps_step": 0.2, "max_iter": 4, "num_random_init": 1},
            ),
        ],
    )
    def test_of_each_library(self, bench, file, options):
        require_library(file)
        self.compare(bench, file, {"options": options}, (5,))

    def compare(self, bench, file, more, sizes):
        """Compare what shards of these sizes hold with a single one."""
        whole, *cut = (self.attempts(bench, file, size, **more) for size in (18, *sizes))
        assert whole[0]["flipped"].any()
        for shards in cut:
            assert {shard["margin"] for shard in shards} == {whole[0]["margin"]}
            for name in whole[0].keys() - {"margin"}:
                np.testing.assert_array_equal(np.concatenate([shard[name] for shard in shards]), whole[0][name], name)

    def test_the_store_says_what_it_was(self, bench):
        folder, _ = bench
        pytest.importorskip("torchattacks")
        options = {"options": {"steps": 2, "eps": float("inf")}, "library": version_of("torchattacks:BIM")}
        self.attempts(bench, "torchattacks:BIM", 18, **options)
        with open_store(folder / "000.h5") as store:
            parameters = store.header.parameters
            assert not store.header.iterative
        assert parameters["library"].startswith("torchattacks 3.")
        assert parameters["file"] == "torchattacks:BIM"
        assert parameters["options"] == {"steps": 2, "eps": "inf"}


class TestNames:
    @pytest.mark.parametrize(
        ("name", "values", "message"),
        [
            (
                "mine",
                {"file": "mine.py"},
                "option file: 'mine.py' names no attack; expected MODULE:NAME of a libr",
            ),
            ("mine", {"file": ":f"}, "option file: ':f' names no attack"),
            (
                "mine",
                {"file": "no_such_library.attacks:f"},
                "the package no_such_library is not installed; is its",
            ),
            ("mine", {"file": "mine.py:f", "search": "doubling"}, "option search: an attack by file goes its own way"),
            ("mine", {"file": "mine.py:f", "direction": "ffa"}, "option direction: an attack by file goes its own way"),
            (
                "ffa-line",
                {"file": "mine.py:f"},
                "option file: ffa-line is an attack of faceflip's own; give",
            ),
            ("ffa-line", {"search": "reference"}, "there is no search 'reference'"),
        ],
    )
    def test_faults(self, name, values, message):
        with pytest.raises(UserError) as error:
            AttackSettings(**values).attack(name)
        assert message in str(error.value)

    @pytest.mark.parametrize("module", ATTACK_LIBRARIES)
    def test_a_library_that_is_missing_comes_with_what_to_type(self, monkeypatch, module):
        monkeypatch.setattr("faceflip.attacks.libraries.is_installed", lambda name: False)
        with pytest.raises(UserError) as error:
            AttackSettings(file=f"{module}.attacks:thing").attack("mine")
        assert f"the package {module} is not installed; install it by\n  pip install" in str(error.value)

    def test_what_is_not_ours_goes_to_its_options(self):
        given = {"steps": 3, "then": "line", "max_epsilon": 9}
        sorted_out = {"then": "line", "max_epsilon": 9, "options": {"steps": 3}}
        assert for_attack("mine.py:f", given) == sorted_out
        assert for_attack("mine", {"file": "mine.py:f", **given}) == {"file": "mine.py:f", **sorted_out}
        assert for_attack("ffa-line", given) == given
