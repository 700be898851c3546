"""Whether a file is as the format says: the one gate, through which every reader of a store goes.

Stores come from elsewhere, and a seal keeps nobody from writing another one. So types, shapes, ranges, and that all
data lie in the file itself, are checked before anything is read that a file could blow up, and before HDF5 could follow
it to another one. What a reader then allocates is bounded by the file's size.
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5l, h5o, h5s, h5t, h5z

from faceflip.attempt import Field
from faceflip.errors import UserError
from faceflip.io.hdf5 import is_stored_whole, own_dataset
from faceflip.outcomes import Outcome
from faceflip.store import schema
from faceflip.store.compression import BLOSC_FILTER, COMPRESSIONS, filters_of, require_filter
from faceflip.store.header import canonical_json
from faceflip.store.remedies import remake
from faceflip.store.seal import Seal
from faceflip.wording import UNPRINTABLE

FILTERS = {"gzip": h5z.FILTER_DEFLATE, "blosc": BLOSC_FILTER}
SHA256 = re.compile(r"[0-9a-f]{64}")
SOURCES = (
    Field("file", None, "", "path of the shard from the view's folder", "known"),
    Field("first_attempt", "<i8", -1, "first of the view's rows that it holds", "known"),
    Field("attempts", "<i8", -1, "how many of the view's rows it holds", "known"),
    Field("bytes", "<i8", -1, "size of the shard", "known"),
    Field("sha256", None, "", "digest in the shard's seal", "known"),
)
"""Datasets of a view's group `/sources`, one value a shard."""
ROW_BYTES = sum(np.dtype(column.dtype or "S1").itemsize for column in schema.COLUMNS)
"""The least that an attempt takes in a shard."""


@contextmanager
def conforming(path: Path) -> Iterator[Callable[[Iterator[str]], None]]:
    """Yield a function that raises UserError, naming the store at `path`, for faults; HDF5's errors become one, too."""

    def require(faults: Iterator[str]) -> None:
        if told := list(faults):
            raise UserError(f"{path}: {'; '.join(told)}; {remake(path)}")

    try:
        yield require
    except UserError:
        raise
    except Exception as error:  # HDF5 and h5py raise whatever strange bytes lead them to
        raise UserError(f"{path}: HDF5 cannot read it ({error}); {remake(path)}") from error


def read_attributes(path: Path, seal: Seal, file: h5py.File) -> dict[str, Any]:
    """Return the attributes of the root group as text, whole numbers and what JSON holds; raises UserError."""
    found: dict[str, Any] = {}
    with conforming(path) as require:
        require(_attribute_faults(seal, file, found))
    return found


