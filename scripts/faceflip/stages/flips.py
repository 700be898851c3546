"""What a fine-tuning learns from perturbation stores: attempts that flipped, as images, and what forbids it."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from faceflip.data.label_doubt import doubted_pairs
from faceflip.data.packed import Dataset
from faceflip.errors import UserError
from faceflip.stages.score import adversarial_blocks, spooled
from faceflip.store import open_store
from faceflip.store.scores import read_scores_of
from faceflip.training.diets import Flips
from faceflip.wording import first_of, quantity


@dataclass(frozen=True)
class Wanted:
    """Attempts that are learned from: on which network, and which of them.

    Attributes:
        member: Of the network, with the digest of its checkpoint's file and the attributes that it decides on.
        threshold: The least PASS.
        takes: Whether of images that the network was ``right`` or ``wrong`` about, or both.
        doubted: Pairs of file name and attribute whose label is in doubt, of which none is taken.
    """

    member: str
    sha256: str
    attributes: tuple[str, ...]
    threshold: float
    takes: Collection[str | None]
    doubted: Collection[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Chosen:
    """The attempts of a store that are learned from: its columns, `number` in the experiment, and `right`."""

    path: Path
    attempts: pd.DataFrame


def choose(
    stores: Sequence[tuple[Path, Path]], wanted: Wanted, dataset: Dataset, allowed: np.ndarray
) -> tuple[list[Chosen], list[str]]:
    """Return the attempts that are wanted, all of which flipped, and what is wrong with the stores.

    `stores` are shards with their scores. Those without attempts on the member are passed over, unless all are without.
    Images must be among the rows `allowed`.
    """
    chosen, faults, others = [], [], []
    for path, scores in stores:
        try:
            with open_store(path) as store:
                store.require_dataset(dataset.fingerprint)
                attempts, header = store.attempts, store.header
                found = header.checkpoint_sha256.get(wanted.member)
                if found is None:
                    others.append(f"{path}: holds no attempts on a member {wanted.member} of a network")
                    continue
                if found != wanted.sha256:
                    raise UserError(
                        f"{path}: its attempts are on a checkpoint of {header.network} for {wanted.member} of SHA-256 "
                        f"{found[:12]}..., that of this network's source is {wanted.sha256[:12]}...; attack the source"
                    )
                passed = read_scores_of(store, scores)["pass"] >= wanted.threshold  # none where it did not flip
        except UserError as error:
            faults.append(str(error))
            continue
        right = (attempts["score_before"] > 0) == (attempts["label"] > 0)
        attempts = attempts.assign(number=header.first_attempt + attempts["row"], right=right)
        own = attempts["attribute"].isin(wanted.attributes) & (attempts["label"] != 0)
        foreign = dataset.file_names[np.setdiff1d(attempts["image"][own], allowed)]
        if len(foreign):
            faults.append(
                f"{path}: {quantity(len(foreign), 'image')} of sample {header.sample} must not be learned from "
                f"({first_of(foreign, 3)}): of another split than train, or of a sample that networks are judged on; "
                "take a sample of the training split that shares no image with others"
            )
        taken = np.where(right, "right" in wanted.takes, "wrong" in wanted.takes)
        pairs = zip(attempts["file_name"], attempts["attribute"], strict=True)
        firm = np.fromiter((pair not in wanted.doubted for pair in pairs), bool, len(attempts))
        chosen.append(Chosen(path, attempts[own & passed & taken & firm]))
    return chosen, faults + ([] if chosen or faults else others)


def doubted_labels(path: Path) -> frozenset[tuple[str, str]]:
    """Return the pairs of file name and attribute whose label is in doubt, from a CSV file with these columns.

    Or from a Parquet table as a run makes it (`faceflip.data.label_doubt`), whose other rows are firm. Raises UserError
    where the file is missing or has other columns.
    """
    if path.suffix == ".parquet":
        doubted = doubted_pairs(path)
        return frozenset(zip(doubted["file_name"].astype("str"), doubted["attribute"].astype("str"), strict=True))
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        return frozenset(zip(table["file_name"], table["attribute"], strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path}: expected a CSV file with the columns file_name and attribute, a row a label in doubt ({error})"
        ) from error


@contextmanager
def flips_of(chosen: Sequence[Chosen], dataset: Dataset, folder: Path) -> Iterator[Flips]:
    """Yield these attempts with their images, which lie in a file without a name in `folder` meanwhile."""

    def blocks() -> Iterator[np.ndarray]:
        for each in chosen:
            with open_store(each.path) as store:
                for _, _, images in adversarial_blocks(store, dataset, each.attempts["row"].to_numpy()):
                    yield images

    attempts = pd.concat([each.attempts for each in chosen], ignore_index=True)
    with spooled(blocks(), (len(attempts), *dataset.images.shape[1:]), folder) as perturbed:
        yield Flips(
            dataset.images,
            perturbed,
            attempts["image"].to_numpy(),
            attempts["attribute"].to_numpy(str),
            attempts["right"].to_numpy(),
            attempts["number"].to_numpy(),
        )
