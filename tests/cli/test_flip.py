"""`faceflip flip`: images of your own against a checkpoint."""

import json
import os
import re
import subprocess
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from faceflip.attacks import attack as attack_of_the_library
from faceflip.catalogue import ATTACKS
from faceflip.cli.app import app
from faceflip.cli.flip import _options
from faceflip.cli.flipped import files_of
from faceflip.errors import NetworkWarning, UserError
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from faceflip.networks.inference import scores
from faceflip.networks.network import NetworkSpec, build
from faceflip.runtime.elsewhere import python
from faceflip.similarity import pass_score

WIDTH, HEIGHT = 32, 36


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two checkpoints and three images: two of the networks' size, one that is larger."""
    folder = tmp_path_factory.mktemp("flip")
    torch.set_num_threads(1)
    small = ArchitectureOptions(width=0.0625, initialisation="msra")
    networks = {"euclidean": ("euclidean", ("Smiling",)), "moon": ("euclidean", ("Male", "Smiling", "Young"))}
    for name, (loss, attributes) in {**networks, "pairs": ("softmax", ("Male", "Smiling"))}.items():
        spec = NetworkSpec(loss, attributes, (WIDTH, HEIGHT), small)
        info = CheckpointInfo(name, attributes[0] if len(attributes) == 1 else "all", 1, {}, {}, "")
        save_checkpoint(folder / f"{name}.pt", build(spec, seed=1), info)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    for number, name in enumerate(("a", "b")):
        pattern = 127 + 60 * (np.sin(rows / 5 + number) + np.cos(columns / 3))
        Image.fromarray(np.stack([pattern] * 3, axis=2).clip(0, 255).astype(np.uint8)).save(folder / f"{name}.png")
    Image.new("RGB", (64, 72), (200, 120, 80)).save(folder / "large.png")
    return folder


@pytest.fixture
def flip(folder):
    """Call the command as from the shell and return what it prints as JSON; a user's error is raised."""

    def call(*arguments):
        result = CliRunner().invoke(app, ["flip", *map(str, arguments), "--json"])
        if isinstance(result.exception, UserError):
            raise result.exception
        assert result.exit_code == 0, (result.output, result.exception)
        return json.loads(result.output)

    return call


@pytest.mark.parametrize("attack", [name for name in ATTACKS if name.startswith("ffa")])
def test_written_images_are_flipped_and_scored(flip, folder, tmp_path, attack):
    images = (folder / "a.png", folder / "b.png")
    told = flip(folder / "moon.pt", *images, "--attribute", "Smiling", "--attack", attack, "-o", tmp_path)
    network, _ = load_checkpoint(folder / "moon.pt")
    for record in told["images"]:
        assert record["outcome"] == "flipped"
        original, adversarial = (np.asarray(Image.open(record[key])) for key in ("image", "file"))
        before, after = scores(network, np.stack([original, adversarial]))[:, 1]
        assert (before > 0) != (after > 0)
        assert record["score_before"] == pytest.approx(before, rel=1e-4)
        assert record["pass"] == pytest.approx(pass_score(original, adversarial), abs=1e-9)
        change = adversarial.astype(int) - original
        assert record["linf"] == np.abs(change).max()
        assert record["l2"] == pytest.approx(np.sqrt((change**2).sum()))
        assert record["file"] == str(tmp_path / f"{record['image'][-5]}-Smiling-{attack}.png")


def test_a_network_of_one_attribute_needs_no_name(flip, folder):
    assert flip(folder / "euclidean.pt", folder / "a.png", "--attack", "fgs-line")["attribute"] == "Smiling"


def test_options_reach_the_attack(flip, folder):
    told = flip(folder / "euclidean.pt", folder / "a.png", "--attack", "ffa-iterative", "--option", "max_steps=1")
    assert told["images"][0]["steps"] == 1


def test_fgs_on_a_network_of_several_attributes_needs_its_option(flip, folder):
    call = partial(flip, folder / "pairs.pt", folder / "a.png", "--attribute", "Male", "--attack", "fgs-line")
    with pytest.raises(UserError, match=r"all 2 attributes of this network at once.*fgs_scope: attribute"):
        call()
    assert call("--option", "fgs_scope=attribute")["images"][0]["outcome"] == "flipped"


OWN = """
from faceflip.attacks.directions import FFA
from faceflip.attacks.line import LineSearch


class Contrary(FFA):
    def output_gradient(self, scores, attempts, objective, options):
        return -super().output_gradient(scores, attempts, objective, options)


class Quiet(LineSearch):
    pass
"""


