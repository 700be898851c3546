"""Reading a packed dataset: images as a memory map, everything else as arrays."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from faceflip.data import celeba
from faceflip.errors import UserError
from faceflip.io.inventory import SNAKEMAKE
from faceflip.io.paths import DATASET

FORMAT, VERSION = "faceflip-dataset", 1


@dataclass(frozen=True)
class Dataset:
    """A packed dataset, opened for reading.

    Attributes:
        images: (N, H, W, 3) uint8 RGB, a memory map.
        labels: (N, 40) int8 in {-1, +1}, columns in the order of `celeba.ATTRIBUTES`.
        split: (N,) uint8, index into `celeba.SPLITS`.
        file_names: (N,) str.
        manifest: See `pack_dataset`.
    """

    images: np.ndarray
    labels: np.ndarray
    split: np.ndarray
    file_names: np.ndarray
    manifest: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over pixels, labels, splits and names."""
        return self.manifest["fingerprint"]

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.images.shape[2], self.images.shape[1]

    def rows(self, split: str) -> np.ndarray:
        """Return the rows of a split, in ascending order."""
        return np.flatnonzero(self.split == celeba.SPLITS.index(split))

    def labels_of(self, attributes: tuple[str, ...]) -> np.ndarray:
        """Return the labels of some attributes, shape (N, len(attributes))."""
        return self.labels[:, [celeba.ATTRIBUTES.index(name) for name in attributes]]


def open_dataset(path: Path | str) -> Dataset:
    """Open a packed dataset: map its images, read the rest; raises UserError where it is none of a known version."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            manifest = json.loads(file.attrs.get("manifest", "{}"))
            if (manifest.get("format"), manifest.get("version")) != (FORMAT, VERSION):
                fault = f"not a packed dataset of version {VERSION}; delete it and run again"
                if other := file.attrs.get("format"):  # of a perturbation store, say; a dataset's is in the manifest
                    fault = f"is of format {other}, expected a packed dataset; give one, such as {DATASET}"
                raise UserError(f"{path}: {fault}")
            images = file["images"]
            mapped = np.memmap(path, images.dtype, "r", images.id.get_offset(), images.shape)
            names = file["file_name"][:].astype("U")
            return Dataset(mapped, file["labels"][:], file["split"][:], names, manifest)
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; make it first: {SNAKEMAKE} pack_dataset") from None
    except PermissionError as error:
        raise UserError(f"{path}: cannot be opened ({error}); make it readable") from error
    except Exception as error:  # HDF5 and h5py raise whatever damaged bytes lead them to
        raise UserError(f"{path}: cannot be opened ({error}); delete it and run again") from error
