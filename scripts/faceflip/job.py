"""What every workflow script does around its work: the log, the errors, the exit status."""

import os
import sys
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from faceflip.errors import UserError


@contextmanager
def job(log: str) -> Iterator[TextIO]:
    """Run the body with all output in the file `log`, written line by line; what it yields still writes to the screen.

    Output goes there by file descriptor, so that what compiled libraries print is in the log too. An error ends the
    process with status 1: the log has its traceback, and the screen the message of a `UserError`, or the end of the log
    where the error is the program's own.
    """
    path = Path(log)
    path.parent.mkdir(parents=True, exist_ok=True)
    screen = os.fdopen(os.dup(2), "w")
    with path.open("w", buffering=1, encoding="utf-8") as file:
        for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
            stream.flush()
            os.dup2(file.fileno(), descriptor)
            stream.reconfigure(line_buffering=True)
        try:
            yield screen
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
