"""Checking stores: what `faceflip check` finds, each fault with its remedy."""

import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from faceflip.data.packed import Dataset
from faceflip.errors import UserError
from faceflip.io.files import LEFTOVER, files_below, is_folder, require_regular, sha256
from faceflip.io.paths import CHECKPOINT, NETWORKS, folder_of
from faceflip.outcomes import Outcome
from faceflip.pixels import perturbed
from faceflip.store import schema
from faceflip.store.conformity import mapping_faults
from faceflip.store.reader import JoinedStore, Shard, SourcesError, Store, open_store
from faceflip.store.remedies import make, remake, target
from faceflip.store.scores import read_scores_of, scores_path
from faceflip.store.seal import HDF5_SIGNATURE, is_intact
from faceflip.store.view import run_faults
from faceflip.store.writer import norms

ANOTHER_DATASET = "give the dataset that was attacked by --dataset; if it is this one, its bytes have changed since"
"""What to do where a sound store does not fit the dataset."""


@dataclass(frozen=True)
class Fault:
    """What is wrong with a file and what to do about it; a `note` needs nothing done."""

    path: Path
    message: str
    note: bool = False


@dataclass
class Findings:
    """The faults found, and the stores that were checked."""

    faults: list[Fault] = field(default_factory=list)
    checked: list[Path] = field(default_factory=list)
    _told: set[str] = field(default_factory=set)

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong; notes do not count."""
        return all(fault.note for fault in self.faults)

    def add(self, path: Path, message: str, note: bool = False) -> None:
        """Add a fault, once: that of a shard is met again through the view that joins it."""
        if message not in self._told:
            self._told.add(message)
            self.faults.append(Fault(path, message, note))


def check(
    path: str | os.PathLike,
    dataset: Dataset | None = None,
    networks: str | os.PathLike | None = None,
    deep: bool = False,
) -> Findings:
    """Check one store, a joined view with its shards, or every store below a folder.

    Each byte is compared with the seal, the content with the format's rules, and scores beside a shard with the shard.
    Of a folder, shards are also compared with each other and with the views that join them. Fingerprint, names and
    labels are compared with those of the `dataset`, SHA-256 sums with the checkpoints in `networks` (UserError where
    that is no folder); `deep` compares every perturbation with its norms and, given the dataset, its image.
    """
    path, networks = Path(path), None if networks is None else Path(networks)
    if networks and not is_folder(networks):
        raise UserError(f"{networks}: no such folder; give that of the run's checkpoints, such as results/networks")
    checker = _Checker(dataset, networks, deep)
    if is_folder(path):
        checker.folder(path)
    else:
        checker.file(path, with_shards=True)
    return checker.report


class _Checker:
    def __init__(self, dataset: Dataset | None, networks: Path | None, deep: bool) -> None:
        self.dataset, self.networks, self.deep = dataset, networks, deep
        self.report = Findings()
        self.add = self.report.add
        self._digest = functools.cache(_digest)

    def file(self, path: Path, with_shards: bool = False) -> Store | None:
        """Check one file; return the store, closed, where it can be opened at all."""
        self.report.checked.append(path)
        try:
            store = open_store(path)
        except UserError as error:
            faults = error.faults if isinstance(error, SourcesError) else {path: str(error)}
            for place, message in faults.items():
                self.add(place, message)
            return None
        with store:
            if not is_intact(path, store.seal):
                self.add(path, _locate_damage(store))
                return store
            try:
                for problem in self._problems(store):
                    self.add(path, f"{path}: {problem}")
            except UserError as error:
                self.add(path, str(error))
            scores = scores_path(store) if isinstance(store, Shard) else None
            if scores and os.path.lexists(scores):
                try:
                    read_scores_of(store, scores)
                except UserError as error:
                    self.add(scores, str(error))
            if with_shards and isinstance(store, JoinedStore):
                for source in store.sources:
                    self.file(source.path)
        return store

    def _problems(self, store: Store) -> Iterator[str]:
        """Yield what is wrong with a store, each with its remedy."""
        rule = _column_problems if isinstance(store, Shard) else _view_problems
        for problem in rule(store):
            yield f"{problem}; {remake(store.path)}"
        yield from self._provenance(store)
        if isinstance(store, Shard):
            yield from self._content(store)

    def folder(self, folder: Path) -> None:
        shards: dict[Path, list[Shard]] = {}
        views: list[JoinedStore] = []
        for path in sorted(files_below(folder, self._unread)):
            if LEFTOVER.fullmatch(path.name) and path.suffix == ".h5":
                self.add(path, f"{path}: being written, or left by a writer that was killed: then delete it", note=True)
                continue
            try:
                if not may_be_store(path):
                    if path.suffix == "" and path.is_symlink():  # perhaps of a folder with stores
                        path.stat()
                    continue
            except OSError as error:
                self._unread(error)
                continue
            store = self.file(path)
            if isinstance(store, Shard):
                shards.setdefault(path.parent, []).append(store)
            elif isinstance(store, JoinedStore):
                views.append(store)
        if not self.report.checked:
            self.add(folder, f"{folder}: holds no perturbation store", note=True)
        for place, members in shards.items():
            members.sort(key=lambda shard: shard.header.shard)
            for message in run_faults(members):
                self.add(place, message)
        joined = {source.path.resolve() for view in views for source in view.sources}
        for place, members in shards.items():
            left_out = [shard.path for shard in members if shard.path.resolve() not in joined]
            view = place.with_suffix(".h5")
            if left_out and any(other.path.resolve() == view.resolve() for other in views):
                for path in left_out:
                    self.add(path, f"{path}: is no part of {view}, the work was cut anew since; delete it")
            elif left_out and not view.exists():
                command = make(view).removeprefix("run: ") if target(view) else "join them with write_joined_view"
                self.add(place, f"{place}: its {len(members)} shards are not joined yet: {command}", note=True)

    def _unread(self, error: OSError) -> None:
        """Report a file or folder that cannot be read."""
        path = Path(error.filename)
        if isinstance(error, FileNotFoundError) and path.is_symlink():
            fault = f"is a link to {path.readlink()}, which is not there; put that back or delete the link"
        else:
            reason = (error.strerror or str(error)).lower()
            remedy = "make it readable and check again" if isinstance(error, PermissionError) else "move it away"
            fault = f"cannot be read ({reason}), so that nothing is known of it; {remedy}"
        self.add(path, f"{path}: {fault}")

    def _provenance(self, store: Store) -> Iterator[str]:
        """Compare with the dataset's fingerprint and the checkpoints, as far as they are given."""
        if self.dataset is not None and store.header.dataset_fingerprint != self.dataset.fingerprint:
            yield f"attribute 'dataset_fingerprint' is that of another dataset; {ANOTHER_DATASET}"
        if self.networks is None:
            return
        for name, recorded in store.header.checkpoint_sha256.items():
            place = self._checkpoint(store, name)
            found = self._digest(place)
            if found is None:
                old = store.version == 1
                more = ", those of the run of faceflip 0.1" if old else f"; if it is these, {make(place)}"
                yield (
                    f"attribute 'checkpoint_sha256' names {name}, of which there is no checkpoint in {self.networks}; "
                    f"give the networks that were attacked by --networks{more}"
                )
            elif found != recorded:
                yield (
                    f"the {store.header.checkpoint} checkpoint of {name} is not the one that was attacked; give the "
                    "networks that were by --networks; if it is these, the checkpoint has changed since"
                )

    def _checkpoint(self, store: Store, member: str) -> Path:
        """Return where the folder of checkpoints has that of a member."""
        header = store.header
        if store.version == 1 and member == header.network:  # a network of all attributes had no folder for members
            return self.networks / member / f"{header.checkpoint}.pt"
        place = CHECKPOINT.of(network=header.network, member=folder_of(member), checkpoint=header.checkpoint)
        return self.networks / Path(place).relative_to(NETWORKS)

    def _content(self, store: Shard) -> Iterator[str]:
        """Compare with the dataset's table, and with `deep` decode everything."""
        matching = self.dataset is not None and store.header.dataset_fingerprint == self.dataset.fingerprint
        if matching:
            images, label = store.column("image"), store.column("label")
            names, attributes = (np.char.decode(store.column(name), "utf-8") for name in ("file_name", "attribute"))
            if images.min() < 0 or images.max() >= len(self.dataset.images):
                yield f"/image counts images that the dataset does not have; {ANOTHER_DATASET}"
                return
            if not np.array_equal(names, self.dataset.file_names[images]):
                yield f"/file_name differs from the dataset's names; {ANOTHER_DATASET}"
            for attribute in np.unique(attributes).tolist():
                rows = attributes == attribute
                if not np.array_equal(label[rows], self.dataset.labels_of((attribute,))[images[rows], 0]):
                    yield f"/label differs from the dataset's labels of {attribute}; {ANOTHER_DATASET}"
        if self.deep:
            yield from _deep_problems(store, self.dataset.images if matching else None)


