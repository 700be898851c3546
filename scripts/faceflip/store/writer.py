"""Writing one shard."""

import contextlib
import math
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np

from faceflip.io.files import replacing, telling_disk_errors
from faceflip.store import schema
from faceflip.store.compression import PACKAGES, filters
from faceflip.store.conformity import value_faults
from faceflip.store.header import StoreHeader, canonical_json, software_versions
from faceflip.store.seal import write_seal

MEMORY_BYTES = 256 << 20
"""Compressed perturbations held in memory; more of them go to a nameless file beside the store."""
SMALL_DATA_BYTES = 2048
"""HDF5 puts data smaller than this into blocks of this size, and may leave the rest of one unused."""
BTREE_FANOUT = 64
BTREE_NODE_BYTES = 24 + BTREE_FANOUT * 8 + (BTREE_FANOUT + 1) * (8 + 5 * 8)
"""Size of one node of HDF5's index of four-dimensional chunks: a version 1 B-tree of the default 64 children."""
IN_MEMORY = {"driver": "core", "backing_store": False}


def _index_bytes(rows: int) -> int:
    """Return an upper bound of the index of `rows` chunks: all nodes but the root are at least half full."""
    nodes, level = 1, rows
    while level > BTREE_FANOUT // 2:
        level = -(-level // (BTREE_FANOUT // 2))
        nodes += level
    return nodes * BTREE_NODE_BYTES


class _Compressor:
    """Runs one image at a time through HDF5's own filters, in memory."""

    def __init__(self, image_shape: tuple[int, int], compression: str) -> None:
        chunk = (1, *image_shape, 3)
        self.file = h5py.File(f"compressor-{id(self)}", "w", **IN_MEMORY, rdcc_nbytes=0)
        self._one = self.file.create_dataset("one", chunk, "<i2", chunks=chunk, **filters(compression)).id

    def __call__(self, image: np.ndarray) -> bytes:
        self._one.write(h5py.h5s.ALL, h5py.h5s.ALL, image[None])
        return self._one.read_direct_chunk((0, 0, 0, 0))[1]


class StoreWriter:
    """Collects the attempts of one shard and writes them whole, or not at all.

    A context manager. The file appears, or replaces the one at `path`, when the block ends without an exception. Its
    bytes depend on the content and the software versions only, not on the order of writing. A thread compresses, so
    that an attack goes on meanwhile.

    There are `rows` attempts, at least 1, on images of height and width `image_shape`. The `compression` is ``gzip``,
    which every HDF5 tool reads, or ``blosc``, which is faster and needs a plugin.

    Raises:
        UserError: `blosc` without its plugin; no space left; a folder that cannot be written to.
        ValueError: what was given to `write` is not a column of the format, or a row was written twice or never.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        header: StoreHeader,
        rows: int,
        image_shape: tuple[int, int],
        compression: str = "gzip",
    ) -> None:
        if rows < 1:
            raise ValueError(f"rows must be at least 1, not {rows}: a shard without attempts is no shard")
        if header.shard is None:
            raise ValueError("the header of a shard needs its number")
        filters(compression)
        self.path, self.header, self.rows, self.compression = Path(path), header, rows, compression
        self.image_shape = tuple(int(extent) for extent in image_shape)
        self._places: dict[int, tuple[int, int]] = {}  # where in the spool each row is, and its bytes
        self._written = np.zeros(rows, dtype=bool)
        self._columns = {
            column.name: np.full(rows, column.missing, dtype=column.dtype or object) for column in schema.COLUMNS
        }

    def __enter__(self) -> Self:
        with telling_disk_errors(self.path):  # better told now than after the attack
            self.path.parent.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.path.parent).close()
        with contextlib.ExitStack() as stack:
            self._compressor = _Compressor(self.image_shape, self.compression)
            stack.enter_context(self._compressor.file)
            self._spool = stack.enter_context(tempfile.SpooledTemporaryFile(MEMORY_BYTES, dir=self.path.parent))
            self._thread = stack.enter_context(ThreadPoolExecutor(max_workers=1))
            self._compressing: Future[None] = self._thread.submit(lambda: None)  # nothing yet
            self._resources = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._resources:
            if kind is None:
                self._finish()

    def write(self, rows: Sequence[int] | np.ndarray, *, perturbation: np.ndarray, **columns: Any) -> None:
        """Add attempts, whose `rows` in this shard are (k,) integers, in any order.

        `perturbation` is (k, height, width, 3) integers from -255 to 255, `columns` are those of `schema.COLUMNS` that
        are not derived, each (k,) values or one for all. Of failed attempts, perturbations are ignored, `score_after`
        and `epsilon` are stored as NaN.
        """
        rows = np.atleast_1d(np.asarray(rows, dtype=np.int64))
        perturbation = np.asarray(perturbation)
        values = self._checked(rows, perturbation, columns)
        flipped = values["flipped"].astype(bool)
        for name in ("score_after", "epsilon"):
            values[name] = np.where(flipped, values[name], np.nan)
        values["linf"], values["l2"] = np.zeros(len(rows), dtype=np.int16), np.zeros(len(rows))
        for k in np.flatnonzero(flipped):
            try:
                values["linf"][k], values["l2"][k] = norms(perturbation[k])
            except ValueError as fault:
                raise ValueError(f"the perturbation of row {rows[k]} {fault}") from None
        if faults := [*value_faults(values, rows)]:
            raise ValueError(f"{self.path}: {'; '.join(faults)}")
        for name, column in self._columns.items():
            column[rows] = values[name]
        self._written[rows] = True
        # One call ahead is enough; and a copy (as a mask makes it), since the caller may change its array meanwhile.
        self._compressing.result()  # raises what failed in the thread
        images = np.ascontiguousarray(perturbation[flipped], "<i2")
        self._compressing = self._thread.submit(self._compress, rows[flipped].tolist(), images)

    def _compress(self, rows: list[int], images: np.ndarray) -> None:
        """Compress perturbations and keep them; runs in the thread."""
        with telling_disk_errors(self.path):
            for row, image in zip(rows, images, strict=True):
                data = self._compressor(image)
                self._places[row] = (self._spool.seek(0, os.SEEK_END), len(data))
                self._spool.write(data)

    def record_network(self, checkpoint: str, margin: float, warnings: Sequence[str] = ()) -> None:
        """Note one of the header's `margins` and `warnings`, which an attack only knows in the end."""
        margins = {**self.header.margins, checkpoint: margin}
        suspicious = {**self.header.warnings, **({checkpoint: list(warnings)} if warnings else {})}
        self.header = replace(self.header, margins=margins, warnings=suspicious)

    def _checked(self, rows: np.ndarray, perturbation: np.ndarray, columns: dict[str, Any]) -> dict[str, np.ndarray]:
        """Return the given columns as arrays of the stored types; nothing of a faulty call is kept."""
        if rows.size and (rows.min() < 0 or rows.max() >= self.rows):
            raise ValueError(f"rows must be from 0 to {self.rows - 1}, not {rows.min()} to {rows.max()}")
        if len(np.unique(rows)) != len(rows) or self._written[rows].any():
            raise ValueError(f"rows written twice, some of {_ranges(rows)}")
        if perturbation.shape != (len(rows), *self.image_shape, 3) or perturbation.dtype.kind not in "iu":
            raise ValueError(
                f"perturbation must be integers of shape {(len(rows), *self.image_shape, 3)}, "
                f"not {perturbation.dtype} of shape {perturbation.shape}"
            )
        given = {column.name for column in schema.COLUMNS if column.origin != "derived"}
        if given != columns.keys():
            missing, unknown = sorted(given - columns.keys()), sorted(columns.keys() - given)
            raise ValueError(f"columns missing: {missing}, unknown: {unknown}")
        return {
            name: np.broadcast_to(np.asarray(column).astype(self._columns[name].dtype), len(rows)).copy()
            for name, column in columns.items()
        }

    def _finish(self) -> None:
        if not self._written.all():
            raise ValueError(f"{self.path}: rows {_ranges(np.flatnonzero(~self._written))} were never written")
        self._compressing.result()
        with replacing(self.path) as beside:
            beside.write_bytes(hdf5_image(self._write_columns))
            write_seal(beside, self._write_perturbations(beside))

    def _write_columns(self, file: h5py.File) -> None:
        write_attributes(file, schema.SHARD, self.header, self.rows, self.image_shape, PACKAGES[self.compression])
        file.attrs["compression"] = self.compression
        for column in schema.COLUMNS:
            values = self._columns[column.name]
            if column.dtype is None:
                encoded = [text.encode() for text in values]
                values = np.array(encoded, dtype=schema.text_dtype(max(map(len, encoded))))
            dataset = file.create_dataset(column.name, data=values, track_times=False)
            dataset.attrs["description"] = column.description

    def _write_perturbations(self, path: Path) -> int:
        """Add the perturbations to the file of columns and return where their data begin.

        HDF5 mixes indexes and data. Opening the file anew makes it forget all free space, and one block for metadata,
        wide enough for the whole index and allocated first, leaves only data behind it. (A flush before the first
        perturbation would give the block back.)
        """
        shape = (self.rows, *self.image_shape, 3)
        metadata_bytes = 8192 + _index_bytes(self.rows)
        sizes = [size for _, size in self._places.values()]
        gaps = SMALL_DATA_BYTES * sum(size < SMALL_DATA_BYTES for size in sizes)
        if hasattr(os, "posix_fallocate"):  # HDF5 does not survive a full disk, this tells it beforehand
            with path.open("r+b") as file:
                size = os.fstat(file.fileno()).st_size
                os.posix_fallocate(file.fileno(), size, metadata_bytes + sum(sizes) + gaps)
        with h5py.File(path, "r+", libver=schema.LIBVER, locking=False, meta_block_size=metadata_bytes) as file:
            layout = {"chunks": (1, *self.image_shape, 3), "fillvalue": 0, **filters(self.compression)}
            dataset = file.create_dataset(schema.PERTURBATION, shape, "<i2", track_times=False, **layout)
            dataset.attrs["description"] = schema.PIXELS.description
            for row, (start, size) in sorted(self._places.items()):
                self._spool.seek(start)
                dataset.id.write_direct_chunk((row, 0, 0, 0), self._spool.read(size))
            offsets: list[int] = []
            dataset.id.chunk_iter(lambda chunk: offsets.append(chunk.byte_offset))
            file.attrs.modify("complete", np.uint8(1))
        return min(offsets, default=path.stat().st_size)


def hdf5_image(fill: Callable[[h5py.File], None]) -> bytes:
    """Return the bytes of an HDF5 file that `fill` writes in memory, its user block still empty."""
    name = f"image-{id(fill)}"
    with h5py.File(name, "w", **IN_MEMORY, libver=schema.LIBVER, userblock_size=schema.USER_BLOCK) as file:
        fill(file)
        file.flush()
        return bytes(schema.USER_BLOCK) + file.id.get_file_image()


def write_attributes(
    file: h5py.File,
    kind: str,
    header: StoreHeader,
    attempts: int,
    image_shape: tuple[int, int],
    packages: Sequence[str] = (),
) -> None:
    """Write the root attributes of a store that is not complete yet; `packages` had a part in it, too."""
    attributes = {
        "format": schema.FORMAT,
        "version": np.int64(schema.VERSION),
        "kind": kind,
        **header.to_attributes(),
        "attempts": np.int64(attempts),
        "height": np.int64(image_shape[0]),
        "width": np.int64(image_shape[1]),
        "software": canonical_json(software_versions(*packages)),
        "complete": np.uint8(0),
    }
    file.attrs.update(attributes)


def norms(perturbation: np.ndarray) -> tuple[int, float]:
    """Return the L-infinity and the Euclidean norm of one perturbation (height, width, 3), in pixel values.

    The sum of squares is exact: a square has 16 bits, a row of 20,000 pixels 32. (A dot product of floats would wake
    the threads of the linear algebra library.) Raises ValueError where a value is beyond -255 to 255.
    """
    linf = max(int(perturbation.max()), -int(perturbation.min()))
    if linf > 255:
        raise ValueError("exceeds the range -255 to 255")
    rows = perturbation.astype(np.int16, copy=False).reshape(len(perturbation), -1)
    squares = np.multiply(rows, rows).view(np.uint16)
    return linf, math.sqrt(squares.sum(axis=1, dtype=np.uint32).sum(dtype=np.uint64))


def _ranges(rows: np.ndarray) -> str:
    """Return sorted rows as text, such as ``0-3, 7``; the first ten ranges."""
    rows = np.unique(rows)
    runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
    texts = [f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs if len(run)]
    return ", ".join(texts[:10]) + (f" and {len(texts) - 10} more ranges" if len(texts) > 10 else "")
