"""The packed dataset: decoded images, labels and splits of a CelebA folder in one HDF5 file.

The images are one contiguous array of the file, so that they can be memory-mapped: reading images in random order this
way is hundreds of times faster than through chunks.
"""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from faceflip import celeba
from faceflip.errors import UserError
from faceflip.files import replacing, sha256, write_text
from faceflip.progress import ProgressCallback

if TYPE_CHECKING:
    import pandas as pd

FORMAT, VERSION = "faceflip-dataset", 1
_BLOCK = 256


def pack_dataset(
    folder: Path,
    output: Path,
    image_size: tuple[int, int] | None = None,
    threads: int = 1,
    progress: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Decode all images of a CelebA folder into one file, together with labels and splits.

    Args:
        folder: CelebA in the official layout.
        output: The HDF5 file to write: `images` (N, H, W, 3) uint8 RGB, `labels` (N, 40) int8 in {-1, +1}, `split` (N,)
            uint8 as index into `celeba.SPLITS`, `file_name` (N,), attribute `manifest` (JSON).
        image_size: Width and height to resize to (area interpolation); None keeps the images as they are.
        threads: Decoding threads.
        progress: Called with the numbers of images done and in all.

    Returns:
        The manifest, which identifies the content: its `fingerprint` is the SHA-256 over pixels, labels, splits, names.

    Raises:
        UserError: Labels cannot be read, or images are missing, unreadable or not of CelebA's size (all are told).
    """
    import cv2

    table = celeba.read_labels(folder)
    paths = [folder / celeba.IMAGES / name for name in table["file_name"]]
    _require(paths)
    width, height = image_size or (celeba.WIDTH, celeba.HEIGHT)
    labels = table[list(celeba.ATTRIBUTES)].to_numpy("int8")
    split = table["split"].map(celeba.SPLITS.index).to_numpy("uint8")

    digest, faults = hashlib.sha256(), []
    with replacing(output) as beside, h5py.File(beside, "w", track_order=False) as file:
        images = file.create_dataset("images", (len(paths), height, width, 3), "uint8")
        with ThreadPoolExecutor(threads) as pool:
            for start in range(0, len(paths), _BLOCK):
                block = list(pool.map(lambda path: _decode(path, (width, height)), paths[start : start + _BLOCK]))
                faults += [fault for fault in block if isinstance(fault, str)]
                if not faults:
                    pixels = np.stack(block)
                    images[start : start + len(block)] = pixels
                    digest.update(pixels)
                if progress:
                    progress(start + len(block), len(paths))
        if faults:
            shown = "\n  ".join(faults[:20]) + ("\n  ..." if len(faults) > 20 else "")
            raise UserError(f"{len(faults)} images cannot be used; fetch them again or leave them out:\n  {shown}")
        pixel_sha256 = digest.hexdigest()
        for part in (labels.tobytes(), split.tobytes(), "\n".join(table["file_name"]).encode()):
            digest.update(part)
        file["labels"], file["split"] = labels, split
        file["file_name"] = np.array(table["file_name"].tolist(), dtype="S")
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "fingerprint": digest.hexdigest(),
            "pixel_sha256": pixel_sha256,
            "source": "synthetic" if (folder / celeba.PROVENANCE).exists() else "celeba",
            "provenance": _provenance(folder),
            "images": {name: int((split == number).sum()) for number, name in enumerate(celeba.SPLITS)},
            "width": width,
            "height": height,
            "resized": image_size is not None and image_size != (celeba.WIDTH, celeba.HEIGHT),
            "decoder": f"OpenCV {cv2.__version__}",
            "annotations_sha256": sha256(folder / celeba.ANNOTATIONS),
            "partition_sha256": sha256(folder / celeba.PARTITION),
        }
        file.attrs["manifest"] = json.dumps(manifest)
    return manifest


def _provenance(folder: Path) -> dict[str, Any] | None:
    path = folder / celeba.PROVENANCE
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _require(paths: list[Path]) -> None:
    present = {entry.name for entry in paths[0].parent.iterdir()} if paths[0].parent.is_dir() else set()
    missing = [path.name for path in paths if path.name not in present]
    if missing:
        raise UserError(
            f"{paths[0].parent}: {len(missing)} of {len(paths)} images are missing, such as {', '.join(missing[:3])}; "
            "unpack img_align_celeba.zip there"
        )


def _decode(path: Path, size: tuple[int, int]) -> np.ndarray | str:
    """Return the image as RGB of `size` (width, height), or what is wrong with it."""
    import cv2

    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if image is None:
        return f"{path.name}: cannot be decoded"
    if image.shape[:2] != (celeba.HEIGHT, celeba.WIDTH):
        return f"{path.name}: {image.shape[1]} x {image.shape[0]} pixels instead of {celeba.WIDTH} x {celeba.HEIGHT}"
    if size == (celeba.WIDTH, celeba.HEIGHT):
        return image
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class Dataset:
    """A packed dataset, opened for reading.

    Attributes:
        images: (N, H, W, 3) uint8 RGB, a memory map.
        labels: (N, 40) int8 in {-1, +1}, columns in the order of `celeba.ATTRIBUTES`.
        split: (N,) uint8, index into `celeba.SPLITS`.
        file_names: (N,) str.
        manifest: What `pack_dataset` returned.
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

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {name: column for column, name in enumerate(celeba.ATTRIBUTES)}

    def labels_of(self, attributes: tuple[str, ...]) -> np.ndarray:
        """Return the labels of some attributes, shape (N, len(attributes))."""
        return self.labels[:, [self._columns[name] for name in attributes]]


def open_dataset(path: Path | str) -> Dataset:
    """Open a packed dataset; images are mapped, everything else is read.

    Raises:
        UserError: The file is missing, or not a packed dataset of a known version.
    """
    try:
        with h5py.File(path, "r") as file:
            manifest = json.loads(file.attrs.get("manifest", "{}"))
            if (manifest.get("format"), manifest.get("version")) != (FORMAT, VERSION):
                raise UserError(
                    f"{path}: not a packed dataset of version {VERSION}; make it anew with target pack_dataset"
                )
            images = file["images"]
            mapped = np.memmap(path, images.dtype, "r", images.id.get_offset(), images.shape)
            names = file["file_name"][:].astype("U")
            return Dataset(mapped, file["labels"][:], file["split"][:], names, manifest)
    except UserError:
        raise
    except Exception as error:  # HDF5 and h5py raise whatever damaged bytes lead them to
        raise UserError(f"{path}: cannot be opened ({error}); make it anew with target pack_dataset") from error


def draw_sample(dataset: Dataset, count: int, seed: int) -> "pd.DataFrame":
    """Draw the images to attack from the training split, without replacement and in random order.

    Returns:
        Columns `image` (row of the dataset) and `file_name`.

    Raises:
        UserError: The split has fewer images than asked for.
    """
    import pandas as pd

    rows = dataset.rows("train")
    if count > len(rows):
        raise UserError(f"sample.images is {count}, but the training split has {len(rows)} images")
    drawn = np.random.default_rng(seed).permutation(rows)[:count]
    return pd.DataFrame({"image": drawn, "file_name": dataset.file_names[drawn]})


def count_labels(dataset: Dataset) -> "pd.DataFrame":
    """Count images and positive labels per attribute and split: columns attribute, split, images, positives."""
    import pandas as pd

    def counts() -> Iterator[tuple[str, str, int, int]]:
        for column, attribute in enumerate(celeba.ATTRIBUTES):
            for split in celeba.SPLITS:
                labels = dataset.labels[dataset.rows(split), column]
                yield attribute, split, len(labels), int((labels > 0).sum())

    return pd.DataFrame(counts(), columns=["attribute", "split", "images", "positives"])


def write_manifest(path: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest beside the dataset, for people and for stages that do not open it."""
    write_text(path, json.dumps(manifest, indent=2) + "\n")
