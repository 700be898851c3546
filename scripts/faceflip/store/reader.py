"""Reading a store: one shard, or a joined view of many."""

import math
import os
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np

from faceflip.attempt import Experiment
from faceflip.errors import UserError, did_you_mean
from faceflip.io.files import require_regular
from faceflip.outcomes import Outcome
from faceflip.pixels import perturbed
from faceflip.store import schema
from faceflip.store.conformity import read_attributes, read_columns, read_sources
from faceflip.store.header import StoreHeader
from faceflip.store.remedies import remake
from faceflip.store.seal import Seal, read_seal

if TYPE_CHECKING:
    import pandas as pd

OPEN_SHARDS = 16
"""How many shards a joined view holds open at a time."""
BLOCK_BYTES = 1 << 28
"""The most perturbations that `Store.blocks` holds at a time; of 178 x 218 pixels, these are 1,100."""


class SourcesError(UserError):
    """Shards of a joined view are missing, damaged or not those that were joined: `faults` has a message for each."""

    def __init__(self, path: Path, shards: int, faults: dict[Path, str]) -> None:
        super().__init__("\n".join([f"{path}: {len(faults)} of its {shards} shards are wrong", *faults.values()]))
        self.faults = faults


class Block(NamedTuple):
    """Perturbations of some flipped attempts: `rows` (k,) ascending, `perturbations` (k, height, width, 3) int16."""

    rows: np.ndarray
    perturbations: np.ndarray


