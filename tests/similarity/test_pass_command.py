import json

import numpy as np
import pytest
import typer
from pass_pairs import face
from PIL import Image
from typer.testing import CliRunner

from faceflip.cli.similarity import pass_
from faceflip.errors import UserError
from faceflip.similarity import parameters, pass_scores


@pytest.fixture
def command():
    app = typer.Typer()
    app.command("pass")(pass_)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def images(tmp_path):
    original = face(0, 60, 70)
    perturbed = np.clip(original + np.random.default_rng(0).integers(-4, 5, original.shape), 0, 255).astype(np.uint8)
    for name, image in (("a.png", original), ("b.png", perturbed), ("small.png", original[:, :-1])):
        Image.fromarray(image).save(tmp_path / name)
    return original, perturbed


def test_json(command, images, tmp_path):
    done = command(tmp_path / "a.png", tmp_path / "b.png", "--json")
    assert done.exit_code == 0, done.output
    record = json.loads(done.output)
    scores = pass_scores(images[0][None], images[1][None])
    assert record["pass"] == scores.pass_[0]
    assert record["ssim_gray"] == scores.ssim_gray[0]
    assert record["alignment"] == "converged"
    assert record["definition"] == parameters()
    assert np.shape(record["warp"]) == (3, 3)


def test_json_where_nothing_correlates(command, tmp_path):
    for name, level in (("a.png", 10), ("b.png", 20)):
        Image.fromarray(np.full((30, 30, 3), level, np.uint8)).save(tmp_path / name)
    record = json.loads(command(tmp_path / "a.png", tmp_path / "b.png", "--json").output)
    assert record["ecc"] is None
    assert record["alignment"] == "failed"


def test_table(command, images, tmp_path):
    done = command(tmp_path / "a.png", tmp_path / "b.png")
    assert done.exit_code == 0, done.output
    assert f"{pass_scores(images[0][None], images[1][None]).pass_[0]:.6f}" in done.output
    assert "alignment converged" in done.output
    rows = done.output.partition("to those in B:\n")[2].splitlines()
    warp = [[float(value) for value in row.split()] for row in rows]
    np.testing.assert_allclose(warp, pass_scores(images[0][None], images[1][None]).warp[0], rtol=1e-5)


def test_faults(command, images, tmp_path):
    (tmp_path / "text.png").write_text("no image")
    Image.fromarray(np.zeros((30, 30, 4), np.uint8)).save(tmp_path / "alpha.png")
    Image.fromarray(np.zeros((9, 30, 3), np.uint8)).save(tmp_path / "tiny.png")
    for names, message in (
        (("a.png", "none.png"), "none.png: no such file"),
        (("text.png", "b.png"), "text.png: not an image"),
        (("a.png", "alpha.png"), "without transparency"),
        (("a.png", "small.png"), "60 x 70 pixels and .* 59 x 70"),
        (("tiny.png", "tiny.png"), "at least 11 x 11"),
        ((".", "b.png"), "cannot be read"),
    ):
        done = command(*(tmp_path / name for name in names))
        assert isinstance(done.exception, UserError), names
        with pytest.raises(UserError, match=message):
            raise done.exception
