"""Networks that one job trains one after another: each is what it is when it is trained alone."""

import os
import re
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from killed import OPTIONS as LONGER
from killed import OUTPUTS, SPEC, STEPS, at_call, contents, dataset, files_of, in_process

from faceflip.data.celeba import ATTRIBUTES
from faceflip.errors import UserError
from faceflip.io.paths import UNFINISHED
from faceflip.stages import train as stage
from faceflip.stages.train import Member, train_and_save
from faceflip.training import feed, loop
from faceflip.training.feed import Feed, LabelledImages, Resident

CPU = torch.device("cpu")
NAMES = ATTRIBUTES[:3]
EPOCHS = 2
OPTIONS = LONGER.model_copy(update={"max_epochs": EPOCHS})


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # only a fallen computer loses what was written
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What each of the networks is when a job trains it alone: digests of their files."""
    threads, folder = torch.get_num_threads(), tmp_path_factory.mktemp("alone")
    torch.set_num_threads(1)
    train_alone(folder)
    torch.set_num_threads(threads)
    return contents(folder)


def with_gaps(unknown):
    """The dataset, with some labels unknown: `unknown` are shares of the images by attribute."""
    data, rng = dataset(), np.random.default_rng(7)
    labels = data.labels.copy()
    for name, share in unknown.items():
        labels[rng.permutation(len(labels))[: round(share * len(labels))], ATTRIBUTES.index(name)] = 0
    return replace(data, labels=labels)


def member(folder, name):
    return Member(name, replace(SPEC, attributes=(name,)), files_of(folder / name))


def train(folder, names=NAMES, data=None, **more):
    train_and_save(data or dataset(), "mine", [member(folder, name) for name in names], OPTIONS, 5, CPU, **more)


def train_alone(folder, names=NAMES, data=None):
    for name in names:
        train(folder, [name], data)


@pytest.mark.parametrize("size", [2, 3])
def test_they_are_what_they_are_alone(tmp_path, alone, size):
    for start in range(0, len(NAMES), size):
        train(tmp_path / "together", NAMES[start : start + size])
    assert set(alone) == {f"{name}/{file}" for name in NAMES for file in OUTPUTS}
    assert contents(tmp_path / "together") == alone
    assert len({alone[f"{name}/converged.pt"] for name in NAMES}) == len(NAMES)


def learned(capsys_out):
    """Return how many epochs a process trained, and how many networks it found trained."""
    return len(re.findall("^epoch ", capsys_out, re.MULTILINE)), capsys_out.count("was trained before")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hook", "epochs", "found"),
    [
        # Amid the second epoch of the third network, whose state was saved after each step.
        (lambda: at_call(loop.Training, "learn", (2 * EPOCHS + 1) * STEPS + 2), EPOCHS - 1, 2),
        # Amid the first epoch of the first one.
        (lambda: at_call(loop.Training, "learn", 2), 3 * EPOCHS, 0),
        # When all are trained, and the results of the first are in place.
        (lambda: at_call(stage, "write_history", 2), 0, 3),
        # When the folder of the first is gone: that one is lost.
        (lambda: at_call(shutil, "rmtree", 2), EPOCHS, 2),
    ],
    ids=["in the third", "in the first", "while writing", "while cleaning up"],
)
def test_killed_and_taken_up_again(tmp_path, alone, capfd, hook, epochs, found):
    """Between the two processes Snakemake deletes the outputs of all."""

    def doomed():
        hook()
        train(tmp_path / "killed", save_every=0)

    assert in_process(doomed) == -signal.SIGKILL
    for name in NAMES:
        for file in OUTPUTS:
            (tmp_path / "killed" / name / file).unlink(missing_ok=True)
    capfd.readouterr()
    assert in_process(lambda: train(tmp_path / "killed", save_every=0)) == 0
    assert learned(capfd.readouterr().out) == (epochs, found)
    assert contents(tmp_path / "killed") == alone


def test_nothing_is_written_before_all_are_trained(tmp_path, monkeypatch):
    seen, learn = [], loop.Training.learn

    def looking(*arguments):
        seen.append({path.name for path in tmp_path.rglob("*.pt")} | {path.name for path in tmp_path.rglob("*.csv")})
        learn(*arguments)

    monkeypatch.setattr(loop.Training, "learn", looking)
    train(tmp_path)
    assert len(seen) == len(NAMES) * EPOCHS * STEPS
    assert not set().union(*seen) & set(OUTPUTS)
    assert not list(tmp_path.rglob(UNFINISHED))


def test_one_that_cannot_be_trained_costs_no_other(tmp_path, capsys):
    """One has too few images, the loss of the next is not finite. Both are told, and the third one is kept."""
    data = with_gaps({NAMES[0]: 0.9})
    _, diverging, good = NAMES
    learn = loop.Training.learn

    def broken(training, images, labels):
        learn(training, images, labels)
        if training.network.spec.attributes == (diverging,):
            training._loss_sum += float("nan")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop.Training, "learn", broken)
        with pytest.raises(UserError) as told:
            train(tmp_path / "together", data=data)
    head, *lines = str(told.value).splitlines()
    assert head == (
        "network mine cannot be trained for 2 attributes; the same command takes 1 other of the job from where they lie"
    )
    assert [line.split(":")[0].strip() for line in lines] == [name for name in NAMES if name != good]
    assert "are fewer than one batch of 8; lower batch_size" in lines[0]
    assert "the loss is nan in epoch 1" in lines[1]
    assert not [path for path in contents(tmp_path / "together") if path.endswith(OUTPUTS)]

    capsys.readouterr()
    train(tmp_path / "together", [diverging, good], data)
    assert learned(capsys.readouterr().out) == (EPOCHS, 1)
    train_alone(tmp_path / "alone", [diverging, good], data)
    found = {path: digest for path, digest in contents(tmp_path / "together").items() if UNFINISHED not in path}
    assert found == contents(tmp_path / "alone")


def test_one_alone_is_told_as_ever(tmp_path):
    data = with_gaps({NAMES[0]: 0.9})
    with pytest.raises(UserError, match=r"^\d training images are fewer than one batch of 8"):
        train(tmp_path, NAMES[:1], data)


@pytest.mark.parametrize("gaps", [{}, {NAMES[0]: 0.2, NAMES[1]: 0.1, NAMES[2]: 0.3}], ids=["all known", "gaps"])
def test_the_images_are_copied_once(tmp_path, monkeypatch, gaps):
    """What a GPU does, on the CPU: one copy of the images that any of the networks learns from, for all of them."""
    data, copies, copy = with_gaps(gaps), [], feed._copy
    train_alone(tmp_path / "mapped", data=data)
    monkeypatch.setattr(feed, "_holds", lambda *_: True)
    monkeypatch.setattr(feed, "_copy", lambda *arguments: copies.append(copy(*arguments)) or copies[-1])
    how = []
    monkeypatch.setattr(Feed, "how", property(lambda self: how.append(self._resident) or ""))
    train(tmp_path / "resident", data=data)
    assert len(copies) == 1
    assert len(how) == len(NAMES)
    assert all(each is copies[0] for each in how), "all networks are fed from it"
    columns = [ATTRIBUTES.index(name) for name in NAMES]
    rows = [row for row in data.rows("train") if data.labels[row, columns].any()]
    np.testing.assert_array_equal(copies[0].numpy(), data.images[rows])
    assert contents(tmp_path / "resident") == contents(tmp_path / "mapped")


def test_batches_of_some_of_the_resident_images(monkeypatch):
    data, rng = dataset(), np.random.default_rng(3)
    whole = LabelledImages(data.images, np.arange(3, 40), data.labels[3:])
    rows = np.sort(rng.choice(whole.rows, 20, replace=False))
    some, order = LabelledImages(data.images, rows, data.labels[rows, :2]), rng.permutation(20)
    mapped = list(Feed(some, CPU).batches(order, 6))
    monkeypatch.setattr(feed, "_holds", lambda *_: True)
    resident = list(Feed(some, CPU, Resident(whole)).batches(order, 6))
    assert len(mapped) == len(resident) == 3
    for number, (one, other) in enumerate(zip(mapped, resident, strict=True)):
        assert all(torch.equal(first, second) for first, second in zip(one, other, strict=True))
        chosen = rows[order[6 * number :][:6]]
        np.testing.assert_array_equal(other[0].permute(0, 2, 3, 1).numpy(), data.images[chosen])
        np.testing.assert_array_equal(other[1].numpy(), data.labels[chosen, :2])
    for strange in ([2, 5], [39, 40]):
        stranger = LabelledImages(data.images, np.array(strange), data.labels[:2])
        with pytest.raises(ValueError, match="not among the resident ones"):
            Feed(stranger, CPU, Resident(whole))


def test_progress_names_the_network(tmp_path):
    told = []

    def progress(name, done):
        told.append((name, done))
        return lambda *_: None

    train(tmp_path, progress=progress)
    assert told == [(name, 0) for name in NAMES]
