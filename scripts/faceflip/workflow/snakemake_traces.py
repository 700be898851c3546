"""What Snakemake leaves on the disk while it runs: marks of the outputs of jobs under way, and errors in its log."""

import binascii
import json
import os
import re
from base64 import urlsafe_b64decode
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from faceflip.io.paths import INCOMPLETE

ERROR = re.compile(r"Error in rule (\S+):")
LOG_HINT = " (check log file(s) for error details)"
NO_MESSAGE = "None"


@dataclass(frozen=True)
class Mark:
    """An output that is not whole yet: its job began, or was handed to a scheduler, at `since` (seconds since 1970).

    `number` is the job's at the scheduler of a cluster until it begins there; None of jobs that run.
    """

    since: float
    number: str | None


@dataclass(frozen=True)
class JobError:
    """What Snakemake's log says of a job that failed: a message, which may be empty, and other logs than its own."""

    message: str
    logs: tuple[str, ...]


def marks() -> dict[str, Mark]:
    """Return the marks of outputs, by their paths, in the working directory."""
    found = {}
    for folder, _, names in os.walk(INCOMPLETE):
        for name in names:
            path = Path(folder, name)
            # One that is gone was of a job that ended meanwhile; other files there are none of marks.
            with suppress(OSError, binascii.Error, UnicodeDecodeError):
                output = output_of(path.relative_to(INCOMPLETE).parts)
                found[output] = Mark(path.stat().st_mtime, _number_in(path.read_text(encoding="utf-8")))
    return found


def output_of(parts: tuple[str, ...]) -> str:
    """Return the output that a mark is of: its name has the path in Base64, cut into folders that begin with @."""
    return urlsafe_b64decode("".join(part.removeprefix("@") for part in parts)).decode()


def _number_in(text: str) -> str | None:
    try:
        number = json.loads(text)["external_jobid"]
    except (ValueError, KeyError, TypeError):  # being written
        return None
    return None if number is None else str(number)


def errors_in(log: Path | str) -> dict[str, JobError]:
    """Return the errors in a log of Snakemake by the logs of the jobs, the last one of each; without a log none."""
    found = {}
    try:
        with Path(log).open(encoding="utf-8", errors="replace") as lines:
            told: dict[str, str] | None = None
            for line in lines:
                if told is not None and line.startswith("    "):
                    key, _, value = line.strip().partition(": ")
                    told.setdefault(key, value)
                    continue
                if told is not None:
                    found |= _error(told)
                told = {} if ERROR.match(line) else None
            found |= _error(told or {})
    except FileNotFoundError:
        return {}
    return found


def _error(told: dict[str, str]) -> dict[str, JobError]:
    own, *others = told.get("log", "").removesuffix(LOG_HINT).split(", ")
    message = told.get("message", NO_MESSAGE)
    return {own: JobError("" if message == NO_MESSAGE else message, tuple(others))} if own else {}
