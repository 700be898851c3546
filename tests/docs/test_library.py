"""The page on the library is run as it stands: every block, in order, in a folder with a store and a photograph."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from code_blocks import blocks
from PIL import Image
from store_builder import Builder

from faceflip.io.paths import CHECKPOINT
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.checkpoint import CheckpointInfo, save_checkpoint
from faceflip.networks.network import NetworkSpec, build
from photographs import drawn, photograph

PAGE = Path(__file__).parents[2] / "docs/guides/library.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = blocks(PAGE, "python")


def test_all_code_of_the_page_is_run():
    assert len(BLOCKS) == TEXT.count("```") // 2 >= 7
    assert all(len(line) <= 120 for block in BLOCKS for line in block.splitlines())


@pytest.fixture
def variables(tmp_path, monkeypatch):
    """The folder in which the page is read: a run's store, and a photograph of a drawn face."""
    monkeypatch.chdir(tmp_path)
    Builder(tmp_path).view()
    spec = NetworkSpec("euclidean", ("Smiling",), (44, 54), ArchitectureOptions(width=1 / 32))
    trained = CheckpointInfo("euclidean", "Smiling", 1, {}, {}, "0" * 64)
    save_checkpoint(
        CHECKPOINT.of(network="euclidean", member="Smiling", checkpoint="converged"), build(spec, 1), trained
    )
    photo, eyes = photograph((drawn(6), (312.4, 212.4), 2.015, 7), size=(640, 520))
    numbers = ", ".join(f"({x:.1f}, {y:.1f})" for x, y in eyes[0])
    assert f"Selection(eyes=({numbers}))" in TEXT, "the page has the eyes of this photograph"
    Image.fromarray(photo).save("me.jpg", quality=95)
    torch.set_num_threads(1)
    return {}


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_every_block_does_what_is_said_of_it(variables, capsys):
    said = []
    for block in BLOCKS:
        exec(compile(block, str(PAGE), "exec"), variables)
        said.append(capsys.readouterr().out)
    shares = [int(share) for text in said for share in re.findall(r"(\d+)% flip", text)]
    assert len(shares) == 5
    assert min(shares) > 30, "there is something to see"
    table = dict(re.findall(r"^(\S.*?\S)  +PASS (\S+  SSIM \S+)$", "\n".join(said), re.MULTILINE))
    scores = {kind: tuple(map(float, re.findall(r"\d\.\d+", text))) for kind, text in table.items()}
    moved, noisy, flipped = scores.values()
    assert moved[0] > 0.95 > moved[1] + 0.1
    assert noisy[0] < 0.9
    assert flipped[0] > noisy[0]
    assert "Smiling: " in said[-3]
    assert re.fullmatch(r"[0-8] of 8 are said to smile\n", said[-2])
    assert "flipped: True" in said[-1]
    photo, pasted = (np.asarray(Image.open(name)) for name in ("me.jpg", "me-flipped.png"))
    assert photo.shape == pasted.shape
    assert (photo != pasted).any()
