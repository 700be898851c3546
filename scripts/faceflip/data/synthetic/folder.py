"""CelebA's folder, filled with drawn faces."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from faceflip.data.celeba import ATTRIBUTES, MISLABELLED_HEADER, MISLABELLED_LABELS, PROVENANCE, SPLITS, texts
from faceflip.data.synthetic.image import JPEG_QUALITY, file_name, image_generator
from faceflip.data.synthetic.label_model import Annotations, annotations
from faceflip.data.synthetic.painters import painted
from faceflip.io.files import write_text

FORMAT = "faceflip-synthetic"
VERSION = 1
"""Version of the drawn data; it is raised whenever the same arguments give other images or labels."""


def annotation_numbers(seed: int, indices: range) -> tuple[np.ndarray, np.ndarray]:
    """Return the normals and uniforms, each (n, 40), from which images are annotated."""
    count = len(ATTRIBUTES)
    normals, uniforms = np.empty((len(indices), count)), np.empty((len(indices), count))
    for row, index in enumerate(indices):
        generator = image_generator(seed, index, 0)
        normals[row], uniforms[row] = generator.standard_normal(count), generator.random(count)
    return normals, uniforms


def attribute_text(labels: np.ndarray) -> str:
    """Return `list_attr_celeba.txt` for labels (n, 40) of the first n images."""
    return texts.annotations_text([file_name(index) for index in range(1, len(labels) + 1)], labels)


def partition_text(sizes: dict[str, int]) -> str:
    """Return `list_eval_partition.txt` for splits that follow each other."""
    numbers = [number for number, split in enumerate(SPLITS) for _ in range(sizes[split])]
    return texts.partition_text([file_name(index) for index in range(1, len(numbers) + 1)], numbers)


def mislabelled_text(mislabelled: np.ndarray) -> str:
    """Return the CSV table of the labels (n, 40) that were falsified, which are true: a row each, by image."""
    rows = (f"{file_name(image + 1)},{ATTRIBUTES[attribute]}" for image, attribute in np.argwhere(mislabelled).tolist())
    return "".join(f"{line}\n" for line in (MISLABELLED_HEADER, *rows))


def fill(
    folder: Path,
    sizes: dict[str, int],
    seed: int,
    mislabelled: float,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Write the look-alike into an empty folder; see `faceflip.data.synthetic.write_celeba`."""
    images = folder / "img_align_celeba"
    images.mkdir()
    parts, first = [], 1
    for split in SPLITS:
        numbers = annotation_numbers(seed, range(first, first + sizes[split]))
        parts.append(annotations(*numbers, split, mislabelled))
        first += sizes[split]
    annotated = Annotations(*map(np.concatenate, zip(*parts, strict=True)))
    total = len(annotated.labels)

    for done, _ in enumerate(painted(images, seed, annotated.strength, workers), 1):
        if progress is not None:
            progress(done, total)
    (folder / "list_attr_celeba.txt").write_bytes(attribute_text(annotated.labels).encode("ascii"))
    (folder / "list_eval_partition.txt").write_bytes(partition_text(sizes).encode("ascii"))
    (folder / MISLABELLED_LABELS).write_bytes(mislabelled_text(annotated.mislabelled).encode("ascii"))
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
