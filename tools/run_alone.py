"""Run the script of one job alone from a shell, to debug it.

Snakemake's own reading of the Snakefile makes what the script gets: inputs, outputs, parameters, threads and so on. No
other job is run, and Snakemake takes no note of this one (docs/development/debugging.md).
"""

import argparse
import os
import pdb
import runpy
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from faceflip.errors import UserError, did_you_mean
from faceflip.registry import look_up
from faceflip.runtime.run_lock import take_run_lock
from faceflip.workflow.jobs import Rule, Wildcards, rules_of
from faceflip.workflow.plan import Plan
from faceflip.workflow.settings import Settings, read_config

PROJECT = Path(__file__).parents[1]
SHOWN = 8
"""So many files or values are listed at most."""


@dataclass(frozen=True)
class Run:
    """A run of the workflow in the working directory, of which jobs are taken.

    Attributes:
        configfiles: Laid over config.yaml.
        cores: The most threads that a job gets.
    """

    configfiles: Sequence[Path] = ()
    cores: int = 1

    @cached_property
    def rules(self) -> dict[str, Rule]:
        """The rules of the run by name."""
        return rules_of(Plan(Settings.of(read_config(PROJECT, self.configfiles))))

    def job(self, rule: str, given: Wildcards) -> Wildcards:
        """Return the wildcards of the one job of a rule that has the given ones.

        Raises:
            UserError: There is no such rule, wildcard or job, or several jobs are meant; says what there is.
        """
        jobs = look_up(self.rules, rule, "rule").jobs
        if not jobs:
            raise UserError(f"{rule}: the run has no job of this rule")
        for name, value in given.items():
            if name not in jobs[0]:
                known = ", ".join(jobs[0]) or "none"
                raise UserError(f"{rule} has no wildcard {name!r}, its own are: {known}{did_you_mean(name, jobs[0])}")
            there = _values(jobs, name)
            jobs = [job for job in jobs if job[name] == value]
            if not jobs:
                raise UserError(
                    f"{rule}: there is no job with {name}={value}, {name} may be: {_listed(there)}"
                    f"{did_you_mean(value, there)}"
                )
        if len(jobs) > 1:
            open_ones = {name: values for name in jobs[0] if len(values := _values(jobs, name)) > 1}
            choices = "".join(f"\n  {name}: {_listed(values)}" for name, values in open_ones.items())
            raise UserError(f"{rule} has {len(jobs):,} such jobs; say which, by NAME=VALUE of{choices}")
        return jobs[0]

    def snakemake(self, rule: str, wildcards: Wildcards, below: Path | None = None) -> Any:
        """Return the object that Snakemake hands to the script of a job.

        Args:
            rule: Its name.
            wildcards: Of the job.
            below: Folder below which the job shall write its outputs and log, instead of the working directory.

        Raises:
            UserError: The Snakefile cannot be read, or inputs are missing; says how to make them.
        """
        from snakemake.api import ResourceSettings, SnakemakeApi
        from snakemake.dag import DAG
        from snakemake.exceptions import WorkflowError
        from snakemake.iocontainers import Log, OutputFiles, Snakemake
        from snakemake.jobs import Job
        from snakemake.settings.enums import Quietness
        from snakemake.settings.types import ConfigSettings, OutputSettings

        with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
            try:
                opened = api.workflow(
                    resource_settings=ResourceSettings(cores=self.cores),
                    config_settings=ConfigSettings(configfiles=self.configfiles),
                    snakefile=PROJECT / "Snakefile",
                )
                opened.dag()
                workflow = opened._workflow  # Snakemake has no public name for a workflow of which no job is run
                job = Job(workflow.get_rule(rule), DAG(workflow, rules=workflow.rules), dict(wildcards))
                made = Snakemake(
                    job.input,
                    job.output,
                    job.params,
                    job.wildcards,
                    job.threads,
                    job.resources,
                    job.log,
                    workflow.config,
                    rule,
                    None,
                    str(PROJECT / "scripts"),
                )
            except WorkflowError as error:
                raise UserError(f"{PROJECT / 'Snakefile'}: {error}") from error
        if missing := [file for file in made.input if not Path(file).exists()]:
            raise UserError(self._how_to_make(rule, missing))
        if below:
            made.output = OutputFiles(toclone=made.output, custom_map=lambda file: str(below / file))
            made.log = Log(toclone=made.log, custom_map=lambda file: str(below / file))
        return made

    def _how_to_make(self, rule: str, missing: Sequence[str]) -> str:
        makers = {file: each.name for each in self.rules.values() for file in each.files}
        text = f"{rule}: {len(missing):,} of its inputs are not there: {_listed(missing)}."
        if made := [file for file in missing if file in makers]:
            rules = dict.fromkeys(makers[file] for file in made)
            asked = made if len(made) <= SHOWN else ["--until", *rules]
            words = ["snakemake", *asked, "--cores", "all"]
            if Path.cwd() != PROJECT:
                words += ["--snakefile", str(PROJECT / "Snakefile"), "--directory", str(Path.cwd())]
            if self.configfiles:
                words += ["--configfile", *map(str, self.configfiles)]
            text += f" Make them by\n  {shlex.join(words)}"
        return text


