"""`faceflip status` beside real runs: one that is going, fails, is killed, goes on and ends."""

import json
import signal
import time

import pytest
import yaml
from faults import MICRO, Running
from running import ROOT, Workflow
from typer.testing import CliRunner

from faceflip.cli.app import app
from faceflip.workflow.jobs import jobs_from_nothing
from faceflip.workflow.plan import Plan
from faceflip.workflow.settings import Settings, read_config

pytestmark = pytest.mark.workflow

LOSS = """
from pathlib import Path
from faceflip.networks.objectives import Euclidean

class Mine(Euclidean):
    def loss(self, scores, labels):
        {body}
        return super().loss(scores, labels)
"""
TARGETS = ("results/networks/mine/Smiling/converged.pt", "results/samples/paper.csv")
JOBS = {"synthesize_faces": 1, "pack_dataset": 1, "draw_sample": 1, "train_network": 1}
"""What makes the targets."""
PAUSE = 0.5
"""Seconds between two looks, which would take the run its processors."""


def status(workflow):
    result = CliRunner().invoke(app, ["status", "--directory", str(workflow.directory), "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    counts = {key: count for key, count in found["jobs"].items() if key != "all"}
    assert sum(counts.values()) == found["jobs"]["all"]
    return found


def watched(run, workflow):
    """Return what status says again and again until the run ends, from its first sign on."""
    seen = []
    while not run.ended:
        found = status(workflow)
        if found["run"] and found["run"]["process"] == run.head.pid:
            seen.append(found)
        time.sleep(PAUSE)
    return seen


def first_look(run, workflow):
    """Return what status says once a job of a run is at work."""
    while not run.ended:
        found = status(workflow)
        if found["run"]["process"] == run.head.pid and found["jobs"]["running"]:
            return found
        time.sleep(PAUSE)
    raise AssertionError(run.said)


@pytest.fixture
def workflow(tmp_path):
    """A run of four jobs, whose training goes by a loss of your own."""
    own = {
        "networks": {"euclidean": None, "softmax": None, "moon": None, "mine": {"loss": f"{tmp_path}/loss.py:Mine"}},
        "experiments": {"paper": {"mine": {"converged": ["ffa-line"]}}},
    }
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own))
    return Workflow(tmp_path, [MICRO, tmp_path / "own.yaml"])


def test_a_run_that_fails_is_killed_goes_on_and_ends(workflow, tmp_path):
    loss = tmp_path / "loss.py"
    loss.write_text(LOSS.format(body="raise RuntimeError('a broken loss')"))
    assert workflow.planned(*TARGETS) == JOBS
    first = Running(workflow, "--cores", 2, *TARGETS)
    seen = watched(first, workflow)
    assert first.wait() == 1, first.said

    # While it is going.
    assert {found["state"] for found in seen} <= {"going", "failed"}
    assert seen[0]["jobs"]["done"] == 0
    done = [found["jobs"]["done"] for found in seen]
    assert done == sorted(done)
    assert max(found["jobs"]["running"] for found in seen) in (1, 2)
    assert {each["rule"] for found in seen for each in found["running"]} >= {"synthesize_faces", "train_network"}
    assert all(found["stages"]["synthesize_faces"]["all"] == 1 for found in seen)
    not_asked = sum(jobs_from_nothing(Plan(Settings.of(read_config(ROOT, workflow.configfiles)))).values()) - 1 - 4
    assert {found["not_asked"] for found in seen} == {not_asked}

    # When it has ended, with a failure.
    found = status(workflow)
    assert found["state"] == "failed"
    assert (found["jobs"]["done"], found["jobs"]["failed"], found["jobs"]["running"]) == (3, 1, 0)
    (failed,) = found["failed"]
    assert (failed["rule"], failed["wildcards"]) == ("train_network", {"network": "mine", "member": "Smiling"})
    assert failed["lines"][-1] == "RuntimeError: a broken loss"
    took = found["stages"]["synthesize_faces"]["median_seconds"]
    written = (tmp_path / "results/benchmarks/synthesize_faces.tsv").read_text().splitlines()[1]
    assert took == float(written.split("\t")[0])

    # Killed while it trains.
    loss.write_text(LOSS.format(body="__import__('time').sleep(1 if Path('slow').exists() else 0)"))
    (tmp_path / "slow").touch()
    second = Running(workflow, "--cores", 2, *TARGETS)
    found = first_look(second, workflow)
    assert (found["state"], found["jobs"]["done"], found["jobs"]["failed"]) == ("going", 3, 0)
    second.signal(signal.SIGKILL)
    found = status(workflow)
    assert (found["state"], found["jobs"]["stopped"], found["jobs"]["running"]) == ("stopped", 1, 0)
    assert found["stopped"][0]["rule"] == "train_network"

    # It goes on, and ends.
    (tmp_path / "slow").unlink()
    third = Running(workflow, "--cores", 2, *TARGETS)
    seen = watched(third, workflow)
    assert third.wait() == 0, third.said
    assert not any(found["stopped"] for found in seen)
    found = status(workflow)
    assert (found["state"], found["jobs"]["done"], found["jobs"]["left"]) == ("ended", 4, not_asked)

    # What is to be made anew is not done, although its files are there; nothing to do leaves the record.
    loss.write_text(loss.read_text() + "# changed\n")
    (tmp_path / "slow").touch()
    fourth = Running(workflow, "--cores", 2, *TARGETS)
    found = first_look(fourth, workflow)
    assert (found["jobs"]["done"], found["jobs"]["running"]) == (3, 1)
    (tmp_path / "slow").unlink()
    assert fourth.wait() == 0, fourth.said
    assert status(workflow)["jobs"]["done"] == 4


def test_a_finished_run(micro):
    """All that Snakemake counts is done, and nothing else is there."""
    found = status(micro)
    jobs = jobs_from_nothing(Plan(Settings.of(read_config(ROOT, [MICRO]))))
    assert found["jobs"]["all"] == found["jobs"]["done"] == sum(jobs.values()) - 1
    assert {name: stage["done"] for name, stage in found["stages"].items()} == {
        name: count for name, count in jobs.items() if name != "all"
    }
    assert (found["state"], found["seconds_left"], found["gpu_hours"]) == ("ended", 0, 0)
