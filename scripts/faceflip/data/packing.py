"""Packing a dataset: every image is decoded, checked and written once, by several threads, in flat memory."""

import hashlib
import itertools
import json
import shutil
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from faceflip.catalogue import READERS
from faceflip.data import celeba
from faceflip.data.celeba.contents import UnreadableError
from faceflip.data.celeba.decoding import decode_into, decoders, size_of
from faceflip.data.packed import FORMAT, VERSION
from faceflip.data.reading import Reader
from faceflip.errors import UserError
from faceflip.io.files import replacing, write_at, write_text
from faceflip.registry import load
from faceflip.runtime.progress import ProgressCallback, counted

if TYPE_CHECKING:
    import pandas as pd

CELEBA_SIZE = (celeba.WIDTH, celeba.HEIGHT)
PORTION = 8
"""Images that a thread decodes and writes in one go: little enough to stay in a core's cache meanwhile."""
WAITING = 3
"""Portions a thread may be ahead of what is hashed."""
MOST_LEFT_OUT = 500
"""More bad images than that are not single accidents: something is wrong with the whole."""
SHOWN = 20
"""So many bad images are named in an error; the log has all."""
PROBED = 9
"""So many images tell the size that most have."""
MISSING = "is missing"

Faults = dict[str, str]
"""What is wrong with images, by the name of the file or of the annotated image."""


def pack_dataset(
    source: Reader | Path | str,
    output: Path,
    image_size: tuple[int, int] | None = None,
    threads: int = 1,
    leave_out_bad_images: bool = False,
    progress: ProgressCallback | None = None,
) -> dict[str, Any]:
    """Decode all images of a reader, or of a CelebA in any form that `celeba.finding` knows, into one HDF5 file.

    The `output` holds `images` (N, H, W, 3) uint8 RGB, `labels` (N, attributes) int8 in {-1, 0, +1}, `split` (N,) uint8
    as index into the reader's splits, `file_name` (N,), and as attribute the `manifest` (JSON), which is returned; its
    `fingerprint` is the SHA-256 over pixels, labels, splits, names. Where the reader knows which labels were falsified
    on purpose, `mislabelled` (N, attributes) uint8 is 1 there. Images are resized to `image_size`, width and height, by
    area interpolation; without, they must have the size that the reader expects, or all the same. With
    `leave_out_bad_images`, those that are missing or cannot be used are left out and named in the manifest.

    Raises:
        UserError: Labels cannot be read, a split is empty, official files are damaged, the disk has too little space,
            or images are missing or cannot be used: all are looked at before, and printed to stdout, a line each.
    """
    reader = load(READERS["celeba"])(source) if isinstance(source, Path | str) else source
    origin, files = reader.origin(), reader.files
    expected = getattr(reader, "size", CELEBA_SIZE)
    stored = _common_size(reader.read, list(filter(None, files.values())), expected or CELEBA_SIZE)
    size = image_size or expected or stored
    _require_space(output, len(files), size)
    if expected not in (None, stored):
        told = f"the images have {_pixels(stored)}, CelebA's aligned ones {_pixels(expected)}"
        if image_size is None:
            raise UserError(f"{reader.name}: {told}; set dataset.image_size to the size that networks are to see")
        stretched = "" if _alike(stored, size) else ", which changes their proportions"
        origin = {**origin, "notes": [*origin["notes"], f"{told}; resized to {_pixels(size)}{stretched}"]}
    mixed = expected is None and image_size is not None

    def refused() -> bool:
        return bool(bad) and not (leave_out_bad_images and len(bad) <= min(MOST_LEFT_OUT, len(files) - 1))

    bad = {name: MISSING for name, file in files.items() if file is None}
    if refused():
        # Missing images are reported together with those that cannot be used.
        size_now = size if mixed else stored
        whole = _Images(reader.read, list(filter(None, files.values())), stored, size_now, threads, mixed)
        bad |= _by_name(whole.decode(progress), files)
    while not refused():
        table = reader.table[~reader.table["file_name"].isin(bad)]
        _require_splits(reader, table)
        images = _Images(reader.read, [files[name] for name in table["file_name"]], stored, size, threads, mixed)
        reasons = sorted(set(bad.values()))
        left_out = {reason: sorted(name for name in bad if bad[name] == reason) for reason in reasons}
        try:
            with replacing(output) as beside:
                return _write(beside, reader, table, images, progress, {**origin, "left_out": left_out})
        except _BadImagesError as error:
            # An array of fixed size was begun for images that cannot fill it: begin again without them.
            bad |= _by_name(error.args[0], files)
    raise _refusal(reader.name, origin["images_from"], bad, len(files), leave_out_bad_images)


