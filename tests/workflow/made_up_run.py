"""Directories as runs leave them, made up: any job in any state, without a run."""

import os
import platform
from contextlib import chdir
from dataclasses import replace
from functools import cache
from pathlib import Path

from running import ROOT
from snakemake.persistence.file import FilePersistence

from faceflip.io.paths import INCOMPLETE, RUN_RECORD
from faceflip.runtime.processes import birth_of
from faceflip.workflow.job_states import JobState, tracked
from faceflip.workflow.plan import Plan
from faceflip.workflow.run_record import RunRecord, as_bytes
from faceflip.workflow.settings import Settings, merged, read_config

MICRO = ROOT / "tests/robustness/micro.yaml"
BEGAN = 1_700_000_000.0
"""When made-up runs began."""


@cache
def plan_of(*files, **overlay):
    """Return the plan of configurations and what is laid over them, keys of `compute`."""
    return Plan(Settings.of(config_of(*files, **overlay)))


def config_of(*files, **overlay):
    return merged(read_config(ROOT, files), {"compute": overlay})


def record_of(**changes):
    """Return the record of a run of the micro configuration, of all jobs, that this process is at the head of."""
    rules = {job.rule for job in tracked(plan_of(MICRO), None)}
    record = RunRecord(
        process=os.getpid(),
        birth=birth_of(os.getpid()),
        host=platform.node(),
        began=BEGAN,
        configfiles=[str(MICRO), str(ROOT / "config.yaml")],
        config=config_of(MICRO),
        log=".snakemake/log/made-up.snakemake.log",
        cores=2,
        gpus=None,
        jobs=dict.fromkeys(rules),
        needs=dict.fromkeys(rules, (1, 0)),
    )
    return replace(record, **changes)


class MadeUpRun:
    """The directory of a run."""

    def __init__(self, directory, record=None):
        self.directory = Path(directory)
        if record:
            self.write(RUN_RECORD, content=as_bytes(record).decode())

    def write(self, path, date=BEGAN + 60, content=""):
        """Write a file with a date."""
        path = self.directory / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        os.utime(path, (date, date))

    def mark(self, output, date=BEGAN + 60, number="null"):
        """Mark an output as Snakemake marks those of jobs that began."""
        persistence = FilePersistence.__new__(FilePersistence)
        persistence._max_len = 255
        self.write(persistence._record_path(INCOMPLETE, output), date, f'{{"external_jobid": {number}}}')

    def put(self, job, state, seconds=10.0):
        """Leave what a job in some state leaves."""
        if state is JobState.DONE:
            for output in job.outputs:
                self.write(output)
            self.write(job.benchmark, content=f"s\th:m:s\tmax_rss\n{seconds}\t0:00:10\t100.0\n")
        elif state in (JobState.RUNNING, JobState.STOPPED):
            for output in job.outputs:
                self.mark(output)
            self.write(job.log, BEGAN + 90, "it works\n")
        elif state is JobState.QUEUED:
            self.mark(job.outputs[0], number='"4711"')
            self.write(job.log, BEGAN - 500, "of an earlier attempt\n")
        elif state is JobState.FAILED:
            self.write(job.log, BEGAN + 90, "Traceback\nValueError: no such thing\n")
        elif state is JobState.LEFT:
            self.write(job.log, BEGAN - 500, "of an earlier run\n")

    def snapshot(self):
        """Return all that is there, with sizes, contents and dates, also those of folders."""
        found = {}
        with chdir(self.directory):
            for path in [Path(), *sorted(Path().rglob("*"))]:
                state = path.lstat()
                content = path.read_bytes() if path.is_file() else None
                found[str(path)] = state.st_mode, state.st_ino, state.st_mtime_ns, state.st_ctime_ns, content
        return found
