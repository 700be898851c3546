"""The six kinds of networks, each trained a few steps and attacked by every attack that applies."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from attack_networks import Padded, balance, convolutional, noise_images

from faceflip.attacks import attack, plain
from faceflip.catalogue import ATTACKS, LOSSES
from faceflip.errors import UserError
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.inference import to_input
from faceflip.networks.network import NetworkSpec, build
from faceflip.networks.objectives import Objective
from faceflip.training.feed import LabelledImages
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.training.loop import Training

ROWS = 4
ATTRIBUTES = ("Male", "Smiling", "Young")
SIZE = (32, 36)
"""Width and height."""


def labelled(count: int, attributes: int, seed: int) -> LabelledImages:
    """Return noise of which the k-th third is brighter where label k is +1."""
    random = np.random.default_rng(seed)
    labels = random.choice([-1, 1], (count, attributes)).astype(np.int8)
    images = random.integers(0, 150, (count, SIZE[1], SIZE[0], 3), dtype=np.uint8)
    for column in range(attributes):
        images[:, 12 * column : 12 * column + 12] += np.where(labels[:, column] > 0, 90, 0).astype(np.uint8)[
            :, None, None, None
        ]
    return LabelledImages(images, np.arange(count), labels)


@pytest.fixture(scope="module", params=[1, 3], ids=["one", "all"])
def attributes(request):
    return ATTRIBUTES[: request.param]


@pytest.fixture(scope="module", params=LOSSES)
def trained(request, attributes):
    """A network of one kind after 12 steps, its last layer changed so that both decisions occur."""
    torch.set_num_threads(1)
    architecture = ArchitectureOptions(width=0.0625, dropout=0.2, input_scale=1 / 64, initialisation="msra")
    network = build(NetworkSpec(request.param, attributes, SIZE, architecture), seed=4)
    data = labelled(48, len(attributes), seed=1), labelled(8, len(attributes), seed=2)
    options = TrainingOptions(batch_size=8, learning_rate=1e-3, checkpoints=[], min_epochs=1, max_epochs=2)
    before = {name: values.clone() for name, values in network.state_dict().items()}
    history = Training(network, *data, options, seed=3).run()
    assert np.isfinite([record.loss for record in history]).all()
    assert any(not torch.equal(values, before[name]) for name, values in network.state_dict().items())
    network.eval()
    with torch.no_grad():
        balance(network.layers[-1], network(to_input(data[0].images)), spread=0.7)
    return network


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_gives_what_the_plain_method_gives(trained, name):
    spec, count = trained.spec, 2 * ROWS + 1
    data = labelled(count, len(spec.attributes), seed=5)
    attacked = np.arange(count) % len(spec.attributes)
    labels = data.labels[np.arange(count), attacked]
    options = {"max_steps": 25}
    if name.startswith("fgs") and len(spec.attributes) > 1:
        with pytest.raises(UserError, match=r"FGS raises the loss of all 3 attributes .*use FFA, or the option fgs_sc"):
            attack(trained, data.images, name, attacked, spec.loss)
        with pytest.raises(UserError, match="FGS raises the loss of all attributes at once"):
            plain.attack(trained, data.images[0], name, 0, spec.loss)
        options["fgs_scope"] = "attribute"

    result = attack(trained, data.images, name, attacked, spec.loss, labels, batch_size=ROWS, **options)

    alone, options = Padded(trained, ROWS), options | {"margin": result.margin}
    for number, image in enumerate(data.images):
        expected = plain.attack(alone, image, name, int(attacked[number]), spec.loss, int(labels[number]), **options)
        for field in fields(expected):
            found, wanted = getattr(result, field.name)[number], getattr(expected, field.name)
            np.testing.assert_array_equal(found, wanted, err_msg=f"image {number}: {field.name}")
    assert result.flipped.sum() >= 3, "hardly anything to compare"


class Coupled(Objective):
    """A loss of all attributes together."""

    separable = False

    def loss(self, scores, labels):
        return (1 - labels * scores).relu().sum(dim=1).square()


def test_a_loss_that_is_no_sum_over_attributes_has_no_part_of_one():
    network, images, loss = convolutional(3, seed=0), noise_images(4, seed=0), f"{__file__}:Coupled"
    with pytest.raises(UserError, match=r"FGS cannot pick one of 3 attributes: the loss .*Coupled is no sum over att"):
        attack(network, images, "fgs-line", objective=loss, fgs_scope="attribute")
    assert attack(network, images, "ffa-line", objective=loss).flipped.any()
    one = attack(convolutional(1, seed=0), images, "fgs-line", objective=loss, fgs_scope="attribute")
    assert one.gradient_passes.tolist() == [1] * 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attack": "ffa-lines"}, "no attack 'ffa-lines'; did you mean ffa-line"),
        ({"objective": "mine.py:Mine"}, r"no loss on this page 'mine\.py:Mine'; there are euclidean, softmax, bce"),
        ({"direction": "mine.py:Mine"}, r"no direction on this page 'mine\.py:Mine'; there are fgs, ffa"),
        (
            {"attack": "x", "direction": "fgs", "search": "mine.py:S"},
            "no search on this page .*; there are doubling, sc",
        ),
        ({"max_epsilon": 0}, "option max_epsilon: expected a number from 1"),
    ],
)
def test_what_the_plain_page_does_not_have(options, message):
    with pytest.raises(UserError, match=message):
        plain.attack(convolutional(1, seed=0), noise_images(1, seed=0)[0], **options)
