"""Examples in Python of guides and references are run as they stand, with made-up images or on a finished run."""

import contextlib

import numpy as np
import pytest
import torch
import yaml
from code_blocks import blocks
from running import ROOT
from torch import nn

from faceflip.workflow.settings import Settings, merged, read_config

DOCS = ROOT / "docs"


@pytest.fixture
def variables():
    """What the examples suppose: faces, a network of two attributes, and a place for what comes."""
    torch.manual_seed(1)
    images = np.random.default_rng(1).integers(0, 256, (6, 24, 20, 3), dtype=np.uint8)
    layers = nn.Conv2d(3, 4, 5, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 2)
    written = []
    return {
        "images": images,
        "network": nn.Sequential(*layers),
        "columns": np.arange(6) % 2,
        "write": lambda *parts: written.append(parts),
        "written": written,
    }


@pytest.mark.parametrize("page", ["guides/attack.md", "guides/training.md"])
def test_configurations(page):
    """Each block can be laid over the embedded default."""
    default = read_config(ROOT)
    for text in blocks(DOCS / page, "yaml"):
        Settings.of(merged(default, yaml.safe_load(text)))


def test_attack(variables):
    in_a_run, prepared = blocks(DOCS / "guides/attack.md", "python")
    exec(in_a_run, variables)
    assert variables["result"].perturbation.shape == (6, 24, 20, 3)
    assert sum(len(index) for index, _, _ in variables["written"]) == 6
    threads, settings = torch.get_num_threads(), (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark)
    try:
        exec(prepared, variables)
    finally:
        torch.set_num_threads(threads)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = settings
    assert len(variables["result"].flipped) == 6


@pytest.mark.slow
def test_similarity(variables):
    images = variables["images"]
    made_up = {"originals": images, "perturbed": (images // 2 + 60).astype(np.uint8), "index": np.arange(6)}
    (example,) = blocks(DOCS / "guides/pass.md", "python")
    exec(example, made_up)
    assert len(made_up["table"]) == len(made_up["scores"].pass_) == 6


@pytest.mark.slow
@pytest.mark.workflow
@pytest.mark.parametrize("page", ["guides/stores.md", "reference/dataset-format.md", "reference/checkpoint-format.md"])
def test_files_of_a_run(tiny, page):
    with contextlib.chdir(tiny.directory):
        exec(blocks(DOCS / page, "python")[0], {})
