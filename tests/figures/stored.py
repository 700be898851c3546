"""A dataset and perturbation stores as the workflow writes them, for figures that show images."""

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from faceflip.data import packed
from faceflip.data.celeba import ATTRIBUTES
from faceflip.outcomes import Outcome
from faceflip.store import StoreHeader, StoreWriter, write_joined_view

HEIGHT, WIDTH = 27, 22
FINGERPRINT = "ab" * 32
COLUMNS = ("image", "file_name", "attribute", "label", "score_before", "score_after", "flipped", "epsilon", "steps")
COLUMNS += ("gradient_passes", "forward_passes")


def write_dataset(path: Path, count: int) -> Path:
    """Write so many images of noise, whose values leave room for perturbations."""
    with h5py.File(path, "w") as file:
        pixels = np.random.default_rng(0).integers(60, 200, (count, HEIGHT, WIDTH, 3), dtype=np.uint8)
        file["images"] = pixels
        file["labels"] = np.ones((count, len(ATTRIBUTES)), np.int8)
        file["split"] = np.zeros(count, np.uint8)
        file["file_name"] = np.array([f"{row + 1:06d}.jpg" for row in range(count)], dtype="S")
        manifest = {"format": packed.FORMAT, "version": packed.VERSION, "fingerprint": FINGERPRINT}
        file.attrs["manifest"] = json.dumps(manifest)
    return path


def write_stores(path: Path, attempts: pd.DataFrame, experiment: tuple[str, str, str, str], mark) -> Path:
    """Write attempts of an experiment as two shards and their joined view.

    Perturbations are 1 everywhere, but their first pixel, which is `mark(attribute, image)`: it tells them apart.
    """
    half, shards = len(attempts) // 2, []
    for number, part in enumerate((attempts[:half], attempts[half:])):
        shards.append(path.with_suffix("") / f"{number:03d}.h5")
        shards[-1].parent.mkdir(parents=True, exist_ok=True)
        header = StoreHeader(*experiment, {}, {"any": "00"}, FINGERPRINT, 1, number, number * half)
        perturbation = np.ones((len(part), HEIGHT, WIDTH, 3), np.int16)
        perturbation[:, 0, 0] = [mark(*row) for row in part[["attribute", "image"]].itertuples(index=False)]
        codes = {outcome.label: int(outcome) for outcome in Outcome}
        outcome = part["outcome"].map(codes).to_numpy()
        columns = {name: part[name].to_numpy() for name in COLUMNS}
        with StoreWriter(shards[-1], header, len(part), (HEIGHT, WIDTH)) as writer:
            writer.write(np.arange(len(part)), perturbation=perturbation, outcome=outcome, **columns)
    write_joined_view(path, shards)
    return path
