"""One job alone: the same bytes as Snakemake's, and messages that say what to type."""

import subprocess
import sys

import pytest
import yaml
from running import ROOT, Workflow

from run_alone import Run
from run_alone import main as alone

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

SMALL = {
    "synthetic": {"train": 24, "validation": 8, "test": 8},
    "samples": {"paper": {"images": 5}, "hidden": {"split": "test", "images": 3}},
    "attributes": ["Smiling", "Male"],
    "training": {"batch_size": 8},
    "compute": {"device": "cpu", "threads": {"pack": 2}},
}
SAMPLES = ("results/samples/paper.csv", "results/samples/hidden.csv")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder in which Snakemake made the dataset and the samples."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    workflow = Workflow(folder, [folder / "small.yaml"])
    workflow(*SAMPLES, "--cores", 2)
    return workflow


def run_alone(folder, *arguments, configfiles=(), **options):
    """Run a job in a process of its own, because it takes the process's output for its log."""
    command = [sys.executable, ROOT / "tools/run_alone.py", *arguments, "--configfile", "small.yaml", *configfiles]
    return subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, **options)


def files_below(folder):
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".snakemake_timestamp")
    return {str(path.relative_to(folder)): path for path in files}


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["synthesize_faces"], "synthetic"),
        (["pack_dataset"], "dataset"),
        (["draw_sample", "sample=paper"], "samples"),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
def test_it_writes_what_snakemake_writes(run, tmp_path, arguments, part):
    before = {name: path.stat().st_mtime_ns for name, path in files_below(run.directory / "results").items()}
    said = run_alone(run.directory, *arguments, "--output-directory", tmp_path)
    assert said.returncode == 0, said.stderr
    made = files_below(tmp_path / "results" / part)
    assert made
    for name, path in made.items():
        assert path.read_bytes() == (run.directory / "results" / part / name).read_bytes(), name
    if part != "samples":
        assert list(made) == list(files_below(run.directory / "results" / part))
    log = "/".join(["logs", arguments[0], *(word.partition("=")[2] for word in arguments[1:])]) + ".log"
    assert (tmp_path / log).exists()
    assert before == {name: path.stat().st_mtime_ns for name, path in files_below(run.directory / "results").items()}


def test_without_another_folder_it_writes_the_files_of_the_run(run):
    sample = run.directory / SAMPLES[1]
    before = sample.read_bytes()
    sample.unlink()
    said = run_alone(run.directory, "draw_sample", "sample=hidden")
    assert said.returncode == 0, said.stderr
    assert f"Written, as files of the run: {SAMPLES[1]}" in said.stdout
    assert sample.read_bytes() == before
    assert not run.outputs(*SAMPLES), "Snakemake sees nothing to do"


def test_it_gets_what_snakemake_gives(run, monkeypatch):
    """Names, lists, numbers and text of the rule, and the configuration."""
    monkeypatch.chdir(run.directory)
    one = Run(run.configfiles, cores=1)
    made = one.snakemake("draw_sample", one.job("draw_sample", {"sample": "hidden"}))
    assert made.input.dataset == "results/dataset/faces.h5"
    assert made.output.sample == SAMPLES[1]
    assert list(made.log) == ["logs/draw_sample/hidden.log"]
    assert made.wildcards.sample == "hidden"
    assert (made.params.seed, made.params.split, made.params.images) == (2018, "test", 3)
    assert made.config["compute"]["device"] == "cpu"
    assert made.rule == "draw_sample"
    packing = one.snakemake("pack_dataset", {})
    assert packing.threads == 1, "no more than there are cores"
    assert Run(run.configfiles, cores=8).snakemake("pack_dataset", {}).threads == 2, "no more than the rule wants"