def test_directions_and_searches_of_ones_own(flip, folder, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    call = partial(flip, folder / "moon.pt", folder / "a.png", "--attribute", "Male")
    contrary, quiet = f"direction={tmp_path / 'own.py'}:Contrary", f"search={tmp_path / 'own.py'}:Quiet"
    plain = call("--attack", "ffa-line")
    named = call("--attack", "mine", "--option", "direction=ffa", "--option", "search=doubling")
    assert named == {**plain, "attack": "mine"}
    assert call("--attack", "mine", "--option", "direction=ffa", "--option", quiet)["images"] == plain["images"]
    away = call("--option", contrary)["images"][0]
    assert away["epsilon"] is None or away["epsilon"] > plain["images"][0]["epsilon"]
    table = ["flip", str(folder / "moon.pt"), str(folder / "a.png"), "--attribute", "Male", "--attack", "mine"]
    table += ["--option", contrary, "--option", "search=iterative", "--option", "max_steps=2"]
    output = CliRunner().invoke(app, table, env={"COLUMNS": "160"}).output
    assert "Male by mine" in output
    assert "steps" in output


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1E2", 100.0),
        ("40", 40),
        ("0.5", 0.5),
        ("null", None),
        ("true", True),
        ("scan", "scan"),
        ("[a] folder/own.py:Up", "[a] folder/own.py:Up"),
    ],
)
def test_values_of_options(text, value):
    (read,) = _options([f"name={text}"]).values()
    assert read == value
    assert type(read) is type(value)


def test_labels_reach_the_attack(flip, folder, monkeypatch):
    given = []

    def attack(*arguments, labels=None, **options):
        given.append(labels)
        return attack_of_the_library(*arguments, labels=labels, **options)

    monkeypatch.setattr("faceflip.attacks.attack", attack)
    call = partial(flip, folder / "euclidean.pt", folder / "a.png", folder / "b.png", "--attack", "fgs-line")
    for labels in ([], ["absent"], ["1"], ["present", "-1"]):
        told = call("--option", "max_epsilon=1", *(word for label in labels for word in ("--label", label)))
        assert len(told["images"]) == 2
    assert given == [None, [-1, -1], [1, 1], [1, -1]]
    call("--option", "max_epsilon=1", "--option", "fgs_label=annotated", "--label", "present")


def test_the_help_says_what_each_attack_does():
    output = " ".join(CliRunner().invoke(app, ["flip", "--help"], env={"COLUMNS": "160"}).output.split())
    for name, entry in ATTACKS.items():
        assert f"{name}: {entry.title}" in output


def test_small_numbers_reach_the_attack(flip, folder):
    arguments = (folder / "moon.pt", folder / "a.png", "--attribute", "Smiling")
    told = flip(*arguments, "--option", "epsilon_tolerance=1e-3")
    assert told["images"][0]["outcome"] == "flipped"


