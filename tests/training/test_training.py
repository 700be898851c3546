import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from faceflip.catalogue import LOSSES
from faceflip.errors import UserError
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.network import NetworkSpec, build
from faceflip.networks.objectives import objective_of
from faceflip.runtime import progress as progress_module
from faceflip.runtime.progress import Progress
from faceflip.training.feed import Feed, LabelledImages, _copy, _fits
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.training.loop import Training, error_rate
from faceflip.training.optimiser import RMSProp
from faceflip.typed import faults_of


def test_learning_rate_policy_is_caffes_inv():
    options = TrainingOptions(learning_rate=0.01, gamma=1e-4, power=0.75)
    assert options.learning_rate_at(0) == 0.01
    assert options.learning_rate_at(10_000) == pytest.approx(0.01 * 2**-0.75)


def test_optimiser_steps_as_caffes_rmsprop():
    """h <- d h + (1 - d) g^2, w <- w - rate g / (sqrt(h) + delta), stepped by hand in float64."""
    options = TrainingOptions(learning_rate=0.1, gamma=0.5, power=0.75, rms_decay=0.9, rms_delta=1e-3)
    weight = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    optimiser = RMSProp([weight], options.rms_decay, options.rms_delta)
    expected, h = np.array([1.0, -2.0]), np.zeros(2)
    for iteration in range(5):
        gradient = np.array([0.3 * (iteration + 1), -1.7])
        rate = 0.1 * (1 + 0.5 * iteration) ** -0.75
        h = 0.9 * h + 0.1 * gradient**2
        expected = expected - rate * gradient / (np.sqrt(h) + 1e-3)
        weight.grad = torch.from_numpy(gradient)
        optimiser.step(options.learning_rate_at(iteration))
    np.testing.assert_allclose(weight.detach().numpy(), expected, rtol=1e-12)


def test_optimiser_steps_as_pytorchs_to_the_last_bit():
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    ours = RMSProp(layers[0].parameters(), decay=0.98, delta=1e-8)
    theirs = torch.optim.RMSprop(layers[1].parameters(), lr=0.01, alpha=0.98, eps=1e-8, foreach=True)
    for _ in range(4):
        batch = torch.rand(2, 3, 6, 6)
        for layer, forget in ((layers[0], ours.forget_gradients), (layers[1], theirs.zero_grad)):
            forget()
            layer(batch).square().sum().backward()
        ours.step(0.01)
        theirs.step()
    assert all(torch.equal(a, b) for a, b in zip(layers[0].parameters(), layers[1].parameters(), strict=True))


def test_a_training_follows_the_written_formulas():
    """Two epochs of a network of one weight, J = (w x - y)^2 averaged over the batch, by hand in float64.

    Checks what hangs together: the loss, the mean over the batch, the gradient, h, the policy's iteration over epochs.
    """

    class OneWeight(torch.nn.Module):
        objective = objective_of("euclidean")

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor(0.5, dtype=torch.float64))

        def forward(self, images):
            return (self.weight * images.mean((1, 2, 3)) / 100)[:, None]

    values = np.array([10, 60, 120, 200])
    images = np.broadcast_to(values[:, None, None, None], (4, 2, 2, 3)).astype(np.uint8)
    data = LabelledImages(images, np.arange(4), np.array([[1], [-1], [1], [-1]], np.int8))
    options = TrainingOptions(
        batch_size=2, learning_rate=0.1, gamma=0.5, power=0.75, rms_decay=0.9, rms_delta=1e-3, max_epochs=2
    )
    network = OneWeight()
    history = Training(network, data, data, options, seed=3).run()

    w, h, losses, shuffle, rate = 0.5, 0.0, [], np.random.default_rng(3), 0.0
    for iteration in range(4):
        if iteration % 2 == 0:
            order = shuffle.permutation(4)
        batch = order[2 * (iteration % 2) :][:2]
        x, y = values[batch] / 100, data.labels[batch, 0]
        losses.append(np.mean((w * x - y) ** 2))
        gradient = np.mean(2 * (w * x - y) * x)
        rate = 0.1 * (1 + 0.5 * iteration) ** -0.75
        h = 0.9 * h + 0.1 * gradient**2
        w -= rate * gradient / (np.sqrt(h) + 1e-3)
    assert network.weight.item() == pytest.approx(w, rel=1e-5)
    assert [record.loss for record in history] == pytest.approx([np.mean(losses[:2]), np.mean(losses[2:])], rel=1e-5)
    assert history[-1].learning_rate == pytest.approx(rate)


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
    assert options.kept_epochs(errors) == ({2, converged} if converged else set())
    if converged:
        assert options.converged_epoch(errors) == converged


