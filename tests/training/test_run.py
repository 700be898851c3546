import csv
import pickle
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from killed import ARCHITECTURE, OPTIONS, OUTPUTS, SPEC, SPECS, dataset, files_of, train

from faceflip.errors import UserError
from faceflip.io.paths import UNFINISHED
from faceflip.networks.checkpoint import load_checkpoint
from faceflip.stages.train import Member, train_and_save
from faceflip.training import loop
from faceflip.training import resuming as unfinished
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.training.resuming import Unfinished

CPU = torch.device("cpu")


class StoppedError(Exception):
    """Instead of a signal, where the process shall live on."""


def start_and_stop(folder, monkeypatch, after):
    """Train and stop after some steps; every one was saved."""
    with monkeypatch.context() as patched:
        learn, calls = loop.Training.learn, iter(range(10**6))

        def counting(*arguments):
            if next(calls) == after:
                raise StoppedError
            learn(*arguments)

        patched.setattr(loop.Training, "learn", counting)
        with pytest.raises(StoppedError):
            train(folder)


def resumed(folder, options=OPTIONS, spec=SPEC, data=None, seed=5):
    train_and_save(data or dataset(), "mine", [Member("Smiling", spec, files_of(folder))], options, seed, CPU)


def test_results_of_a_training(tmp_path):
    train(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(OUTPUTS), "nothing else is left"
    with (tmp_path / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    measured = ["epoch", "loss", "training_error", "validation_error", "learning_rate"]
    assert list(rows[0]) == ["network", "member", *measured]
    assert {(row["network"], row["member"]) for row in rows} == {("mine", "Smiling")}
    for name, epoch in (
        ("epoch2.pt", 2),
        ("converged.pt", min((2, 3), key=lambda k: float(rows[k - 1]["validation_error"]))),
    ):
        network, info = load_checkpoint(tmp_path / name, loss="euclidean", attributes=("Smiling",))
        assert network.spec == SPEC
        assert (info.network, info.member, info.epoch) == ("mine", "Smiling", epoch)
        assert {key: float(rows[epoch - 1][key]) for key in measured} == info.metrics
        assert info.training["batch_size"] == OPTIONS.batch_size
        assert info.training["seed"] != 5, "the network's own"


def test_a_stopped_training_goes_on_where_it_was(tmp_path, monkeypatch, capsys):
    train(tmp_path / "whole")
    start_and_stop(tmp_path / "stopped", monkeypatch, after=4)
    resumed(tmp_path / "stopped")
    assert "continuing after epoch 1 and 1 steps of the next" in capsys.readouterr().out
    for name in OUTPUTS:
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    "other",
    [
        {"options": OPTIONS.model_copy(update={"learning_rate": 2e-4})},
        {"spec": replace(SPEC, architecture=ARCHITECTURE.model_copy(update={"dropout": 0.25}))},
        {"data": dataset(seed=1)},
        {"seed": 6},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_state_of_another_training_is_not_continued(tmp_path, monkeypatch, capsys, other):
    start_and_stop(tmp_path / "stopped", monkeypatch, after=4)
    resumed(tmp_path / "stopped", **other)
    said = capsys.readouterr().out
    assert "not continued, because it is of another configuration, seed, dataset, device or number of threads; " in said
    resumed(tmp_path / "whole", **other)
    for name in OUTPUTS:
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def cut_short(folder):
    state = folder / "training_state.pt"
    state.write_bytes(state.read_bytes()[:1000])


def one_bit_changed(folder):
    state = folder / "training_state.pt"
    content = bytearray(state.read_bytes())
    with zipfile.ZipFile(state) as archive:
        weights = max(archive.infolist(), key=lambda part: part.file_size)
        content[content.index(archive.read(weights)) + weights.file_size // 2] ^= 16
    state.write_bytes(content)


def of_another_version(folder):
    content = torch.load(folder / "training_state.pt", weights_only=True)
    torch.save({**content, "version": 99}, folder / "training_state.pt")


def not_a_state(folder):
    (folder / "training_state.pt").write_bytes(pickle.dumps(Path(), protocol=2))


def without_a_checkpoint(folder):
    (folder / "epoch-002.pt").unlink()


def with_a_damaged_checkpoint(folder):
    path = folder / "epoch-002.pt"
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut_short, "it cannot be read"),
        (one_bit_changed, "it cannot be read"),
        (of_another_version, "another version of the program wrote it"),
        (not_a_state, "it cannot be read"),
        (without_a_checkpoint, "it needs a checkpoint that cannot be used: .*epoch-002.pt does not exist"),
        (with_a_damaged_checkpoint, "it needs a checkpoint that cannot be used: .*epoch-002.pt: not a readable"),
    ],
)
def test_a_damaged_state_is_not_continued(tmp_path, monkeypatch, capsys, damage, reason):
    start_and_stop(tmp_path, monkeypatch, after=7)
    damage(tmp_path / UNFINISHED)
    resumed(tmp_path)
    assert re.search(f"not continued, because {reason}", capsys.readouterr().out)
    assert {path.name for path in tmp_path.iterdir()} == set(OUTPUTS)


def test_another_torch_is_told(tmp_path, monkeypatch, capsys):
    start_and_stop(tmp_path, monkeypatch, after=2)
    path = tmp_path / UNFINISHED / "training_state.pt"
    torch.save({**torch.load(path, weights_only=True), "torch": "2.0.0"}, path)
    resumed(tmp_path)
    assert "saved by torch 2.0.0, continued by" in capsys.readouterr().out


def test_the_state_is_saved_every_so_many_seconds(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(unfinished.time, "monotonic", lambda: now[0])
    kept = Unfinished(tmp_path, {}, every=10)
    due = []
    for now[0] in (1.0, 9.9, 10.0, 19.9, 20.0):
        due.append(kept.due)
        if kept.due:
            kept.save({}, [])
    assert due == [False, False, True, False, True]


def test_only_checkpoints_that_are_needed_stay(tmp_path):
    kept = Unfinished(tmp_path, {}, every=0)
    for epoch in (2, 3, 5):
        kept.checkpoint(epoch).touch()
    kept.save({}, {2, 5})
    assert sorted(path.name for path in tmp_path.glob("epoch*")) == ["epoch-002.pt", "epoch-005.pt"]


@pytest.mark.parametrize("kind", ["softmax of 1", "euclidean of 40"])
def test_too_small_a_gpu(tmp_path, monkeypatch, kind):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(loop.Training, "learn", full)
    message = r"batches of 8 images of 32 x 36 .* lower training\.batch_size \(8\) of network mine"
    with pytest.raises(UserError, match=message):
        train_and_save(dataset(), "mine", [Member("all", SPECS[kind], files_of(tmp_path))], OPTIONS, 5, CPU)


def test_checkpoints_are_kept_of_the_epochs_that_are_named(tmp_path):
    """They are those of one training: each is what a shorter training ends with."""
    options = TrainingOptions(batch_size=8, learning_rate=1e-4, checkpoints=[1, 4, 3], min_epochs=1, max_epochs=4)
    train(tmp_path / "long", options)
    names = {"epoch1.pt", "epoch3.pt", "epoch4.pt", "converged.pt", "history.csv"}
    assert {path.name for path in (tmp_path / "long").iterdir()} == names
    for epoch in (1, 3, 4):
        loaded, info = load_checkpoint(tmp_path / "long" / f"epoch{epoch}.pt")
        assert info.epoch == epoch
        shorter = options.model_copy(update={"checkpoints": [epoch], "max_epochs": epoch})
        train(tmp_path / str(epoch), shorter)
        expected, _ = load_checkpoint(tmp_path / str(epoch) / f"epoch{epoch}.pt")
        for name, values in loaded.state_dict().items():
            assert torch.equal(values, expected.state_dict()[name]), (epoch, name)


def test_a_training_may_keep_no_epoch_but_the_converged_one(tmp_path):
    train(tmp_path, OPTIONS.model_copy(update={"checkpoints": []}))
    assert {path.name for path in tmp_path.iterdir()} == {"converged.pt", "history.csv"}
    _, info = load_checkpoint(tmp_path / "converged.pt")
    assert info.training["checkpoints"] == []
