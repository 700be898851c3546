"""What every workflow script does around its work: the log, the errors, the exit status, the device, progress."""

import os
import sys
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from faceflip.errors import UserError
from faceflip.runtime.progress import Progress

if TYPE_CHECKING:
    import torch

    from faceflip.workflow.settings import ComputeSettings


class Job:
    """A job under way, as its script sees it.

    Attributes:
        snakemake: Inputs, outputs, parameters, wildcards and so on, as Snakemake hands them to scripts.
        screen: The terminal; standard output and error go to the log.
    """

    def __init__(self, snakemake: Any, screen: TextIO) -> None:
        self.snakemake, self.screen = snakemake, screen

    @cached_property
    def compute(self) -> "ComputeSettings":
        """Where and how to compute. What changes no result is asked for here; as a parameter it would remake all."""
        from faceflip.workflow.settings import ComputeSettings

        return ComputeSettings(
            **{key: each for key, each in self.snakemake.config["compute"].items() if each is not None}
        )

    @property
    def name(self) -> str:
        """The values of the job's wildcards, such as ``euclidean/Smiling``."""
        return "/".join(self.snakemake.wildcards)

    def progress(self, task: str, unit: str, done: int = 0) -> Progress:
        """Return what shows progress in the log, and every few minutes on the screen; `done` was done before."""
        return Progress(f"{task} {self.name}".strip(), unit, done, self.screen)

    def files(self, role: str) -> list[str]:
        """Return the input files of a role: none, one or many."""
        found = self.snakemake.input.get(role, [])
        return [found] if isinstance(found, str) else list(found)

    def computing(self, tf32: bool = False, deterministic: bool = False) -> "AbstractContextManager[torch.device]":
        """Compute on the configured device while the context lasts; see `faceflip.runtime.device.computing_on`."""
        from faceflip.runtime.device import computing_on

        return computing_on(
            self.snakemake.params.device, self.snakemake.threads, self.compute.jobs_per_gpu, tf32, deterministic
        )

    def accelerator(self, device: str) -> "AbstractContextManager[torch.device | None]":
        """Give a GPU, or None where there is none; see `faceflip.runtime.device.accelerator`."""
        from faceflip.runtime.device import accelerator

        return accelerator(device, self.compute.jobs_per_gpu)


@contextmanager
def job(snakemake: Any) -> Iterator[Job]:
    """Run the body with all output in the job's log, written line by line.

    Output goes there by file descriptor, so that what compiled libraries print is in the log too. An error ends the
    process with status 1: the log has its traceback, and the screen the message of a `UserError`, or the end of the log
    where the error is the program's own.

    Args:
        snakemake: The object that Snakemake hands to scripts, or that of tools/run_alone.py.
    """
    path = Path(snakemake.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    screen = os.fdopen(os.dup(2), "w")
    with path.open("w", buffering=1, encoding="utf-8") as file:
        for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
            stream.flush()
            os.dup2(file.fileno(), descriptor)
            stream.reconfigure(line_buffering=True)
        try:
            yield Job(snakemake, screen)
        except UserError as error:
            _log_traceback()
            print(f"\nError: {error}\n", file=screen, flush=True)
            sys.exit(1)
        except Exception as error:
            _log_traceback()
            print(
                f"\n{_end_of(path)}\n{type(error).__name__}: {error} (all of it is in {path})\n",
                file=screen,
                flush=True,
            )
            sys.exit(1)


def _log_traceback() -> None:
    """Write the traceback to the log, unless the disk is too full even for that."""
    with suppress(OSError):
        traceback.print_exc()


def _end_of(log: Path, lines: int = 20) -> str:
    """Return the last lines of a log."""
    with log.open(encoding="utf-8", errors="replace") as file:
        return "".join(deque(file, maxlen=lines))
