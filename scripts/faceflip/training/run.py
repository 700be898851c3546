"""One network's training, from the packed dataset to its two checkpoints and its history."""

import copy
from pathlib import Path
from typing import Any

import torch

from faceflip.dataset import Dataset
from faceflip.files import replacing
from faceflip.networks import AttributeNetwork, NetworkSpec, build
from faceflip.networks.checkpoint import CheckpointInfo, save_checkpoint
from faceflip.progress import Progress
from faceflip.seeds import derive
from faceflip.training.loop import EpochRecord, LabelledImages, train
from faceflip.training.options import TrainingOptions


def train_and_save(
    dataset: Dataset,
    spec: NetworkSpec,
    options: TrainingOptions,
    seed: int,
    device: torch.device,
    epoch2: Path | str,
    converged: Path | str,
    history: Path | str,
) -> None:
    """Train the network of `spec` on the training split and write its checkpoints and its history (CSV).

    `epoch2` holds the weights after `options.early_epoch`, `converged` those of the epoch with the lowest validation
    error (the earliest of several); both come from the same training run. The seed is specific to
    objective and attributes.
    """
    own_seed = derive(seed, "train", spec.objective, *spec.attributes)
    network = build(spec, own_seed).to(device)
    training, validation = (_labelled(dataset, split, spec.attributes) for split in ("train", "validation"))
    kept: dict[int, dict[str, Any]] = {}
    errors: list[float] = []

    def keep(network: AttributeNetwork, record: EpochRecord) -> None:
        errors.append(record.validation_error)
        if record.epoch < options.early_epoch:
            return
        wanted = {options.early_epoch, options.converged_epoch(errors)}
        kept[record.epoch] = copy.deepcopy(network.state_dict())
        for epoch in kept.keys() - wanted:
            del kept[epoch]

    progress = Progress(f"train {spec.objective} {'/'.join(spec.attributes[:1])}", "images")
    records = train(network, training, validation, options, own_seed, keep, progress)
    for path, epoch in ((epoch2, options.early_epoch), (converged, options.converged_epoch(errors))):
        network.load_state_dict(kept[epoch])
        record = vars(records[epoch - 1]).copy()
        del record["images_per_second"]  # differs from run to run, and the same training gives the same bytes
        info = CheckpointInfo(epoch, record, {**vars(options), "seed": own_seed}, dataset.fingerprint)
        save_checkpoint(path, network, info)
    _write_history(Path(history), records)


def _labelled(dataset: Dataset, split: str, attributes: tuple[str, ...]) -> LabelledImages:
    rows = dataset.rows(split)
    return LabelledImages(dataset.images, rows, dataset.labels_of(attributes)[rows])


def _write_history(path: Path, records: list[EpochRecord]) -> None:
    import pandas as pd

    with replacing(path) as beside:
        pd.DataFrame([vars(record) for record in records]).to_csv(beside, index=False, lineterminator="\n")