def write_manifest(path: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest beside the dataset, for people and for stages that do not open it."""
    write_text(path, json.dumps(manifest, indent=2) + "\n")


class _BadImagesError(Exception):
    """Images cannot be used; its argument is what is wrong with them."""


@dataclass(frozen=True)
class _Images:
    """Images to be decoded, in order.

    Attributes:
        read: What reads their `files`.
        stored: Width and height that they must have, or with `mixed` that most have.
        size: Width and height to give them.
        threads: So many decode.
        mixed: Whether each may have a size of its own.
    """

    read: Callable[[str], bytes]
    files: Sequence[str]
    stored: tuple[int, int]
    size: tuple[int, int]
    threads: int
    mixed: bool = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return len(self.files), self.size[1], self.size[0], 3

    @property
    def resized(self) -> bool:
        """Whether the images are to have another size than they are stored in."""
        return self.mixed or self.size != self.stored

    def decode(
        self,
        progress: ProgressCallback | None,
        use: Callable[[np.ndarray], object] = lambda pixels: None,
        path: Path | None = None,
        offset: int = 0,
    ) -> Faults:
        """Decode all images and return what is wrong with them.

        `use` is called with their pixels, some at a time, in the order of the files, before they are overwritten. Each
        thread also writes what it decodes to the file `path`, one image after the other from byte `offset` on, while it
        is in its core's cache. HDF5 is passed by: it would hold up all threads meanwhile.
        """
        buffers = np.empty((WAITING * self.threads, PORTION, *self.shape[1:]), "uint8")
        waiting: deque[Future[tuple[np.ndarray, Faults]]] = deque()
        faults: Faults = {}
        more = counted(progress, len(self.files))

        def take_first() -> None:
            pixels, part_faults = waiting.popleft().result()
            faults.update(part_faults)
            use(pixels)
            more(len(pixels))

        with path.open("r+b") if path else nullcontext() as file, ThreadPoolExecutor(self.threads) as pool:
            descriptor = file.fileno() if file else None
            try:
                for start, buffer in zip(range(0, len(self.files), PORTION), itertools.cycle(buffers)):
                    if len(waiting) == len(buffers):
                        take_first()
                    waiting.append(pool.submit(self._decode_portion, start, buffer, descriptor, offset))
                while waiting:
                    take_first()
            finally:
                pool.shutdown(cancel_futures=True)
        return faults

    def _decode_portion(
        self, start: int, buffer: np.ndarray, descriptor: int | None, offset: int
    ) -> tuple[np.ndarray, Faults]:
        import cv2

        files, faults = self.files[start : start + PORTION], {}
        pixels = buffer[: len(files)]
        whole = np.empty((*self.stored[::-1], 3), "uint8") if self.resized else None
        for file, place in zip(files, pixels, strict=True):
            try:
                data = self.read(file)
                if self.mixed and (own := size_of(data)) not in (None, whole.shape[1::-1]):
                    whole = np.empty((*own[::-1], 3), "uint8")
                decode_into(whole if self.resized else place, data)
            except UnreadableError as error:
                faults[file] = str(error)
                continue
            if self.resized:
                cv2.resize(whole, self.size, dst=place, interpolation=cv2.INTER_AREA)
        if descriptor is not None and not faults:
            write_at(descriptor, pixels.data, offset + start * pixels[0].nbytes)
        return pixels, faults


def _write(
    path: Path,
    reader: Reader,
    table: "pd.DataFrame",
    images: _Images,
    progress: ProgressCallback | None,
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Write the file and return its manifest; raises `_BadImagesError` after a look at all images."""
    import cv2

    labels = table[list(reader.attributes)].to_numpy("int8")
    split = table["split"].map(reader.splits.index).to_numpy("uint8")
    with h5py.File(path, "w", track_order=False, locking=False) as file:
        pixels = file.create_dataset("images", images.shape, "uint8")
        pixels[0] = np.zeros(images.shape[1:], "uint8")  # gives the array its place in the file
        file["labels"], file["split"] = labels, split
        file["file_name"] = np.array([name.encode() for name in table["file_name"]])
        if (falsified := getattr(reader, "mislabelled", None)) is not None:
            rows = {name: row for row, name in enumerate(table["file_name"])}
            marks = np.zeros(labels.shape, "uint8")
            for name, attribute in falsified:
                if name in rows:
                    marks[rows[name], reader.attributes.index(attribute)] = 1
            file["mislabelled"] = marks
        offset = pixels.id.get_offset()
    digest = hashlib.sha256()
    if faults := images.decode(progress, digest.update, path, offset):
        raise _BadImagesError(faults)
    pixel_sha256 = digest.hexdigest()
    for part in (labels.tobytes(), split.tobytes(), "\n".join(table["file_name"]).encode()):
        digest.update(part)
    if reader.attributes != celeba.ATTRIBUTES:  # whose fingerprints have no names of attributes
        digest.update("\n".join(reader.attributes).encode())
    formats = sorted({"PNG" if file.lower().endswith(".png") else "JPEG" for file in images.files})
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "fingerprint": digest.hexdigest(),
        "pixel_sha256": pixel_sha256,
        "images": {name: int((split == number).sum()) for number, name in enumerate(reader.splits)},
        "attributes": list(reader.attributes),
        "official": _in_place(table, reader.splits) if reader.attributes == celeba.ATTRIBUTES else None,
        "width": images.size[0],
        "height": images.size[1],
        "stored_width": images.stored[0],
        "stored_height": images.stored[1],
        "resized": images.resized,
        "resizer": f"OpenCV {cv2.__version__}" if images.resized else None,
        "decoder": ", ".join(decoders()[name] for name in formats),
        **about,
    }
    with h5py.File(path, "r+", locking=False) as file:
        file.attrs["manifest"] = json.dumps(manifest)
    return manifest


