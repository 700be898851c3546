"""How long a run will still take, by what its jobs took so far. docs/guides/watch.md says how that is counted."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from faceflip.workflow.job_states import JobState, JobStatus, TrackedJob
from faceflip.workflow.run_record import RunRecord

KINDS = (("attack", "network"), ("attack",), ("network",), ())
"""Wildcards that jobs of a stage share which take about as long as each other, the most alike first."""


@dataclass(frozen=True)
class StageStatus:
    """A stage of a run.

    Attributes:
        jobs: Their number by state; the states without jobs are missing.
        median: Of the seconds of jobs that are done, None where none is.
        seconds_left: Of the jobs that can be foreseen, as many at a time as may run.
        unforeseen: Jobs of a stage of which nothing is known yet.
    """

    name: str
    jobs: Mapping[JobState, int]
    median: float | None
    seconds_left: float
    unforeseen: int


class Durations:
    """What jobs take: the median of those of their kind that are done, or else of what running ones expect.

    Both are pairs of a job and its seconds. They count by the work of a job (`TrackedJob`).
    """

    def __init__(
        self, done: Iterable[tuple[TrackedJob, float]], expected: Iterable[tuple[TrackedJob, float]] = ()
    ) -> None:
        self._medians = [_by_kind(done), _by_kind(expected)]

    def of(self, job: TrackedJob) -> float | None:
        """Return the seconds of a job, None where nothing is known of its stage."""
        for kind in KINDS:
            for medians in self._medians:
                if (seconds := medians.get(_kind_of(job, kind))) is not None:
                    return seconds * job.work
        return None


def _kind_of(job: TrackedJob, kind: Sequence[str]) -> tuple:
    return job.stage, kind, tuple(job.wildcards.get(name) for name in kind)


def _by_kind(measured: Iterable[tuple[TrackedJob, float]]) -> dict[tuple, float]:
    found = defaultdict(list)
    for job, seconds in measured:
        for kind in KINDS:
            found[_kind_of(job, kind)].append(seconds / job.work)
    return {kind: median(each) for kind, each in found.items()}


def average_at_a_time(jobs: Iterable[JobStatus], now: float, began: float) -> float:
    """Return how many jobs a run had at a time so far, at least 1: the seconds of its jobs by those of the clock."""
    seconds = 0.0
    for each in jobs:
        if each.asked and each.state is JobState.DONE:
            seconds += each.seconds or 0.0
        elif each.state is JobState.RUNNING:
            seconds += max(now - each.since, 0.0)
    return max(seconds / (now - began), 1.0) if now > began else 1.0


def at_a_time(rule: str, record: RunRecord | None, so_far: float) -> float:
    """Return how many jobs of a rule run side by side.

    They are as many as cores and GPUs of the run allow for; on a cluster, or where that is not known, `so_far`.
    """
    if record is None or record.cores is None or rule not in record.needs:
        return so_far
    threads, gpus = record.needs[rule]
    limits = [record.cores // max(min(threads, record.cores), 1)]
    if gpus and record.gpus is not None:
        limits.append(record.gpus // gpus)
    return max(min(limits), 1)


def stages_of(
    jobs: Sequence[JobStatus],
    record: RunRecord | None,
    now: float,
    left_by_log: Mapping[str, float],
    of_this_run: bool,
) -> list[StageStatus]:
    """Return the stages, in the order of their first jobs.

    Args:
        jobs: All jobs.
        record: The last run.
        now: Seconds since 1970.
        left_by_log: Seconds that running jobs expect to need still, by their logs.
        of_this_run: Count the time of jobs that the last run makes alone, and not that of all that are not done.
    """
    running = [each for each in jobs if each.state is JobState.RUNNING]
    elapsed = {each.job.log: max(now - each.since, 0.0) for each in running}
    durations = Durations(
        [(each.job, each.seconds) for each in jobs if each.seconds is not None],
        [
            (each.job, elapsed[each.job.log] + left_by_log[each.job.log])
            for each in running
            if each.job.log in left_by_log
        ],
    )
    so_far = max(average_at_a_time(jobs, now, record.began), len(running)) if record else 1.0

    def left(each: JobStatus) -> float | None:
        if each.job.log in left_by_log:
            return left_by_log[each.job.log]
        whole = durations.of(each.job)
        return None if whole is None else max(whole - elapsed.get(each.job.log, 0.0), 0.0)

    by_stage: dict[str, list[JobStatus]] = defaultdict(list)
    for each in jobs:
        by_stage[each.job.stage].append(each)
    found = []
    for name, members in by_stage.items():
        rest = [each for each in members if each.state is not JobState.DONE and (each.asked or not of_this_run)]
        known = [seconds for each in rest if (seconds := left(each)) is not None]
        side_by_side = min(at_a_time(rest[0].job.rule, record, so_far), len(known)) if known else 1
        done = [each.seconds for each in members if each.seconds is not None]
        counts: dict[JobState, int] = defaultdict(int)
        for each in members:
            counts[each.state] += 1
        found.append(
            StageStatus(
                name,
                dict(counts),
                median(done) if done else None,
                max(sum(known) / side_by_side, *known) if known else 0.0,
                len(rest) - len(known),
            )
        )
    return found


def gpu_seconds(jobs: Iterable[JobStatus], record: RunRecord, jobs_per_gpu: int, now: float) -> tuple[float, int]:
    """Return the seconds that GPUs were used, and how many jobs that are done are not in it.

    Counted are jobs that are done and that run, for the GPUs that they asked for, of which `jobs_per_gpu` are one.
    Attempts that failed leave no benchmark. Of rules that no recorded run had jobs of it is not known what they ask
    for.
    """
    total, unknown = 0.0, 0
    for each in jobs:
        if each.state not in (JobState.DONE, JobState.RUNNING):
            continue
        seconds = each.seconds if each.state is JobState.DONE else max(now - each.since, 0.0)
        if each.job.rule not in record.needs or seconds is None:
            unknown += 1
        else:
            total += seconds * record.needs[each.job.rule][1] / jobs_per_gpu
    return total, unknown
