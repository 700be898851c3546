"""Whether a process of this machine still lives, also where its number has been given to another one since."""

import os
from contextlib import suppress
from pathlib import Path

PROCESSES = Path("/proc")
STATE, BIRTH = 0, 19
"""Places of two fields of Linux' ``/proc/NUMBER/stat`` behind the name of the process."""


def birth_of(process: int) -> int | None:
    """Return when a process began, in ticks since the machine did; None where the system does not tell."""
    fields = _fields(process)
    return int(fields[BIRTH]) if fields else None


def lives(process: int, birth: int | None) -> bool:
    """Return whether a process lives that had this number, and began then if `birth` is known."""
    try:
        os.kill(process, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, and there
        pass
    fields = _fields(process)
    if not fields:
        return True
    return fields[STATE] not in ("Z", "X") and birth in (None, int(fields[BIRTH]))


def _fields(process: int) -> list[str]:
    """Return what Linux tells of a process behind its name, which may hold anything; nothing on other systems."""
    with suppress(OSError):
        return (PROCESSES / str(process) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    return []
