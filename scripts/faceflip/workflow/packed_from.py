"""What a dataset is packed from, by contents: a CelebA that was moved, linked or copied is the same one.

Snakemake compares files of this size by their dates and paths. It gets a record of them instead, which is small enough
to be compared by its bytes, and which changes where the contents do.
"""

import json
import os
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from faceflip.data.celeba.contents import list_names
from faceflip.data.celeba.finding import is_image_name
from faceflip.data.table import named_files
from faceflip.errors import UserError
from faceflip.io import files, paths
from faceflip.workflow.settings import DatasetSettings

SEEN = "seen.json"
"""Beside the record: what was found last time in which file, with its date.

200,000 images are not listed again for each dry run.
"""


def record_source(dataset: DatasetSettings, record: str = paths.SOURCE) -> None:
    """Write down what is in a dataset's files, folders of images and zip archives, unless that is there already.

    Raises UserError where one of them cannot be read.
    """
    if not (places := dataset.inputs):
        return
    known = Path(record).with_name(SEEN)
    seen = _read(known)
    try:
        now = {str(place): _look(place, dataset, seen) for place in map(Path.resolve, places)}
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror}); make it readable") from error
    # Names of folders, and so where they are, do not count: images are the same in one of any other name.
    contents = sorted((each["contents"] for each in now.values()), key=json.dumps)
    before = _read(Path(record)).get("contents")
    if contents != before:
        files.write_text(record, json.dumps({"contents": contents}, indent=1) + "\n")
        if before is None:  # results from before there was a record are no older than it
            newest = max(place.stat().st_mtime for place in places)
            os.utime(record, (newest, newest))
    if now != seen:
        files.write_text(known, json.dumps(now))


def _read(path: Path) -> dict[str, Any]:
    """Return what a file of ours holds, and nothing where it is not there or damaged."""
    try:
        content = files.read_json(path)
    except UserError:
        return {}
    return content if isinstance(content, dict) else {}


def _look(place: Path, dataset: DatasetSettings, seen: dict[str, Any]) -> dict[str, Any]:
    """Return what there is in a place, from what was seen there before if dates and sizes are the same."""
    known = seen.get(str(place))
    stamps = known.get("stamps") if isinstance(known, dict) and "contents" in known else None
    if isinstance(stamps, dict) and all(_stamp(Path(path)) == stamp for path, stamp in stamps.items()):
        return known
    stamped, contents = _contents(place, dataset)
    return {"stamps": {str(path): _stamp(path) for path in stamped}, "contents": contents}


def _stamp(path: Path) -> list[int]:
    """Return what is another for a file, or folder of files, that was changed; nothing for one that is not there."""
    try:
        state = path.stat()
    except OSError:
        return []
    return [state.st_ino, state.st_size, state.st_mtime_ns]


def _contents(place: Path, dataset: DatasetSettings) -> tuple[list[Path], dict[str, Any]]:
    """Return a text by its bytes, an archive by the checksums that it holds, a folder by names and sizes of its images.

    Before it stands what has to be the same for this to be still so: for images, the folders that they are in.
    """
    if place.is_dir():
        table = [Path(dataset.table)] if dataset.table else []
        names = named_files(dataset.table, dataset.columns) if table else filter(is_image_name, list_names(place))
        images = sorted((name, _size(place / name)) for name in names)
        return [place, *table, *{(place / name).parent for name, _ in images}], _listed("images", images)
    with suppress(zipfile.BadZipFile):  # a damaged one counts by its bytes; what is wrong is reported when it is packed
        if zipfile.is_zipfile(place):
            with zipfile.ZipFile(place) as archive:
                members = [(each.filename, each.file_size, each.CRC) for each in archive.infolist()]
            return [place], _listed("archive", members)
    return [place], {"name": place.name, "bytes": place.stat().st_size, "sha256": files.sha256(place)}


def _listed(kind: str, entries: Sequence[tuple]) -> dict[str, Any]:
    return {kind: len(entries), "sha256": sha256(json.dumps(entries).encode()).hexdigest()}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # missing or a broken link, which packing rejects
        return -1
