"""Where each job of a run stands, by the files that it and Snakemake leave: other machines' processes are not seen."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from faceflip.errors import UserError
from faceflip.io.benchmarks import read_benchmark
from faceflip.io.paths import folder_of
from faceflip.workflow.jobs import Bundle, Rule, Wildcards, bundles_of, rules_of
from faceflip.workflow.plan import Plan
from faceflip.workflow.run_record import RunRecord
from faceflip.workflow.snakemake_traces import JobError, Mark, errors_in, marks


class JobState(StrEnum):
    """Where a job stands."""

    DONE = "done"
    RUNNING = "running"
    QUEUED = "queued"
    """Handed to the scheduler of a cluster, and not begun."""
    FAILED = "failed"
    STOPPED = "stopped"
    """Begun by a run that was killed, and not finished."""
    LEFT = "left"


@dataclass(frozen=True)
class TrackedJob:
    """A job of the plan, with its files as paths from the directory of the run.

    `stage` is the rule that it is one of, which is not its `rule` where it trains several `members`. Jobs of a stage
    take about as long for the same `work`: epochs of all networks that it trains, and of other stages 1.
    """

    rule: str
    stage: str
    wildcards: Wildcards
    outputs: Sequence[str]
    log: str
    benchmark: str
    members: int = 1
    work: int = 1


@dataclass(frozen=True)
class JobStatus:
    """Where a job stands.

    Attributes:
        asked: Whether the last run was to make it.
        since: When it began, or was handed to a scheduler, in seconds since 1970; of jobs that are not whole.
        logged: When its log was last written to, in seconds since 1970; of jobs that are not done.
        seconds: What it took, of jobs that are done; None where that is not known.
        error: What Snakemake said, of jobs that failed; None where it said nothing.
    """

    job: TrackedJob
    state: JobState
    asked: bool
    since: float | None = None
    logged: float | None = None
    seconds: float | None = None
    error: JobError | None = None


def tracked(plan: Plan, record: RunRecord | None) -> list[TrackedJob]:
    """Return the jobs of a whole run but for that of the rule `all`, which makes nothing, in the order of stages.

    Which networks one job trains is what the run had, and without a run what the next one would have.
    """
    rules = rules_of(plan)
    together = list(_together(plan, rules, record))
    replaced = {log for bundle in together for log in _logs_alone(bundle)}
    jobs = []
    for name, rule in rules.items():
        jobs += [
            _of_bundle(bundle, _epochs(plan, bundle.network)) for bundle in together if bundle.instead.name == name
        ]
        for wildcards in rule.jobs:
            if (log := rule.log.of(**wildcards)) not in replaced:
                benchmark = rule.benchmark.of(**wildcards)
                work = _epochs(plan, wildcards["network"]) if name == "train_network" else 1
                jobs.append(TrackedJob(name, name, wildcards, rule.made(wildcards), log, benchmark, work=work))
    return jobs


def _together(plan: Plan, rules: Mapping[str, Rule], record: RunRecord | None) -> Iterator[Bundle]:
    """Yield the members that one job trains, has trained, or would train."""
    next_run = {bundle.name for bundle in bundles_of(plan, rules, _is_there)}
    for bundle in bundles_of(plan, rules, lambda file: False):
        job = _of_bundle(bundle)
        if record and any(record.asks(bundle.instead.name, log) for log in _logs_alone(bundle)):
            continue
        if (record and record.asks(job.rule, job.log)) or bundle.name in next_run or _is_there(job.benchmark):
            yield bundle


def _logs_alone(bundle: Bundle) -> list[str]:
    """Return the logs of the jobs that a bundle stands in for."""
    return [bundle.instead.log.of(network=bundle.network, member=folder_of(member)) for member in bundle.members]


def _epochs(plan: Plan, network: str) -> int:
    return plan.networks[network].settings.training.max_epochs


def _of_bundle(bundle: Bundle, epochs: int = 1) -> TrackedJob:
    (wildcards,) = bundle.jobs
    outputs = [pattern.format(**wildcards) for patterns in bundle.outputs.values() for pattern in patterns]
    log, benchmark = bundle.log.of(**wildcards), bundle.benchmark.of(**wildcards)
    count = len(bundle.members)
    return TrackedJob(bundle.name, bundle.instead.name, wildcards, outputs, log, benchmark, count, count * epochs)


def states(
    jobs: Sequence[TrackedJob], record: RunRecord | None, at_work: bool, succeeded: bool = False
) -> list[JobStatus]:
    """Return where jobs stand, in their order.

    Args:
        jobs: Those of `tracked`; their files are looked for in the working directory.
        record: The last run.
        at_work: Whether it may still be going.
        succeeded: Whether it made all that it was to make.

    Raises UserError where a folder of results may not be looked into.
    """
    errors = errors_in(record.log) if record and record.log else {}
    began = record.began if record else 0.0

    def ended_badly(job: TrackedJob, logged: float) -> bool:
        """Of a job of this run whose files are not there: it has a log, and none of those that come with them."""
        return logged >= began and (date_of(job.benchmark) or 0.0) < logged

    def look(job: TrackedJob, marked: Mapping[str, Mark]) -> JobStatus:
        asked = record is not None and record.asks(job.rule, job.log)
        if own := [marked[output] for output in job.outputs if output in marked]:
            mark, logged = max(own, key=lambda each: each.since), date_of(job.log)
            if not at_work:
                state = JobState.STOPPED
            elif mark.since < began:  # of an earlier run; this one makes it anew
                state = JobState.LEFT
            else:
                waits = mark.number is not None and (logged or 0.0) < mark.since
                state = JobState.QUEUED if waits else JobState.RUNNING
            return JobStatus(job, state, asked, mark.since, logged)
        made = _made(job.outputs)
        if made is not None and (not asked or succeeded or made >= began):
            return JobStatus(job, JobState.DONE, asked, seconds=_seconds(job.benchmark))
        logged = date_of(job.log)
        if asked and not succeeded and (job.log in errors or ended_badly(job, logged or 0.0)):
            return JobStatus(job, JobState.FAILED, asked, logged=logged, error=errors.get(job.log))
        return JobStatus(job, JobState.LEFT, asked, logged=logged)

    marked = marks()
    found = [look(job, marked) for job in jobs]
    # Jobs that began after the marks were read have a log and no mark, as failed ones have.
    if any(each.state is JobState.FAILED for each in found):
        marked = marks()
        found = [look(each.job, marked) if each.state is JobState.FAILED else each for each in found]
    return found


def _made(outputs: Sequence[str]) -> float | None:
    """Return the date of the newest output, None where one is missing."""
    newest = 0.0
    for output in outputs:
        if (date := date_of(output)) is None:
            return None
        newest = max(newest, date)
    return newest


def date_of(path: str) -> float | None:
    """Return when a file was last written to, in seconds since 1970, None where there is none."""
    try:
        return Path(path).stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserError(f"{path}: cannot be looked for ({error.strerror}); ask its owner for the right to") from error


def _is_there(path: str) -> bool:
    return date_of(path) is not None


def _seconds(benchmark: str) -> float | None:
    try:
        return read_benchmark(benchmark)[0]
    except (OSError, ValueError):  # the page of costs names it; here one job less is counted
        return None
