"""The folder of somebody whose labels, images and names are not CelebA's."""

import csv

import cv2
import numpy as np

from faceflip.data.celeba import ATTRIBUTES
from faceflip.data.synthetic.folder import annotation_numbers
from faceflip.data.synthetic.image import draw_image
from faceflip.data.synthetic.label_model import annotations

NAMES = {"Smiling": "lächelt & <lacht>", "Male": "50 % male/männlich", "Eyeglasses": "eyeglasses"}
"""Attributes of drawn faces, and what the stranger calls them."""
SPLITS = {"train": 200, "validation": 60, "test": 80}
SIZE = 96, 80
UNKNOWN = 0.2
"""Share of the labels that are not there."""


def write_folder(folder, seed=5):
    """Write labels.csv and faces/ into a folder, and return the labels (images, attributes): -1, 0 (unknown), 1."""
    (folder / "faces").mkdir(parents=True)
    total = sum(SPLITS.values())
    drawn = annotations(*annotation_numbers(seed, range(1, total + 1)), "train", 0)
    columns = [ATTRIBUTES.index(name) for name in NAMES]
    labels = np.where(drawn.labels[:, columns] > 0, 1, -1)
    labels[np.random.default_rng(seed).random(labels.shape) < UNKNOWN] = 0
    splits = np.repeat([*SPLITS], [*SPLITS.values()])
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "split", *NAMES.values()])
        for number, (split, values) in enumerate(zip(splits, labels, strict=True), 1):
            name = f"{number:04d}.png"
            rows.writerow([name, split, *({-1: "no", 0: "", 1: "yes"}[value] for value in values)])
            image = cv2.resize(draw_image(seed, number, drawn.strength[number - 1]), SIZE, interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(folder / "faces" / name), image[:, :, ::-1])
    return labels
