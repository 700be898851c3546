"""Reading files that lie in a folder or in a zip archive, without unpacking them and without trusting them.

Nothing is written by the name that an archive gives, and no more than a stated number of bytes is unpacked: neither
paths that lead out of the archive nor files that swell without end can do harm.
"""

import os
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from faceflip.errors import UserError

Place = Path | zipfile.Path
"""A file or folder, on the disk or inside a zip archive."""

_ENCRYPTED = 0x1  # of a member's general purpose flags (APPNOTE.TXT 4.4.4)
_OTHER_ARCHIVES = {
    b"7z\xbc\xaf\x27\x1c": "one of 7-Zip",
    b"Rar!": "one of RAR",
    b"\x1f\x8b": "one of gzip",
    b"BZh": "one of bzip2",
    b"\xfd7zXZ": "one of xz",
}
"""What some other archives begin with."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class UnreadableError(Exception):
    """A file cannot be read; the message is the reason, in words that follow the file's name."""


def open_zip(path: Path) -> zipfile.Path:
    """Return the top folder of a zip archive; raises UserError where the file is none, or not all of one."""
    try:
        return zipfile.Path(zipfile.ZipFile(path))
    except zipfile.BadZipFile:
        pass
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    with path.open("rb") as file:
        start = file.read(1024)
    if is_web_page(start):
        raise UserError(f"{path}: {WEB_PAGE}")
    bytes_ = f"({path.stat().st_size:,} bytes)"
    if start.startswith(b"PK"):
        raise UserError(f"{path}: an incomplete zip archive: the download broke off {bytes_}; fetch it again")
    if other := next((name for magic, name in _OTHER_ARCHIVES.items() if start.startswith(magic)), None):
        raise UserError(f"{path}: not a zip archive {bytes_}, but {other}: unpack it, and name the folder")
    raise UserError(f"{path}: not a zip archive {bytes_}; name a folder or zip archive of CelebA, or fetch it again")


WEB_PAGE = (
    "a web page, not the file itself: Google Drive sends one when a file's download quota is used up, or to ask about "
    "its virus scan; open the link in a browser, later if need be, and confirm the download"
)
"""What to say of a file for which `is_web_page` holds."""


def is_web_page(start: bytes) -> bool:
    """Return whether a file that starts with these bytes is an HTML page."""
    return start.lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower().startswith((b"<!doctype html", b"<html", b"<head"))


def size(place: Place) -> int:
    """Return the number of bytes of a file, 0 for a name that leads elsewhere in an archive."""
    if isinstance(place, Path):
        return place.stat().st_size
    try:
        return place.root.getinfo(place.at).file_size
    except KeyError:
        return 0


def read_needed(place: Place, limit: int) -> bytes:
    """Return the content of a file that nothing can go on without, of at most `limit` bytes; raises UserError."""
    try:
        if isinstance(place, Path):
            return _read_file(place, limit)
        return _read_member(place.root, place.at, limit, nullcontext())
    except UnreadableError as error:
        raise UserError(f"{place} {error}. What is needed and where to fetch it: docs/guides/celeba.md") from None


def reader(folder: Place, limit: int) -> Callable[[str], bytes]:
    """Return a function that reads files of a folder by their names, also from several threads at once.

    It raises UnreadableError for a file that has more than `limit` bytes unpacked, is encrypted, damaged or unreadable.
    """
    if isinstance(folder, Path):
        return lambda name: _read_file(folder / name, limit)
    lock = threading.Lock()
    return lambda name: _read_member(folder.root, folder.at + name, limit, lock)


def names_leading_out(archive: Path) -> list[str]:
    """Return the names in a zip archive that lead out of it; nothing is looked for under these."""
    with zipfile.ZipFile(archive) as file:
        return [name for name in file.namelist() if name.startswith("/") or ".." in name.split("/")]


def list_names(folder: Place) -> Iterator[str]:
    """Yield the names of what lies in a folder, in no order."""
    if isinstance(folder, Path):
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries)
    else:
        start = len(folder.at)
        for name in folder.root.namelist():
            if name.startswith(folder.at) and "/" not in name[start:-1] and len(name) > start:
                yield name[start:].rstrip("/")


def _read_file(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            # Asking for the limit at once would allocate it.
            data = file.read(min(os.fstat(file.fileno()).st_size, limit) + 1)
    except OSError as error:
        raise UnreadableError(f"cannot be read ({error.strerror})") from None
    if len(data) > limit:
        raise UnreadableError(f"is larger than the {limit:,} bytes that are expected at most")
    return data


def _read_member(archive: zipfile.ZipFile, name: str, limit: int, lock: AbstractContextManager) -> bytes:
    """Read a member. An archive counts its open members without a lock of its own, so ours is held for that."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        # zipfile.Path shows names such as a/./b in a cleaned form.
        raise UnreadableError("has a name in the archive that leads elsewhere") from None
    if info.flag_bits & _ENCRYPTED:
        raise UnreadableError("is encrypted in the archive; make one without a password")
    if info.compress_type not in _METHODS:
        raise UnreadableError(f"is packed by method {info.compress_type}, which is not read; pack it as usual")
    if info.file_size > limit:
        raise UnreadableError(f"would unpack to {info.file_size:,} bytes, where at most {limit:,} are expected")
    try:
        with lock:
            member = archive.open(info)
        try:
            # A number keeps what is unpacked within the limit even where the archive's directory lies.
            data = member.read(info.file_size + 1)
        finally:
            with lock:
                member.close()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise UnreadableError(f"is damaged in the archive ({error})") from None
    if len(data) != info.file_size:
        raise UnreadableError(f"is damaged in the archive ({len(data):,} of {info.file_size:,} bytes)")
    return data