def test_missing_inputs_are_named_with_the_command_that_makes_them(run, capsys, monkeypatch):
    monkeypatch.chdir(run.directory)
    assert alone(["predict_network", "network=moon", "--configfile", "small.yaml"]) == 2
    said, command = capsys.readouterr().err.strip().splitlines()
    missing = [f"results/networks/moon/all/{name}.pt" for name in ("epoch2", "converged")]
    assert said.endswith(f"2 of its inputs are not there: {', '.join(missing)}. Make them by")
    assert command.split()[:3] == ["snakemake", *missing]
    assert run.planned(*command.split()[1:3]) == {"train_network": 1}
    assert alone(["collect_attempts", "--configfile", "small.yaml"]) == 2
    assert "snakemake --until attack_shard score_shard doubt_labels --cores all" in capsys.readouterr().err


def test_without_a_rule_it_lists_them(run, capsys, monkeypatch):
    monkeypatch.chdir(run.directory)
    assert alone(["--configfile", "small.yaml"]) == 0
    said = capsys.readouterr().out
    scripts = {path.stem for path in (ROOT / "scripts").glob("*.py")}
    assert scripts == {line.split()[0] for line in said.splitlines()[1:]}
    assert "attack_shard         sample=... network=... checkpoint=... attack=... shard=..." in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["draw_smple"], "there is no rule 'draw_smple'; did you mean draw_sample?"),
        (["draw_sample"], "draw_sample has 2 such jobs; say which, by NAME=VALUE of\n  sample: paper, hidden"),
        (["draw_sample", "smple=paper"], "draw_sample has no wildcard 'smple', its own are: sample; did you mean"),
        (["draw_sample", "sample=papr"], "no job with sample=papr, sample may be: paper, hidden; did you mean paper?"),
        (["pack_dataset", "sample=paper"], "pack_dataset has no wildcard 'sample', its own are: none"),
        (["draw_sample", "sample=paper", "--directory", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_faults(run, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(run.directory)
    assert alone([*arguments, "--configfile", "small.yaml"]) == 2
    assert message in capsys.readouterr().err


def test_a_fault_of_the_configuration_is_one_message(run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(run.directory)
    (tmp_path / "bad.yaml").write_text("traning: {}")
    assert alone(["draw_sample", "--configfile", "small.yaml", str(tmp_path / "bad.yaml")]) == 2
    assert "traning: unknown key; did you mean training?" in capsys.readouterr().err


def test_an_error_of_the_job(run, tmp_path):
    """Is its status, and the debugger opens where it was raised."""
    (tmp_path / "more.yaml").write_text("{samples: {hidden: {images: 9}}, synthetic: {test: 9}}")  # than were drawn
    job = ["draw_sample", "sample=hidden", "--output-directory", tmp_path]
    overlays = [tmp_path / "more.yaml"]
    said = run_alone(run.directory, *job, configfiles=overlays)
    assert said.returncode == 1
    assert "Error: samples.hidden.images is 9, but the test split has 8 images" in said.stderr
    assert "Traceback" in (tmp_path / "logs/draw_sample/hidden.log").read_text()
    said = run_alone(run.directory, *job, "--pdb", configfiles=overlays, input="p count, len(rows)\nquit\n")
    assert said.returncode == 1
    assert "(9, 8)" in said.stdout


def test_a_breakpoint_asks_on_the_terminal(tmp_path):
    """Although the job's output goes to its log."""
    program = f"""
import os, sys
sys.path.insert(0, {str(ROOT / "tools")!r})
import run_alone as alone
from pathlib import Path
alone.PROJECT = Path({str(tmp_path)!r})
class Job: rule, output, log, wildcards = "stops", [], [{str(tmp_path / "log")!r}], []
sys.exit(alone.execute(Job))
"""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/stops.py").write_text(
        "from faceflip.stages.job import job\nwith job(snakemake):\n    answer = 41; breakpoint()\n    print(answer)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], input="p answer + 1\nanswer = 7\nc\n", capture_output=True, text=True
    )
    assert said.returncode == 0, said.stderr
    assert "42" in said.stdout
    assert (tmp_path / "log").read_text() == "7\n"
