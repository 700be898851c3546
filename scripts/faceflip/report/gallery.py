"""A gallery of adversarial images: one of each kind for every network, attack and attribute, chosen by rule.

A picture shows the original, ten times the perturbation around grey, and the perturbed image; small images are enlarged
pixel by pixel. Chosen is
the image with the median PASS among the adversarial ones, so a typical one; where none reaches the threshold, the
flipped image with the highest PASS, which the gallery says.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from faceflip.analysis.names import NETWORKS, ordered
from faceflip.store.panels import LEAST_PANEL_WIDTH, visible
from faceflip.workflow.plan import CHECKPOINTS

if TYPE_CHECKING:
    import pandas as pd

INDEX = "gallery.json"
GAP = 3
"""Pixels between the panels of a picture, before small ones are enlarged."""


@dataclass(frozen=True)
class Picture:
    """One adversarial image of the gallery.

    Attributes:
        file: Name of the picture in the gallery's folder.
        network: Kind of network.
        attack: Attack.
        attribute: Attacked attribute.
        image: Row in the dataset.
        file_name: Of the image.
        present: Decision on the unperturbed image; the attack turned it round.
        correct: Whether that was right. If not, the perturbation corrects the network: a natural adversarial image.
        similarity: PASS.
        epsilon: Line search: length along the ray, in pixel values. Iterative: number of steps of one pixel value.
        linf: Largest change of a pixel value.
        adversarial: Whether PASS reaches the threshold.
    """

    file: str
    network: str
    attack: str
    attribute: str
    image: int
    file_name: str
    present: bool
    correct: bool
    similarity: float
    epsilon: float
    linf: int
    adversarial: bool


def choose(attempts: "pd.DataFrame", threshold: float) -> list[Picture]:
    """Choose what the gallery shows of the converged networks.

    Args:
        attempts: The attempts table.
        threshold: Least PASS of an adversarial image.
    """
    flipped = attempts[attempts["flipped"] & (attempts["checkpoint"] == CHECKPOINTS[-1])]
    flipped = flipped.assign(adversarial=flipped["pass"] >= threshold)
    keys = ["network", "attack", "attribute", "correct"]
    # The adversarial ones of a kind come first and by their PASS, the others from the highest PASS down.
    rank = flipped["pass"].where(flipped["adversarial"], -flipped["pass"])
    flipped = flipped.assign(rank=rank).sort_values(
        [*keys, "adversarial", "rank", "image"], ascending=[*[True] * 4, False, True, True]
    )
    pictures = []
    for (network, attack, attribute, correct), part in flipped.groupby(keys, observed=True):
        count = int(part["adversarial"].sum())
        row = part.iloc[max(count - 1, 0) // 2]
        kind = "flipped" if correct else "corrected"
        pictures.append(
            Picture(
                file=f"{network}-{attack}-{attribute}-{kind}.png",
                network=str(network),
                attack=str(attack),
                attribute=str(attribute),
                image=int(row["image"]),
                file_name=str(row["file_name"]),
                present=bool(row["score_before"] > 0),
                correct=bool(correct),
                similarity=float(row["pass"]),
                epsilon=float(row["epsilon"]),
                linf=int(row["linf"]),
                adversarial=bool(row["adversarial"]),
            )
        )
    attributes = ordered({picture.attribute for picture in pictures})
    return sorted(
        pictures,
        key=lambda one: (attributes.index(one.attribute), NETWORKS.index(one.network), one.attack, not one.correct),
    )


def draw_gallery(pictures: Sequence[Picture], dataset: Path, stores: Sequence[Path], folder: Path) -> None:
    """Write the pictures, and what they show to `INDEX`.

    Args:
        pictures: From `choose`.
        dataset: The packed dataset.
        stores: The joined views of all attacks, named ``.../NETWORK/CHECKPOINT/ATTACK.h5``.
        folder: Where to write; made if it is missing.
    """
    from PIL import Image

    from faceflip.data.packed import open_dataset
    from faceflip.store import open_store

    folder.mkdir(parents=True, exist_ok=True)
    images = open_dataset(dataset).images
    paths = {path.with_suffix("").parts[-3:]: path for path in map(Path, stores)}
    for network, attack in sorted({(picture.network, picture.attack) for picture in pictures}):
        with open_store(paths[network, CHECKPOINTS[-1], attack]) as store:
            rows = {
                (attribute.decode(), int(image)): row
                for row, (attribute, image) in enumerate(
                    zip(store.column("attribute"), store.column("image"), strict=True)
                )
            }
            for picture in pictures:
                if (picture.network, picture.attack) == (network, attack):
                    perturbation = store.perturbation(rows[picture.attribute, picture.image])
                    panels = strip(images[picture.image], perturbation)
                    Image.fromarray(panels).save(folder / picture.file)
    (folder / INDEX).write_text(json.dumps([asdict(picture) for picture in pictures], indent=1), encoding="utf-8")


def strip(image: np.ndarray, perturbation: np.ndarray) -> np.ndarray:
    """Return original, magnified perturbation and perturbed image side by side, on white; small ones enlarged.

    Args:
        image: (H, W, 3) uint8.
        perturbation: (H, W, 3) whole numbers, whose sum with the image is on 0-255.
    """
    gap = np.full((len(image), GAP, 3), 255, np.uint8)
    perturbed = (image + perturbation.astype(np.int32)).astype(np.uint8)
    panels = np.concatenate([image, gap, visible(perturbation), gap, perturbed], axis=1)
    zoom = max(1, -(-LEAST_PANEL_WIDTH // image.shape[1]))
    return panels.repeat(zoom, axis=0).repeat(zoom, axis=1)


def read_gallery(folder: Path) -> list[Picture]:
    """Return the pictures of a folder that `draw_gallery` wrote."""
    return [Picture(**each) for each in json.loads((folder / INDEX).read_text(encoding="utf-8"))]
