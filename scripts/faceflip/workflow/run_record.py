"""What the last run in a directory set out to do, written as it begins and ends, read by `faceflip status`."""

import json
import os
import platform
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from faceflip.errors import UserError
from faceflip.io import files
from faceflip.io.paths import RUN_RECORD
from faceflip.runtime.processes import birth_of
from faceflip.workflow.jobs import Rule


@dataclass(frozen=True)
class RunRecord:
    """A run of Snakemake.

    Attributes:
        process: Number of its head process on the machine `host`; `birth` tells it from later ones of that number.
        began: When its jobs could begin, in seconds since 1970 by the clock of the disk.
        configfiles: What was given on the command line and config.yaml, as paths, for people.
        config: The whole configuration as the run had it; files may have changed since.
        log: Snakemake's own log, seen from the directory; None where it writes none.
        cores: The most at a time, None where jobs run on a cluster; so are `gpus`, None where nothing was said of them.
        jobs: The jobs that were to be run: by rule, their logs; None for all of the rule.
        needs: Threads and GPUs that a job of a rule asks for, also of rules that only earlier runs had jobs of.
        ended: When it ended, None while it is at work, and for ever if it was killed.
        succeeded: Whether all was made.
    """

    process: int
    birth: int | None
    host: str
    began: float
    configfiles: list[str]
    config: dict[str, Any]
    log: str | None
    cores: int | None
    gpus: int | None
    jobs: dict[str, list[str] | None]
    needs: dict[str, tuple[int, int]]
    ended: float | None = None
    succeeded: bool | None = None
    format: Literal["faceflip-run"] = "faceflip-run"
    version: Literal[1] = 1

    @cached_property
    def _logs(self) -> dict[str, set[str]]:
        return {rule: set(logs) for rule, logs in self.jobs.items() if logs is not None}

    def asks(self, rule: str, log: str) -> bool:
        """Return whether a job was to be run."""
        return rule in self.jobs and (self.jobs[rule] is None or log in self._logs[rule])


def read_record(directory: Path | str = ".") -> RunRecord | None:
    """Return the record of the last run, None where none has left one.

    Raises UserError where it cannot be read or was written by another version.
    """
    path = Path(directory, RUN_RECORD)
    try:
        return TypeAdapter(RunRecord).validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "damaged, or written by another version of faceflip"
        raise UserError(
            f"{path}: {reason}; it tells of the last run and holds no results. The next run writes it anew; to look "
            "without it until then, move it away and name the run's configuration with --configfile"
        ) from error


def record_start(workflow: Any, jobs: Iterable[Any], config: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
    """Write down what a run sets out to do: Snakemake's `workflow` with its `config`, and the `jobs` to be run.

    That must be after the run has taken the directory for itself.
    """
    with _errors_only_printed():
        earlier = _earlier_needs()
        asked: dict[str, list[str]] = {}
        needs: dict[str, tuple[int, int]] = {}
        for job in jobs:
            if not job.log:  # of the rule `all`, which makes nothing
                continue
            asked.setdefault(job.rule.name, []).append(str(job.log[0]))
            if job.rule.name not in needs:
                needs[job.rule.name] = int(job.threads), int(job.resources.get("gpu", 0))
        logs = {name: {rule.log.of(**wildcards) for wildcards in rule.jobs} for name, rule in rules.items()}
        written = workflow.logger_manager.get_logfile()
        cores, gpus = (_limit(workflow.global_resources, name) for name in ("_cores", "gpu"))
        record = RunRecord(
            process=os.getpid(),
            birth=birth_of(os.getpid()),
            host=platform.node(),
            began=time.time(),
            configfiles=[str(Path(file).absolute()) for file in workflow.configfiles],
            config=dict(config),
            log=os.path.relpath(written[0]) if written else None,
            cores=cores if workflow.local_exec else None,
            gpus=gpus,
            jobs={rule: None if set(each) == logs.get(rule) else each for rule, each in asked.items()},
            needs=earlier | needs,
        )
        with files.replacing(RUN_RECORD) as beside:
            # Dates of files are compared with it: on a shared disk they are by the clock of another machine.
            record = replace(record, began=beside.stat().st_mtime)
            beside.write_bytes(as_bytes(record))


def record_end(succeeded: bool) -> None:
    """Write down that the run of this process has ended."""
    with _errors_only_printed():
        record = read_record()
        if record is not None and (record.process, record.host) == (os.getpid(), platform.node()):
            with files.replacing(RUN_RECORD) as beside:
                beside.write_bytes(as_bytes(replace(record, ended=time.time(), succeeded=succeeded)))


def as_bytes(record: RunRecord) -> bytes:
    """Return what is written of a run, which `read_record` reads."""
    return json.dumps(asdict(record), default=str).encode()


def _earlier_needs() -> dict[str, tuple[int, int]]:
    try:
        record = read_record()
    except UserError:
        return {}
    return record.needs if record else {}


def _limit(resources: Mapping[str, Any], name: str) -> int | None:
    """Return how much of a resource jobs may take at a time; Snakemake's word for any number is the largest one."""
    value = getattr(resources.get(name), "value", None)
    return value if isinstance(value, int) and value < sys.maxsize else None


@contextmanager
def _errors_only_printed() -> Iterator[None]:
    """Print what goes wrong with the record, and let the run go on, which matters more."""
    try:
        yield
    except Exception as error:
        print(f"Note: {error}. The run goes on; `faceflip status` will not know of it.", file=sys.stderr)
