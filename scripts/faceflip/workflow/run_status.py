"""How far a run is, from the files in its directory alone. Nothing is written, locked or touched."""

import platform
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from faceflip.io.files import last_lines
from faceflip.runtime.processes import lives
from faceflip.runtime.progress import time_left_in
from faceflip.workflow.job_states import JobState, JobStatus, date_of, states, tracked
from faceflip.workflow.plan import Plan
from faceflip.workflow.run_record import RunRecord
from faceflip.workflow.time_left import StageStatus, gpu_seconds, stages_of

LOOKED_THROUGH = 5
"""Last lines of a job's log among which one of progress is looked for."""
WITH_LINES = (JobState.RUNNING, JobState.FAILED, JobState.STOPPED)
"""States of jobs whose logs are worth a look."""
LISTED = (*WITH_LINES, JobState.QUEUED)
"""States of jobs that are listed one by one."""


class RunState(StrEnum):
    """Whether a run is going."""

    UNRECORDED = "unrecorded"
    """No run has left its record."""
    GOING = "going"
    UNSEEN = "on another machine"
    """It has not ended by its record; its process is another machine's."""
    ENDED = "ended"
    FAILED = "failed"
    """It ended without all that it was to make: jobs failed, or it was told to stop."""
    STOPPED = "stopped"
    """Its process is gone, and it could not say why."""

    @property
    def may_go_on(self) -> bool:
        """Whether jobs may be at work."""
        return self in (RunState.GOING, RunState.UNSEEN)


def state_of(record: RunRecord | None) -> RunState:
    """Return whether a run is going, as far as this machine can tell."""
    if record is None:
        return RunState.UNRECORDED
    if record.ended is not None:
        return RunState.ENDED if record.succeeded else RunState.FAILED
    if record.host != platform.node():
        return RunState.UNSEEN
    return RunState.GOING if lives(record.process, record.birth) else RunState.STOPPED


@dataclass(frozen=True)
class RunStatus:
    """How far a run is.

    Attributes:
        now: When that was, in seconds since 1970.
        last_sign: When the run last wrote what can be seen, in seconds since 1970; None without a record.
        lines: The last lines of logs, by these, of jobs that run, failed or were stopped, where they have begun them.
        gpu_hours: None without a record. `gpu_unknown` jobs that are done are not in it.
    """

    state: RunState
    record: RunRecord | None
    now: float
    last_sign: float | None
    jobs: list[JobStatus]
    stages: list[StageStatus]
    gpu_hours: float | None
    gpu_unknown: int
    lines: Mapping[str, list[str]] = field(repr=False)

    @property
    def counts(self) -> Counter[JobState]:
        """The number of jobs by state."""
        return Counter(each.state for each in self.jobs)

    @property
    def seconds_left(self) -> float:
        """Of all jobs that can be foreseen, if stages run one after another."""
        return sum(stage.seconds_left for stage in self.stages)

    @property
    def unforeseen(self) -> int:
        """How many jobs that are left cannot be foreseen."""
        return sum(stage.unforeseen for stage in self.stages)

    @property
    def not_asked(self) -> int:
        """How many jobs that are not done the last run was not to make."""
        return sum(each.state is not JobState.DONE and not each.asked for each in self.jobs)

    def of(self, *wanted: JobState) -> list[JobStatus]:
        """Return the jobs in some states, those that began first in front."""
        return sorted((each for each in self.jobs if each.state in wanted), key=lambda each: each.since or 0.0)


def look(plan: Plan, record: RunRecord | None, lines: int) -> RunStatus:
    """Return how far a run in the working directory is, with so many lines of logs."""
    state = state_of(record)
    jobs = states(tracked(plan, record), record, state.may_go_on, state is RunState.ENDED)
    now = time.time()
    shown = {each.job.log: each for each in jobs if each.state in WITH_LINES}
    # What an earlier attempt wrote is not shown as that of one that has only begun.
    current = [log for log, each in shown.items() if each.logged and each.logged >= (each.since or 0.0)]
    ends = {log: _end_of(log, max(lines, LOOKED_THROUGH)) for log in current}
    left = {}
    for log in current:
        each = shown[log]
        if each.state is JobState.RUNNING and each.job.members == 1:
            told = [seconds for line in ends[log][-LOOKED_THROUGH:] if (seconds := time_left_in(line)) is not None]
            if told:
                left[log] = max(told[-1] - (now - each.logged), 0.0)
    used, unknown = gpu_seconds(jobs, record, plan.settings.compute.jobs_per_gpu, now) if record else (None, 0)
    return RunStatus(
        state,
        record,
        now,
        _last_sign(record, jobs),
        jobs,
        stages_of(jobs, record, now, left, state.may_go_on),
        None if used is None else used / 3600,
        unknown,
        {log: end[-lines:] if lines else [] for log, end in ends.items()},
    )


def _end_of(log: str, count: int) -> list[str]:
    try:
        return last_lines(log, count)
    except OSError as error:  # somebody else's, say
        return [f"cannot be read ({error.strerror})"]


def _last_sign(record: RunRecord | None, jobs: list[JobStatus]) -> float | None:
    if record is None:
        return None
    dates = [record.began, record.ended, *(date for each in jobs for date in (each.since, each.logged))]
    if record.log:
        dates.append(date_of(record.log))
    return max(date for date in dates if date is not None)


def as_json(status: RunStatus) -> dict[str, Any]:
    """Return how far a run is for programs: times in seconds since 1970, durations in seconds."""
    record = status.record
    about = ("process", "host", "began", "ended", "configfiles", "log", "cores", "gpus")
    return {
        "now": status.now,
        "state": status.state,
        "run": {name: getattr(record, name) for name in about} if record else None,
        "last_sign": status.last_sign,
        "jobs": {"all": len(status.jobs), **{state: status.counts[state] for state in JobState}},
        "not_asked": status.not_asked,
        "seconds_left": status.seconds_left,
        "unforeseen": status.unforeseen,
        "gpu_hours": status.gpu_hours,
        "gpu_unknown": status.gpu_unknown,
        "stages": {
            stage.name: {
                "all": sum(stage.jobs.values()),
                **{state: stage.jobs.get(state, 0) for state in JobState},
                "median_seconds": stage.median,
                "seconds_left": stage.seconds_left,
                "unforeseen": stage.unforeseen,
            }
            for stage in status.stages
        },
        **{str(state): [_described(each, status) for each in status.of(state)] for state in LISTED},
    }


def _described(each: JobStatus, status: RunStatus) -> dict[str, Any]:
    return {
        "rule": each.job.rule,
        "wildcards": dict(each.job.wildcards),
        "seconds": None if each.since is None else status.now - each.since,
        "log": each.job.log,
        "logged": each.logged,
        "lines": status.lines.get(each.job.log, []),
        "message": each.error.message if each.error else "",
        "other_logs": list(each.error.logs) if each.error else [],
    }
