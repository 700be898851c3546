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

from faceflip.data.celeba.finding import is_image_name
from faceflip.errors import UserError
from faceflip.io import files, paths

SEEN = Path(paths.SOURCE).with_name("seen.json")
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
    """Return what there is in a place, from what was seen there before if dates and sizes are the same."""
    known = seen.get(str(place))
    if isinstance(known, dict) and all(_stamp(Path(path)) == stamp for path, stamp in known["stamps"].items()):
        return known
    folders, contents = _contents(place)
    return {"stamps": {str(path): _stamp(path) for path in folders}, "contents": contents}


def _stamp(path: Path) -> list[int]:
    """Return what is another for a file, or folder of files, that was changed; nothing for one that is not there."""
    try:
        state = path.stat()
    except OSError:
        return []
    return [state.st_ino, state.st_size, state.st_mtime_ns]


def _contents(place: Path) -> tuple[list[Path], dict[str, Any]]:
    """Return a text by its bytes, an archive by the checksums that it holds, a folder by names and sizes of its images.

    Before it stands what has to be the same, with what lies directly in it, for this to be still so.
    """
    if place.is_dir():
        folders, images = _images(place)
        return folders, _listed("images", images)
    if zipfile.is_zipfile(place):
        with zipfile.ZipFile(place) as archive:
            members = [(each.filename, each.file_size, each.CRC) for each in archive.infolist()]
        return [place], _listed("archive", members)
    return [place], {"name": place.name, "bytes": place.stat().st_size, "sha256": files.sha256(place)}


def _images(top: Path) -> tuple[list[Path], list[tuple[str, int]]]:
    """Return the folders below one, and names and sizes of the images in them; what runs write is passed over."""
    folders, images = [], []
    for folder, below, names in os.walk(top):
        below[:] = sorted(
            name for name in below if not name.startswith(".") and name not in (paths.RESULTS, paths.LOGS)
        )
        folders.append(Path(folder))
        found = [Path(folder, name) for name in names if is_image_name(name)]
        images += [(path.relative_to(top).as_posix(), _size(path)) for path in found]
    return folders, sorted(images)


def _listed(kind: str, entries: Sequence[tuple]) -> dict[str, Any]:
    return {kind: len(entries), "sha256": sha256(json.dumps(entries).encode()).hexdigest()}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # a broken link, which packing rejects
        return -1
