"""Out-of-fold scores: what small networks say of images that they did not learn from."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from faceflip.data.packed import Dataset
from faceflip.io.paths import UNFINISHED
from faceflip.io.tables import write_table
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.checkpoint import CheckpointInfo
from faceflip.networks.inference import scores
from faceflip.networks.network import NetworkSpec, build
from faceflip.runtime.progress import NotedProgress
from faceflip.seeds import derive
from faceflip.stages.train import carry_out, computed_by, known_images, telling_memory
from faceflip.training.loop import EpochRecord, Training
from faceflip.training.resuming import Unfinished
from faceflip.workflow.doubt_settings import FOLD_LOSS, FoldTraining
from faceflip.workflow.versions import VERSIONS


def folds_of(images: int, folds: int, seed: int) -> np.ndarray:
    """Return the fold, 0 to folds - 1, of each image: equally many of each, up to one, in random order."""
    return np.random.default_rng(derive(seed, "folds")).permutation(images) % folds


def score_fold(
    dataset: Dataset,
    fold: int,
    folds: int,
    architecture: ArchitectureOptions,
    options: FoldTraining,
    seed: int,
    device: torch.device,
    output: Path,
    batch_size: int,
    save_every: float = 300,
    residence: str = "auto",
    progress: Callable[[int], NotedProgress] | None = None,
) -> None:
    """Train one network of all attributes on the images of all other folds, of all splits, and let it score this one.

    It trains for `max_epochs`, whatever the errors are: no label of the fold influences its scores. A call that was
    killed is taken up again, as by `faceflip.stages.train.train_and_save`, from a folder beside the output.

    The table that it writes has the columns image (row of the dataset), attribute and score (float32, 0 to 1: the
    probability that the attribute is present), a row a pair whose label is known, in order of attributes and images.

    Raises UserError where there are too few images, the loss is no longer finite, or the GPU's memory is too small.
    """
    attributes, own_seed = dataset.attributes, derive(seed, "fold", str(fold), str(folds))
    options = options.model_copy(
        update={"checkpoints": [], "min_epochs": options.max_epochs, "patience": options.max_epochs}
    )
    spec = NetworkSpec(FOLD_LOSS, attributes, dataset.image_size, architecture)
    held_out = folds_of(len(dataset.images), folds, seed) == fold
    recipe = {
        "stage": VERSIONS["doubt"],
        "network": spec.to_dict(),
        "training": options.model_dump(exclude={"seed"}),
        "fold": [fold, folds],
        "seed": own_seed,
        "dataset": dataset.fingerprint,
        **computed_by(device),
    }
    state = Unfinished(output.with_name(f"{UNFINISHED}-{output.stem}"), recipe, save_every)
    state.clean()
    name, recorded = f"fold {fold}", {**options.model_dump(), "seed": own_seed, **computed_by(device)}

    def info(record: EpochRecord) -> CheckpointInfo:
        return CheckpointInfo(name, "all", record.epoch, vars(record), recorded, dataset.fingerprint)

    with telling_memory(options, "the networks of folds", spec.image_size, device, "doubt.training"):
        network = build(spec, own_seed).to(device)
        images = (known_images(dataset, np.flatnonzero(rows), attributes) for rows in (~held_out, held_out))
        training = Training(network, *images, options, own_seed, residence, mirror=options.mirror)
        carry_out(training, state.load(), state, options, info, progress)
    rows = np.flatnonzero(held_out)
    network.eval()
    ways = (False, True) if options.mirror else (False,)
    outputs = np.mean([scores(network, dataset.images, rows, batch_size, mirrored=way) for way in ways], axis=0)
    values = network.objective.decision_values(torch.from_numpy(outputs)).sigmoid()
    column, place = np.nonzero(dataset.labels[rows].T)
    table = pd.DataFrame(
        {
            "image": rows[place].astype("int32"),
            "attribute": pd.Categorical.from_codes(column, list(attributes)),
            "score": values.numpy()[place, column].astype("float32"),
        }
    )
    write_table(output, table)
    state.remove()
