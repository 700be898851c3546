"""What every workflow script does around its work: the log, the errors, the exit status, the device, progress."""

import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from faceflip.errors import UserError
from faceflip.io.files import last_lines
from faceflip.runtime.progress import Progress
from faceflip.wording import printable

if TYPE_CHECKING:
    import torch

    from faceflip.data.packed import Dataset
    from faceflip.workflow.settings import ComputeSettings, Settings


class Job:
    """A job under way, as its script sees it.

    Attributes:
        snakemake: Inputs, outputs, parameters, wildcards and so on, as Snakemake hands them to scripts.
        screen: The terminal; standard output and error go to the log.
    """

    def __init__(self, snakemake: Any, screen: TextIO) -> None:
        self.snakemake, self.screen = snakemake, screen

    @cached_property
    def dataset(self) -> "Dataset":
        """The packed dataset, an input of the job."""
        from faceflip.data.packed import open_dataset

        return open_dataset(self.snakemake.input.dataset)

    @cached_property
    def settings(self) -> "Settings":
        """The configuration, for options that change no result: as parameters of rules they would remake all."""
        from faceflip.workflow.settings import Settings

        return Settings.of(self.snakemake.config)

    @property
    def compute(self) -> "ComputeSettings":
        """Where and how to compute."""
        return self.settings.compute

    def progress(self, task: str, unit: str, done: int = 0, name: str | None = None) -> Progress:
        """Return what shows progress in the log, and every few minutes on the screen; `done` was done before.

        It is named after the job, or a part of it that has a `name`.
        """
        name = "/".join(self.snakemake.wildcards) if name is None else name
        return Progress(f"{task} {name}".strip(), unit, done, self.screen)

    def files(self, role: str) -> list[str]:
        """Return the input files of a role: none, one or many."""
        return _listed(self.snakemake.input.get(role, []))

    def outputs(self, role: str) -> list[str]:
        """Return the output files of a role: one, or one for each of what the job makes."""
        return _listed(self.snakemake.output[role])

    def computing(
        self, tf32: bool = False, deterministic: bool = False, kind: str = "attack"
    ) -> "AbstractContextManager[torch.device]":
        """Compute on the configured device while the context lasts; see `faceflip.runtime.device.computing_on`.

        Last bits depend on the number of threads, and Snakemake lowers it to `--cores`: jobs of a `kind` have at least
        those that the configuration says, so that the same configuration gives the same bytes.
        """
        from faceflip.runtime.device import computing_on

        threads = max(self.snakemake.threads, getattr(self.compute.threads, kind))
        return computing_on(self.snakemake.params.device, threads, self.compute.jobs_per_gpu, tf32, deterministic)


def _listed(files: str | Iterable[str]) -> list[str]:
    return [files] if isinstance(files, str) else list(files)


@contextmanager
def job(snakemake: Any) -> Iterator[Job]:
    """Run the body with all output in the job's log, written line by line.

    Output goes there by file descriptor, so that what compiled libraries print is in the log too. An error ends the
    process with status 1: the log has its traceback, and the screen the message of a `UserError`, or the end of the log
    where the error is the program's own. `snakemake` is what Snakemake hands to scripts, or tools/run_alone.py.
    """
    path = Path(snakemake.log[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    screen = os.fdopen(os.dup(2), "w", errors="backslashreplace")
    with path.open("w", buffering=1, encoding="utf-8") as file:
        for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
            stream.flush()
            os.dup2(file.fileno(), descriptor)
            # The log is UTF-8 whatever the terminal is.
            stream.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")
        try:
            yield Job(snakemake, screen)
        except Exception as error:
            with suppress(OSError):  # the disk may be too full even for that
                traceback.print_exc()
            if isinstance(error, UserError):
                said = f"Error: {printable(error)}"
            else:
                end = "\n".join(last_lines(path, 20))
                said = f"{end}\n\n{type(error).__name__}: {error} (all of it is in {path})"
            print(f"\n{said}\n", file=screen, flush=True)
            sys.exit(1)