def test_images_of_another_size_are_resized_on_demand_only(flip, folder):
    with pytest.raises(UserError, match=r"large.png: 64 x 72 pixels, the network sees 32 x 36; .*--resize"):
        flip(folder / "euclidean.pt", folder / "large.png", "--as-is")
    assert len(flip(folder / "euclidean.pt", folder / "large.png", "--resize")["images"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["moon.pt", "a.png"], "no attribute is given; name one with --attribute, or all: Male, Smiling, Young"),
        (["moon.pt", "a.png", "--attribute", "Bald"], "'Bald' is not one of its attributes"),
        (
            ["moon.pt", "a.png", "--attribute", "Male", "--attack", "ffa"],
            "there is no attack 'ffa'; did you mean ffa-line",
        ),
        (
            ["moon.pt", "a.png", "--attribute", "Male", "--attack", "fgs-line"],
            "FGS raises the loss of all 3.*fgs_scope",
        ),
        (
            ["moon.pt", "a.png", "--attribute", "Male", "--option", "direction=own.py:Up"],
            "own.py:Up: no such file; paths are seen from",
        ),
        (["moon.pt", "a.png", "--attribute", "Male", "--option", "search=scam"], "there is no search 'scam'; did you"),
        (["moon.pt", "a.png", "--attribute", "Male", "--option", "steps"], "expected NAME=VALUE"),
        (["moon.pt", "a.png", "--attribute", "Male", "--option", "max_step=3"], "did you mean max_steps"),
        (["moon.pt", "a.png", "--attribute", "Male", "--option", "search=["], r"--option search=\[: expected a number"),
        (["moon.pt", "a.png", "--attribute", "Male", "--option", "max_steps=1e1"], "expected a whole number"),
        (["moon.pt", "a.png", "--option", "device=cuda"], "no attack option 'device'; there are direction"),
        (["moon.pt", "a.png", "--option", "objective=moon"], "no attack option 'objective'"),
        (["moon.pt", "a.png", "--option", "progress=true"], "no attack option 'progress'"),
        (["moon.pt", "a.png", "--option", "labels=1"], "no attack option 'labels'"),
        (["euclidean.pt", "a.png", "--label", "yes"], "--label yes: expected present or absent"),
        (["euclidean.pt", "a.png", "--label", "1", "--label", "-1"], "--label is given 2 times: give it once for all"),
        (
            ["euclidean.pt", "a.png", "--attack", "fgs-line", "--option", "fgs_label=annotated"],
            r"option fgs_label: 'annotated' needs the images' labels \(argument labels, or --label\)",
        ),
        (["euclidean.pt", "a.png", "-o", "b.png"], "b.png: file exists, nothing was written.*name another one"),
        (["moon.pt", "a.png", "--attribute", "Male", "--device", "gpu"], "no device 'gpu'; there are auto, cpu, cuda"),
        (["none.pt", "a.png", "--attribute", "Male"], "none.pt does not exist"),
        (["a.png", "a.png", "--attribute", "Male"], "a.png: no network is given; name a checkpoint.*by --network"),
        (["a.png", "--network", "a.png/x.pt", "--attribute", "Male"], "a.png/x.pt: not a readable checkpoint"),
        (["moon.pt", "--attribute", "Male"], "moon.pt: no image is given; name photographs"),
        (["moon.pt", "none.png", "moon.pt", "--attribute", "Male"], "none.png: no such file\n.*moon.pt: not an image"),
    ],
)
def test_mistakes_are_told(flip, folder, monkeypatch, arguments, message):
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match=f"(?s){message}"):
        flip(*arguments)


def test_the_table_for_people(folder):
    result = CliRunner().invoke(
        app, ["flip", str(folder / "euclidean.pt"), str(folder / "a.png")], env={"COLUMNS": "160"}
    )
    assert result.exit_code == 0
    for word in ("Smiling by ffa-line", "a.png", "PASS", "epsilon"):
        assert word in result.output


def test_images_are_told_apart_in_a_pipe_and_in_a_narrow_terminal(folder, tmp_path, monkeypatch):
    """Nothing in a path is taken for markup, and no part of it or of a number is left out."""
    faces = [tmp_path / "exp[seed=1]" / f"a-face-of-a-long-name-[/b]:smile:-{number}.png" for number in (1, 2)]
    faces[0].parent.mkdir(parents=True)
    for face in faces:
        face.write_bytes((folder / "a.png").read_bytes())
    arguments = [folder / "moon.pt", *faces, "--attribute", "Smiling", "-o", tmp_path / "[red]"]
    arguments = ["flip", *map(str, arguments)]
    (record, _) = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).output)["images"]
    numbers = {f"{record['score_before']:+.4f}", f"{record['score_after']:+.2e}", f"{record['epsilon']:.4g}"}
    for environment in ({"COLUMNS": "80"}, *({"COLUMNS": width, "FORCE_COLOR": "1"} for width in ("80", "40"))):
        output = CliRunner().invoke(app, arguments, env=environment).output
        lines = re.sub(r"\x1b\[[\d;]*m", "", output).splitlines()
        assert all(any(str(path) in line for line in lines) for path in (*faces, record["file"]))
        assert numbers <= set(output.split())


