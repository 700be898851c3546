import csv
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from killed import OPTIONS, OUTPUTS, SPEC, dataset, train

from faceflip.errors import UserError
from faceflip.networks.checkpoint import load_checkpoint
from faceflip.stages.train import UNFINISHED, train_and_save
from faceflip.training import loop
from faceflip.training import resuming as unfinished
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
    train_and_save(data or dataset(), spec, options, seed, CPU, *(folder / name for name in OUTPUTS))


def test_results_of_a_training(tmp_path):
    train(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(OUTPUTS), "nothing else is left"
    with (tmp_path / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["epoch", "loss", "training_error", "validation_error", "learning_rate"]
    for name, epoch in (
        ("epoch2.pt", 2),
        ("converged.pt", min((2, 3), key=lambda k: float(rows[k - 1]["validation_error"]))),
    ):
        network, info = load_checkpoint(tmp_path / name, objective="euclidean", attributes=("Smiling",))
        assert network.spec == SPEC
        assert info.epoch == epoch
        assert {key: float(value) for key, value in rows[epoch - 1].items()} == info.metrics
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
        {"options": replace(OPTIONS, learning_rate=2e-4)},
        {"spec": replace(SPEC, dropout=0.25)},
        {"data": dataset(seed=1)},
        {"seed": 6},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_state_of_another_training_is_not_continued(tmp_path, monkeypatch, capsys, other):
    start_and_stop(tmp_path / "stopped", monkeypatch, after=4)
    resumed(tmp_path / "stopped", **other)
    said = capsys.readouterr().out
    assert "not continued, because it is of another configuration, seed or dataset; training begins anew" in said
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


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut_short, "it cannot be read"),
        (one_bit_changed, "it cannot be read"),
        (of_another_version, "another version of the program wrote it"),
        (not_a_state, "it cannot be read"),
        (without_a_checkpoint, "epoch-002.pt, which it needs, is missing"),
    ],
)
def test_a_damaged_state_is_not_continued(tmp_path, monkeypatch, capsys, damage, reason):
    start_and_stop(tmp_path, monkeypatch, after=7)
    damage(tmp_path / UNFINISHED)
    resumed(tmp_path)
    assert f"not continued, because {reason}" in capsys.readouterr().out
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


@pytest.mark.parametrize(("objective", "key"), [("softmax", "training.separate"), ("moon", "training.moon")])
def test_too_small_a_gpu(tmp_path, monkeypatch, objective, key):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(loop.Training, "learn", full)
    spec = replace(SPEC, objective=objective)
    with pytest.raises(UserError, match=rf"batches of 8 images of 32 x 36 .* lower {key}\.batch_size \(8\)"):
        train_and_save(dataset(), spec, OPTIONS, 5, CPU, *(tmp_path / name for name in OUTPUTS))
