"""Finished files that are deleted, cut or bent are found, and the command that is named gives the bytes back."""

import hashlib
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
from itertools import cycle
from pathlib import Path

import pytest
from faults import DIFFERS, MICRO, assert_same_results
from running import ROOT, Workflow, copy_of

from faceflip.analysis.frames import read_csv
from faceflip.analysis.run import RunDescription
from faceflip.errors import UserError
from faceflip.io.inventory import find_damage, read_inventory, repair, take_inventory, uncovered, write_inventory
from faceflip.io.tables import read_table
from faceflip.networks.checkpoint import load_checkpoint
from faceflip.report.gallery import read_gallery
from faceflip.report.index import sheets_in
from faceflip.report.readme import read_manifest
from faceflip.workflow.code import code_digest, note_on_code

EXPERIMENT = "paper/euclidean/converged/ffa-line"

KINDS = {
    "annotations": "results/synthetic/list_attr_celeba.txt",
    "image": "results/synthetic/img_align_celeba/000007.jpg",
    "provenance": "results/synthetic/synthetic.json",
    "dataset": "results/dataset/faces.h5",
    "manifest": "results/dataset/manifest.json",
    "labels": "results/dataset/labels.csv",
    "sample": "results/samples/paper.csv",
    "checkpoint": "results/networks/euclidean/Smiling/converged.pt",
    "checkpoint of all attributes": "results/networks/moon/all/epoch2.pt",
    "history": "results/networks/softmax/Smiling/history.csv",
    "predictions": "results/predictions/softmax/000.parquet",
    "all predictions": "results/predictions.parquet",
    "shard": f"results/attacks/{EXPERIMENT}/001.h5",
    "joined view": f"results/attacks/{EXPERIMENT}.h5",
    "scores": f"results/scores/{EXPERIMENT}/000.parquet",
    "transfers": f"results/transfers/{EXPERIMENT}/000.parquet",
    "all transfers": "results/transfers.parquet",
    "attempts": "results/attempts.parquet",
    "run": "results/run.json",
    "table": "results/tables/flippability.csv",
    "page": "results/tables/success.md",
    "figure": "results/figures/classification_error.pdf",
    "gallery": "results/gallery/gallery.json",
    "readme": "results/README.md",
}
"""One file of each kind."""


def flip(path, rng):
    """Change one bit."""
    data = bytearray(path.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def cut(path, rng):
    """Cut the end off."""
    os.truncate(path, rng.randrange(path.stat().st_size))


def delete(path, rng):
    path.unlink()


HARMS = (flip, cut, delete)


def check(directory, *arguments):
    """Return status and output of `faceflip check results`."""
    command = [sys.executable, "-c", "from faceflip.cli import main; main()", "check", "results", *arguments]
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, env=environment())
    assert "Traceback" not in result.stdout + result.stderr
    return result.returncode, result.stdout + result.stderr


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}


@pytest.mark.workflow
def test_a_sound_run(micro):
    status, said = check(micro.directory)
    assert (status, said.count("FAULT")) == (0, 0), said
    assert "files compared with the run's inventories, no faults" in said
    looked_over = "results/benchmarks/, results/index.html, results/runtime.html"
    assert f"not in the inventories, and not looked at: {looked_over}\n" in said


def harmed(micro, folder, harms):
    """Return a copy of the run with one file of each kind harmed, in turn by the harms, and the commands of repair."""
    run, rng = copy_of(micro, folder), random.Random(2018)
    for path, harm in zip(KINDS.values(), cycle(harms)):
        harm(folder / path, rng)
    status, said = check(folder)
    assert status == 1
    assert [path for path in KINDS.values() if said.count(f"FAULT: {path}: ") != 1] == []
    commands = json.loads(check(folder, "--json")[1])["repair"]
    assert [command in said for command in commands] == [True, True]
    return run, commands


@pytest.mark.workflow
def test_every_harm_to_every_kind_of_file_is_found(micro, tmp_path):
    """Each is named with its rule; what repairs it does not depend on the harm."""
    first, *others = [harmed(micro, tmp_path / harm.__name__, [harm])[1] for harm in HARMS]
    assert others == [first] * (len(HARMS) - 1)


@pytest.mark.workflow
def test_every_kind_of_file_is_repaired_by_the_command_that_is_named(micro, tmp_path):
    """All kinds at once, harmed in turn by each harm: the commands give every byte back."""
    run, commands = harmed(micro, tmp_path, HARMS)
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "snakemake"
        run(*arguments)
    assert_same_results(run, micro)
    assert check(tmp_path)[0] == 0
    assert "Nothing to be done" in run.said("--cores", 1), "nothing that was made from them is made again"


@pytest.mark.workflow
def test_the_command_that_a_message_names(micro, tmp_path):
    """Of a store alone, which knows of no inventory: what its message says is done to the letter."""
    run, shard = copy_of(micro, tmp_path), KINDS["shard"]
    sound = (tmp_path / shard).read_bytes()
    flip(tmp_path / shard, random.Random(1))
    shutil.rmtree(tmp_path / "results/inventory")
    status, said = check(tmp_path)
    assert status == 1
    assert "note: results: no inventory of the run is there" in said
    (command,) = re.findall(r"^FAULT: .*; delete it, then run: (.*)$", said, re.MULTILINE)
    (tmp_path / shard).unlink()
    program, *arguments = shlex.split(command)
    assert program == "snakemake"
    run(*arguments)
    assert (tmp_path / shard).read_bytes() == sound


