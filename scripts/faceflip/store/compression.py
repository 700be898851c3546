"""How perturbations are compressed, by the name that the configuration uses."""

import importlib
from typing import Any

import h5py

from faceflip.errors import UserError

COMPRESSIONS = ("gzip", "blosc")
BLOSC_FILTER = 32001
PACKAGES = {"gzip": (), "blosc": ("hdf5plugin",)}
"""What compresses beside HDF5 itself."""


def filters(compression: str) -> dict[str, Any]:
    """Return the arguments of h5py's `create_dataset`; raises UserError for an unknown name or without its plugin."""
    if compression == "gzip":
        return {"compression": "gzip", "compression_opts": 1, "fletcher32": True}
    if compression == "blosc":
        return {**_plugin("compression: blosc").Blosc(cname="zstd", clevel=1, shuffle=2), "fletcher32": True}
    raise UserError(f"compression: unknown value {compression!r}; expected one of {', '.join(COMPRESSIONS)}")


def filters_of(dataset: h5py.Dataset) -> list[int]:
    """Return HDF5's numbers of the filters that a dataset went through, in order."""
    plist = dataset.id.get_create_plist()
    return [plist.get_filter(k)[0] for k in range(plist.get_nfilters())]


def require_filter(path: Any, dataset: h5py.Dataset) -> None:
    """Make sure that a dataset can be decoded here; raises UserError."""
    if BLOSC_FILTER in filters_of(dataset) and not h5py.h5z.filter_avail(BLOSC_FILTER):
        _plugin(f"{path}: {dataset.name}")


def _plugin(what: str) -> Any:
    try:
        return importlib.import_module("hdf5plugin")
    except ImportError:
        fault = f"{what} is compressed by Blosc and needs a plugin; install it: pip install hdf5plugin"
        raise UserError(fault) from None
