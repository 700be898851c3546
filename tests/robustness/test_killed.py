"""Runs that are killed at any moment, again and again: the same command ends with the results of a quiet run."""

import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from faults import MICRO, OF_OTHERS, Running, assert_same_results
from running import ROOT, Workflow

from faceflip.errors import UserError
from faceflip.runtime.run_lock import LOCK, take_run_lock

pytestmark = pytest.mark.workflow

STAGES = {path.stem for path in (ROOT / "scripts").glob("*.py")} - OF_OTHERS
"""The workflow's scripts, one a stage, that the run has jobs of."""

LONG = {"synthesize_faces", "pack_dataset", "train_network", "predict_network", "attack_shard", "score_shard"}
"""Stages that go on for hours where it matters, and keep something on the way or leave much half-written."""

SIGNALS = (signal.SIGKILL,) * 8 + (signal.SIGTERM, signal.SIGINT)
"""In turn: what the kernel, a scheduler or somebody at the keyboard sends to the whole group."""


def lives(workflow):
    """Return how many seconds the longest job of each rule took."""
    seconds = {}
    for path in (Path(workflow.directory) / "results/benchmarks").iterdir():
        files = [path] if path.is_file() else path.rglob("*.tsv")
        seconds[path.stem] = max(float(file.read_text().splitlines()[1].split("\t")[0]) for file in files)
    return seconds


def visits(name):
    """Return how often a stage is killed: once soon after its start, a long one once more at a random moment."""
    return 2 if name in LONG else 1


def hold_a_victim(run, hits, seconds, rng):
    """Stop the stages that are being run once one of them is due to be killed; return their names, none if it ends."""

    def due():
        return [name for name in run.scripts() if hits[name] < visits(name)]

    def never_hit():
        return [name for name in run.scripts() if not hits[name]]

    while run.wait_until(due, 600):
        for name in due()[:1]:
            if hits[name]:
                # A random moment of its life, but no stage that was never hit is let go meanwhile.
                run.wait_until(never_hit, rng.uniform(0, seconds.get(name, 1)))
        if held := run.hold():
            return held
    return set()


@pytest.mark.slow
def test_killed_in_every_stage_again_and_again(micro, tmp_path):
    workflow = Workflow(tmp_path, [MICRO])
    rng, seconds = random.Random(2018), lives(micro)
    assert seconds.keys() == STAGES > LONG, "it would wait for ever for a stage that never comes"
    sent, hits, rounds, again = [], Counter(), 0, ()

    while True:
        run = Running(workflow, "--cores", 2, *again)
        if len(sent) in (3, 9):  # whatever Snakemake itself is at: imports, its graph, its records
            run.wait_until(lambda: False, rng.uniform(0, 4))
            stages = run.hold()
        else:
            stages = hold_a_victim(run, hits, seconds, rng)
        if run.ended:
            assert run.wait() == 0, run.said
            missed = [name for name in STAGES if hits[name] < visits(name)]
            if not missed:
                break
            # A stage of a tenth of a second may have slipped through: it is run again.
            rounds += 1
            assert rounds < 10, hits
            again = ("--forcerun", *missed)
            continue
        number = SIGNALS[len(sent) % len(SIGNALS)]
        run.signal(number)
        if run.head.returncode == 0:  # it was done by then
            continue
        sent.append(number)
        hits.update(stages)
        assert len(sent) < 150, run.said

    print(f"{len(sent)} kills: {sorted(map(str, sent))}; stages hit: {dict(hits)}")
    assert sent.count(signal.SIGKILL) >= 20
    assert {signal.SIGTERM, signal.SIGINT} <= set(sent)
    assert_same_results(workflow, micro)
    assert "Nothing to be done" in workflow.said("--cores", 1)


def test_one_job_killed(micro, tmp_path):
    """What the kernel does when memory runs out: told, with the job's name, and the rest of the run goes on."""
    workflow = Workflow(tmp_path, [MICRO])
    run = Running(workflow, "--cores", 2, "results/predictions.parquet")
    assert run.wait_until(lambda: "train_network" in run.scripts())
    os.kill(run.scripts()["train_network"].pid, signal.SIGKILL)
    assert run.wait() != 0
    assert re.search(r"Error in rule train_network:", run.said)
    assert "died with <Signals.SIGKILL: 9>" in run.said
    others = list((tmp_path / "results/networks").rglob("converged.pt"))
    assert others, "what does not depend on it goes on"
    workflow("--cores", 2, "results/predictions.parquet")
    for path in ("predictions.parquet", "networks/euclidean/Smiling/converged.pt", "networks/moon/all/converged.pt"):
        assert (tmp_path / "results" / path).read_bytes() == (micro.directory / "results" / path).read_bytes()


def test_two_runs_in_one_directory(tmp_path):
    """The second is refused in one line, and the first goes on."""
    workflow = Workflow(tmp_path, [MICRO])
    target = "results/samples/paper.csv"
    first = Running(workflow, "--cores", 1, target)
    assert first.wait_until(first.hold)
    try:
        said = workflow.said("--cores", 1, target, check=False)
        workflow("--summary")
        workflow("--dry-run")
    finally:
        first.resume()
    assert f"{tmp_path}: process {first.head.pid} on " in said
    assert "is at work here" in said
    assert "Traceback" not in said
    assert first.wait() == 0, first.said


HOLDER = """
import sys, time
sys.path.insert(0, {scripts!r})
from faceflip.runtime.run_lock import take_run_lock
print(take_run_lock({folder!r}), flush=True)
time.sleep(600)
"""


def test_the_lock_ends_with_its_holder(tmp_path):
    code = HOLDER.format(scripts=str(ROOT / "scripts"), folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "True\n"
        with pytest.raises(UserError, match=rf"process {holder.pid} on .* is at work here"):
            take_run_lock(tmp_path)
        holder.kill()
    assert take_run_lock(tmp_path)
    assert Path(tmp_path, LOCK).read_text().startswith(f"process {os.getpid()} on ")


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def flock(*arguments):
        raise OSError("No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    assert not take_run_lock(tmp_path)