@pytest.mark.workflow
def test_cores_change_no_weights(tmp_path):
    """Fewer cores than a training has threads do not lower these: the repair, by all cores, gives the bytes back."""
    (tmp_path / "mine.yaml").write_text("compute: {threads: {train: 2}}\n")
    run, checkpoint = Workflow(tmp_path, [MICRO, tmp_path / "mine.yaml"]), KINDS["checkpoint"]
    run(checkpoint, "--cores", 1)
    sound = (tmp_path / checkpoint).read_bytes()
    _, info = load_checkpoint(tmp_path / checkpoint)
    assert (info.training["device"], info.training["threads"]) == ("cpu", 2)
    (tmp_path / checkpoint).unlink()
    command, _ = repair([(checkpoint, "train_network")])
    run(*shlex.split(command)[1:])
    assert (tmp_path / checkpoint).read_bytes() == sound


@pytest.mark.workflow
def test_an_empty_benchmark(micro, tmp_path):
    """Left by a full disk; the pages are made without it, and the log names it."""
    run = copy_of(micro, tmp_path)
    path = "results/benchmarks/collect_attempts.tsv"
    (tmp_path / path).write_text("")
    (tmp_path / "results/index.html").unlink()
    run("--cores", 1)
    assert f"{path}: cannot be read as a benchmark" in (tmp_path / "logs/write_index.log").read_text()
    assert "collect_predictions" in (tmp_path / "results/runtime.html").read_text()


@pytest.mark.workflow
def test_a_fresh_clone_beside_the_results(micro, tmp_path):
    """Its scripts are newer than all results, and the same: nothing is made anew."""
    (tmp_path / "run").mkdir()
    (tmp_path / "clone").mkdir()
    run = copy_of(micro, tmp_path / "run").with_copied_project(tmp_path / "clone")
    assert run.planned() == {}
    for script in (tmp_path / "clone/scripts").glob("*.py"):
        script.touch()
    assert run.planned() == {}


@pytest.mark.workflow
def test_a_damaged_inventory_is_taken_again(micro, tmp_path):
    run = copy_of(micro, tmp_path)
    inventory = tmp_path / "results/inventory/attacks.json"
    sound = inventory.read_bytes()
    cut(inventory, random.Random(1))
    status, said = check(tmp_path)
    assert (status, said.count("FAULT")) == (1, 1), said
    for command in json.loads(check(tmp_path, "--json")[1])["repair"]:
        run(*shlex.split(command)[1:])
    assert inventory.read_bytes() == sound


@pytest.mark.workflow
def test_a_deleted_intermediate_that_snakemake_does_not_miss(micro, tmp_path):
    """Snakemake sees no reason to make it again, `check` does, and only its own rule runs."""
    run = copy_of(micro, tmp_path)
    (tmp_path / KINDS["checkpoint"]).unlink()
    assert run.planned() == {}, "the trap"
    status, said = check(tmp_path)
    assert status == 1
    assert f"FAULT: {KINDS['checkpoint']}: missing" in said
    (first, _) = json.loads(check(tmp_path, "--json")[1])["repair"]
    assert first == (
        "snakemake --cores all --allowed-rules train_network --force results/networks/euclidean/Smiling/converged.pt"
    )
    assert run.planned(*shlex.split(first)[1:]) == {"train_network": 1}


@pytest.mark.workflow
def test_every_result_is_in_an_inventory(micro):
    """A new rule whose outputs have no part of the inventories in faceflip/workflow/jobs.py is found here."""
    listed = set()
    for path in (micro.directory / "results/inventory").glob("*.json"):
        listed |= {entry.path for entry in read_inventory(path)[0]}
    root = (micro.directory / "results").resolve()
    there = {path.resolve() for path in root.rglob("*") if path.is_file() and path.name != ".snakemake_timestamp"}
    there = {path for path in there if path.relative_to(root).parts[0] not in (*DIFFERS, "inventory")}
    assert listed == {str(path.relative_to(root.parent)) for path in there}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00"])
def test_files_that_pages_read_are_named(tmp_path, content):
    """Whichever of them is empty or damaged."""
    for name, read in (
        ("manifest.json", read_manifest),
        ("gallery.json", lambda path: read_gallery(path.parent)),
        ("table.html", sheets_in),
        ("history.csv", read_csv),
        ("attempts.parquet", read_table),
        ("run.json", RunDescription.from_json),
    ):
        (tmp_path / name).write_bytes(content)
        if (name, content) != ("history.csv", b"{"):  # which is a table of one column without rows
            with pytest.raises(UserError, match=re.escape(str(tmp_path / name))):
                read(tmp_path / name)


