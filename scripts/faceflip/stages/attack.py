"""One attack job: the attempts of one shard, from the checkpoints to the perturbation store."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch

from faceflip.attacks.engine import iterate
from faceflip.attempt import Experiment
from faceflip.data.packed import Dataset
from faceflip.errors import UserError
from faceflip.io.files import sha256
from faceflip.networks.checkpoint import load_checkpoint
from faceflip.outcomes import Outcome
from faceflip.runtime.progress import NotedProgress
from faceflip.seeds import derive
from faceflip.store import StoreHeader, StoreWriter
from faceflip.wording import quantity
from faceflip.workflow.plan import Part

BLOCK = 256
"""Attempts written together."""
UNATTACKED = {
    **dict.fromkeys(("score_before", "score_after", "epsilon"), np.nan),
    **dict.fromkeys(("steps", "gradient_passes", "forward_passes"), 0),
    "flipped": False,
    "outcome": Outcome.UNKNOWN_LABEL,
}
"""What is found out of an attempt that is none, as its image has no label for the attribute."""
EXAMINED = 16
"""Images of the sample that networks are tried on before attacks by `file`, whichever shard is attacked."""


@dataclass(frozen=True)
class ShardOfAttempts:
    """What a shard holds, and by which attack.

    `first_attempt` is counted among all of the experiment. `parts` are ranges of positions in the sample, one an
    attribute. `options` of the attack, see `faceflip.attacks.AttackOptions`, include `batch_size`, and `library` where
    it is of one. Checkpoints may name `own_code`, see `load_checkpoint`. The run's seed is recorded.
    """

    experiment: Experiment
    number: int
    first_attempt: int
    parts: Sequence[Part]
    options: Mapping[str, Any]
    seed: int
    own_code: Collection[str] = ()


@dataclass(frozen=True)
class _Gathered:
    """Rows of an image array, read as the attack asks for them."""

    images: np.ndarray
    rows: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.images.shape[1:])

    def __getitem__(self, positions: slice) -> np.ndarray:
        return np.take(self.images, self.rows[positions], axis=0)


def attack_shard(
    path: Path | str,
    shard: ShardOfAttempts,
    checkpoints: Mapping[str, Path | str],
    dataset: Dataset,
    sample: np.ndarray,
    device: torch.device,
    compression: str = "gzip",
    progress: NotedProgress | None = None,
) -> None:
    """Make the attempts of one shard and write its store.

    `checkpoints` are the files by the members of the network, `sample` the (n,) rows of the sample's images. `progress`
    is called with (attempts done, attempts in all, note on how many flipped).

    Raises UserError where a checkpoint cannot be read, or does not decide on an attribute that it is attacked for.
    """
    attempts = sum(part.stop - part.start for part in shard.parts)
    options = {key: value for key, value in shard.options.items() if key != "library"}
    # The attempts against one member can share passes.
    members = {member: list(parts) for member, parts in groupby(shard.parts, key=lambda part: part.member)}
    header = StoreHeader(
        **vars(shard.experiment),
        parameters=_recordable(shard.options),
        checkpoint_sha256={member: sha256(checkpoints[member]) for member in members},
        dataset_fingerprint=dataset.fingerprint,
        seed=shard.seed,
        shard=shard.number,
        first_attempt=shard.first_attempt,
    )

    def attack(member: str, parts: Sequence[Part], first: int) -> int:
        """Make the attempts against one member, write them from row `first` on, and return how many they were."""
        network, _ = load_checkpoint(checkpoints[member], device, own_code=shard.own_code)
        known = network.spec.attributes
        for part in parts:
            if part.attribute not in known:
                wanted = f"{', '.join(known[:3])}..., not for {part.attribute}"
                raise UserError(f"{checkpoints[member]}: a network for {wanted}")
        rows = np.concatenate([sample[part.start : part.stop] for part in parts])
        names = np.repeat([part.attribute for part in parts], [part.stop - part.start for part in parts])
        columns = np.array([known.index(name) for name in names])
        labels = dataset.labels_of(known)[rows, columns]
        attacked, unknown = np.flatnonzero(labels), np.flatnonzero(labels == 0)
        left = f", {quantity(len(unknown), 'more image')} without a label are not attacked" if len(unknown) else ""
        print(f"{checkpoints[member]}: {len(attacked)} attempts by {shard.experiment.attack}{left}")

        def write(positions: np.ndarray, perturbation: np.ndarray, found: Mapping[str, Any]) -> None:
            writer.write(
                first + positions,
                perturbation=perturbation,
                image=rows[positions],
                file_name=dataset.file_names[rows[positions]],
                attribute=names[positions],
                label=labels[positions],
                **found,
            )

        def report(done: int, _: int, note: str) -> None:
            progress(first + done, attempts, lambda: f"{member}: {note}")

        for positions in np.array_split(unknown, len(unknown) // BLOCK + 1):
            if len(positions):
                write(positions, np.zeros((len(positions), height, width, 3), "int16"), UNATTACKED)
        if not len(attacked):
            return len(rows)
        if "file" in options:  # what it draws is its own, and its images are the same however the sample is cut
            options["seed"] = derive(shard.seed, str(shard.experiment), member)
            examined = dataset.images[sample[:EXAMINED]]
        else:
            examined = None
        results = iterate(
            network,
            _Gathered(dataset.images, rows[attacked]),
            shard.experiment.attack,
            attribute=columns[attacked],
            objective=network.spec.loss,
            labels=labels[attacked],
            device=device,
            progress=report if progress else False,
            examined=examined,
            **options,
        )
        overruled = 0
        for block in results:
            write(attacked[block.index], block.perturbation, block.found())
            writer.record_network(member, block.margin, block.warnings)
            overruled += int(block.overruled.sum())
        if precision := options.get("search_precision"):
            print(f"{checkpoints[member]}: float32 overruled {precision} in {overruled} of {len(attacked)} attempts")
        return len(rows)

    width, height = dataset.image_size
    with StoreWriter(path, header, attempts, (height, width), compression) as writer:
        done = 0
        for member, parts in members.items():
            done += attack(member, parts, done)


def _recordable(value: Any) -> Any:
    """Return options as a store can hold them: what JSON has no word for, such as infinity, as text."""
    if isinstance(value, Mapping):
        return {name: _recordable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_recordable(each) for each in value]
    finite = isinstance(value, float) and math.isfinite(value)
    return value if value is None or finite or isinstance(value, str | int) else str(value)
