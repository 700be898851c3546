"""Snakemake looks for jobs when one has ended and a second after it has looked, however many have ended before."""

import os
import re
import subprocess
import sys
import threading
import time

import pytest
from running import ROOT

from faceflip.workflow.alarm import Alarm, use_one_alarm

# Many short jobs one after another, a long one, and one that waits for it; how often the scheduler has looked for jobs.
SNAKEFILE = """
from faceflip.workflow.alarm import use_one_alarm
SHORT = [f"{number}.txt" for number in range(20)]
LOOKS = []

rule all:
    input: SHORT, "8.long", "0.long"

rule short:
    output: "{number}.txt"
    wildcard_constraints: number=r"\\d+"
    resources: one=1
    shell: "touch {output}"

rule long:
    output: "{seconds}.long"
    resources: two=1
    shell: "sleep {wildcards.seconds}; touch {output}"

onstart:
    use_one_alarm(workflow.scheduler)
    select = workflow.scheduler.job_selector
    workflow.scheduler.job_selector = lambda jobs: LOOKS.append(1) or select(jobs)

onsuccess:
    print(f"looked {len(LOOKS)} times")
"""


class TestAlarm:
    def test_many_settings_are_one(self):
        woken = []
        alarm = Alarm(lambda: woken.append(time.monotonic()))
        began = time.monotonic()
        for _ in range(20):
            alarm.set(0.2)
        time.sleep(0.5)
        (once,) = woken
        assert 0.19 < once - began < 0.45

    def test_who_is_woken_may_set_it_again(self):
        rung = threading.Semaphore(0)
        alarm = Alarm(rung.release)
        for _ in range(5):
            alarm.set(0.01)
            assert rung.acquire(timeout=5)

    def test_another_scheduler_is_left_alone(self):
        scheduler = object()
        use_one_alarm(scheduler)


@pytest.mark.workflow
@pytest.mark.slow
def test_the_scheduler_of_snakemake(tmp_path):
    """At most twice a job and once a second, also where the number of jobs a second is limited."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--resources", "one=1", "two=1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    began = time.monotonic()
    result = subprocess.run(
        [*command, "--scheduler", "greedy", "--max-jobs-per-timespan", "5/1s"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (looks,) = re.findall(r"looked (\d+) times", result.stdout)
    assert 22 <= int(looks) <= 2 * 22 + time.monotonic() - began
