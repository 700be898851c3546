"""FGS takes the steps that Foolbox, ART and torchattacks take on the same network.

They attack logits with the cross-entropy of a label that they are given; with the current decision as the label this is
FGS on a softmax network. Their one-step images at our epsilon, and their images after our number of steps, are ours.
"""

import numpy as np
import pytest
import torch
from attack_networks import convolutional, noise_images
from torch import nn

from faceflip.attacks import attack

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def case():
    """Return a softmax network, images and labels: the current decisions as classes 0 and 1."""
    network, images = convolutional(2, seed=6, spread=2.5), noise_images(40, seed=9)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    with torch.no_grad():
        labels = network(torch.from_numpy(images).permute(0, 3, 1, 2).float()).argmax(dim=1)
    return network, images, labels


class Unit(nn.Module):
    """Takes pixels on 0-1, as torchattacks wants them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(images * 255)


def foolbox_image(network, images, labels, epsilon, steps):
    import foolbox

    model = foolbox.PyTorchModel(network, bounds=(0, 255))
    kind = foolbox.attacks.LinfBasicIterativeAttack if steps else foolbox.attacks.LinfFastGradientAttack
    attack = kind(abs_stepsize=1, steps=steps, random_start=False) if steps else kind(random_start=False)
    return attack(model, images, labels, epsilons=float(epsilon))[1]


def art_image(network, images, labels, epsilon, steps):
    from art.attacks.evasion import BasicIterativeMethod, FastGradientMethod
    from art.estimators.classification import PyTorchClassifier

    classifier = PyTorchClassifier(
        network, nn.CrossEntropyLoss(), tuple(images.shape[1:]), 2, clip_values=(0, 255), device_type="cpu"
    )
    if steps:
        attack = BasicIterativeMethod(classifier, eps=float(epsilon), eps_step=1.0, max_iter=steps, verbose=False)
    else:
        attack = FastGradientMethod(classifier, eps=float(epsilon))
    return torch.from_numpy(attack.generate(images.numpy(), labels.numpy()))


def torchattacks_image(network, images, labels, epsilon, steps):
    import torchattacks

    network = Unit(network).eval()
    if steps:
        attack = torchattacks.PGD(network, epsilon / 255, 1 / 255, steps, random_start=False)
    else:
        attack = torchattacks.FGSM(network, epsilon / 255)
    return attack(images / 255, labels) * 255


PEERS = [foolbox_image, art_image, torchattacks_image]


@pytest.mark.parametrize("peer", PEERS)
def test_one_step_of_fgs_is_the_peers(case, peer):
    network, images, labels = case
    result = attack(network, images, "fgs-line", objective="softmax")
    assert result.flipped.mean() > 0.5
    for epsilon in np.unique(result.epsilon[result.flipped])[:4]:
        rows = np.flatnonzero(result.epsilon == epsilon)
        batch = torch.from_numpy(images[rows]).permute(0, 3, 1, 2).float().contiguous()
        theirs = peer(network, batch, labels[rows], epsilon, 0).permute(0, 2, 3, 1).numpy()
        np.testing.assert_array_equal(np.rint(theirs) - images[rows], result.perturbation[rows])


@pytest.mark.parametrize("peer", PEERS)
def test_steps_of_iterative_fgs_are_the_peers(case, peer):
    network, images, labels = case
    result = attack(network, images, "fgs-iterative", objective="softmax")
    taken = np.unique(result.steps[result.flipped])
    assert taken.max() >= 3, "no steps to compare"
    for steps in taken[:5].tolist():
        rows = np.flatnonzero(result.flipped & (result.steps == steps))
        batch = torch.from_numpy(images[rows]).permute(0, 3, 1, 2).float().contiguous()
        theirs = peer(network, batch, labels[rows], 255, steps).permute(0, 2, 3, 1).numpy()
        np.testing.assert_array_equal(np.rint(theirs) - images[rows], result.perturbation[rows])
