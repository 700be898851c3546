"""What is suspicious of a network that was brought, and what is too strange to be attacked."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from faceflip.attacks.suspicions import of_labels, suspicions
from faceflip.errors import UserError
from faceflip.networks.brought import BroughtOptions
from faceflip.networks.foreign import ForeignLayers
from faceflip.networks.network import AttributeNetwork, NetworkSpec
from faceflip.networks.objectives import objective_of

NAMES = ("Smiling", "Male")
COUNT, HEIGHT, WIDTH = 64, 10, 8
CPU = torch.device("cpu")


class Halves(nn.Module):
    """Scores that say how much brighter one half of the image is than the other: left to right, and top to bottom."""

    def forward(self, images):
        grey = images.mean(1) / 8
        sideways = grey[:, :, : WIDTH // 2].mean((1, 2)) - grey[:, :, WIDTH // 2 :].mean((1, 2))
        down = grey[:, : HEIGHT // 2].mean((1, 2)) - grey[:, HEIGHT // 2 :].mean((1, 2))
        return torch.stack([sideways, down], dim=1)


def network_of(change=lambda scores: scores, loss="bce", inner=None):
    """Return a network whose scores are those of `Halves`, changed."""

    class Changed(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner or Halves()
            self.noise = nn.Dropout(0.5)

        def forward(self, images):
            return change(self.inner(images))

    network = AttributeNetwork.__new__(AttributeNetwork)
    nn.Module.__init__(network)
    network.spec = NetworkSpec(loss, NAMES, (WIDTH, HEIGHT), brought=BroughtOptions(file="x.py:y"))
    network.objective, network.program = objective_of(loss), None
    scores = network.objective.outputs(2)
    network.layers = ForeignLayers(
        Changed(), "x.py:y", NAMES, scores, None, (WIDTH, HEIGHT), network.spec.brought.input
    )
    return network.eval()


@pytest.fixture(scope="module")
def faces():
    """Images, and the labels that `Halves` gives them."""
    images = np.random.default_rng(3).integers(0, 256, (COUNT, HEIGHT, WIDTH, 3), dtype=np.uint8)
    scores = Halves()(torch.from_numpy(images).permute(0, 3, 1, 2).float())
    return images, np.where(scores.numpy() > 0, 1, -1).astype(np.int8)


def found(network, faces, labels=None, majority=(-1, -1)):
    images, true = faces
    return suspicions(network, images, true if labels is None else labels, np.array(majority), CPU, 16)


def test_a_sound_network_is_not_suspicious(faces):
    assert found(network_of(), faces) == []
    pairs = network_of(lambda scores: torch.stack([-scores, scores], dim=2).flatten(1), loss="softmax")
    assert found(pairs, faces) == []


def test_labels_that_are_not_known_are_passed_over(faces):
    labels = faces[1].copy()
    labels[:, 1] = 0
    assert found(network_of(), faces, labels) == []
    wrong = np.where(np.arange(COUNT)[:, None] < 56, 0, -labels)  # too few to be sure of anything
    assert found(network_of(), faces, wrong.astype(np.int8)) == []


def test_an_inverted_sign(faces):
    (text,) = found(network_of(lambda scores: scores * torch.tensor([1.0, -1.0])), faces)
    assert re.fullmatch(r"the sign of Male \(0% balanced accuracy\) looks inverted against the labels: .*", text)


def test_outputs_in_another_order(faces):
    (text,) = found(network_of(lambda scores: scores.flip(1)), faces)
    assert text.startswith("the scores of Smiling follow the labels of Male, the scores of Male follow the labels of ")


def test_accuracy_below_that_of_the_majority_answer(faces):
    labels = np.where(np.arange(COUNT)[:, None] % 8, -1, 1) * np.ones((1, 2), int)
    (text,) = found(network_of(), faces, labels.astype(np.int8))
    right = (faces[1] == labels).mean(axis=0)
    assert f"Smiling ({right[0]:.0%}, Trivial 88%), Male ({right[1]:.0%}, Trivial 88%)" in text
    assert "`input`: scale, mean, std, order, size" in text


def test_a_constant_attribute(faces):
    network = network_of(lambda scores: scores * torch.tensor([1.0, 0.0]) - torch.tensor([0.0, 3.0]))
    assert "the same score for all 64 images on Male" in found(network, faces, labels=np.zeros_like(faces[1]))


def test_saturated_scores_have_no_gradient(faces):
    network = network_of(lambda scores: 3 * torch.sign(scores) + 0 * scores)
    assert any("the gradient is zero on all 16 images" in text for text in found(network, faces))


ERRORS = {
    "probabilities": (lambda s: s.sigmoid(), r"scores look like probabilities, .* give the scores before the last"),
    "no numbers": (lambda s: s / (s > 0), "scores of 44 of 64 images are infinite or no numbers; does it"),
    "one answer": (lambda s: 0 * s + 2, r"scores of 64 images are all the same, \[2\.0, 2\.0\]: it does not look at"),
    "no gradient": (lambda s: s.detach(), "no gradient flows from its scores to the images"),
    "another answer each time": (lambda s: s + torch.rand_like(s), "for the same images a second time"),
    "answers that depend on others": (lambda s: s - s.mean(0), "for the same images in other batches"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), ERRORS.values(), ids=ERRORS)
def test_what_makes_attacks_useless_is_an_error(faces, change, message):
    with pytest.raises(UserError, match=message):
        found(network_of(change), faces)


def test_probabilities_of_two_logits_are_told_and_no_error(faces):
    network = network_of(lambda s: torch.stack([-s, s], dim=2).softmax(2).flatten(1), loss="softmax")
    assert any("scores look like probabilities" in text for text in found(network, faces))


def test_guesses_are_seldom_suspected():
    """Answers of chance with the labels' own prevalence: suspected in fewer than one of fifty networks."""
    rng = np.random.default_rng(7)
    suspected = 0
    for share in rng.uniform(0.05, 0.95, 400):
        answers, labels = (np.where(rng.random((200, 2)) < share, 1, -1) for _ in range(2))
        suspected += any("inverted" in text for text in of_labels(NAMES, answers, labels, np.array([1, 1])))
    assert suspected < 8


def test_how_sure_a_suspicion_is():
    """Six of six wrong by chance: 1 / C(6, 3) = 1 / 20 is not enough; of twelve, 1 / 924, twice for two attributes."""
    for count, told in ((6, False), (12, True)):
        labels = np.where(np.arange(count) % 2, 1, -1)[:, None] * np.ones((1, 2), int)
        texts = list(of_labels(NAMES, -labels, labels, np.array([1, 1])))
        assert any("inverted" in text for text in texts) == told
