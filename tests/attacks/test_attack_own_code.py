"""A loss, a direction, a search and an architecture of your own, by reference to a file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from attack_networks import Linear, convolutional, noise_images
from own_code import Hinge

from faceflip.attacks import attack
from faceflip.errors import UserError
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from faceflip.networks.network import NetworkSpec, build, outline
from faceflip.outcomes import Outcome
from faceflip.training.feed import LabelledImages
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.training.loop import Training

pytestmark = pytest.mark.usefixtures("one_thread")

OWN = Path(__file__).with_name("own_code.py")
ATTRIBUTES = ("Smiling", "Male")


def own(name: str) -> str:
    """Return the reference to an object of the file."""
    return f"{OWN}:{name}"


@pytest.fixture
def network():
    return convolutional(2, seed=3, spread=1.5)


@pytest.fixture
def images():
    return noise_images(30, seed=4)


def assert_same(one, other):
    for name in ("perturbation", "outcome", "epsilon", "score_after"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("name", ["leave-line", "ffa-line"])
def test_a_direction(network, images, name):
    """Of one score an attribute, leaving the decision is the direction of FFA."""
    options = {"search": "doubling"} if name == "leave-line" else {}
    found = attack(network, images, name, 1, direction=own("Leave"), **options)
    assert found.flipped.mean() > 0.5
    assert_same(found, attack(network, images, "ffa-line", 1))


def test_a_direction_on_two_logits(network, images):
    found = attack(network, images, "ffa-iterative", objective="softmax", direction=own("Leave"))
    assert found.flipped.mean() > 0.5
    assert_same(found, attack(network, images, "ffa-iterative", objective="softmax", ffa_objective="margin"))


def test_a_direction_of_signs_has_whole_epsilons(network, images):
    for search in ("doubling", "scan", "iterative"):
        found = attack(network, images, "mine", 1, direction=own("Whole"), search=search)
        assert found.flipped.any()
        epsilon = found.epsilon[found.flipped]
        assert (epsilon == np.rint(epsilon)).all()


def test_a_search_that_grows_in_another_way():
    images = np.full((1, 2, 2, 3), 100, np.uint8)
    network = Linear([[1 / 64] * 12], -1200 / 64 + 0.5)
    found = attack(network, images, "mine", direction="fgs", search=own("Tripling"))
    line = attack(network, images, "fgs-line")
    assert found.epsilon[0] == line.epsilon[0] == 3
    assert (found.forward_passes[0], line.forward_passes[0]) == (4, 3), "1, 4, 2, 3 against 1, 3, 2"
    beyond = attack(network, images, "mine", direction="fgs", search=own("Tripling"), max_epsilon=2)
    assert Outcome(beyond.outcome[0]) == Outcome.MAX_EPSILON


def test_a_search_from_scratch(network, images):
    found = attack(network, images, "leap", 1, direction="ffa", search=own("Leap"), batch_size=8)
    assert found.flipped.any()
    assert not found.flipped.all()
    assert (found.epsilon[found.flipped] == 8).all()
    assert np.abs(found.perturbation).max() == 8
    assert (found.gradient_passes == 1).all()
    line = attack(network, images, "ffa-line", 1, batch_size=8)
    assert line.flipped[found.flipped].all()


def test_a_loss(network, images):
    assert attack(network, images, "ffa-line", 1, own("Hinge")).flipped.any()
    found = attack(network, images, "fgs-line", 1, own("Hinge"), fgs_scope="attribute")
    # Where the margin of the decision is less than one, its loss rises towards the other side; else it is flat.
    expected = np.abs(found.score_before) < 1
    assert (found.flipped <= expected).all()
    assert found.flipped.sum() > 5
    assert ((found.outcome == Outcome.ZERO_GRADIENT) == ~expected).all()


def test_an_architecture_and_a_loss_from_training_to_attack(tmp_path):
    architecture = ArchitectureOptions(name=own("perceptron"), options={"hidden": 6}, input_scale=1 / 64)
    spec = NetworkSpec(own("Hinge"), ATTRIBUTES, (10, 12), architecture)
    assert outline(spec).layers[1].out_features == 6
    network = build(spec, seed=1)
    assert network.objective.name == own("Hinge")
    assert network.objective.scores_an_attribute == Hinge().scores_an_attribute == 1

    random = np.random.default_rng(0)
    labels = random.choice([-1, 1], (64, 2)).astype(np.int8)
    images = (128 + 40 * labels[:, :, None, None, None] * np.ones((6, 10, 3))).reshape(64, 12, 10, 3).astype(np.uint8)
    data = LabelledImages(images, np.arange(64), labels)
    options = TrainingOptions(batch_size=8, learning_rate=3e-3, max_epochs=10, patience=10)
    history = Training(network, data, data, options, seed=1).run()
    assert history[-1].loss < history[0].loss

    save_checkpoint(tmp_path / "x.pt", network, CheckpointInfo("mine", "all", 4, {}, {}, "5e" * 32))
    loaded, _ = load_checkpoint(
        tmp_path / "x.pt", loss=own("Hinge"), attributes=ATTRIBUTES, own_code=[spec.loss, architecture.name]
    )
    assert loaded.spec == spec
    assert all(torch.equal(*pair) for pair in zip(loaded.parameters(), network.parameters(), strict=True))
    found = attack(loaded, images, "ffa-line", np.arange(64) % 2, loaded.spec.loss)
    assert found.flipped.sum() > 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direction": own("Leap")}, "own_code.py:Leap: expected a class like faceflip.attacks.directions.Direction"),
        ({"direction": own("perceptron")}, "own_code.py:perceptron: expected a class like faceflip.attacks.directions"),
        ({"search": own("Hinge"), "direction": "ffa"}, "own_code.py:Hinge: expected a class like faceflip.attacks.sea"),
        ({"objective": own("Leave")}, "own_code.py:Leave: expected a class like faceflip.networks.objectives.Objectiv"),
        ({"objective": own("Hing")}, "own_code.py has no 'Hing'; did you mean Hinge?"),
        ({"direction": "nowhere.py:Leave"}, "nowhere.py:Leave: no such file"),
    ],
)
def test_references_to_something_else(network, images, options, message):
    with pytest.raises(UserError) as error:
        attack(network, images, "mine" if "search" in options else "ffa-line", **options)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("forgetful", {}, "own_code.py:forgetful gives 2 x 360 for 2 images, expected scores 2 x 2"),
        ("no_layers", {}, "own_code.py:no_layers gives str, expected a torch.nn.Module"),
        ("perceptron", {"depth": 3}, "own_code.py:perceptron cannot be built"),
        ("Perceptron", {}, "own_code.py has no 'Perceptron'; did you mean perceptron?"),
    ],
)
def test_architectures_that_do_not_fit(name, options, message):
    with pytest.raises(UserError) as error:
        outline(NetworkSpec("bce", ATTRIBUTES, (10, 12), ArchitectureOptions(name=own(name), options=options)))
    assert message in str(error.value)
