"""Reading a packed dataset: images as a memory map, everything else as arrays."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from faceflip.data import celeba
from faceflip.errors import UserError
from faceflip.io.files import require_regular
from faceflip.io.hdf5 import own_array
from faceflip.io.inventory import SNAKEMAKE
from faceflip.io.paths import DATASET

FORMAT, VERSION = "faceflip-dataset", 1


@dataclass(frozen=True)
class Dataset:
    """A packed dataset, opened for reading.

    Attributes:
        images: (N, H, W, 3) uint8 RGB, a memory map.
        labels: (N, attributes) int8: -1 (absent), +1 (present), 0 (unknown).
        split: (N,) uint8, index into `celeba.SPLITS`.
        file_names: (N,) str.
        manifest: See `pack_dataset`.
        mislabelled: (N, attributes) bool, labels that were falsified when the faces were drawn; None of others.
    """

    images: np.ndarray
    labels: np.ndarray
    split: np.ndarray
    file_names: np.ndarray
    manifest: dict[str, Any]
    mislabelled: np.ndarray | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 over pixels, labels, splits and names."""
        return self.manifest["fingerprint"]

    @property
    def attributes(self) -> tuple[str, ...]:
        """The names of the labels' columns; older files, all of CelebA, do not say them."""
        return tuple(self.manifest.get("attributes", celeba.ATTRIBUTES))

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.images.shape[2], self.images.shape[1]

    def rows(self, split: str) -> np.ndarray:
        """Return the rows of a split, in ascending order."""
        return np.flatnonzero(self.split == celeba.SPLITS.index(split))

    def labels_of(self, attributes: tuple[str, ...]) -> np.ndarray:
        """Return the labels of some attributes, shape (N, len(attributes)); raises UserError for unknown ones."""
        if unknown := [name for name in attributes if name not in self.attributes]:
            raise UserError(f"the dataset has no attribute {', '.join(unknown)}; it has {', '.join(self.attributes)}")
        return self.labels[:, [self.attributes.index(name) for name in attributes]]


def _mapped(path: Path | str, images: h5py.Dataset) -> np.ndarray:
    try:
        return np.memmap(path, images.dtype, "r", images.id.get_offset(), images.shape)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be mapped into memory ({error.strerror}); the file is not at fault: allow jobs more "
            "address space (ulimit -v; a batch system's h_vmem), or keep results on a file system that can map files"
        ) from error


def open_dataset(path: Path | str) -> Dataset:
    """Open a packed dataset: map its images, read the rest; raises UserError where it is none of a known version."""
    try:
        require_regular(path)
        with h5py.File(path, "r", locking=False) as file:
            manifest = json.loads(file.attrs.get("manifest", "{}"))
            if (manifest.get("format"), manifest.get("version")) != (FORMAT, VERSION):
                fault = f"not a packed dataset of version {VERSION}; delete it and run again"
                if other := file.attrs.get("format"):  # of a perturbation store, say; a dataset's is in the manifest
                    fault = f"is of format {other}, expected a packed dataset; give one, such as {DATASET}"
                raise UserError(f"{path}: {fault}")
            images = own_array(file, "images")
            mapped = _mapped(path, images)
            names = np.char.decode(own_array(file, "file_name")[:], "utf-8")
            falsified = own_array(file, "mislabelled")[:].astype(bool) if "mislabelled" in file else None
            labels, split = own_array(file, "labels")[:], own_array(file, "split")[:]
            return Dataset(mapped, labels, split, names, manifest, falsified)
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; make it first: {SNAKEMAKE} pack_dataset") from None
    except PermissionError as error:
        raise UserError(f"{path}: cannot be opened ({error}); make it readable") from error
    except Exception as error:  # HDF5 and h5py raise whatever damaged bytes lead them to
        raise UserError(f"{path}: cannot be opened ({error}); delete it and run again") from error
