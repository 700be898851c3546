"""CelebA's folder, filled with drawn faces."""

import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields
from numbers import Integral, Real
from pathlib import Path

import cv2
import numpy as np

from faceflip.data.celeba import ATTRIBUTES, PROVENANCE, SPLITS
from faceflip.data.synthetic.draw import draw
from faceflip.data.synthetic.face import Face, Identity, amounts
from faceflip.data.synthetic.label_model import Annotations, annotations
from faceflip.errors import UserError
from faceflip.io.files import name_beside, telling_disk_errors, write_text

FORMAT = "faceflip-synthetic"
VERSION = 1
"""Version of the drawn data; it is raised whenever the same arguments give other files."""
JPEG_QUALITY = 92
LAST_NUMBER = 999_999
"""The highest image number: file names have six digits."""


def image_generator(seed: int, index: int, purpose: int) -> np.random.Generator:
    """Return the random numbers of one image: `purpose` 0 for its annotation, 1 for its identity."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy=seed, spawn_key=(index, purpose))))


def annotation_numbers(seed: int, indices: range) -> tuple[np.ndarray, np.ndarray]:
    """Return the normals and uniforms, each (n, 40), from which images are annotated."""
    count = len(ATTRIBUTES)
    normals, uniforms = np.empty((len(indices), count)), np.empty((len(indices), count))
    for row, index in enumerate(indices):
        generator = image_generator(seed, index, 0)
        normals[row], uniforms[row] = generator.standard_normal(count), generator.random(count)
    return normals, uniforms


def draw_image(seed: int, index: int, strength: np.ndarray) -> np.ndarray:
    """Draw the image of a number (from 1), given the strengths (40,) of its attributes; (218, 178, 3) uint8, RGB."""
    return draw(Face(amounts(strength), Identity.random(image_generator(seed, index, 1))))


def encode(image: np.ndarray) -> bytes:
    """Encode an RGB image as JPEG."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return cv2.imencode(".jpg", np.ascontiguousarray(image[:, :, ::-1]), settings)[1].tobytes()


def file_name(index: int) -> str:
    """Return CelebA's name of an image, numbered from 1."""
    return f"{index:06d}.jpg"


def attribute_text(labels: np.ndarray) -> str:
    """Return `list_attr_celeba.txt` for labels (n, 40): as the official file, with its CRLF and trailing space."""
    lines = [str(len(labels)), " ".join(ATTRIBUTES) + " "]
    lines += [file_name(row) + "".join(f" {label:2d}" for label in line) for row, line in enumerate(labels.tolist(), 1)]
    return "".join(line + "\r\n" for line in lines)


def partition_text(sizes: dict[str, int]) -> str:
    """Return `list_eval_partition.txt` for splits that follow each other: as the official file, with its CRLF."""
    numbers = [number for number, split in enumerate(SPLITS) for _ in range(sizes[split])]
    return "".join(f"{file_name(index)} {number}\r\n" for index, number in enumerate(numbers, 1))


def _check(sizes: dict[str, int], seed: int, mislabelled: float, workers: int) -> None:
    whole = {**sizes, "seed": seed, "workers": workers}
    least = {"train": 1, "workers": 1}
    faults = [
        f"{name} must be a whole number of {least.get(name, 0)} or more, not {value!r}"
        for name, value in whole.items()
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least.get(name, 0)
    ]
    if not faults and sum(sizes.values()) > LAST_NUMBER:
        faults.append(f"train, validation and test together must be at most {LAST_NUMBER}: file names have six digits")
    if isinstance(mislabelled, bool) or not isinstance(mislabelled, Real) or not 0 <= mislabelled <= 0.5:
        faults.append(f"mislabelled must be between 0 and 0.5, not {mislabelled!r}")
    if faults:
        raise UserError("Cannot draw faces: " + "; ".join(faults) + ".")


def _check_replaceable(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; the look-alike of CelebA needs a folder of its own.")
    if not (folder / PROVENANCE).is_file() and any(path.is_file() for path in folder.rglob("*")):
        raise UserError(
            f"{folder} holds files and no {PROVENANCE}, so it was not written by this program and is left alone. "
            "Name an empty or new folder, or remove this one."
        )


def write(
    folder: str | os.PathLike,
    *,
    sizes: dict[str, int],
    seed: int,
    mislabelled: float,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Write the look-alike; see `faceflip.data.synthetic.write_celeba`."""
    _check(sizes, seed, mislabelled, workers)
    folder = Path(folder)
    _check_replaceable(folder)
    beside = name_beside(folder)
    with telling_disk_errors(folder):
        beside.mkdir(parents=True)
    try:
        _fill(beside, sizes, seed, mislabelled, workers, progress)
        if folder.exists():
            shutil.rmtree(folder)
        beside.replace(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _annotate(sizes: dict[str, int], seed: int, mislabelled: float) -> Annotations:
    """Annotate all images, split after split."""
    parts, first = [], 1
    for split in SPLITS:
        numbers = annotation_numbers(seed, range(first, first + sizes[split]))
        parts.append(annotations(*numbers, split, mislabelled))
        first += sizes[split]
    names = [field.name for field in fields(Annotations)]
    return Annotations(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _fill(
    folder: Path,
    sizes: dict[str, int],
    seed: int,
    mislabelled: float,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    images = folder / "img_align_celeba"
    images.mkdir()
    annotated = _annotate(sizes, seed, mislabelled)
    total = len(annotated.labels)

    def draw_one(index: int) -> None:
        image = draw_image(seed, index, annotated.strength[index - 1])
        path = images / file_name(index)
        with telling_disk_errors(path):
            path.write_bytes(encode(image))

    with _opencv_threads(1), ThreadPoolExecutor(workers) as pool:
        for done, _ in enumerate(_in_order(pool, draw_one, range(1, total + 1), 4 * workers), 1):
            if progress is not None:
                progress(done, total)
    (folder / "list_attr_celeba.txt").write_bytes(attribute_text(annotated.labels).encode("ascii"))
    (folder / "list_eval_partition.txt").write_bytes(partition_text(sizes).encode("ascii"))
    provenance = {
        "format": FORMAT,
        "version": VERSION,
        "seed": int(seed),
        "images": {split: int(size) for split, size in sizes.items()},
        "mislabelled": float(mislabelled),
        "mislabelled_annotations": dict(zip(ATTRIBUTES, annotated.mislabelled.sum(axis=0).tolist(), strict=True)),
        "jpeg": {"encoder": "opencv", "version": cv2.__version__, "quality": JPEG_QUALITY},
    }
    write_text(folder / PROVENANCE, json.dumps(provenance, indent=2) + "\n")


@contextmanager
def _opencv_threads(count: int) -> Iterator[None]:
    """Limit OpenCV's own threads for a while: one image is too small to share out, and workers are threads already."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _in_order(pool: ThreadPoolExecutor, function: Callable, items: range, ahead: int) -> Iterator:
    """Like `pool.map`, with at most `ahead` calls waiting, so that a fault ends the work at once."""
    waiting = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
