"""What an HDF5 file holds itself, so that one from elsewhere cannot show its reader other files, or none at all."""

import math

import h5py
from h5py import h5d, h5l, h5o


def own_dataset(group: h5py.Group, name: str) -> h5d.DatasetID | str:
    """Open a dataset that lies in a group of its file, or return what is wrong with it; no link is followed."""
    raw = name.encode()
    if not group.id.links.exists(raw):
        return "is missing"
    if group.id.links.get_info(raw).type != h5l.TYPE_HARD:
        return "is a link, expected a dataset"
    if h5o.get_info(group.id, raw).type != h5o.TYPE_DATASET:
        return "is no dataset"
    return h5d.open(group.id, raw)


def is_stored_whole(dataset: h5d.DatasetID, file_bytes: int) -> bool:
    """Tell whether all of a dataset lies in one piece in its file of this size: not outside, and not declared only."""
    plan = dataset.get_create_plist()
    if plan.get_layout() != h5d.CONTIGUOUS or plan.get_external_count():
        return False
    offset, size = dataset.get_offset(), dataset.get_type().get_size() * math.prod(dataset.shape)
    return offset is not None and dataset.get_storage_size() == size and offset + size <= file_bytes


def own_array(file: h5py.File, name: str) -> h5py.Dataset:
    """Return a dataset of the root group that is stored whole in the file; raises ValueError for any other."""
    dataset = own_dataset(file, name)
    if isinstance(dataset, str):
        raise ValueError(f"/{name} {dataset}")
    if not is_stored_whole(dataset, file.id.get_filesize()):
        raise ValueError(f"/{name} does not lie in the file itself, in one piece")
    return h5py.Dataset(dataset)
