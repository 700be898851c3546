"""Runs to compare: one that was made up, and others that differ from it in what is known."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from faceflip.workflow.products import TABLES
from specimen import NETWORKS, Specimen, finish, specimen

NAMES = ("classification_error", "flippability", "success", "overview", "trainings", "checkpoint_overlap")
"""Tables that follow from attempts, predictions and histories alone, and take little time."""
ATTRIBUTES = ("Male", "Smiling", "Young")
SIZE = {"attributes": ATTRIBUTES, "moon_attributes": ATTRIBUTES, "sample": 24, "test": 30}
SIZE["networks"] = {name: NETWORKS[name] for name in ("euclidean", "moon")}


def made_up(seed: int = 3, **more) -> Specimen:
    return specimen(seed=seed, **{**SIZE, **more})


def otherwise(made: Specimen, seed: int = 1) -> Specimen:
    """Return the same run, whose networks learned differently: other answers and flips on the same images."""
    random = np.random.default_rng(seed)
    attempts, predictions = made.attempts.copy(), made.predictions.copy()
    wrong = (predictions["split"] == "test") & (random.random(len(predictions)) < 0.15)
    predictions.loc[wrong, "score"] *= -1
    lost = (attempts["network"] != "moon") & (random.random(len(attempts)) < 0.3)
    attempts.loc[lost, "flipped"] = False
    attempts.loc[lost, ["epsilon", "pass", "ssim"]] = np.nan
    attempts.loc[lost, "l2"] = 0.0
    attempts.loc[lost, "outcome"] = "max_epsilon"
    attempts["epsilon"] = attempts["epsilon"] * random.uniform(0.8, 1.5, len(attempts))
    networks = [replace(each, training=dict(each.training) | {"batch_size": 7}) for each in made.run.networks]
    run = replace(made.run, networks=tuple(networks))
    return replace(made, run=run, attempts=attempts, predictions=predictions)


def seeded(made: Specimen, seed: int) -> Specimen:
    """Return a run that differs by its seed alone."""
    found = otherwise(made, seed)
    return replace(found, run=replace(made.run, seed=seed))


def write(made: Mapping[str, Specimen], folder: Path, products: Sequence[str] = NAMES, **more) -> dict[str, Path]:
    """Write runs by name, and return their folders."""
    return {
        name: finish(each, folder / name, {table: TABLES[table] for table in products}, **more)
        for name, each in made.items()
    }
