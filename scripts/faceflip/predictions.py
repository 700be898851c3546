"""What the networks say of the test split and of the sample, as a tidy table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from faceflip.dataset import Dataset
from faceflip.networks.checkpoint import load_checkpoint
from faceflip.networks.inference import scores
from faceflip.progress import ProgressCallback, counted

if TYPE_CHECKING:
    import pandas as pd


def predict(
    dataset: Dataset,
    sample: np.ndarray,
    checkpoints: Mapping[str, Path | str],
    objective: str,
    attributes: Sequence[str],
    device: torch.device,
    batch_size: int,
    progress: ProgressCallback | None = None,
) -> "pd.DataFrame":
    """Run the checkpoints of one network.

    Args:
        dataset: The packed dataset.
        sample: Rows of the attacked images.
        checkpoints: Path of each checkpoint by its name, such as ``converged``.
        objective: The kind of network that the checkpoints must be of.
        attributes: The attributes that they must decide on.
        device: Where to compute.
        batch_size: Images a pass.
        progress: Called with the numbers of images done and in all, of all checkpoints together.

    Returns:
        One row per checkpoint, split (``test`` or ``sample``), attribute and image: network, checkpoint, attribute,
        split, image (row of the dataset), label, score (the decision value), logit_absent and logit_present
        (softmax only).

    Raises:
        UserError: A checkpoint cannot be read, or is of another network.
    """
    import pandas as pd

    parts = {"test": dataset.rows("test"), "sample": sample}
    more = counted(progress, len(checkpoints) * sum(map(len, parts.values())))
    tables = []
    for checkpoint, path in checkpoints.items():
        network, _ = load_checkpoint(path, device, objective, attributes)
        spec = network.spec
        for split, rows in parts.items():
            outputs = scores(network, dataset.images, rows, batch_size, more)
            values = network.objective.decision_values(torch.from_numpy(outputs)).numpy()
            labels = dataset.labels_of(spec.attributes)[rows]
            logits = outputs if spec.objective == "softmax" else np.full((len(rows), 2), np.nan)
            tables += [
                pd.DataFrame(
                    {
                        "network": spec.objective,
                        "checkpoint": checkpoint,
                        "attribute": attribute,
                        "split": split,
                        "image": rows,
                        "label": labels[:, column],
                        "score": values[:, column].astype("float64"),
                        "logit_absent": logits[:, 0].astype("float64"),
                        "logit_present": logits[:, 1].astype("float64"),
                    }
                )
                for column, attribute in enumerate(spec.attributes)
            ]
    return pd.concat(tables, ignore_index=True)