ATTRIBUTES = ("Smiling", "Male")


def test_the_first_epochs_may_count_and_named_epochs_are_waited_for():
    eager = TrainingOptions(checkpoints=[], min_epochs=1, max_epochs=5, patience=1)
    assert eager.least_epochs == 1
    assert eager.converged_epoch([0.1, 0.3]) == 1
    assert eager.kept_epochs([0.1]) == {1}
    assert [eager.finished(errors) for errors in ([0.1], [0.1, 0.3])] == [False, True]

    late = TrainingOptions(checkpoints=[4, 1], min_epochs=3, max_epochs=6, patience=1)
    assert late.least_epochs == 4
    errors = [0.1, 0.2, 0.3, 0.4, 0.25, 0.3]
    assert [late.kept_epochs(errors[:epochs]) for epochs in range(1, 7)] == [
        {1},
        {1},
        {1, 3},
        {1, 3, 4},
        {1, 4, 5},
        {1, 4, 5},
    ]
    # No better since epoch 3, but epoch 4 is still to be kept.
    assert [late.finished(errors[:epochs]) for epochs in range(1, 7)] == [False, False, False, True, False, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"checkpoints": [2, 3, 2]}, "checkpoints: [2, 3, 2] names an epoch twice"),
        ({"checkpoints": [2, 8], "max_epochs": 7}, "max_epochs: 7 is less than the last of checkpoints, 8"),
        ({"min_epochs": 6, "max_epochs": 5}, "max_epochs: 5 is less than min_epochs, 6"),
        ({"checkpoints": [0]}, "checkpoints[0]: expected a number from 1 on, found 0"),
        ({"patience": 1.0}, "patience: expected a whole number, found 1.0"),
    ],
)
def test_epochs_that_do_not_fit(options, message):
    with pytest.raises(ValidationError) as error:
        TrainingOptions(**options)
    assert list(faults_of(error.value)) == [message]


def examples(count, seed, attributes=1):
    """Images whose left half is brighter where the first label is +1, the right half where the second is."""
    random = np.random.default_rng(seed)
    labels = random.choice([-1, 1], (count, attributes)).astype(np.int8)
    images = random.integers(0, 150, (count, 36, 32, 3), dtype=np.uint8)
    for column in range(attributes):
        bright = np.where(labels[:, column] > 0, 100, 0).astype(np.uint8)
        images[:, :, 16 * column : 16 * column + 16] += bright[:, None, None, None]
    return LabelledImages(images, np.arange(count), labels)


OPTIONS = TrainingOptions(batch_size=16, learning_rate=1e-3, max_epochs=4, patience=4)


