"""Jobs that take long: memory does not grow with the attempts, logs can be read, progress is told every so often."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from entries import Entries
from faults import MICRO, Running
from jobs import SECOND, attack, inventory, pack, predict, scan, score_of, synthesize, transfer_of
from running import ROOT, Workflow, copy_of

from faceflip.runtime.progress import Progress, counted

LONG_JOB = Path(__file__).with_name("long_job.py")


def long_job(what, folder, attempts):
    """Run a job of many attempts in a process of its own; return its memory (MB) on the way, and its log."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, LONG_JOB, what, folder, str(attempts)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(result.stdout.splitlines()[-1])["memory"], result.stdout + result.stderr


@pytest.mark.slow
def test_memory_is_flat_over_the_attempts(tmp_path):
    """What is loaded in the beginning is there by half; benchmarks/workflow.py long measures 10,000 attempts."""
    attempts = 600
    _, half, end = long_job("attack", tmp_path, attempts)[0]
    assert end - half < 60
    memory, log = long_job("score", tmp_path, attempts)
    assert memory[2] - memory[1] < 100
    assert "\r" not in log
    assert len(log.splitlines()) < 60


def test_progress_in_a_log(capsys, monkeypatch):
    """An hour's work tells a line every half minute, without carriage returns, with rate and time left."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = Progress("attack", "attempts")
    for second in range(1, 3601):
        now[0] = second
        progress(second, 3600)
    lines = capsys.readouterr().err.splitlines()
    assert 100 <= len(lines) <= 125
    assert re.fullmatch(r"attack: 1,800 of 3,600 attempts \(50%\), 1 attempts/s, .* left.*", lines[59])
    assert not any("\r" in line or "\033" in line for line in lines)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_on_a_terminal(monkeypatch):
    """One line, written anew twice a second from its beginning on, with what is left of a longer one wiped out."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(sys, "stderr", Terminal())
    progress = Progress("pack", "images")
    for tenth in range(1, 101):
        now[0] = tenth / 10
        progress(tenth, 100)
    *lines, last = sys.stderr.getvalue().removeprefix("\r").split("\r")
    assert len(lines) == 19
    assert lines[0] == "pack: 5 of 100 images (5%), 10 images/s, 10 s left\033[K"
    assert last == "pack: 100 of 100 images (100%), 10 images/s in 10.0 s\033[K\n"


def test_slow_work_has_a_speed(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    progress = Progress("scan", "shards")
    now[0] = 40.0
    progress(1, 4)
    assert capsys.readouterr().err == "scan: 1 of 4 shards (25%), 0.025 shards/s, 2 min left\n"


def test_progress_of_work_in_several_places():
    told = []
    more = counted(lambda done, total: told.append((done, total)), 10)
    for count in (3, 3, 4):
        more(count)
    assert told == [(3, 10), (6, 10), (10, 10)]
    counted(None, 10)(3)


FLIPPED = SECOND
"""A shard of the micro run in which an attempt flips."""


@pytest.mark.workflow
def test_every_long_job_tells_its_progress_in_the_log_and_more_rarely_on_the_screen(micro, tmp_path):
    """Intervals are set to none; each line says how many of how many, in what unit, as lines that stay."""
    jobs = {
        pack("results/synthetic"): "images",
        predict: "images",
        attack: "attempts",
        score_of(FLIPPED): "pairs",
        transfer_of(FLIPPED): "images",
        scan: "shards",
        inventory: "files",
        synthesize(): "faces",
    }
    folder = copy_of(micro, tmp_path).directory
    with Entries(SCREEN_INTERVAL=0.0) as entries:
        for job, unit in jobs.items():
            ended = job(entries, folder)
            assert ended.status == 0, ended.screen + ended.log
            line = rf"^\w+ ?[^:]*: ([\d,]+) of \1 {unit} \(100%\), [\d,.]+ {unit}/s in .*$"
            for said in (ended.log, ended.screen):
                assert re.search(line, said, re.MULTILINE), said
            assert "\r" not in ended.log + ended.screen


@pytest.mark.workflow
def test_a_failed_jobs_log_is_named(tmp_path):
    """A user's mistake is one message on the screen; Snakemake names the log, which has the traceback."""
    celeba = tmp_path / "celeba"
    celeba.mkdir()
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(f"dataset: {{celeba: {celeba}}}\n")
    run = Running(Workflow(tmp_path, [MICRO, overlay]), "--cores", 1, "results/dataset/faces.h5")
    assert run.wait() == 1
    assert "Error: " in run.said
    assert "logs/pack_dataset.log" in run.said
    assert "Traceback" not in run.said
    assert "\r" not in run.said
    assert "Traceback" in (tmp_path / "logs/pack_dataset.log").read_text()


def test_the_end_of_a_log_is_shown_where_the_error_is_our_own(tmp_path):
    script = """
from types import SimpleNamespace
from faceflip.stages.job import job
with job(SimpleNamespace(log=["a.log"])):
    for number in range(100):
        print("line", number)
    raise RuntimeError("a bug")
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert result.returncode == 1
    assert "line 99\n" in result.stderr
    assert "line 50\n" not in result.stderr
    assert "RuntimeError: a bug (all of it is in a.log)" in result.stderr
    assert "line 50\n" in (tmp_path / "a.log").read_text()
