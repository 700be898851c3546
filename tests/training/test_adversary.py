"""Adversarial training: attacked images against closed forms, and that nothing but images is changed by attacking."""

import numpy as np
import pytest
import torch
from tunings import CPU, NAMES, OPTIONS, SIZE, dataset, spec_of

from faceflip.catalogue import LOSSES
from faceflip.networks.network import build
from faceflip.networks.objectives import objective_of
from faceflip.training.adversary import Adversary, OnTheFly
from faceflip.training.feed import Feed, LabelledImages
from faceflip.training.loop import Training
from faceflip.training.tuning import TuningOptions

SHAPE = (4, 3, SIZE[1], SIZE[0])


def network_of(loss="euclidean", layers="linear", attributes=NAMES):
    network = build(spec_of(attributes, loss, layers), 3).eval()
    for parameter in network.parameters():
        parameter.requires_grad_()
    return network


def faces(seed=0, low=0, high=256):
    return torch.from_numpy(np.random.default_rng(seed).integers(low, high, SHAPE)).float()


def labels_of(seed=1, attributes=3):
    return torch.from_numpy(np.random.default_rng(seed).choice(np.array([-1, 1], np.int8), (4, attributes)))


def slope(loss, score, label):
    """The derivative of the loss of an attribute by its score, or by the difference of its two logits."""
    return 2 * (score - label) if loss == "euclidean" else -label / (1 + np.exp(label * score))


@pytest.mark.parametrize("loss", LOSSES)
def test_one_step_on_a_linear_network_is_the_written_formula(loss):
    """Wong 2020: x + u + 1.25 eps sign(grad J(x + u)), within eps of x and 0-255; u is uniform."""
    network, images, labels, eps = network_of(loss), faces(), labels_of(), 6.0
    adversary = Adversary.of(TuningOptions(diet="fgsm-rs"))
    assert (adversary.steps, adversary.step_size) == (1, 1.25)
    torch.manual_seed(11)
    found = adversary.attacked(network, network.objective, images, labels, eps).numpy()
    torch.manual_seed(11)
    start = images.numpy() + torch.empty_like(images).uniform_(-eps, eps).numpy()
    start = np.clip(start, 0, 255)
    weights = network.layers[1].weight.detach().numpy().astype(float)
    scores = start.reshape(4, -1) @ weights.T + network.layers[1].bias.detach().numpy()
    if loss == "softmax":
        weights, scores = weights[1::2] - weights[::2], scores[:, 1::2] - scores[:, ::2]
    rise = slope(loss, scores, labels.numpy())
    gradient = (rise @ weights).reshape(SHAPE)
    expected = np.clip(start + 1.25 * eps * np.sign(gradient), images.numpy() - eps, images.numpy() + eps)
    clear = abs(gradient) > 1e-6 * abs(gradient).max()
    assert clear.mean() > 0.9
    np.testing.assert_allclose(found[clear], np.clip(expected, 0, 255)[clear], atol=1e-3)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("layers", ["perceptron", "normalised"])
def test_projected_descent_stays_in_the_ball_and_raises_the_loss(loss, layers):
    network, images, labels = network_of(loss, layers), faces(), labels_of()
    adversary = Adversary.of(TuningOptions(diet="pgd"))
    assert (adversary.steps, adversary.step_size) == (7, 0.25)
    found = adversary.attacked(network, network.objective, images, labels, 8.0)
    assert not found.requires_grad
    assert float((found - images).abs().max()) <= 8 + 1e-4
    assert float(found.min()) >= 0
    assert float(found.max()) <= 255
    with torch.no_grad():
        before, after = (network.objective.loss(network(each), labels.float()) for each in (images, found))
    assert (after > before).all()


def test_the_start_is_uniform_in_the_ball():
    network, images = network_of(), faces(low=100, high=150)
    found = Adversary(10.0, 0.0, 1, 0.0).attacked(network, network.objective, images, labels_of(), 10.0)
    moved = (found - images).flatten()
    assert -10 <= float(moved.min()) < -9
    assert 9 < float(moved.max()) <= 10
    assert abs(float(moved.mean())) < 1
    assert float(moved.std()) == pytest.approx(20 / 12**0.5, rel=0.1)


@pytest.mark.parametrize(
    ("warm_up", "expected"),
    [
        (0.5, [2, 4, 6, 8, 8, 8, 8, 8]),
        (1.0, [1, 2, 3, 4, 5, 6, 7, 8]),
        (0.0, [8] * 8),
        (0.1, [8] * 8),  # less than a step
    ],
)
def test_the_distance_grows_from_nothing_to_its_full_size(warm_up, expected):
    adversary = Adversary(8.0, warm_up, 1, 1.25)
    assert [adversary.eps_at(step, 8) for step in range(1, 9)] == pytest.approx(expected)