def fresh(loss="euclidean", attributes=1):
    architecture = ArchitectureOptions(width=0.125, initialisation="msra", input_scale=1 / 64)
    return build(NetworkSpec(loss, ATTRIBUTES[:attributes], (32, 36), architecture), seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("attributes", [1, 2])
@pytest.mark.parametrize("loss", LOSSES)
def test_training_learns_and_repeats_bit_for_bit(loss, attributes):
    torch.set_num_threads(1)
    options = OPTIONS.model_copy(update={"max_epochs": 4 * attributes, "patience": 8})
    runs = []
    for _ in range(2):
        network = fresh(loss, attributes)
        torch.rand(3)  # the generator's state before must not matter
        data = examples(160, 1, attributes), examples(40, 2, attributes)
        runs.append((network, Training(network, *data, options, seed=3).run()))
    (first, history), (second, _) = runs
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert [record.epoch for record in history] == list(range(1, options.max_epochs + 1))
    assert error_rate(first, examples(60, 4, attributes)) < 0.1
    assert history[-1].loss < history[0].loss
    assert history[-1].validation_error == error_rate(first, examples(40, 2, attributes))


def test_another_seed_gives_other_weights():
    first, second = fresh(), fresh()
    for network, seed in ((first, 1), (second, 2)):
        Training(network, examples(32, 1), examples(8, 2), OPTIONS, seed=seed).run()
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_too_few_images():
    with pytest.raises(UserError, match="10 training images are fewer than one batch of 16"):
        Training(fresh(), examples(10, 1), examples(4, 2), OPTIONS, seed=1).run()


def test_a_diverging_loss_is_told():
    wild = TrainingOptions(batch_size=16, learning_rate=1e3, max_epochs=2)
    with pytest.raises(UserError, match=r"lower training\.learning_rate"):
        Training(fresh(), examples(64, 1), examples(8, 2), wild, seed=1).run()


def test_images_come_the_same_way_from_memory_map_copy_and_reader_threads():
    """The two ways of GPUs, on the CPU: a copy of all images, and threads that read ahead."""
    data = examples(90, 1)
    data = LabelledImages(data.images, np.arange(90)[::-2], data.labels[::-2])
    cpu, order = torch.device("cpu"), np.random.default_rng(0).permutation(45)
    mapped, copied, read_ahead = (Feed(data, cpu) for _ in range(3))
    copied._resident = _copy(data, cpu)
    read_ahead._streamed = True
    feeds = [list(feed.batches(order, 4)) for feed in (mapped, copied, read_ahead)]
    assert [len(batches) for batches in feeds] == [11] * 3
    for number, ((images, labels), *others) in enumerate(zip(*feeds, strict=True)):
        chosen = data.rows[order[4 * number :][:4]]
        np.testing.assert_array_equal(images.permute(0, 2, 3, 1).numpy(), data.images[chosen])
        np.testing.assert_array_equal(labels.numpy(), data.labels[order[4 * number :][:4]])
        assert images.is_contiguous(memory_format=torch.channels_last)
        for other_images, other_labels in others:
            assert torch.equal(images, other_images)
            assert torch.equal(labels, other_labels)
    assert list(mapped.batches(order[:3], 4)) == list(read_ahead.batches(order[:0], 4)) == []


@pytest.mark.parametrize(
    ("residence", "free", "fits"),
    [
        ("auto", 2 * 90 * 36 * 32 * 3, True),
        ("auto", 2 * 90 * 36 * 32 * 3 - 2, False),
        ("always", 0, True),
        ("never", 1 << 40, False),
    ],
)
def test_images_stay_on_a_gpu_that_has_room_for_twice_as_many(monkeypatch, residence, free, fits):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 1 << 40))
    assert _fits(examples(90, 1), torch.device("cuda"), residence) is fits


def test_bfloat16_trains_in_mixed_precision():
    network, seen = fresh(), []
    network.layers[0].register_forward_hook(lambda layer, inputs, output: seen.append(output.dtype))
    options = TrainingOptions(batch_size=16, learning_rate=1e-3, max_epochs=2, precision="bfloat16")
    history = Training(network, examples(32, 1), examples(8, 2), options, seed=1).run()
    assert set(seen) == {torch.bfloat16}, "in training and validation"
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert np.isfinite(history[-1].loss)
    network(torch.zeros(1, 3, 36, 32))
    assert seen[-1] == torch.float32, "verdicts are taken in float32"


def test_compile_is_an_option(monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda network, **_: compiled.append(network) or network)
    Training(fresh(), examples(32, 1), examples(8, 2), OPTIONS, seed=1)
    assert compiled == []
    Training(fresh(), examples(32, 1), examples(8, 2), OPTIONS.model_copy(update={"compile": True}), seed=1)
    assert len(compiled) == 1


def test_progress_tells_epoch_step_loss_error_and_speed(monkeypatch, capsys):
    monkeypatch.setattr(progress_module, "INTERVALS", {True: 0.0, False: 0.0})
    monkeypatch.setattr(progress_module, "SCREEN_INTERVAL", 0.0)
    screen = io.StringIO()
    progress = Progress("train euclidean/Smiling", "images", screen=screen)
    options = TrainingOptions(batch_size=16, learning_rate=1e-3, max_epochs=2)
    Training(fresh(), examples(32, 1), examples(8, 2), options, seed=1).run(progress=progress)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert re.fullmatch(
        r"train euclidean/Smiling: 16 of 64 images \(25%\), [\d,]+ images/s, \d+ s left, "
        r"epoch 1 of at most 2, step 1 of 2, loss \d+\.\d+, error \d+\.\d+%",
        lines[0],
    )
    assert "epoch 2 of at most 2, step 2 of 2" in lines[-1]
    assert screen.getvalue().splitlines() == lines


@pytest.mark.slow
def test_importing_and_training_leaves_pytorchs_compiler_alone():
    """It takes seconds to import, and `torch.optim` does so: noticeable where a training takes twenty."""
    code = (
        "import sys; sys.path.insert(0, 'tests/training'); from test_training import *; "
        "Training(fresh(), examples(32, 1), examples(8, 2), OPTIONS, seed=1).run(); "
        "assert 'torch._dynamo' not in sys.modules"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root / "scripts"), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env=environment)
