import numpy as np
import pytest
import torch

from faceflip.errors import UserError
from faceflip.networks import NetworkSpec, build
from faceflip.training import TrainingOptions, train
from faceflip.training.loop import LabelledImages, error_rate


def test_learning_rate_policy_is_caffes_inv():
    options = TrainingOptions(learning_rate=0.01, gamma=1e-4, power=0.75)
    assert options.learning_rate_at(0) == 0.01
    assert options.learning_rate_at(10_000) == pytest.approx(0.01 * 2**-0.75)


def test_optimiser_steps_as_caffes_rmsprop():
    """h <- d h + (1 - d) g^2, w <- w - rate g / (sqrt(h) + delta), stepped by hand in float64."""
    options = TrainingOptions(learning_rate=0.1, gamma=0.5, power=0.75, rms_decay=0.9, rms_delta=1e-3)
    weight = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.RMSprop([weight], lr=1.0, alpha=options.rms_decay, eps=options.rms_delta, foreach=True)
    expected, h = np.array([1.0, -2.0]), np.zeros(2)
    for iteration in range(5):
        gradient = np.array([0.3 * (iteration + 1), -1.7])
        rate = 0.1 * (1 + 0.5 * iteration) ** -0.75
        h = 0.9 * h + 0.1 * gradient**2
        expected = expected - rate * gradient / (np.sqrt(h) + 1e-3)
        optimiser.param_groups[0]["lr"] = options.learning_rate_at(iteration)
        weight.grad = torch.from_numpy(gradient)
        optimiser.step()
    np.testing.assert_allclose(weight.detach().numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("errors", "converged", "finished"),
    [
        ([0.1], None, False),
        ([0.1, 0.3], 2, False),  # the first epoch does not count, however good
        ([0.1, 0.3, 0.3, 0.2], 4, False),
        ([0.5, 0.2, 0.2, 0.2], 2, True),  # the earliest of equals, and patience 2 is over
        ([0.5, 0.4, 0.3, 0.2, 0.1], 5, True),  # max_epochs
    ],
)
def test_convergence(errors, converged, finished):
    options = TrainingOptions(max_epochs=5, patience=2)
    assert options.finished(errors) is finished
    if converged:
        assert options.converged_epoch(errors) == converged


def examples(count, seed):
    """Images whose left half is brighter where the label is +1."""
    random = np.random.default_rng(seed)
    labels = random.choice([-1, 1], (count, 1)).astype(np.int8)
    images = random.integers(0, 150, (count, 36, 32, 3), dtype=np.uint8)
    images[:, :, :16] += np.where(labels > 0, 100, 0).astype(np.uint8)[:, :, None, None]
    return LabelledImages(images, np.arange(count), labels)


OPTIONS = TrainingOptions(batch_size=16, learning_rate=1e-3, max_epochs=4, patience=4)


def fresh(objective="euclidean"):
    spec = NetworkSpec(objective, ("Smiling",), (32, 36), width=0.125, initialisation="msra", input_scale=1 / 64)
    return build(spec, seed=0)


@pytest.mark.parametrize("objective", ["euclidean", "softmax"])
def test_training_learns_and_repeats_bit_for_bit(objective):
    torch.set_num_threads(1)
    runs = []
    for _ in range(2):
        network = fresh(objective)
        torch.rand(3)  # the generator's state before must not matter
        runs.append((network, train(network, examples(160, 1), examples(40, 2), OPTIONS, seed=3, keep=lambda *_: None)))
    (first, history), (second, _) = runs
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert [record.epoch for record in history] == [1, 2, 3, 4]
    assert error_rate(first, examples(60, 4)) < 0.1
    assert history[-1].loss < history[0].loss
    assert history[-1].validation_error == error_rate(first, examples(40, 2))


def test_another_seed_gives_other_weights():
    first, second = fresh(), fresh()
    for network, seed in ((first, 1), (second, 2)):
        train(network, examples(32, 1), examples(8, 2), OPTIONS, seed=seed, keep=lambda *_: None)
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_too_few_images():
    with pytest.raises(UserError, match="10 training images are fewer than one batch of 16"):
        train(fresh(), examples(10, 1), examples(4, 2), OPTIONS, seed=1, keep=lambda *_: None)


def test_a_diverging_loss_is_told():
    wild = TrainingOptions(batch_size=16, learning_rate=1e12, max_epochs=2)
    with pytest.raises(UserError, match=r"lower training\.learning_rate"):
        train(fresh(), examples(64, 1), examples(8, 2), wild, seed=1, keep=lambda *_: None)
