"""What a dataset is packed from, by contents: a CelebA that was moved, linked or copied is the same one.

Snakemake compares files of this size by their dates and paths. It gets a record of them instead, which is small enough
to be compared by its bytes, and which changes where the contents do.
"""

import json
import os
import zipfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from faceflip.errors import UserError
from faceflip.io import files, paths

SEEN = Path(".snakemake/faceflip/source.json")
"""What was found last time in which file, with its date: 200,000 images are not listed again for each dry run."""


def record_source(places: Sequence[Path], record: str = paths.SOURCE) -> None:
    """Write down what is in a dataset's files, folders of images and zip archives, unless that is there already."""
    if not places:
        return
    seen = _read(SEEN)
    now = {str(place): _look(place, seen) for place in map(Path.resolve, places)}
    # Names of folders, and so where they are, do not count: images are the same in one of any other name.
    contents = sorted((each["contents"] for each in now.values()), key=json.dumps)
    before = _read(Path(record)).get("contents")
    if contents != before:
        files.write_text(record, json.dumps({"contents": contents}, indent=1) + "\n")
        if before is None:  # results from before there was a record are no older than it
            newest = max(place.stat().st_mtime for place in places)
            os.utime(record, (newest, newest))
    if now != seen:
        files.write_text(SEEN, json.dumps(now))


def _read(path: Path) -> dict[str, Any]:
    """Return what a file of ours holds, and nothing where it is not there or damaged."""
    try:
        content = files.read_json(path)
    except UserError:
        return {}
    return content if isinstance(content, dict) else {}


def _look(place: Path, seen: dict[str, Any]) -> dict[str, Any]:
    """Return what there is in a place, from what was seen there before if its date and size are the same."""
    state = place.stat()
    stamp = [state.st_ino, state.st_size, state.st_mtime_ns]
    known = seen.get(str(place))
    if isinstance(known, dict) and known.get("stamp") == stamp and "contents" in known:
        return known
    return {"stamp": stamp, "contents": _contents(place)}


def _contents(place: Path) -> dict[str, Any]:
    """Return a text by its bytes, an archive by the checksums that it holds, a folder by names and sizes."""
    if place.is_dir():
        with os.scandir(place) as entries:
            return _listed("images", sorted((entry.name, _size(entry)) for entry in entries))
    if zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            return _listed("archive", [(each.filename, each.file_size, each.CRC) for each in archive.infolist()])
    return {"name": place.name, "bytes": place.stat().st_size, "sha256": files.sha256(place)}


def _listed(kind: str, entries: Sequence[tuple]) -> dict[str, Any]:
    return {kind: len(entries), "sha256": sha256(json.dumps(entries).encode()).hexdigest()}


def _size(entry: os.DirEntry) -> int:
    try:
        return entry.stat().st_size
    except OSError:  # a broken link, which packing rejects
        return -1
