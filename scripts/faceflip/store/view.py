"""Joining shards: an HDF5 virtual dataset over their files."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from faceflip.errors import UserError
from faceflip.io.files import replacing
from faceflip.store import schema
from faceflip.store.reader import Shard, open_store
from faceflip.store.remedies import remake
from faceflip.store.seal import is_intact, write_seal
from faceflip.store.writer import hdf5_image, write_attributes


def write_joined_view(path: str | os.PathLike, shard_paths: Sequence[str | os.PathLike]) -> None:
    """Join all shards of one experiment, after checking every byte of them.

    The view names the shards by their path from its own folder, so that both can be moved together.

    Args:
        path: the view to write; an existing one is replaced.
        shard_paths: the shards, in any order.

    Raises:
        UserError: shards that are damaged, of different runs or format versions, missing from the sequence or there
            twice; all are named.
    """
    path = Path(path)
    shards: list[Shard] = []
    faults: list[str] = []
    try:
        for shard_path in map(Path, shard_paths):
            try:
                shards.append(_checked_shard(shard_path))
            except UserError as error:
                faults.append(str(error))
        shards.sort(key=lambda shard: (shard.header.shard, str(shard.path)))
        faults += run_faults(shards) if faults else run_faults(shards) + sequence_faults(shards)
        if faults or not shards:
            raise UserError("\n".join([f"{path}: cannot be joined from {len(shard_paths)} shards", *faults]))
        with replacing(path) as beside:
            image = hdf5_image(lambda file: _write(file, path.parent, shards))
            beside.write_bytes(bytes(schema.USER_BLOCK) + image)
            write_seal(beside, schema.USER_BLOCK + len(image))
    finally:
        for shard in shards:
            shard.close()


def _checked_shard(path: Path) -> Shard:
    store = open_store(path)
    if isinstance(store, Shard) and is_intact(path, store.seal):
        return store
    store.close()
    if isinstance(store, Shard):
        raise UserError(f"{path}: damaged, its bytes are not those that were written; {remake(path)}")
    raise UserError(f"{path}: is a joined view itself; give the shards")


def run_faults(shards: Sequence[Shard]) -> list[str]:
    """Return which shards differ from most in what all shards of a run have in common."""
    faults = []
    checkpoints: dict[str, str] = {}
    runs = [{"format version": shard.version, **shard.header.run, "image size": shard.image_shape} for shard in shards]
    usual = max(range(len(runs)), key=lambda number: runs.count(runs[number]), default=0)
    for shard, run in zip(shards, runs, strict=True):
        for name, value in run.items():
            if value != runs[usual][name]:
                faults.append(
                    f"{shard.path}: is of another run: {name} is {value}, "
                    f"in {shards[usual].path} it is {runs[usual][name]}; {remake(shard.path)}"
                )
        for name, digest in shard.header.checkpoint_sha256.items():
            if checkpoints.setdefault(name, digest) != digest:
                faults.append(
                    f"{shard.path}: attacked another {shard.header.checkpoint} checkpoint of {name} "
                    f"than the shards before it; {remake(shard.path)}"
                )
    return faults


def sequence_faults(shards: Sequence[Shard]) -> list[str]:
    """Return which shards, sorted by number, do not continue where the one before ends."""
    faults = []
    number = first = 0
    for shard in shards:
        if (shard.header.shard, shard.header.first_attempt) != (number, first):
            faults.append(
                f"{shard.path}: is shard {shard.header.shard} from attempt {shard.header.first_attempt}, "
                f"expected shard {number} from attempt {first}: one is missing or there twice, "
                f"or the work was cut anew; {remake(shard.path)}"
            )
        number, first = shard.header.shard + 1, shard.header.first_attempt + len(shard)
    return faults


def _write(file: h5py.File, folder: Path, shards: Sequence[Shard]) -> None:
    names = [os.path.relpath(shard.path, folder).replace(os.sep, "/") for shard in shards]
    first = shards[0]
    attempts = sum(len(shard) for shard in shards)
    checkpoints = {name: digest for shard in shards for name, digest in shard.header.checkpoint_sha256.items()}
    header = replace(first.header, checkpoint_sha256=checkpoints, shard=None, first_attempt=0, margins={})
    write_attributes(file, schema.VIEW, header, attempts, first.image_shape)
    _write_sources(file, names, shards)
    for column in schema.COLUMNS:
        dtype = _text_dtype(column.name, shards) if column.is_text else column.dtype
        missing = None if column.is_text else column.missing
        _join(file, column.name, dtype, (), missing, names, shards, column.description)
    _join(
        file,
        schema.PERTURBATION,
        np.dtype("<i2"),
        (*first.image_shape, 3),
        schema.MISSING_PIXEL,
        names,
        shards,
        schema.PERTURBATION_DESCRIPTION,
    )
    file.attrs.modify("complete", np.uint8(1))


def _write_sources(file: h5py.File, names: Sequence[str], shards: Sequence[Shard]) -> None:
    encoded = [name.encode() for name in names]
    group = file.create_group(schema.SOURCES)
    columns = {
        "file": np.array(encoded, dtype=schema.text_dtype(max(map(len, encoded)))),
        "first_attempt": np.array([shard.header.first_attempt for shard in shards], dtype="<i8"),
        "attempts": np.array([len(shard) for shard in shards], dtype="<i8"),
        "bytes": np.array([shard.seal.bytes for shard in shards], dtype="<i8"),
        "sha256": np.array([shard.seal.sha256.encode() for shard in shards], dtype=schema.text_dtype(64)),
    }
    for name, values in columns.items():
        group.create_dataset(name, data=values, track_times=False)


def _text_dtype(name: str, shards: Sequence[Shard]) -> np.dtype:
    return schema.text_dtype(max(shard.column(name).dtype.itemsize for shard in shards))


def _join(
    file: h5py.File,
    name: str,
    dtype: np.dtype,
    tail: tuple[int, ...],
    missing: object,
    sources: Sequence[str],
    shards: Sequence[Shard],
    description: str,
) -> None:
    # The low-level interface, because the high-level one lets HDF5 write the time into the file.
    space = h5py.h5s.create_simple((sum(len(shard) for shard in shards), *tail))
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_obj_track_times(False)
    if missing is not None:
        plan.set_fill_value(np.array([missing], dtype=dtype))
    first = 0
    for source, shard in zip(sources, shards, strict=True):
        extent = (len(shard), *tail)
        space.select_hyperslab((first, *(0 for _ in tail)), extent)
        # HDF5 reads % in the name of a source as the start of a pattern.
        plan.set_virtual(space, source.replace("%", "%%").encode(), name.encode(), h5py.h5s.create_simple(extent))
        first += len(shard)
    space.select_all()
    stored = h5py.h5t.py_create(np.dtype(dtype), logical=True)
    dataset = h5py.Dataset(h5py.h5d.create(file.id, name.encode(), stored, space, dcpl=plan))
    dataset.attrs["description"] = description
