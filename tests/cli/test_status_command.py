"""`faceflip status` on directories that were made up: what it says of each state, and that it touches nothing."""

import json
import os
import subprocess
from dataclasses import replace

import pytest
from made_up_run import BEGAN, MICRO, MadeUpRun, plan_of, record_of
from typer.testing import CliRunner

from faceflip.cli.app import app
from faceflip.errors import UserError
from faceflip.runtime.elsewhere import python
from faceflip.runtime.run_lock import take_run_lock
from faceflip.workflow.job_states import JobState, tracked
from faceflip.workflow.run_record import as_bytes

JOBS = tracked(plan_of(MICRO), None)
PUT = {
    JobState.RUNNING: next(job for job in JOBS if job.rule == "train_network"),
    JobState.QUEUED: next(job for job in JOBS if job.rule == "attack_shard"),
    JobState.FAILED: next(job for job in JOBS if job.rule == "score_fold"),
}
"""Jobs that are not whole in a run under way; those before trainings are done, all else is left."""
DONE = [job for job in JOBS if job.rule in ("synthesize_faces", "pack_dataset", "draw_sample")]


def told(directory, *arguments):
    command = ["status", "--directory", str(directory), *map(str, arguments)]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.fixture
def under_way(tmp_path):
    """A run under way, of which this process is the head."""
    made_up = MadeUpRun(tmp_path / "run", record_of())
    for job in DONE:
        made_up.put(job, JobState.DONE)
    for state, job in PUT.items():
        made_up.put(job, state)
    made_up.write(
        PUT[JobState.FAILED].log, BEGAN + 90, "one\ntwo\nthree\nValueError: \x1b[2Jno such thing\n" + "x" * 400
    )
    return made_up


def with_record(made_up, **changes):
    MadeUpRun(made_up.directory, record_of(**changes))
    return made_up.directory


def test_a_run_under_way(under_way):
    page = told(under_way.directory)
    words = " ".join(page.split())
    assert "The run is going: began 20" in words
    assert f"process {os.getpid()} on " in words
    assert "micro.yaml" in words
    assert "stage jobs done running queued failed left a job time left" in words
    assert "synthesize_faces 1 1 10 s" in words
    assert "train_network 3 1 2 unknown" in words
    assert f"in all {len(JOBS)} 3 1 1 1 {len(JOBS) - 6}" in words
    assert "GPU hours used: 0.00" in words
    assert "Running: 1 job train_network network=" in words
    assert "it works" in words
    assert r"ValueError: \x1b[2Jno such thing" in page, "what would steer a terminal is spelled out"
    assert "x" * 300 + " ..." in page
    assert "two" not in words.split(), "three lines"
    assert "two" in told(under_way.directory, "--lines", 5).split()
    assert "it works" not in told(under_way.directory, "--lines", 0)


def test_for_programs(under_way):
    found = json.loads(told(under_way.directory, "--json"))
    counts = dict.fromkeys(JobState, 0) | {"all": len(JOBS), "done": 3, "left": len(JOBS) - 6}
    assert found["jobs"] == counts | dict.fromkeys(PUT, 1)
    assert found["state"] == "going"
    assert found["run"]["began"] == BEGAN
    assert sum(stage["all"] for stage in found["stages"].values()) == len(JOBS)
    assert found["stages"]["pack_dataset"]["median_seconds"] == 10
    (failed,) = found["failed"]
    assert (failed["rule"], failed["log"]) == ("score_fold", PUT[JobState.FAILED].log)
    assert failed["lines"][-2:] == ["ValueError: \x1b[2Jno such thing", "x" * 400]
    (running,) = found["running"]
    assert running["wildcards"] == PUT[JobState.RUNNING].wildcards
    assert running["seconds"] == pytest.approx(found["now"] - BEGAN - 60)


def test_nothing_is_touched(under_way, monkeypatch):
    """Neither a file nor a date, also of a folder that may not be written to, while the run holds its lock."""
    assert take_run_lock(under_way.directory)
    monkeypatch.chdir(under_way.directory)
    folders = [under_way.directory, *(path for path in under_way.directory.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    before = under_way.snapshot()
    told(".")
    told(".", "--json")
    told(".", "--configfile", MICRO)
    with pytest.raises(UserError):
        told("none")
    after = under_way.snapshot()
    for folder in folders:
        folder.chmod(0o755)
    assert after == before


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"host": "login7"}, "on login7, which cannot be seen from here, and has not ended; last sign of life"),
        ({"birth": 1}, "The run was killed: it began 20"),
        ({"ended": BEGAN + 600, "succeeded": True}, "after 10 min: all that it was to make was made."),
        ({"ended": BEGAN + 600, "succeeded": False}, "before all was made: jobs failed, or it was stopped."),
    ],
)
def test_other_states(under_way, changes, sentence):
    directory = with_record(under_way, **changes)
    page = told(directory)
    assert sentence in page
    stopped = "Stopped: 2 jobs" in page
    assert stopped == ("host" not in changes), "nobody can be at work"


