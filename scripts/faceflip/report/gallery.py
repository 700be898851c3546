"""A gallery of adversarial images: one of each kind for every network, attack and attribute, chosen by rule.

A picture shows the original, ten times the perturbation around grey, and the perturbed image; small images are enlarged
pixel by pixel. Chosen is the image with the median PASS among the adversarial ones, so a typical one; where none
reaches the threshold, the flipped image with the highest PASS, which the gallery says. Where the run says which labels
are in doubt, natural adversarial images whose label is firm and those whose label is in doubt are kinds of their own.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import numpy as np
import pandas as pd

from faceflip.analysis.names import ordered, spread
from faceflip.analysis.run import RunDescription
from faceflip.attempt import FINAL, Experiment
from faceflip.data.label_doubt import in_words
from faceflip.io.files import read_json
from faceflip.io.paths import folder_of
from faceflip.pixels import enlargement, triptych
from faceflip.store.panels import LEAST_PANEL_WIDTH

INDEX = "gallery.json"
MOST = 60
"""Attributes that the gallery has; of more it shows some, evenly spread over their order."""
GAP = 3
"""Pixels between the panels of a picture, before small ones are enlarged."""


@dataclass(frozen=True)
class Picture:
    """One adversarial image of the gallery.

    Attributes:
        file: Name of the picture in the gallery's folder; `file_name` is that of the image.
        image: Row in the dataset.
        present: Decision on the unperturbed image; the attack turned it round.
        correct: Whether that was right. If not, the perturbation corrects the network: a natural adversarial image.
        similarity: PASS.
        epsilon: How far the attack went, in `unit`: ``pixel values`` along the ray, or ``steps`` of one pixel value.
        linf: Largest change of a pixel value.
        adversarial: Whether PASS reaches the threshold.
        doubtful: Whether the label is in doubt; None where nothing in the run says so.
        reasons: Why, in words; empty of a firm label, None as `doubtful`.
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
    unit: str
    linf: int
    adversarial: bool
    doubtful: bool | None = None
    reasons: str | None = None


def choose(attempts: pd.DataFrame, run: RunDescription, doubts: pd.DataFrame | None = None) -> list[Picture]:
    """Choose from the attempts table what the gallery shows of networks' last checkpoints, of `MOST` attributes.

    Attempts of a run that says which labels are in doubt have the column `doubtful`, too; `doubts` has the reasons
    (`faceflip.data.label_doubt.doubted_pairs`).
    """
    flipped = attempts[attempts["flipped"] & attempts["checkpoint"].isin(FINAL)]
    flipped = flipped[flipped["attribute"].isin(spread(run.attacked, MOST))]
    flipped = flipped.assign(adversarial=flipped["pass"] >= run.threshold)
    # The adversarial ones come first and by their PASS, the others from the highest PASS down.
    rank = flipped["pass"].where(flipped["adversarial"], -flipped["pass"])
    flipped = flipped.assign(rank=rank).sort_values(["adversarial", "rank", "image"], ascending=[False, True, True])
    flipped = flipped.assign(apart=flipped["doubtful"] & ~flipped["correct"] if run.doubt else False)
    pictures = []
    kinds = flipped.groupby(["network", "attack", "attribute", "correct", "apart"], observed=True)
    for (network, attack, attribute, correct, apart), part in kinds:
        row = part.iloc[max(part["adversarial"].sum() - 1, 0) // 2]
        kind = "flipped" if correct else "corrected-doubtful" if apart else "corrected"
        pictures.append(
            Picture(
                file=f"{network}~{attack}~{folder_of(attribute)}~{kind}.png",  # names have no tilde
                network=str(network),
                attack=str(attack),
                attribute=str(attribute),
                image=int(row["image"]),
                file_name=str(row["file_name"]),
                present=bool(row["score_before"] > 0),
                correct=bool(correct),
                similarity=float(row["pass"]),
                epsilon=float(row["epsilon"]),
                unit=run.attack(str(attack)).epsilon,
                linf=int(row["linf"]),
                adversarial=bool(row["adversarial"]),
                doubtful=bool(row["doubtful"]) if run.doubt else None,
            )
        )
    if run.doubt:
        pictures = _with_reasons(pictures, doubts)
    attributes, networks = ordered({picture.attribute for picture in pictures}, run.attributes), run.network_names
    return sorted(
        pictures,
        key=lambda one: (attributes.index(one.attribute), networks.index(one.network), one.attack, not one.correct),
    )  # firm labels stay before doubtful ones


def _with_reasons(pictures: Sequence[Picture], doubts: pd.DataFrame | None) -> list[Picture]:
    """Return the pictures with the reasons of those whose label is in doubt."""
    known = {}
    if doubts is not None:
        shown = doubts[doubts["image"].isin([picture.image for picture in pictures if picture.doubtful])]
        known = dict(zip(zip(shown["attribute"], shown["image"], strict=True), shown["reasons"], strict=True))
    return [
        replace(one, reasons=in_words(known.get((one.attribute, one.image), "")) if one.doubtful else "")
        for one in pictures
    ]


def draw_gallery(
    pictures: Sequence[Picture], run: RunDescription, dataset: Path, stores: Sequence[str | Path], folder: Path
) -> None:
    """Write the pictures, and what they show to `INDEX`, to a folder, which is made if it is missing.

    `dataset` is the packed dataset, `stores` are the joined views of all attacks.
    """
    from PIL import Image

    from faceflip.data.packed import open_dataset
    from faceflip.store import find_store

    folder.mkdir(parents=True, exist_ok=True)
    images = open_dataset(dataset).images
    experiment = attrgetter("network", "attack")
    for (network, attack), shown in groupby(sorted(pictures, key=experiment), experiment):
        with find_store(stores, Experiment(run.sample["name"], network, run.network(network).final, attack)) as store:
            attempts = zip(store.column("attribute"), store.column("image"), strict=True)
            rows = {(attribute.decode(), int(image)): row for row, (attribute, image) in enumerate(attempts)}
            for picture in shown:
                perturbation = store.perturbation(rows[picture.attribute, picture.image])
                Image.fromarray(strip(images[picture.image], perturbation)).save(folder / picture.file)
    told = [{key: value for key, value in asdict(one).items() if value is not None} for one in pictures]
    (folder / INDEX).write_text(json.dumps(told, indent=1), encoding="utf-8")


def strip(image: np.ndarray, perturbation: np.ndarray) -> np.ndarray:
    """Return original, magnified perturbation and perturbed image side by side, on white; small ones enlarged.

    All are (H, W, 3) uint8; the perturbation is of whole numbers, whose sum with the image is on 0-255.
    """
    gap = np.full((len(image), GAP, 3), 255, np.uint8)
    first, *others = triptych(image, perturbation)
    panels = np.concatenate([first, *(each for picture in others for each in (gap, picture))], axis=1)
    zoom = enlargement(image.shape[1], LEAST_PANEL_WIDTH)
    return panels.repeat(zoom, axis=0).repeat(zoom, axis=1)


def read_gallery(folder: Path) -> list[Picture]:
    """Return the pictures of a folder that `draw_gallery` wrote."""
    return [Picture(**each) for each in read_json(folder / INDEX)]
