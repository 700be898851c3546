"""Small stores with known content."""

from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd

from faceflip.io.tables import write_table
from faceflip.outcomes import Outcome
from faceflip.store import StoreHeader, StoreWriter, open_store, write_joined_view
from faceflip.store.scores import scores_path
from faceflip.store.seal import read_seal, write_seal

HEIGHT, WIDTH = 12, 10
ATTRIBUTES = ("Eyeglasses", "Smiling", "Young")
FINGERPRINT = "5e" * 32
STEM = "results/attacks/paper/euclidean/converged/ffa-line"
CHECKPOINTS = {name: f"{number:02x}" * 32 for number, name in enumerate(ATTRIBUTES, start=1)}


def resealed(path, change):
    """Change a sealed file as another program might, and seal it again."""
    seal = read_seal(path)
    with h5py.File(path, "r+", locking=False) as file:
        change(file)
    write_seal(path, path.stat().st_size if seal.structure_bytes == seal.bytes else seal.structure_bytes)
    return path


class Builder:
    """Makes stores whose every value follows from the number of the attempt; attempt i attacks image i."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def images(count=200, height=HEIGHT, width=WIDTH):
        return np.random.default_rng(1).integers(40, 215, (count, height, width, 3), dtype=np.uint8)

    @staticmethod
    def content(first, rows, height=HEIGHT, width=WIDTH, variant=0):
        """Columns of the attempts from `first` on; about a quarter fails, some perturbations are nearly empty."""
        numbers = np.arange(first, first + rows)
        flipped = numbers % 4 != 3
        perturbation = np.zeros((rows, height, width, 3), np.int16)
        for row, number in enumerate(numbers):
            rng = np.random.default_rng([variant, number])
            noise = np.rint(rng.normal(size=(height, width, 3)) * 8)
            perturbation[row] = noise.clip(-40, 40) * (rng.random((height, width, 1)) < (0.02, 0.5, 1.0)[number % 3])
        perturbation[:, 0, 0, 0] = 1 + numbers % 7
        failures = np.array([Outcome.MAX_EPSILON, Outcome.ZERO_GRADIENT, Outcome.SATURATED])[numbers % 3]
        return SimpleNamespace(
            perturbation=perturbation,
            image=numbers,
            file_name=[f"{number + 1:06d}.jpg" for number in numbers],
            attribute=[ATTRIBUTES[number // 20 % 3] for number in numbers],
            label=np.where(numbers % 2, 1, -1),
            score_before=np.sin(numbers),
            score_after=-np.sin(numbers) / 100,
            flipped=flipped,
            epsilon=0.5 + numbers / 8,
            steps=np.ones(rows, int),
            gradient_passes=np.ones(rows, int),
            forward_passes=4 + numbers % 9,
            outcome=np.where(flipped, Outcome.FLIPPED, failures),
        )

    @staticmethod
    def header(shard=0, first=0, **changes):
        fields = {
            "sample": "paper",
            "network": "euclidean",
            "checkpoint": "converged",
            "attack": "ffa-line",
            "parameters": {"max_epsilon": 255, "search": "doubling"},
            "checkpoint_sha256": CHECKPOINTS,
            "dataset_fingerprint": FINGERPRINT,
            "seed": 2018,
        }
        return StoreHeader(**{**fields, "shard": shard, "first_attempt": first, **changes})

    def shard(self, path, shard=0, first=0, rows=24, order=None, compression="gzip", variant=0, size=None, **header):
        """Write one shard, in parts of five rows, in the given order of rows."""
        path = self.folder / path
        height, width = size or (HEIGHT, WIDTH)
        content = self.content(first, rows, height, width, variant)
        order = np.arange(rows) if order is None else np.asarray(order)
        with StoreWriter(path, self.header(shard, first, **header), rows, (height, width), compression) as writer:
            for begin in range(0, rows, 5):
                part = order[begin : begin + 5]
                writer.write(part, **{name: np.asarray(values)[part] for name, values in vars(content).items()})
        return path

    def shards(self, stem=STEM, count=3, rows=24, **options):
        return [
            self.shard(f"{stem}/{number:03d}.h5", number, number * rows, rows, **options) for number in range(count)
        ]

    def view(self, stem=STEM, count=3, rows=24, **options):
        path = self.folder / f"{stem}.h5"
        write_joined_view(path, self.shards(stem, count, rows, **options))
        return path

    @staticmethod
    def scores(shard, color="rgb", **columns):
        """Write scores beside a shard: attempt i has a PASS of i / 100 where it flipped; `columns` replace columns."""
        with open_store(shard) as store:
            numbers = np.arange(len(store)) + store.header.first_attempt
            passes = np.where(store.column("flipped") == 1, numbers / 100, np.nan)
            digest, path = store.seal.sha256, scores_path(store)
        similarities = dict.fromkeys(("pass", "ssim", "pass_gray", "ssim_gray"), passes)
        table = pd.DataFrame({"row": np.arange(len(passes)), **similarities, "alignment": "converged", **columns})
        table.attrs = {"similarity": {"color": color}, "store_sha256": digest}
        write_table(path, table)
        return path
