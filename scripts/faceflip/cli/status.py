"""`faceflip status`: how far a run is, from another shell, without touching anything."""

import json
import time
from collections.abc import Sequence
from contextlib import chdir, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faceflip.cli.arguments import ConfigFiles, Project, project_folder
from faceflip.cli.printing import console, print_table
from faceflip.errors import UserError
from faceflip.runtime.progress import duration
from faceflip.wording import first_of, printable, quantity

if TYPE_CHECKING:
    from faceflip.workflow.job_states import JobStatus
    from faceflip.workflow.run_status import RunStatus
    from faceflip.workflow.time_left import StageStatus

LISTED = 20
"""So many jobs of a kind are shown one by one; --json has all."""
WIDEST = 300
"""Characters of a line of a log that are shown."""


def status(
    configfile: ConfigFiles = None,
    directory: Annotated[
        Path, typer.Option("--directory", "-d", help="Folder that the run works in, as for snakemake.")
    ] = Path(),
    lines: Annotated[int, typer.Option(min=0, help="Last lines of the log of each job that runs or failed.")] = 3,
    every: Annotated[
        float | None, typer.Option(min=1, metavar="SECONDS", help="Show it again and again, until the run ends.")
    ] = None,
    project: Project = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Show how far a run is: jobs done, running and failed, time left, GPU hours, the last lines of what runs.

    It only reads, so it works while a run is going, also one on a cluster. Without --configfile the configuration is
    that of the last run here.

    Example: faceflip status --every 30
    """
    if every is not None and as_json:
        raise UserError("give one of --every and --json")
    if not directory.is_dir():
        raise UserError(f"{directory}: no folder; name the one that the run works in with --directory")
    if every is None:
        _show(_look(configfile, directory, project, lines), as_json)
        return
    with suppress(KeyboardInterrupt):
        while True:
            found = _look(configfile, directory, project, lines)
            console().clear()
            _show(found, as_json)
            if not found.state.may_go_on:
                return
            time.sleep(every)


def _look(configfile: Sequence[Path] | None, directory: Path, project: Path | None, lines: int) -> "RunStatus":
    from faceflip.workflow.plan import Plan
    from faceflip.workflow.run_record import read_record
    from faceflip.workflow.run_status import look
    from faceflip.workflow.settings import Settings, read_config

    try:
        record = read_record(directory)
    except UserError:
        if not configfile:
            raise
        record = None
    config = record.config if record and not configfile else read_config(project_folder(project), configfile or [])
    with chdir(directory):  # the configuration's paths are seen from there
        return look(Plan(Settings.of(config)), record, lines)


def _show(status: "RunStatus", as_json: bool) -> None:
    from faceflip.workflow.run_status import as_json as to_json

    if as_json:
        typer.echo(json.dumps(to_json(status), indent=2))
        return
    for line in _about_the_run(status):
        typer.echo(printable(line))
    typer.echo()
    _print_stages(status)
    for line in _about_the_time(status):
        typer.echo(line)
    _print_jobs(status)


def _about_the_run(status: "RunStatus") -> list[str]:
    from faceflip.workflow.run_status import RunState

    record = status.record
    if record is None:
        return ["No run has left its record here: counted is what the files tell of one with this configuration."]
    who = f"process {record.process} on {record.host}"
    began = f"began {_clock(record.began)}"
    ended = "" if record.ended is None else f"{_clock(record.ended)}, after {duration(record.ended - record.began)}"
    sign = f"last sign of life {_ago(status.now, status.last_sign)}"
    words = {
        RunState.GOING: f"The run is going: {began}, {_ago(status.now, record.began)}, {who}; {sign}.",
        RunState.UNSEEN: f"The run {began} as {who}, which cannot be seen from here, and has not ended; {sign}.",
        RunState.ENDED: f"The run has ended, {ended}: all that it was to make was made.",
        RunState.FAILED: f"The run has ended, {ended}, before all was made: jobs failed, or it was stopped.",
        RunState.STOPPED: f"The run was killed: it {began} as {who}, which is gone; {sign}.",
    }
    files = [f"Configuration: {first_of(record.configfiles, 3)}"]
    files += [f"Snakemake's log: {record.log}"] if record.log else []
    return [words[status.state], *files]


def _clock(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))


def _print_stages(status: "RunStatus") -> None:
    from faceflip.workflow.job_states import JobState

    shown = [state for state in JobState if status.counts[state] or state in (JobState.DONE, JobState.LEFT)]
    columns = {"stage": "word", "jobs": "number", **{str(state): "number" for state in shown}}
    columns |= {"a job": "number", "time left": "number"}

    def number(count: int) -> str:
        return f"{count:,}" if count else ""

    rows = [
        (
            stage.name,
            number(sum(stage.jobs.values())),
            *(number(stage.jobs.get(state, 0)) for state in shown),
            "" if stage.median is None else _short(stage.median),
            _left(stage),
        )
        for stage in status.stages
    ]
    total = [number(status.counts[state]) for state in shown]
    rows.append(("in all", number(len(status.jobs)), *total, "", ""))
    print_table(columns, rows, bold=("in all",))
    typer.echo()


def _short(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)


def _left(stage: "StageStatus") -> str:
    if stage.unforeseen:
        return "unknown"
    return _short(stage.seconds_left) if stage.seconds_left else ""


def _about_the_time(status: "RunStatus") -> list[str]:
    from faceflip.workflow.job_states import JobState

    told = []
    if status.counts[JobState.DONE] < len(status.jobs):
        known, unforeseen = status.seconds_left, quantity(status.unforeseen, "job")
        if not status.unforeseen:
            told.append(f"Time left: about {duration(known)}")
        elif known:
            told.append(
                f"Time left: more than {duration(known)}, and {unforeseen} of stages of which none has ended yet"
            )
        else:
            told.append("Time left: unknown, as long as no job of the stages that are left has ended")
        if status.not_asked and status.state.may_go_on:
            told[-1] += f". {quantity(status.not_asked, 'job')} left that this run is not to do"
    if status.gpu_hours is not None:
        without = f", without {quantity(status.gpu_unknown, 'job')} of which nothing is recorded"
        told.append(f"GPU hours used: {status.gpu_hours:,.2f}{without if status.gpu_unknown else ''}")
    return told


def _print_jobs(status: "RunStatus") -> None:
    from faceflip.workflow.run_status import LISTED as STATES

    for state in STATES:
        jobs = status.of(state)
        if jobs:
            typer.echo(f"\n{state.capitalize()}: {quantity(len(jobs), 'job')}")
        for each in jobs[:LISTED]:
            _print_job(each, status)
        if len(jobs) > LISTED:
            typer.echo(f"  and {len(jobs) - LISTED:,} more, which --json lists")


def _ago(now: float, moment: float) -> str:
    return f"{duration(max(now - moment, 0))} ago"


def _print_job(each: "JobStatus", status: "RunStatus") -> None:
    from faceflip.workflow.job_states import JobState

    name = " ".join([each.job.rule, *(f"{key}={value}" for key, value in each.job.wildcards.items())])
    begun = "queued" if each.state is JobState.QUEUED else "began"
    since = f", {begun} {_ago(status.now, each.since)}" if each.since else ""
    logged = f"written {_ago(status.now, each.logged)}" if each.job.log in status.lines else "not begun"
    typer.echo(printable(f"  {name}{since}; {each.job.log}, {logged}"))
    said = [each.error.message] if each.error and each.error.message else []
    said += [f"see also {log}" for log in (each.error.logs if each.error else ())]
    for line in (*said, *status.lines.get(each.job.log, ())):
        typer.echo(f"    {printable(line[:WIDEST])}{' ...' if len(line) > WIDEST else ''}")