@pytest.mark.parametrize("loss", LOSSES)
def test_unknown_labels_have_no_part_in_the_loss_that_is_raised(loss):
    """With one label known it is the attack on a network of that attribute alone; with none the start stays."""
    network, images, adversary = network_of(loss), faces(), Adversary(5.0, 0.0, 2, 0.5)
    one = network_of(loss, attributes=NAMES[1:2])
    scores = objective_of(loss).scores_an_attribute
    own = slice(scores, 2 * scores)
    one.layers[1].weight.data = network.layers[1].weight.data[own]
    one.layers[1].bias.data = network.layers[1].bias.data[own]
    labels = torch.zeros(4, 3, dtype=torch.int8)
    labels[:, 1] = torch.tensor([1, -1, 1, -1])

    def attacked(network, labels):
        torch.manual_seed(2)
        return adversary.attacked(network, network.objective, images, labels, 5.0)

    different = attacked(network, labels) != attacked(one, labels[:, 1:2])
    assert different.float().mean() < 0.01, "but for signs of what is zero to rounding"
    torch.manual_seed(2)
    start = (images + torch.empty_like(images).uniform_(-5, 5)).clamp(0, 255)
    assert torch.equal(attacked(network, torch.zeros_like(labels)), start)


def test_a_sure_decision_is_attacked_all_the_same():
    """Its loss is flat in float32."""
    network, images, labels = network_of("softmax", attributes=NAMES[:1]), faces(), labels_of(attributes=1)
    network.layers[1].weight.data *= 1e-3
    network.layers[1].bias.data = torch.tensor([-200.0, 200.0])
    labels[:] = 1
    torch.manual_seed(1)
    found = Adversary(4.0, 0.0, 1, 1.0).attacked(network, network.objective, images, labels, 4.0)
    torch.manual_seed(1)
    start = (images + torch.empty_like(images).uniform_(-4, 4)).clamp(0, 255)
    assert (found != start).float().mean() > 0.9


def test_own_steps_and_sizes():
    own = TuningOptions(diet="pgd", adversary={"eps": 3.0, "steps": 2, "step_size": 0.9, "warm_up": 0.0})
    assert Adversary.of(own) == Adversary(3.0, 0.0, 2, 0.9)


@pytest.fixture
def training():
    data = dataset()
    images = LabelledImages(data.images, np.arange(30), data.labels[:30])
    diet = OnTheFly(Adversary(8.0, 0.5, 3, 0.5), 3, OPTIONS.max_epochs)
    options = OPTIONS.model_copy(update={"max_epochs": 2, "learning_rate": 1e-3})
    return Training(build(spec_of(layers="normalised"), 3), images, images, options, 5, diet=diet), data, images


def test_the_last_images_of_a_batch_are_attacked_and_nothing_else_is_changed(training):
    """The network stays as it was, statistics of BatchNorm included, in training mode and without gradients."""
    training, data, images = training
    training.network.train()
    before = {name: values.clone() for name, values in training.network.state_dict().items()}
    order = np.random.default_rng(0).permutation(30)
    batches = training._diet.batches(training, Feed(images, CPU), order, 8)
    for number, (batch, labels) in enumerate(batches):
        positions = order[8 * number : 8 * number + 8]
        clean = torch.from_numpy(data.images[positions]).permute(0, 3, 1, 2).float()
        assert torch.equal(batch[:5], clean[:5])
        assert labels.tolist() == data.labels[positions].tolist()
        eps = 8 * min(1, 1 / (0.5 * 10 * 3))
        assert 0 < float((batch[5:] - clean[5:]).abs().max()) <= eps + 1e-4
        assert all(module.training for module in training.network.modules())
        assert all(parameter.grad is None for parameter in training.network.parameters())
    assert number == 2
    assert all(torch.equal(values, before[name]) for name, values in training.network.state_dict().items())


def test_attacks_see_no_dropout(training):
    """Two attacks from one start find the same."""
    training, _, images = training
    order, found = np.arange(30), []
    for _ in range(2):
        torch.manual_seed(4)
        found.append([batch for batch, _ in training._diet.batches(training, Feed(images, CPU), order, 8)])
    modes = []
    training.network.layers.register_forward_hook(lambda module, *_: modes.append(module.training))
    next(iter(training._diet.batches(training, Feed(images, CPU), order, 8)))
    assert modes == [False] * 3
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


def test_the_distance_follows_the_steps_of_the_training(training, monkeypatch):
    training, _, _ = training
    seen = []
    attacked = Adversary.attacked
    monkeypatch.setattr(Adversary, "attacked", lambda self, *given: seen.append(given[-1]) or attacked(self, *given))
    training._diet._epochs = 2
    training.run()
    assert seen == pytest.approx([8 * step / 3 for step in (1, 2, 3)] + [8] * 3)
