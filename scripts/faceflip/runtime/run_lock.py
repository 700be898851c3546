"""One run at a time in a directory.

Snakemake's own lock is files that stay behind when a run is killed, until somebody types ``--unlock``. This one is the
kernel's: it ends with the process that holds it, so that the same command always resumes.
"""

import fcntl
import os
import platform
from pathlib import Path

from faceflip.errors import UserError

LOCK = Path(".snakemake", "faceflip.lock")


def take_run_lock(directory: Path | str = ".") -> bool:
    """Take a directory for this process, until it ends; raises UserError, saying which, where another run has it.

    Returns False where the file system has no locks.
    """
    path = Path(directory) / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)  # never closed: the end of the process does that
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 1000).decode(errors="replace").strip() or "another process"
        os.close(lock)
        raise UserError(
            f"{path.parent.parent.absolute()}: {holder} is at work here. Wait until it is done, or end it; then the "
            "same command goes on where it was."
        ) from None
    except OSError:
        os.close(lock)
        return False
    os.truncate(lock, 0)
    os.write(lock, f"process {os.getpid()} on {platform.node()}".encode())
    return True