def test_a_part_of_the_plan(under_way):
    """Jobs that the run was not asked for are no part of its time."""
    asked = {job.rule: None for job in (*DONE, *PUT.values())}
    directory = with_record(under_way, jobs=asked)
    found = json.loads(told(directory, "--json"))
    assert found["not_asked"] == sum(job.rule not in asked for job in JOBS)
    assert f"{found['not_asked']} jobs left that this run is not to do" in told(directory)
    assert found["unforeseen"] == sum(job.rule in asked for job in JOBS) - 3


def test_all_is_done(tmp_path):
    made_up = MadeUpRun(tmp_path, record_of(ended=BEGAN + 600, succeeded=True, needs={"train_network": (1, 1)}))
    for job in JOBS:
        made_up.put(job, JobState.DONE, seconds=1200)
    page = told(tmp_path)
    assert "Time left" not in page
    assert f"GPU hours used: 1.00, without {len(JOBS) - 3} jobs of which nothing is recorded" in page


def test_before_any_run(tmp_path):
    page = told(tmp_path, "--configfile", MICRO)
    assert "No run has left its record here" in page
    assert f"in all {len(JOBS)} {len(JOBS)}" in " ".join(page.split())
    assert "Time left: unknown" in page
    assert "GPU" not in page
    assert json.loads(told(tmp_path, "--json"))["run"] is None
    assert list(tmp_path.iterdir()) == []


def test_a_long_list_is_cut(tmp_path):
    made_up = MadeUpRun(tmp_path, record_of())
    for job in JOBS[:30]:
        made_up.put(job, JobState.RUNNING)
    page = told(tmp_path)
    assert "Running: 30 jobs" in page
    assert "  and 10 more, which --json lists" in page
    assert len(json.loads(told(tmp_path, "--json"))["running"]) == 30


class TestAgainAndAgain:
    def test_until_the_run_ends(self, under_way, monkeypatch):
        slept = []

        def sleep(seconds):
            slept.append(seconds)
            if len(slept) == 2:
                with_record(under_way, ended=BEGAN + 600, succeeded=True)

        monkeypatch.setattr("time.sleep", sleep)
        page = told(under_way.directory, "--every", 7)
        assert slept == [7, 7]
        assert page.count("The run is going") == 2
        assert page.count("The run has ended") == 1

    def test_until_somebody_has_seen_enough(self, under_way, monkeypatch):
        def sleep(seconds):
            raise KeyboardInterrupt

        monkeypatch.setattr("time.sleep", sleep)
        assert "The run is going" in told(under_way.directory, "--every", 7)

    def test_of_a_run_that_is_over(self, tmp_path):
        assert "No run has left its record here" in told(tmp_path, "--every", 7)


def test_the_configuration_is_that_of_the_run(under_way):
    """Whatever has become of its files; another one is looked at by naming it."""
    config = record_of().config
    other = replace(
        record_of(), config={**config, "samples": {"paper": config["samples"]["paper"], "more": {"images": 2}}}
    )
    (under_way.directory / ".snakemake/faceflip/run.json").write_bytes(as_bytes(other))
    assert json.loads(told(under_way.directory, "--json"))["stages"]["draw_sample"]["all"] == 2
    assert json.loads(told(under_way.directory, "--json", "--configfile", MICRO))["stages"]["draw_sample"]["all"] == 1


def test_errors(under_way, tmp_path):
    with pytest.raises(UserError, match="give one of --every and --json"):
        told(tmp_path, "--every", 3, "--json")
    with pytest.raises(UserError, match="no folder; name the one that the run works in"):
        told(tmp_path / "none")
    (under_way.directory / ".snakemake/faceflip/run.json").write_text("{")
    with pytest.raises(UserError, match="or written by another version"):
        told(under_way.directory)
    assert "No run has left its record" in told(under_way.directory, "--configfile", MICRO)


def test_it_imports_nothing_heavy(tmp_path):
    code = f"""
import sys
from faceflip.cli import main
sys.argv = ["faceflip", "status", "--directory", {str(tmp_path)!r}, "--configfile", {str(MICRO)!r}]
try:
    main()
finally:
    print(sorted({{"torch", "pandas", "numpy", "numba", "cv2", "matplotlib", "h5py", "snakemake"}} & set(sys.modules)))
"""
    said = subprocess.run(**python(code), capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-1] == "[]"
