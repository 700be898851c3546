"""Joining shards: an HDF5 virtual dataset over their files."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from faceflip.attempt import Field
from faceflip.errors import UserError
from faceflip.io.files import replacing
from faceflip.store import schema
from faceflip.store.reader import Shard, open_store
from faceflip.store.remedies import remake
from faceflip.store.seal import is_intact, write_seal
from faceflip.store.writer import hdf5_image, write_attributes


def write_joined_view(path: str | os.PathLike, shard_paths: Sequence[str | os.PathLike]) -> None:
    """Join all shards of one experiment, given in any order, after checking every byte of them; replaces an old view.

    The view names the shards by their path from its own folder, so that both can be moved together. Raises UserError,
    naming all shards that are damaged, of different runs or format versions, missing or there twice.
    """
    path = Path(path)
    shards: list[Shard] = []
    faults: list[str] = []
    with contextlib.ExitStack() as stack:
        for shard_path in map(Path, shard_paths):
            try:
                shard = stack.enter_context(open_store(shard_path))
                if not isinstance(shard, Shard):
                    raise UserError(f"{shard_path}: is a joined view itself; give the shards")
                if not is_intact(shard_path, shard.seal):
                    fault = "damaged, its bytes are not those that were written"
                    raise UserError(f"{shard_path}: {fault}; {remake(shard_path)}")
                shards.append(shard)
            except UserError as error:
                faults.append(str(error))
        shards.sort(key=lambda shard: (shard.header.shard, str(shard.path)))
        faults += run_faults(shards) + ([] if faults else sequence_faults(shards))
        if faults or not shards:
            raise UserError("\n".join([f"{path}: cannot be joined from {len(shard_paths)} shards", *faults]))
        with replacing(path) as beside:
            image = hdf5_image(lambda file: _write(file, path.parent, shards))
            beside.write_bytes(image)
            write_seal(beside, len(image))


def run_faults(shards: Sequence[Shard]) -> list[str]:
    """Return which shards differ from most in what all shards of a run have in common."""
    faults, checkpoints = [], {}
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
        found, start = shard.header.shard, shard.header.first_attempt
        if (found, start) != (number, first):
            faults.append(
                f"{shard.path}: is shard {found} from attempt {start}, expected shard {number} from attempt {first}: "
                f"one is missing or there twice, or the work was cut anew; {remake(shard.path)}"
            )
        number, first = found + 1, start + len(shard)
    return faults


def _write(file: h5py.File, folder: Path, shards: Sequence[Shard]) -> None:
    first = shards[0]
    checkpoints = {name: digest for shard in shards for name, digest in shard.header.checkpoint_sha256.items()}
    warnings = {name: sentences for shard in shards for name, sentences in shard.header.warnings.items()}
    header = replace(
        first.header, checkpoint_sha256=checkpoints, shard=None, first_attempt=0, margins={}, warnings=warnings
    )
    write_attributes(file, schema.VIEW, header, sum(map(len, shards)), first.image_shape)

    names = [_name_below(folder, shard.path).encode() for shard in shards]
    group = file.create_group(schema.SOURCES)
    columns = {
        "file": np.array(names, schema.text_dtype(max(map(len, names)))),
        "first_attempt": np.array([shard.header.first_attempt for shard in shards], "<i8"),
        "attempts": np.array([len(shard) for shard in shards], "<i8"),
        "bytes": np.array([shard.seal.bytes for shard in shards], "<i8"),
        "sha256": np.array([shard.seal.sha256.encode() for shard in shards], schema.text_dtype(64)),
    }
    for name, values in columns.items():
        group.create_dataset(name, data=values, track_times=False)
    for column in schema.COLUMNS:
        _join(file, column, (), names, shards)
    _join(file, schema.PIXELS, (*first.image_shape, 3), names, shards)
    file.attrs.modify("complete", np.uint8(1))


def _name_below(folder: Path, shard: Path) -> str:
    """Return the path of a shard from the folder of its view; raises UserError where it does not lie below that."""
    real = folder.resolve()
    paths = [(path, above) for path in (shard.absolute(), shard.resolve()) for above in path.parents]
    name = next((path.relative_to(above) for path, above in paths if above.resolve() == real), None)
    if name is None:
        raise UserError(f"{shard}: does not lie below {folder}, where the view is to be; move the one or the other")
    return name.as_posix()


def _join(file: h5py.File, column: Field, tail: tuple[int, ...], sources: list[bytes], shards: Sequence[Shard]) -> None:
    """Show a column of the shards, whose values have shape `tail`, as one."""
    # The low-level interface, because the high-level one lets HDF5 write the time into the file.
    name = column.name.encode()
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_obj_track_times(False)
    if column.dtype is None:
        dtype = schema.text_dtype(max(shard.column(column.name).dtype.itemsize for shard in shards))
    else:
        dtype = column.dtype
        plan.set_fill_value(np.array([column.missing], dtype=dtype))
    space = h5py.h5s.create_simple((sum(map(len, shards)), *tail))
    first = 0
    for source, shard in zip(sources, shards, strict=True):
        extent = (len(shard), *tail)
        space.select_hyperslab((first, *(0 for _ in tail)), extent)
        # HDF5 reads % in the name of a source as the start of a pattern.
        plan.set_virtual(space, source.replace(b"%", b"%%"), name, h5py.h5s.create_simple(extent))
        first += len(shard)
    space.select_all()
    stored = h5py.h5t.py_create(dtype, logical=True)
    dataset = h5py.Dataset(h5py.h5d.create(file.id, name, stored, space, dcpl=plan))
    dataset.attrs["description"] = column.description