def may_be_store(path: Path) -> bool:
    """Tell other HDF5 files apart: without a user block they begin with HDF5's signature, which a store never does.

    Raises OSError where that cannot be read.
    """
    if path.suffix != ".h5":
        return False
    require_regular(path)
    with path.open("rb") as file:
        return file.read(len(HDF5_SIGNATURE)) != HDF5_SIGNATURE


def _digest(path: Path) -> str | None:
    """Return the SHA-256 of a file, or None where there is none that can be read."""
    try:
        require_regular(path)
        return sha256(path)
    except OSError:
        return None


def _locate_damage(store: Store) -> str:
    damaged = []
    for row in store.select(outcome=Outcome.FLIPPED) if isinstance(store, Shard) else ():
        try:
            store.perturbation(row)
        except UserError:
            damaged.append(str(row))
    where = f"/perturbation[{', '.join(damaged)}]" if damaged else "bytes that hold no value"
    return f"{store.path}: damaged in {where}, they are not as they were written; {remake(store.path)}"


def _column_problems(store: Shard) -> Iterator[str]:
    unknown = ~np.isin(store.column("outcome"), list(Outcome))
    if unknown.any():
        yield f"/outcome must be a code of the format, but row {np.flatnonzero(unknown)[0]} is not so"


def _deep_problems(store: Shard, images: np.ndarray | None) -> Iterator[str]:
    """Yield perturbations that are not what the columns say, or do not fit the dataset, each with its remedy."""
    linf, l2, image_of = (store.column(name) for name in ("linf", "l2", "image"))
    for block in store.blocks():
        for row, perturbation in zip(block.rows, block.perturbations, strict=True):
            try:
                if norms(perturbation) != (linf[row], l2[row]):
                    yield f"/perturbation[{row}] has other norms than /linf and /l2 say; {remake(store.path)}"
            except ValueError as fault:
                yield f"/perturbation[{row}] {fault}; {remake(store.path)}"
            if images is not None:
                try:
                    perturbed(images[image := image_of[row]], perturbation)
                except ValueError:
                    yield f"/perturbation[{row}] leaves 0..255 on the dataset's image {image}; {ANOTHER_DATASET}"


def _view_problems(store: JoinedStore) -> Iterator[str]:
    """Compare what HDF5 shows through the view with the shards."""
    shards = list(store.shards())
    places = [(name, each.first, each.attempts) for name, each in zip(store.names, store.sources, strict=True)]
    if faults := mapping_faults(store._file, places, store.image_shape):
        yield from faults
        return
    for column in schema.COLUMNS:
        shown = store._file[column.name][:]
        if not np.array_equal(shown, store.column(column.name), equal_nan=column.dtype == "<f8"):
            yield f"/{column.name} does not show what the shards hold"
    yield from run_faults(shards)