def test_no_result_overwrites_another_or_an_image(flip, folder, tmp_path, monkeypatch):
    for name in ("1/a.png", "2/a.png", "2/A.png", "1/a-1.png", "1/a-2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((folder / "a.png").read_bytes())
    faces = [tmp_path / name for name in ("1/a.png", "2/a.png", "1/a-1.png", "2/A.png", "1/a-2.png")]
    call = partial(flip, folder / "moon.pt", "--attribute", "Smiling", "--attack", "ffa-line", "-o", tmp_path / "out")
    records = call(*faces)["images"]
    files = [record["file"].casefold() for record in records]
    pictures = {record["picture"].casefold() for record in records}
    assert len(set(files)) == len(files) == len(pictures)
    assert len(list((tmp_path / "out").iterdir())) == 2 * len(files)
    assert [file for file in files if "a-1-smiling" in file or "a-2-smiling" in file] == [files[2], files[4]]
    given = tmp_path / "out" / "a-1-Smiling-ffa-line.png"
    before = given.read_bytes()
    with pytest.raises(UserError, match=r"a-1-Smiling-ffa-line\.png: would be written to, but is given as an image"):
        call(tmp_path / "1" / "a-1.png", given)
    assert given.read_bytes() == before


def test_what_cannot_be_written_is_told_before_the_attack(flip, folder, tmp_path, monkeypatch):
    face = tmp_path / f"{'a' * 230}.png"
    face.write_bytes((folder / "a.png").read_bytes())
    monkeypatch.setattr("faceflip.attacks.attack", lambda *arguments, **options: pytest.fail("attacked"))
    with pytest.raises(UserError, match=r"file name too long.*name a shorter one"):
        flip(folder / "moon.pt", face, "--attribute", "Smiling", "-o", tmp_path / "out")


def test_a_name_of_an_attack_leads_nowhere_else(flip, folder, tmp_path):
    arguments = ("--attack", "../up", "--option", "direction=ffa", "--option", "search=doubling")
    told = flip(folder / "moon.pt", folder / "a.png", "--attribute", "Smiling", *arguments, "-o", tmp_path / "out")
    assert told["images"][0]["file"] == str(tmp_path / "out" / "a-Smiling-..-up.png")


@pytest.mark.parametrize(
    ("attribute", "part"),
    [
        ("Smiling", "Smiling"),
        ("5_o_Clock_Shadow", "5_o_Clock_Shadow"),
        ("a/b\0c", "a_b_c"),
        ("..", "_."),
        ("x" * 180, None),
    ],
)
def test_any_attribute_stands_in_the_names_of_files(tmp_path, attribute, part):
    (files,) = files_of(tmp_path, [Path("me.png")], [True], [attribute], "../ffa:line", [])
    for path, end in ((files.crop, ""), (files.photo, "-photo"), (files.picture, "-picture")):
        assert path.parent == tmp_path
        assert len(path.name.encode()) < 200
        if part:
            assert path.name == f"me-{part}-..-ffa:line{end}.png"


def test_what_is_suspicious_is_told(folder, monkeypatch):
    def attack(*arguments, **options):
        warnings.warn("scores look like probabilities", NetworkWarning, stacklevel=2)
        found = attack_of_the_library(*arguments, **options)
        return replace(found, warnings=("scores look like probabilities",))

    monkeypatch.setattr("faceflip.attacks.attack", attack)
    arguments = ["flip", str(folder / "euclidean.pt"), str(folder / "a.png"), "--option", "max_epsilon=1"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain, machine = (CliRunner().invoke(app, [*arguments, *more]) for more in ([], ["--json"]))
    assert plain.stderr == machine.stderr == "Warning: scores look like probabilities\n"
    assert "Warning" not in plain.stdout
    assert json.loads(machine.stdout)["warnings"] == ["scores look like probabilities"]


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_characters_ends_nothing(folder, tmp_path, encoding):
    names = ["ü-Ж.png", os.fsdecode(b"\xff.png")]
    for name in names:
        (tmp_path / name).write_bytes((folder / "a.png").read_bytes())
    code = "import sys; from faceflip.cli import main; sys.argv[0] = 'faceflip'; main()"
    arguments = ["flip", folder / "moon.pt", *names, "--attribute", "Smiling", "-o", "out", "--device", "cpu"]
    done = subprocess.run(**python(code, *arguments, PYTHONIOENCODING=encoding), cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    for shown in ("\\xfc" if encoding == "ascii" else "ü", "\\u0416", "\\udcff"):
        assert shown.encode("latin-1", "backslashreplace") in done.stdout
    assert len(list((tmp_path / "out").iterdir())) == 4  # crops and pictures


def test_the_epsilon_of_iterative_attacks_is_called_steps(folder):
    arguments = ["flip", str(folder / "euclidean.pt"), str(folder / "a.png"), "--attack", "ffa-iterative"]
    output = CliRunner().invoke(app, arguments, env={"COLUMNS": "160"}).output
    assert "steps" in output
    assert "epsilon" not in output
