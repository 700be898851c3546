"""What the networks say of the test split and of the samples, as a tidy table."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from faceflip.data.packed import Dataset
from faceflip.errors import UserError
from faceflip.networks.checkpoint import load_checkpoint
from faceflip.networks.inference import scores
from faceflip.runtime.progress import ProgressCallback, counted
from faceflip.wording import quantity


def predict(
    dataset: Dataset,
    samples: Mapping[str, np.ndarray],
    checkpoints: Mapping[str, Path | str],
    network: str,
    attributes: Sequence[str],
    device: torch.device,
    batch_size: int,
    progress: ProgressCallback | None = None,
    own_code: Collection[str] = (),
) -> pd.DataFrame:
    """Run the checkpoints of one network, which must decide on `attributes`; `batch_size` images make a pass.

    `samples` are rows of attacked images by the name of their sample, `checkpoints` paths by names such as
    ``converged``. `progress` counts the images of all checkpoints together; `own_code`: see `load_checkpoint`.

    Returns:
        One row per checkpoint, split (``test`` or ``sample``), sample ("" for the test split), attribute and image:
        network, checkpoint, attribute, split, sample, image (row of the dataset), label, score (the decision value),
        logit_absent and logit_present (NaN where an attribute has one score).

    Raises UserError where a checkpoint cannot be read, or is of another network.
    """
    parts = {("test", ""): dataset.rows("test"), **{("sample", name): rows for name, rows in samples.items()}}
    more = counted(progress, len(checkpoints) * sum(map(len, parts.values())))
    tables = []
    for checkpoint, path in checkpoints.items():
        loaded, _ = load_checkpoint(path, device, attributes=attributes, own_code=own_code)
        spec, objective = loaded.spec, loaded.objective
        for (split, sample), rows in parts.items():
            outputs = scores(loaded, dataset.images, rows, batch_size, more)
            if len(strange := rows[~np.isfinite(outputs).all(axis=1)]):
                count, first = quantity(len(strange), "image"), dataset.file_names[strange[0]]
                raise UserError(f"{path}: its scores of {count} are not finite, of {first} first")
            values = objective.decision_values(torch.from_numpy(outputs)).numpy()
            labels = dataset.labels_of(spec.attributes)[rows]
            logits = outputs if objective.two_logits else np.full((len(rows), 2 * len(spec.attributes)), np.nan)
            tables += [
                _labelled(
                    {
                        "network": network,
                        "checkpoint": checkpoint,
                        "attribute": attribute,
                        "split": split,
                        "sample": sample,
                        "image": rows,
                        "label": labels[:, column],
                        "score": values[:, column].astype("float64"),
                        "logit_absent": logits[:, 2 * column].astype("float64"),
                        "logit_present": logits[:, 2 * column + 1].astype("float64"),
                    }
                )
                for column, attribute in enumerate(spec.attributes)
            ]
    return pd.concat(tables, ignore_index=True)


def _labelled(columns: Mapping[str, object]) -> pd.DataFrame:
    """Return the rows of images whose label is known: others take no part."""
    table = pd.DataFrame(columns)
    return table[table["label"] != 0]