class JoinedShard(NamedTuple):
    """One shard of a joined view, as the view names it: where it is, its part of the rows, and its seal's identity."""

    file: str
    first: int
    attempts: int
    bytes: int
    sha256: str

    @property
    def path(self) -> Path:
        """The shard's file."""
        return Path(self.file)

    def is_there(self) -> bool:
        """Tell by one look whether the file is the one that was joined; `_source_faults` says why it is not."""
        try:
            require_regular(self.file)
            with self.path.open("rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                return size == self.bytes and self.sha256.encode() in file.read(schema.USER_BLOCK)
        except OSError:
            return False


class Store(AbstractContextManager):
    """The attempts of a shard or a joined view; nothing is read before it is asked for.

    `version` is the format's, `header` tells what made the attempts, `software` which versions wrote them;
    `image_shape` is height and width in pixels.
    """

    def __init__(self, path: Path, seal: Seal, file: h5py.File, attributes: Mapping[str, Any]) -> None:
        self.path, self.seal, self.version, self._file = path, seal, seal.version, file
        self.header = StoreHeader.from_attributes(attributes)
        self.software: dict[str, str] = attributes["software"]
        self.image_shape: tuple[int, int] = (attributes["height"], attributes["width"])
        self._length: int = attributes["attempts"]

    def __len__(self) -> int:
        return self._length

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the store cannot be read from any more."""
        self._file.close()

    @abstractmethod
    def column(self, name: str) -> np.ndarray:
        """Return one column as (n,) array of the stored type, texts as bytes; see `faceflip.store.schema.COLUMNS`."""

    @abstractmethod
    def shards(self) -> "Iterator[Shard]":
        """Yield the store itself if it is a shard, else the shards that are joined, in order."""

    @abstractmethod
    def _read(self, start: int, stop: int, out: np.ndarray) -> None:
        """Read the perturbations of rows from `start` to before `stop`, those of failed attempts as zeros."""

    def _holder(self, row: int) -> "tuple[Store, int]":
        """Return the shard that holds an attempt, and the row there."""
        return self, self._existing(row)

    def _existing(self, row: int) -> int:
        if not 0 <= row < len(self):
            raise IndexError(f"{self.path}: row {row} of {len(self)}")
        return int(row)

    @cached_property
    def _flipped(self) -> np.ndarray:
        return self.column("flipped") == 1

    @cached_property
    def _images(self) -> np.ndarray:
        return self.column("image")

    @cached_property
    def attempts(self) -> "pd.DataFrame":
        """All columns as a table: `row` (in this store), then those of the format; outcomes as text."""
        import pandas as pd

        columns = {column.name: self.column(column.name) for column in schema.COLUMNS}  # of as many as there really are
        table: dict[str, Any] = {"row": np.arange(len(self), dtype=np.int64)}
        for column in schema.COLUMNS:
            values = columns[column.name]
            table[column.name] = np.char.decode(values, "utf-8") if column.dtype is None else values
        labels = np.full(256, "unknown", dtype=object)
        labels[list(Outcome)] = [outcome.label for outcome in Outcome]
        table["outcome"] = labels[table["outcome"]]
        table["flipped"] = self._flipped
        return pd.DataFrame(table)

    def select(
        self,
        attribute: str | Sequence[str] | None = None,
        outcome: str | Outcome | Sequence[str | Outcome] | None = None,
        file_name: str | Sequence[str] | None = None,
    ) -> np.ndarray:
        """Return the rows, ascending, of the attempts that match everything given (any one of several values).

        Raises UserError for an attribute that is not here, and an outcome that does not exist.
        """
        chosen = np.ones(len(self._flipped), dtype=bool)
        if attribute is not None:
            names, column = _listed(attribute), self.column("attribute")
            self._require_known("attribute", names, [name.decode() for name in np.unique(column)])
            chosen &= np.isin(column, [name.encode() for name in names])
        if outcome is not None:
            labels = [entry.label if isinstance(entry, Outcome) else entry for entry in _listed(outcome)]
            self._require_known("outcome", labels, [entry.label for entry in Outcome])
            chosen &= np.isin(self.column("outcome"), [Outcome[label.upper()] for label in labels])
        if file_name is not None:
            chosen &= np.isin(self.column("file_name"), [name.encode() for name in _listed(file_name)])
        return np.flatnonzero(chosen)

    def _require_known(self, what: str, names: Sequence[str], known: Sequence[str]) -> None:
        if unknown := [name for name in names if name not in known]:
            hint = did_you_mean(unknown[0], known, otherwise="; there are ")
            raise UserError(f"{self.path}: no {what} {unknown[0]!r} here{hint}")

    def perturbation(self, row: int) -> np.ndarray | None:
        """Return the perturbation of one attempt as (height, width, 3) int16, or None where it did not flip."""
        store, row = self._holder(row)
        if not store._flipped[row]:
            return None
        out = np.empty((1, *self.image_shape, 3), dtype=np.int16)
        store._read(row, row + 1, out)
        return out[0]

    def adversarial(self, row: int, images: Any) -> np.ndarray | None:
        """Return one adversarial image as (height, width, 3) uint8, or None where the attempt did not flip.

        `images` are all of the dataset, (N, height, width, 3) uint8; UserError where they do not fit.
        """
        store, row = self._holder(row)
        perturbation = store.perturbation(row)
        return None if perturbation is None else store.applied(row, perturbation, images)

    def applied(self, row: int, perturbation: np.ndarray, images: Any) -> np.ndarray:
        """Add an attempt's perturbation, read before, to its image; see `adversarial`."""
        image = int(self._images[row])
        if image >= len(images) or images[image].shape != perturbation.shape:
            raise UserError(
                f"{self.path}: /image[{row}] is image {image} of {self.image_shape[1]} x {self.image_shape[0]} pixels, "
                "the dataset has no such image; give the dataset that was attacked"
            )
        try:
            return perturbed(images[image], perturbation)
        except ValueError as error:
            raise UserError(
                f"{self.path}: /perturbation[{row}] does not fit image {image} ({error}); "
                "give the dataset that was attacked"
            ) from None

    def blocks(self, rows: Sequence[int] | np.ndarray | None = None, size: int = 256) -> Iterator[Block]:
        """Iterate over the perturbations of flipped attempts (among these rows), ascending.

        They come in new arrays of `size`, or of as many as `BLOCK_BYTES` hold.
        """
        rows = np.arange(len(self._flipped)) if rows is None else np.unique(np.asarray(rows, dtype=np.int64))
        if rows.size:
            self._existing(rows[0]), self._existing(rows[-1])
        rows = rows[self._flipped[rows]]
        size = min(size, max(1, BLOCK_BYTES // (6 * math.prod(self.image_shape))))
        for begin in range(0, len(rows), size):
            part = rows[begin : begin + size]
            out = np.empty((len(part), *self.image_shape, 3), dtype=np.int16)
            edges = np.flatnonzero(np.diff(part) != 1) + 1
            for left, right in zip([0, *edges], [*edges, len(part)], strict=True):
                self._read(int(part[left]), int(part[right - 1]) + 1, out[left:right])
            yield Block(part, out)

    def require_dataset(self, fingerprint: str) -> None:
        """Make sure that a dataset is the one that was attacked; raises UserError."""
        if fingerprint != self.header.dataset_fingerprint:
            raise UserError(
                f"{self.path}: attribute 'dataset_fingerprint' is {self.header.dataset_fingerprint[:12]}..., "
                f"that of the dataset is {fingerprint[:12]}...; give the dataset that was attacked, or attack this one"
            )


class Shard(Store):
    """A store in one file."""

    def __init__(self, path: Path, seal: Seal, file: h5py.File, attributes: Mapping[str, Any]) -> None:
        super().__init__(path, seal, file, attributes)
        self.compression: str = attributes["compression"]
        self._columns = read_columns(path, seal, file, attributes)
        self._perturbations = file[schema.PERTURBATION]

    def column(self, name: str) -> np.ndarray:
        """Return one column; see `Store.column`."""
        return self._columns[name]

    def shards(self) -> "Iterator[Shard]":
        """Yield this one; see `Store.shards`."""
        yield self

    def _read(self, start: int, stop: int, out: np.ndarray) -> None:
        dataset = self._perturbations.id
        space = dataset.get_space()
        space.select_hyperslab((start, 0, 0, 0), out.shape)
        try:
            dataset.read(h5py.h5s.create_simple(out.shape), space, out)
        except (OSError, RuntimeError) as error:
            if stop - start == 1:
                raise UserError(
                    f"{self.path}: /perturbation[{start}] cannot be read, it is damaged ({error}); {remake(self.path)}"
                ) from error
            for row in range(start, stop):
                self._read(row, row + 1, out[row - start : row - start + 1])


class JoinedStore(Store):
    """A store in many files: reads go to the shards themselves, each checked as it is opened."""

    def __init__(self, path: Path, seal: Seal, file: h5py.File, attributes: Mapping[str, Any]) -> None:
        super().__init__(path, seal, file, attributes)
        found = read_sources(path, seal, file, len(self))
        # HDF5 seeks them from the folder of the file itself, also where `path` is a link to it.
        folder = path.resolve().parent if path.is_symlink() else path.parent
        self.names: list[str] = found["file"]
        self.sources = [JoinedShard(f"{folder}/{name}", *rest) for name, *rest in zip(*found.values(), strict=True)]
        if faults := _source_faults(path, self.sources):
            raise SourcesError(path, len(self.sources), faults)
        self._first = np.array([source.first for source in self.sources])
        self._open: dict[int, Shard] = {}

    def close(self) -> None:
        """Close the view and its shards."""
        for shard in self._open.values():
            shard.close()
        self._open.clear()
        super().close()

    def shards(self) -> Iterator[Shard]:
        """Yield the joined shards; see `Store.shards`."""
        yield from map(self.shard, range(len(self.sources)))

    def shard(self, number: int) -> Shard:
        """Return one of the joined shards; the one used least recently is closed when too many are open."""
        shard = self._open.pop(number, None)
        if shard is None:
            source = self.sources[number]
            shard = open_store(source.path)
            if shard.seal.sha256 != source.sha256:
                shard.close()
                raise UserError(f"{source.path}: was replaced after {self.path} was opened; open the view again")
            if not self._joins(shard, number):
                shard.close()
                wrong = f"is not shard {number} of {self.path} as that describes it; make the view anew"
                raise UserError(f"{source.path}: {wrong}: {remake(self.path)}")
        self._open[number] = shard
        if len(self._open) > OPEN_SHARDS:
            self._open.pop(next(iter(self._open))).close()
        return shard

    def _joins(self, shard: Store, number: int) -> bool:
        """Tell whether a store is a shard of this view's run, with the part of its rows that the view says."""
        source = self.sources[number]
        expected = (number, source.first, source.attempts, self.image_shape, self.header.run)
        header = shard.header
        found = (header.shard, header.first_attempt, len(shard), shard.image_shape, header.run)
        return isinstance(shard, Shard) and found == expected

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        names = [column.name for column in schema.COLUMNS]
        parts = [[shard.column(name) for name in names] for shard in self.shards()]
        return dict(zip(names, map(np.concatenate, zip(*parts, strict=True)), strict=True))

    def column(self, name: str) -> np.ndarray:
        """Return one column; all are read from all shards at the first call. See `Store.column`."""
        return self._columns[name]

    def _holder(self, row: int) -> tuple[Shard, int]:
        number = int(np.searchsorted(self._first, self._existing(row), side="right")) - 1
        return self.shard(number), int(row - self._first[number])

    def _read(self, start: int, stop: int, out: np.ndarray) -> None:
        while start < stop:
            shard, row = self._holder(start)
            count = min(stop - start, len(shard) - row)
            shard._read(row, row + count, out[:count])
            start, out = start + count, out[count:]


def open_store(path: str | os.PathLike) -> Store:
    """Open a shard or a joined view; everything but the perturbations is verified first, those are when read.

    Raises UserError for what is no store, of a newer version, incomplete, truncated, damaged, not as the format says or
    needs a plugin, and of a joined view for shards of that kind, or others than were joined.
    """
    path = Path(path)
    while True:
        seal = read_seal(path, verify=True)
        with ExitStack() as stack:
            try:  # without locks, because complete files never change and network file systems may have none
                file = stack.enter_context(h5py.File(path, "r", locking=False))
            except Exception as error:  # whatever strange bytes lead HDF5 to
                raise UserError(f"{path}: HDF5 cannot open it ({error}); {remake(path)}") from error
            if read_seal(path) != seal:  # Replaced in the meantime.
                continue
            attributes = read_attributes(path, seal, file)
            kind = {schema.SHARD: Shard, schema.VIEW: JoinedStore}[attributes["kind"]]
            store = kind(path, seal, file, attributes)
            stack.pop_all()
            return store


def find_store(paths: Iterable[str | os.PathLike], experiment: Experiment) -> Store:
    """Open the one of several stores whose header names an experiment; raises UserError where none does."""
    for path in paths:
        store = open_store(path)
        if store.header.experiment == experiment:
            return store
        store.close()
    raise UserError(f"none of the stores given holds {experiment}; give those of the whole run")


def _source_faults(path: Path, sources: Sequence[JoinedShard]) -> dict[Path, str]:
    """Compare the shards with what the view was made of; return what is wrong, by shard."""
    faults = {}
    wrong = [source for source in sources if not source.is_there()]
    joined = {source.sha256: source.path.name for source in sources if wrong}
    for source in wrong:
        place = source.path
        try:
            found = read_seal(place).sha256
        except UserError as error:
            faults[place] = str(error)
            continue
        what = f"holds what {joined[found]} held" if found in joined else "is not the file that was joined"
        faults[place] = f"{place}: {what}; put the right one back or make the view anew: {remake(place, path)}"
    return faults


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, str | Outcome) else list(value)
