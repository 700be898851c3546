"""Files that appear whole or not at all, and what identifies their content."""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from faceflip.errors import UserError

LEFTOVER = re.compile(r"\..+\.\d+-[0-9a-f]{8}(\.[^.]+)?")
"""Names of files that are being written, or were when their writer was killed."""

FULL = {errno.ENOSPC, errno.EDQUOT}
CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}
TAKEN = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR}


@contextmanager
def telling_disk_errors(path: str | os.PathLike) -> Iterator[None]:
    """Turn the errors of a full disk, a closed folder, or a name that cannot be used into one that names the file."""
    path = Path(path)
    try:
        yield
    except OSError as error:
        in_message = re.search(r"\berrno = (\d+)", str(error))  # HDF5 has it only there
        number = error.errno or (in_message and int(in_message.group(1)))
        if number in FULL:
            remedy = "free some space and run again"
        elif number in CLOSED:
            remedy = f"make {path.parent} writable and run again"
        elif number in TAKEN and (there := _in_the_way(path)):
            remedy = f"name another one, or move {there} out of the way"
        elif number == errno.ENAMETOOLONG:
            remedy = "name a shorter one"
        else:
            raise
        reason = os.strerror(number).lower()
        raise UserError(f"{path}: {reason}, nothing was written under this name; {remedy}") from error


def _in_the_way(path: Path) -> Path | None:
    """Return what has a path's name already, or is a file where a folder would have to be."""
    there = next(place for place in (path, *path.parents) if place.exists())
    return there if there == path or not there.is_dir() else None


def require_regular(path: str | os.PathLike) -> None:
    """Raise OSError where there is no file, or one whose opening may wait or do something: a pipe, socket or device."""
    mode = Path(path).stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "no regular file, but a pipe, socket or device", str(path))


def is_folder(path: Path) -> bool:
    """Tell whether a path is that of a folder, as far as one may look there."""
    try:
        return path.is_dir()
    except OSError:
        return False


def files_below(folder: str | os.PathLike, told: Callable[[OSError], object]) -> Iterator[Path]:
    """Yield all but folders below a folder, also through links to folders, of which each is walked once.

    Links to what the folder itself lies in are not followed. `told` gets the errors of folders that cannot be read.
    """
    root = Path(folder).resolve()
    places, seen = [Path(folder)], set(root.parents)
    for place in places:  # grows meanwhile: links are followed last, so that files have their own names where they can
        for parent, folders, files in os.walk(place, onerror=told):
            if (real := Path(parent).resolve()) in seen:
                folders.clear()
                continue
            seen.add(real)
            places += [path for name in folders if (path := Path(parent, name)).is_symlink()]
            yield from (Path(parent, name) for name in files)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def name_beside(path: Path) -> Path:
    """Return a new name in the same folder for what is written before it gets its own; `sweep` knows such names."""
    return path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}{path.suffix}")


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a path beside `path` to write to; on success sync it and rename it to `path`, on failure remove it.

    The temporary name keeps the suffix, because many writers choose their format by it.

    Raises UserError where the disk is full, the folder is not writable, or `path` is a folder or leads through a file.
    """
    path = Path(path)
    with telling_disk_errors(path):
        if path.is_dir():  # what is to be written may take hours: do not wait for the renaming
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        beside = name_beside(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.touch()
    try:
        with telling_disk_errors(path):
            yield beside
            _sync(beside)
            beside.replace(path)
            _sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def require_writable(folders: Iterable[str | os.PathLike]) -> None:
    """Raise UserError, naming all, unless files can be made in folders, or in what there is of the way to them."""
    there = {next(folder for folder in (path, *path.parents) if folder.exists()) for path in map(Path, set(folders))}
    closed = sorted(str(folder) for folder in there if not os.access(folder, os.W_OK | os.X_OK))
    if closed:
        raise UserError(
            f"{', '.join(closed)}: permission denied, or a read-only file system, and files are to be made there; make "
            f"{'it' if len(closed) == 1 else 'them'} writable and run again"
        )


def sweep(folder: str | os.PathLike, idle: float = 0, below: bool = True) -> None:
    """Remove the files and folders that killed writers left half-written in a folder (and `below` it).

    Nobody may be writing there, except to what is spared: what was written to in the last `idle` seconds.
    """
    now, root = time.time(), Path(folder)
    for path in list(root.rglob(".*") if below else root.glob(".*")):
        if LEFTOVER.fullmatch(path.name) and now - _last_written(path) >= idle:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _last_written(path: Path) -> float:
    """Return when a file, or anything in a folder, was last written to; long ago if it is gone by now."""
    latest = 0.0
    for each in [path, *path.rglob("*")]:
        with suppress(OSError):
            latest = max(latest, each.stat().st_mtime)
    return latest


def write_at(descriptor: int, data: memoryview, offset: int) -> None:
    """Write all of contiguous data to a place in an open file, whose position stays; threads may do so at a time."""
    rest = data.cast("B")
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")


def last_lines(path: str | os.PathLike, count: int, most: int = 65_536) -> list[str]:
    """Return the last lines of a text, at least those in its last `most` bytes; none where there is no such file."""
    try:
        with Path(path).open("rb") as file:
            start = max(file.seek(0, os.SEEK_END) - most, 0)
            file.seek(start)
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    whole = lines[1:] if start and len(lines) > 1 else lines  # the first of them is cut
    return whole[-count:] if count else []


def read_json(path: str | os.PathLike) -> Any:
    """Return what a JSON file of a run holds; raises UserError, naming it, where it is missing, empty or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error}); delete it and run again") from error


def sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
