"""Perturbations for figures, from the stores of a run."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from faceflip.attempt import Experiment


def read_perturbations(
    paths: Iterable[Path], experiment: Experiment, pairs: Iterable[tuple[str, int]]
) -> list[np.ndarray | None]:
    """Return the perturbation (H, W, 3) int16 of each pair of attribute and image, None where it did not flip.

    Raises:
        UserError: No store is of this experiment, or one is damaged.
    """
    from faceflip.store import find_store

    with find_store(paths, experiment) as store:
        attributes, images = store.column("attribute"), store.column("image")
        rows = [np.flatnonzero((attributes == name.encode()) & (images == image))[0] for name, image in pairs]
        return [store.perturbation(int(row)) for row in rows]