def read_columns(path: Path, seal: Seal, file: h5py.File, attributes: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the columns of a shard, (n,) arrays, texts as bytes; its perturbations can be read, too, or UserError."""
    shape = (attributes["attempts"],)
    pixels = (*shape, attributes["height"], attributes["width"], 3)
    with conforming(path) as require:
        require(fault for column in schema.COLUMNS for fault in _array_faults(file, column, shape, seal.bytes))
        require(_perturbation_faults(file, pixels, attributes["compression"]))
        require_filter(path, file[schema.PERTURBATION])
        columns = {column.name: file[column.name][:] for column in schema.COLUMNS}
        require(value_faults(columns))
        require(_chunk_faults(file[schema.PERTURBATION], columns["flipped"], seal.bytes))
    return columns


def read_sources(path: Path, seal: Seal, file: h5py.File, attempts: int) -> dict[str, list[Any]]:
    """Return what a view of some `attempts` says of its shards, by the names of `SOURCES`, in their order."""
    found: dict[str, list[Any]] = {}
    with conforming(path) as require:
        require(_source_faults(seal, file, attempts, found))
    return found


def mapping_faults(file: h5py.File, sources: Sequence[tuple[str, int, int]], image_shape: tuple[int, int]) -> list[str]:
    """Return which virtual datasets of a view show anything but their own name's in its sources.

    `sources` are file, first attempt and attempts of each. Before this, HDF5 must not read any of the view's datasets:
    it would open whatever file they name.
    """
    attempts = sum(count for _, _, count in sources)
    faults = []
    for column, tail in (*((column, ()) for column in schema.COLUMNS), (schema.PIXELS, (*image_shape, 3))):
        try:
            fault = next(_mapping_faults(file, column, (attempts, *tail), sources), None)
        except Exception as error:  # as in `conforming`
            fault = f"/{column.name} cannot be read by HDF5 ({error})"
        faults += [fault] if fault else []
    return faults


def value_faults(columns: Mapping[str, np.ndarray], rows: Sequence[int] | None = None) -> Iterator[str]:
    """Yield which rules of the format columns of a shard break, with the first row that does (of `rows`, if given).

    Texts may be bytes or str. That an outcome is unknown is no fault: later versions may have more.
    """
    for name in (column.name for column in schema.COLUMNS if column.dtype is None):
        values = columns[name].tolist()
        wrong = {
            value for value in set(values) if not _is_text(value, is_name=False) or (name == "attribute" and not value)
        }
        if wrong:
            row = next(row for row, value in enumerate(values) if value in wrong)
            yield f"/{name} must be printable text, but row {row if rows is None else rows[row]} is {values[row]!r}"
    get = columns.__getitem__
    flipped = get("flipped") == 1
    counts = ("image", "steps", "gradient_passes", "forward_passes")
    rules = {
        **{f"/{name} must be at least 0": get(name) >= 0 for name in counts},
        "/label must be -1 or +1, or 0 where unknown": np.isin(get("label"), (-1, 1))
        | ((get("label") == 0) & (get("outcome") == Outcome.UNKNOWN_LABEL)),
        "/flipped must be 0 or 1": np.isin(get("flipped"), (0, 1)),
        "/flipped and /outcome must agree": flipped == (get("outcome") == Outcome.FLIPPED),
        "/epsilon must be NaN where not flipped, else a number from 0 on": np.where(
            flipped, np.isfinite(get("epsilon")) & (get("epsilon") >= 0), np.isnan(get("epsilon"))
        ),
        "/score_after must be NaN where not flipped": np.isnan(get("score_after")) | flipped,
        "/linf must be from 0 to 255, /l2 a number from 0 on": (
            (get("linf") >= 0) & (get("linf") <= 255) & np.isfinite(get("l2")) & (get("l2") >= 0)
        ),
        "/linf and /l2 must be 0 where not flipped": ((get("linf") == 0) & (get("l2") == 0)) | flipped,
    }
    for rule, holds in rules.items():
        if not holds.all():
            row = int(np.flatnonzero(~holds)[0])
            yield f"{rule}, but row {row if rows is None else rows[row]} is not so"


def _attribute_faults(seal: Seal, file: h5py.File, found: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the attributes of the root group, and put the others into `found`."""
    if file.userblock_size != schema.USER_BLOCK:
        yield f"the HDF5 part begins at byte {file.userblock_size}, not {schema.USER_BLOCK}"
    expected = {"format": (schema.FORMAT,), "kind": (schema.SHARD, schema.VIEW), "version": (seal.version,)}
    for name, values in expected.items():
        known = schema.Attribute(name, None if isinstance(values[0], str) else "<i8")
        if (fault := _read_attribute(file, known, found)) is None and found[name] not in values:
            fault = f"attribute '{name}' is {found[name]!r}, expected {' or '.join(map(str, values))}"
        if fault:
            yield fault
    if "kind" not in found:
        return
    if found["kind"] == schema.VIEW and (seal.structure_bytes, seal.structure_sha256) != (seal.bytes, seal.sha256):
        yield "the seal is none of a view: all of a view is structure"
    for known in schema.ATTRIBUTES:
        if found["kind"] not in known.kinds or (known.name == "sample" and seal.version == 1):
            continue
        if fault := _read_attribute(file, known, found):
            yield fault
    if found.get("complete") == 0:
        yield "attribute 'complete' is not 1, the file was never finished"
    if "compression" in found and found["compression"] not in COMPRESSIONS:
        yield f"attribute 'compression' is {found['compression']!r}, expected one of {', '.join(COMPRESSIONS)}"
    if found["kind"] == schema.VIEW and found.get("first_attempt"):
        yield f"attribute 'first_attempt' is {found['first_attempt']}, expected 0"


def _read_attribute(file: h5py.File, known: schema.Attribute, found: dict[str, Any]) -> str | None:
    """Put the value of an attribute into `found`, or return what is wrong with it."""
    name = known.name
    if not h5a.exists(file.id, name.encode()):
        return f"attribute '{name}' is missing" if known.required else None
    stored = h5a.open(file.id, name.encode())
    kind, is_one = stored.get_type(), stored.get_space().get_simple_extent_type() == h5s.SCALAR
    if known.dtype is not None:
        if not (is_one and kind.equal(h5t.py_create(np.dtype(known.dtype)))):
            return f"attribute '{name}' is not one number of type {np.dtype(known.dtype)}"
        value = int(file.attrs[name])
        if not known.least <= value <= known.most:
            return f"attribute '{name}' is {value}, expected a number from {known.least} to {known.most}"
    else:
        if not (is_one and isinstance(kind, h5t.TypeStringID) and kind.is_variable_str()):
            return f"attribute '{name}' is not one text of variable length"
        value = str(file.attrs[name])
        if known.is_json:
            value = _json_object(value, known.values)
            if value is None:
                return f"attribute '{name}' is no JSON object as the format has it"
        elif not _is_text(value, known.is_name):
            return f"attribute '{name}' is no name, but {value[: schema.NAME_BYTES]!r}"
    found[name] = value
    return None


def _json_object(text: str, values: type) -> dict[str, Any] | None:
    """Return a JSON object of such values, which are finite and not nested too deeply, or None."""
    try:
        found = json.loads(text)
        canonical_json(found).encode()  # no NaN, no infinity, no half of a character
        if values is float and isinstance(found, dict):  # JSON has one kind of numbers
            found = {name: float(value) if type(value) is int else value for name, value in found.items()}
    except (ValueError, OverflowError, RecursionError):
        return None
    if not isinstance(found, dict) or not all(isinstance(value, values) for value in found.values()):
        return None
    level: list[Any] = [found]
    for _ in range(schema.JSON_DEPTH):
        level = [
            child
            for each in level
            if isinstance(each, dict | list)
            for child in (each.values() if isinstance(each, dict) else each)
        ]
    return None if level else found


def _is_text(value: str | bytes, is_name: bool) -> bool:
    """Tell whether this is text that may be shown; a name can be that of a file, too."""
    try:
        encoded, text = (value, value.decode()) if isinstance(value, bytes) else (value.encode(), value)
    except UnicodeError:
        return False
    if len(encoded) > schema.NAME_BYTES or UNPRINTABLE.search(text):
        return False
    return not is_name or ("/" not in text and text not in ("", ".", ".."))


def _typed(group: h5py.Group, column: Field, shape: tuple[int, ...]) -> h5d.DatasetID | str:
    """Open a dataset of a column's type and a shape, or return what is wrong with it."""
    dataset = own_dataset(group, column.name)
    if isinstance(dataset, str):
        return dataset
    if dataset.get_space().get_simple_extent_type() != h5s.SIMPLE or dataset.shape != shape:
        return f"is not of shape {shape}"
    kind = dataset.get_type()
    if column.dtype is None:
        longest = schema.PATH_BYTES if column.name == "file" else schema.NAME_BYTES
        if not (isinstance(kind, h5t.TypeStringID) and not kind.is_variable_str() and kind.get_size() <= longest):
            return f"is not text of fixed length, at most {longest} bytes"
        if kind.get_cset() != h5t.CSET_UTF8:
            return "is not UTF-8 text of fixed length"
    elif column.dtype is schema.OUTCOME:  # its names may be more, or fewer, than are known here
        if not (isinstance(kind, h5t.TypeEnumID) and kind.get_super().equal(h5t.STD_U8LE)):
            return "is no enumeration on uint8"
    elif not kind.equal(h5t.py_create(np.dtype(column.dtype))):
        return f"is not of type {np.dtype(column.dtype)}"
    return dataset


def _array_faults(group: h5py.Group, column: Field, shape: tuple[int, ...], file_bytes: int) -> Iterator[str]:
    """Yield why a dataset is no array of contiguous data in this file."""
    dataset = _typed(group, column, shape)
    if isinstance(dataset, str):
        yield f"{group.name.rstrip('/')}/{column.name} {dataset}"
        return
    if not is_stored_whole(dataset, file_bytes):
        yield f"{group.name.rstrip('/')}/{column.name} does not lie in the file itself, in one piece"


def _perturbation_faults(file: h5py.File, shape: tuple[int, ...], compression: str) -> Iterator[str]:
    """Yield why `/perturbation` is not stored as the format says."""
    dataset = _typed(file, schema.PIXELS, shape)
    if isinstance(dataset, str):
        yield f"/{schema.PERTURBATION} {dataset}"
        return
    plan = dataset.get_create_plist()
    if plan.get_layout() != h5d.CHUNKED or plan.get_external_count() or plan.get_chunk() != (1, *shape[1:]):
        yield f"/{schema.PERTURBATION} must have one image a chunk, in the file itself"
    elif filters_of(h5py.Dataset(dataset)) != [FILTERS[compression], h5z.FILTER_FLETCHER32]:
        yield f"/{schema.PERTURBATION} must be compressed by {compression}, with a Fletcher-32 checksum as last filter"


def _chunk_faults(dataset: h5py.Dataset, flipped: np.ndarray, file_bytes: int) -> Iterator[str]:
    """Yield why the stored images are not those of the attempts that flipped, or not of a size that they can have."""
    stored: list[int] = []
    image_bytes = dataset.dtype.itemsize * math.prod(dataset.shape[1:])
    most = image_bytes + image_bytes // 64 + schema.OVERHEAD
    strange = []

    def look(chunk: Any) -> bool | None:
        stored.append(chunk.chunk_offset[0])
        expected = image_bytes <= chunk.size * schema.EXPANSION and chunk.size <= most and not chunk.filter_mask
        if not expected or chunk.byte_offset + chunk.size > file_bytes:
            strange.append(stored[-1])
        return True if len(stored) > len(flipped) else None  # ends it

    dataset.id.chunk_iter(look)
    if sorted(stored) != np.flatnonzero(flipped == 1).tolist():
        yield f"/{schema.PERTURBATION} must hold the attempts that flipped, and no others"
    if strange:
        yield f"/{schema.PERTURBATION}[{strange[0]}] is not stored as its filters do it"


def _source_faults(seal: Seal, file: h5py.File, attempts: int, found: dict[str, list[Any]]) -> Iterator[str]:
    """Yield what is wrong with the shards that a view names, and put what it says of them into `found`."""
    raw = schema.SOURCES.encode()
    if not file.id.links.exists(raw) or file.id.links.get_info(raw).type != h5l.TYPE_HARD:
        yield f"/{schema.SOURCES} is missing, or a link"
        return
    if h5o.get_info(file.id, raw).type != h5o.TYPE_GROUP:
        yield f"/{schema.SOURCES} is no group"
        return
    group = file[schema.SOURCES]
    first = own_dataset(group, SOURCES[0].name)
    shape = (first.shape or (1,))[:1] if isinstance(first, h5d.DatasetID) else (1,)
    wrong = [fault for column in SOURCES for fault in _array_faults(group, column, shape, seal.bytes)]
    if wrong:
        yield from wrong
        return
    found |= {column.name: group[column.name][:].tolist() for column in SOURCES}
    row = 0
    for number, (name, first_attempt, count, size, digest) in enumerate(zip(*found.values(), strict=True)):
        place = f"/{schema.SOURCES}[{number}]"
        try:
            found["file"][number], found["sha256"][number] = name.decode(), digest.decode()
        except UnicodeError:
            yield f"{place} is not UTF-8"
            continue
        if not _lies_below(found["file"][number]):
            yield f"{place} names {found['file'][number]!r}, expected a path below the view's folder"
        if first_attempt != row or not 1 <= count <= attempts - row or count * ROW_BYTES > size:
            yield f"{place} has {count} attempts from {first_attempt} in {size} bytes, expected some from {row} on"
            return
        if not SHA256.fullmatch(found["sha256"][number]):
            yield f"{place} has no SHA-256"
        row += count
    if row != attempts:
        yield f"/{schema.SOURCES} has {row} attempts, attribute 'attempts' is {attempts}"


def _lies_below(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and not UNPRINTABLE.search(name)


def _mapping_faults(
    file: h5py.File, column: Field, shape: tuple[int, ...], sources: Sequence[tuple[str, int, int]]
) -> Iterator[str]:
    dataset = _typed(file, column, shape)
    if isinstance(dataset, str):
        yield f"/{column.name} {dataset}"
        return
    plan = dataset.get_create_plist()
    if plan.get_layout() != h5d.VIRTUAL or plan.get_virtual_count() != len(sources):
        yield f"/{column.name} is no virtual dataset of {len(sources)} shards"
        return
    tail = tuple(shape[1:])
    for number, (name, first, count) in enumerate(sources):
        where = plan.get_virtual_filename(number), plan.get_virtual_dsetname(number).lstrip("/")
        wanted, origin = (count, *tail), (0,) * len(shape)
        right = (
            where == (name.replace("%", "%%"), column.name)
            and _box(plan.get_virtual_vspace(number)) == ((first, *origin[1:]), wanted)
            and _box(plan.get_virtual_srcspace(number)) in ((origin, wanted), None)
        )
        if not right:
            yield f"/{column.name} does not show what /{schema.SOURCES}[{number}] says"


def _box(space: h5s.SpaceID) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return start and extent of a selection that is one block, or None for all that there is."""
    if space.get_select_type() == h5s.SEL_ALL:
        return None
    start, end = space.get_select_bounds()
    extent = tuple(int(last) - int(first) + 1 for first, last in zip(start, end, strict=True))
    whole = int(space.get_select_npoints()) == math.prod(extent)
    return (tuple(map(int, start)), extent if whole else ())