def test_other_code_than_that_of_the_results(tmp_path):
    """The digest is over names and bytes of the files of package and scripts, computed here a second way."""
    top = ROOT / "scripts"
    files = [path for path in top.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    lines = [f"{path.relative_to(top)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in files]
    lines.sort(key=lambda line: Path(line.partition("\0")[0]))
    assert code_digest() == hashlib.sha256("".join(lines).encode()).hexdigest()
    run = tmp_path / "run.json"
    assert note_on_code(run) is None
    for content, told in (
        ({"code": code_digest()}, False),
        ({"code": "0" * 64}, True),
        ({}, False),
        ({"code": None}, False),
        ([], False),
    ):
        run.write_text(json.dumps(content))
        assert bool(note_on_code(run)) == told
    run.write_text("")
    assert note_on_code(run) is None


@pytest.mark.workflow
def test_the_check_tells_of_other_code(micro, tmp_path):
    copy_of(micro, tmp_path)
    path = tmp_path / "results/run.json"
    path.write_text(path.read_text().replace(json.loads(path.read_text())["code"], "0" * 64))
    assert "note: results/run.json: the code of faceflip has changed since (000000000000, now" in check(tmp_path)[1]


@pytest.fixture
def folder(tmp_path):
    """A small finished run with two inventories."""
    for name in ("results/a.csv", "results/images/1.jpg", "results/images/2.jpg", "results/b.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"content of {name}\n")
    parts = {"one": {"make_a": ["results/a.csv", "results/images"]}, "two": {"make_b": ["results/b.csv"]}}
    for part, outputs in parts.items():
        write_inventory(tmp_path / f"results/inventory/{part}.json", take_inventory(outputs, tmp_path), list(parts))
    return tmp_path


class TestInventory:
    def test_what_it_holds(self, folder):
        entries, parts = read_inventory(folder / "results/inventory/one.json")
        assert parts == ["one", "two"]
        assert [(entry.path, entry.target, entry.rule) for entry in entries] == [
            ("results/a.csv", "results/a.csv", "make_a"),
            ("results/images/1.jpg", "results/images", "make_a"),
            ("results/images/2.jpg", "results/images", "make_a"),
        ]

    def test_sound(self, folder):
        assert find_damage(folder / "results") == ([], 4)
        assert find_damage(folder / "results/images") == ([], 2)
        assert find_damage(folder / "results/b.csv") == ([], 1)

    @pytest.mark.parametrize("harm", HARMS)
    def test_one_file(self, folder, harm):
        harm(folder / "results/images/2.jpg", random.Random(1))
        (damage,), _ = find_damage(folder / "results")
        assert (damage.path, damage.target, damage.rule) == (
            (folder / "results/images/2.jpg").resolve(),
            "results/images",
            "make_a",
        )
        assert find_damage(folder / "results/b.csv") == ([], 1)

    @pytest.mark.parametrize("harm", HARMS)
    def test_the_inventory_itself(self, folder, harm):
        """A bent digest is not taken for a damaged result."""
        for seed in range(20):
            sound = (folder / "results/inventory/two.json").read_bytes()
            harm(folder / "results/inventory/two.json", random.Random(seed))
            (damage,), _ = find_damage(folder / "results")
            assert (damage.target, damage.rule) == ("results/inventory/two.json", "take_inventory")
            (folder / "results/inventory/two.json").write_bytes(sound)

    def test_moved_and_linked_results(self, folder, tmp_path):
        (folder / "results").rename(folder / "elsewhere")
        assert find_damage(folder / "elsewhere") == ([], 4)
        (folder / "results").symlink_to(folder / "elsewhere")
        assert find_damage(folder / "results") == ([], 4)

    def test_files_of_no_inventory(self, folder, tmp_path):
        (folder / "results/paper").mkdir()
        (tmp_path / "mine.csv").touch()
        links = {"table1.csv": "../a.csv", "mine.csv": tmp_path / "mine.csv", "gone.csv": "../gone.csv"}
        for name, target in links.items():
            (folder / "results/paper" / name).symlink_to(target)
        (folder / "results/index.html").touch()
        assert uncovered(folder / "results") == [folder / "results/index.html", folder / "results/paper/mine.csv"]

    def test_a_folder_without_inventories(self, tmp_path):
        assert find_damage(tmp_path) == ([], 0)

    def test_an_inventory_of_missing_files_is_not_taken(self, folder):
        shutil.rmtree(folder / "results/images")
        with pytest.raises(UserError, match=r"2 results are missing.*\n.*results/x\n.*results/y"):
            take_inventory({"make": ["results/a.csv", "results/x", "results/y"]}, folder)

    def test_commands(self):
        assert list(repair([])) == []
        spaced, _ = repair([("results/my faces/a b.csv", "make_a")])
        assert shlex.split(spaced)[-1] == "results/my faces/a b.csv"
        commands = list(repair([("results/b", "make_b"), ("results/a", "make_a"), ("results/a", "make_a")]))
        assert commands == [
            "snakemake --cores all --allowed-rules make_a make_b --force results/a results/b",
            "snakemake --cores all --touch",
        ]