def _values(jobs: Sequence[Wildcards], name: str) -> list[str]:
    return list(dict.fromkeys(job[name] for job in jobs))


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - SHOWN:,} more" if len(words) > SHOWN else ""
    return ", ".join(words[:SHOWN]) + more


def execute(snakemake: Any, debug: bool = False) -> int:
    """Run the script of a job in this process, and return its exit status.

    Args:
        snakemake: What `Run.snakemake` returned; folders of outputs and of the log are made.
        debug: Open the debugger where an error was raised.
    """
    for file in (*snakemake.output, *snakemake.log):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    with _terminal_kept():
        try:
            runpy.run_path(str(PROJECT / "scripts" / f"{snakemake.rule}.py"), {"snakemake": snakemake}, "__main__")
            return 0
        except SystemExit as end:
            status, error = end.code, end.__context__
    if debug and error:
        pdb.post_mortem(error.__traceback__)
    return status if isinstance(status, int) else 1


@contextmanager
def _terminal_kept() -> Iterator[None]:
    """Give the terminal back, which scripts turn into their log; and let ``breakpoint()`` use it meanwhile."""
    streams = ((sys.stdout, 1), (sys.stderr, 2))
    kept = [os.dup(descriptor) for _, descriptor in streams]
    before = sys.breakpointhook
    with os.fdopen(os.dup(kept[0]), "w") as screen:
        sys.breakpointhook = lambda *_, **__: pdb.Pdb(stdout=screen).set_trace(sys._getframe(1))
        try:
            yield
        finally:
            sys.breakpointhook = before
            for (stream, descriptor), copy in zip(streams, kept, strict=True):
                stream.flush()
                os.dup2(copy, descriptor)
                os.close(copy)


def overview(rules: Mapping[str, Rule]) -> str:
    """Return the rules with their wildcards, and the number of their jobs, one a line."""
    rows = {name: " ".join(f"{wildcard}=..." for wildcard in rule.wildcards) for name, rule in rules.items()}
    widths = max(map(len, rows)), max(map(len, rows.values()))
    lines = [f"  {name:<{widths[0]}}  {text:<{widths[1]}}  {len(rules[name].jobs):>6,}" for name, text in rows.items()]
    return "\n".join(["Rules, their wildcards, and how many jobs the run has of them:", *lines])


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools/run_alone.py", description=__doc__)
    parser.add_argument("rule", nargs="?", help="without it, the rules are listed")
    parser.add_argument("wildcards", nargs="*", metavar="NAME=VALUE", help="those that tell the rule's jobs apart")
    parser.add_argument("--configfile", nargs="+", type=Path, default=[], metavar="FILE", help="as for snakemake")
    parser.add_argument("--directory", type=Path, default=Path(), metavar="DIR", help="as for snakemake")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, metavar="N", help="the most threads (all)")
    parser.add_argument(
        "--output-directory", type=Path, metavar="DIR", help="write outputs and log below it, and leave the run's alone"
    )
    parser.add_argument("--pdb", action="store_true", help="open the debugger where an error was raised")
    return parser.parse_intermixed_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job, or list the rules; return the exit status."""
    options = _parsed(arguments)
    try:
        return _main(options)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2


def _main(options: argparse.Namespace) -> int:
    given = dict(word.partition("=")[::2] for word in options.wildcards)
    run = Run([file.absolute() for file in options.configfile], options.cores)
    below = options.output_directory and options.output_directory.absolute()
    if not options.directory.is_dir():
        raise UserError(f"{options.directory}: no such folder; name the one that the workflow runs in")
    os.chdir(options.directory)
    if options.rule is None:
        print(overview(run.rules))
        return 0
    snakemake = run.snakemake(options.rule, run.job(options.rule, given), below)
    if below is None:
        take_run_lock()
    print(f"Log: {', '.join(snakemake.log)}")
    status = execute(snakemake, options.pdb)
    if status == 0:
        print(f"Written{'' if below else ', as files of the run'}: {_listed(snakemake.output)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
