"""The job that brings a network: from its files and some faces to a checkpoint, and what is suspicious."""

import numpy as np
import pytest
import torch

from faceflip.data.packed import Dataset
from faceflip.errors import UserError
from faceflip.io.files import sha256
from faceflip.networks.brought import BroughtOptions, InputOptions
from faceflip.networks.checkpoint import load_checkpoint
from faceflip.networks.network import NetworkSpec
from faceflip.stages.bring import BroughtFiles, bring_network

CPU = torch.device("cpu")
SIZE = (8, 10)
CODE = """
import torch
from torch import nn

class Halves(nn.Module):
    def __init__(self, sigmoid=False, sign=1.0):
        super().__init__()
        self.sigmoid, self.sign = sigmoid, nn.Parameter(torch.tensor(sign))
    def forward(self, images):
        grey = images.mean(1)
        scores = self.sign * (grey[:, :, :4].mean((1, 2)) - grey[:, :, 4:].mean((1, 2)))[:, None]
        return scores.sigmoid() if self.sigmoid else scores
"""


@pytest.fixture
def code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(CODE)
    return "net.py:Halves"


def faces(count=500):
    """A dataset whose Smiling is what `Halves` says, not known of every tenth image."""
    images = np.random.default_rng(2).integers(0, 256, (count, SIZE[1], SIZE[0], 3), dtype=np.uint8)
    grey = images.mean(3)
    labels = np.zeros((count, 40), np.int8)
    labels[:] = np.where(grey[:, :, :4].mean((1, 2)) > grey[:, :, 4:].mean((1, 2)), 1, -1)[:, None]
    labels[::10] = 0
    split = (np.arange(count) % 3).astype(np.uint8)
    return Dataset(images, labels, split, np.array([f"{k}.jpg" for k in range(count)]), {"fingerprint": "5e" * 32})


def brought(tmp_path, code, files=None, options=None, **seen):
    spec = NetworkSpec(
        "bce",
        ("Smiling",),
        SIZE,
        brought=BroughtOptions(file=code, options=options or {}, input=InputOptions(**seen)),
    )
    return bring_network(tmp_path / "given.pt", faces(), "mine", spec, files or BroughtFiles(), CPU)


def test_the_checkpoint_says_what_it_was_made_from(tmp_path, code):
    torch.save({"state_dict_ema": {"module.sign": torch.tensor(2.0)}}, tmp_path / "w.pt")
    found, notes = brought(tmp_path, code, BroughtFiles("w.pt", None, ("net.py",)))
    assert list(found.columns) == ["network", "text"]
    assert found.empty
    assert notes == ["the weights are those of the entry state_dict_ema of w.pt; the key `entry` names others"]
    network, info = load_checkpoint(tmp_path / "given.pt", own_code=[code])
    assert (info.network, info.member, info.epoch, info.metrics) == ("mine", "all", 0, {})
    assert info.training["files"] == {"w.pt": sha256(tmp_path / "w.pt"), "net.py": sha256(tmp_path / "net.py")}
    assert float(network.layers.network.sign) == 2
    assert info.dataset_fingerprint == "5e" * 32


def test_suspicions_are_rows(tmp_path, code):
    found, _ = brought(tmp_path, code, options={"sign": -1.0}, mean=[0.5, 0.5, 0.5])
    assert set(found["network"]) == {"mine"}
    odd, inverted = found["text"]
    assert odd.startswith("a mean of 0.5 is odd where pixel values go from 0 to 255")
    assert inverted.startswith("the sign of Smiling (0% balanced accuracy) looks inverted")


def test_an_error_names_the_network_and_leaves_no_checkpoint(tmp_path, code):
    with pytest.raises(UserError, match=r"^networks\.mine: its scores look like probabilities"):
        brought(tmp_path, code, options={"sigmoid": True})
    assert not (tmp_path / "given.pt").exists()