def _in_place(table: "pd.DataFrame", splits: Sequence[str]) -> dict[str, int]:
    """Return how many images of each split CelebA has in the same one."""
    right = table["file_name"].map(celeba.official_split) == table["split"]
    return {name: int((right & (table["split"] == name)).sum()) for name in splits}


def _by_name(faults: Faults, files: Mapping[str, str | None]) -> Faults:
    """Return what is wrong with files by the names of the annotated images that they hold."""
    return {name: faults[file] for name, file in files.items() if file in faults}


def _refusal(place: str, images: str, bad: Faults, total: int, leave_out: bool) -> UserError:
    """Print all bad images, for the log, and return the error that names some of them."""
    for name in sorted(bad):
        print(f"{name} {bad[name]}")
    missing = [name for name, reason in bad.items() if reason == MISSING]
    unusable = defaultdict(list)
    for name, reason in bad.items():
        if reason != MISSING:
            unusable[reason].append(name)
    parts = []
    if missing:
        parts.append(
            f"{len(missing):,} of {total:,} annotated images are missing in {images}, such as "
            f"{', '.join(missing[:3])}; unpack the archive again, or set dataset.subset to true to take those that "
            "are there"
        )
    if unusable:
        lines = [f"\n  {_named(names)} {reason}" for reason, names in unusable.items()]
        count, shown = len(bad) - len(missing), "".join(lines[:SHOWN])
        parts.append(f"{count:,} of {total:,} images cannot be used; fetch them again:{shown}")
    message = f"{place}: " + "; ".join(parts)
    if len(missing) > 3 or len(unusable) > SHOWN or any(len(names) > 3 for names in unusable.values()):
        message += f"\nThe log lists all {len(bad):,} of them."
    if leave_out or len(bad) > MOST_LEFT_OUT:
        message += f"\nMore than {MOST_LEFT_OUT} images, or all, are not left out: something is wrong with the whole."
    else:
        message += "\nTo go on without them set dataset.leave_out_bad_images to true; the manifest then names them."
    return UserError(message)


def _named(names: Sequence[str]) -> str:
    """Return the names of images with one fault, or some of them and their number."""
    return names[0] if len(names) == 1 else f"{len(names):,} images, such as {', '.join(names[:3])}: each"


def _common_size(read: Callable[[str], bytes], files: Sequence[str], otherwise: tuple[int, int]) -> tuple[int, int]:
    """Return the width and height that most images have, by some of them, or `otherwise` without such a size."""
    sizes = Counter()
    probed = files[:: max(1, len(files) // PROBED)]
    for file in probed:
        with suppress(UnreadableError):
            sizes[size_of(read(file))] += 1
    size, count = max(sizes.items(), key=itemgetter(1), default=(None, 0))
    return size if size and 2 * count > len(probed) else otherwise


def _alike(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Return whether two sizes have the same proportions, but for rounding to whole pixels."""
    return abs(first[0] * second[1] - first[1] * second[0]) <= max(*first, *second)


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]} pixels"


def _require_splits(reader: Reader, table: "pd.DataFrame") -> None:
    """Check that there is something to learn from, to stop by and to judge on: CelebA begins with one split alone."""
    empty = [split for split in reader.splits if not (table["split"] == split).any()]
    if empty:
        raise UserError(
            f"{reader.name}: no image is of the {' or the '.join(empty)} split; networks are trained on one split, "
            "stopped by another and judged on the third: let the labels name images of all three, or set "
            "dataset.split_shares, such as [0.8, 0.1, 0.1], to make the splits anew"
        )


def _require_space(output: Path, count: int, size: tuple[int, int]) -> None:
    """Check that the images will fit on the disk before the work begins."""
    output.parent.mkdir(parents=True, exist_ok=True)
    needed, free = count * size[0] * size[1] * 3, shutil.disk_usage(output.parent).free
    if needed > free:
        raise UserError(
            f"{output.parent}: no space left on device for {count:,} images of {size[0]} x {size[1]} pixels, which "
            f"need {needed / 1e9:,.1f} GB where {free / 1e9:,.1f} GB are free; free some space and run again, or run "
            "with --directory on another disk"
        )
