"""Attributes of photographs, flipped: what an attack on the crops comes to, also once it is pasted back."""

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from faceflip import attacks
from faceflip.errors import NetworkWarning
from faceflip.networks.inference import scores
from faceflip.outcomes import Outcome
from faceflip.photo.cropping import Crop
from faceflip.photo.pasting import Patch
from faceflip.pixels import perturbed
from faceflip.similarity import pass_scores
from faceflip.similarity.definition import WINDOW

if TYPE_CHECKING:
    from faceflip.networks.members import Members
    from faceflip.networks.network import AttributeNetwork

STRENGTHS = (1.0, 1.05, 1.1, 1.2, 1.3, 1.5, 2.0, 3.0, 4.0)
"""How strong a pasted perturbation is made, until the photograph flips."""


@dataclass(frozen=True)
class PastedBack:
    """What a network says of a photograph that the perturbation was put back into, once it is cropped again.

    Attributes:
        strength: By what the perturbation was multiplied.
        score: The network's decision value on the attacked attribute.
        flips: Whether it decides otherwise than on the photograph, by more than its numerical margin.
    """

    strength: float
    score: float
    flips: bool


@dataclass(frozen=True)
class Flip:
    """An attempt on one attribute of one photograph.

    Attributes:
        image: Which photograph, from 0.
        outcome: Why the attempt ended; unless it is `FLIPPED`, numbers of the flip are NaN and nothing is perturbed.
        perturbation: Of the crop, (height, width, 3) int16.
        similarity: PASS of the perturbed crop; NaN where that is too small for it.
        changed: The other attributes on which the decision changed, and whether they are present now; None where
            nothing but the attacked attribute was looked at.
        pasted: What became of the photograph, None where the image was a crop already, or did not flip.
    """

    image: int
    attribute: str
    outcome: Outcome
    score_before: float
    score_after: float
    epsilon: float
    steps: int
    perturbation: np.ndarray
    similarity: float = math.nan
    changed: dict[str, bool] | None = None
    pasted: PastedBack | None = None

    @property
    def flipped(self) -> bool:
        """Whether the decision changed."""
        return self.outcome == Outcome.FLIPPED


@dataclass(frozen=True)
class Attack:
    """An attack with its options, as `faceflip.attacks.attack` takes them.

    Attributes:
        labels: Annotations, -1 or +1, one for each photograph.
        strengthen: Whether a perturbation is put back stronger where the photograph does not flip otherwise.
        progress: Whether standard error shows progress.
    """

    name: str = "ffa-line"
    options: dict[str, Any] = field(default_factory=dict)
    labels: Sequence[int] | None = None
    strengthen: bool = False
    progress: bool = False


def flip_all(
    members: "Members",
    attributes: Sequence[str],
    photos: Sequence[np.ndarray],
    crops: Sequence[Crop],
    attack: Attack,
) -> tuple[list[Flip], list[str]]:
    """Attack known attributes on the crops of photographs, each on the network that decides on it.

    Returns the attempts, all attributes of the first photograph first, and what is suspicious of the networks. What
    else changed is looked for on these networks.
    """
    owners, flips, warned = members.owners(attributes), [], []
    for path, share in owners.items():
        some, sentences = flip(members.load(path), share, photos, crops, attack)
        flips += some
        warned += sentences
    flips.sort(key=lambda each: (each.image, attributes.index(each.attribute)))
    return what_else_changed(lambda: map(members.load, owners), flips, crops), list(dict.fromkeys(warned))


def flip(
    network: "AttributeNetwork",
    attributes: Sequence[str],
    photos: Sequence[np.ndarray],
    crops: Sequence[Crop],
    attack: Attack,
) -> tuple[list[Flip], list[str]]:
    """Attack attributes of a network on the crops of photographs.

    Returns the attempts, all attributes of the first photograph first, and what is suspicious of the network. Raises
    what `faceflip.attacks.attack` raises.
    """
    known, images = network.spec.attributes, np.stack([crop.pixels for crop in crops])
    columns = np.array([known.index(name) for name in attributes])
    which = np.repeat(np.arange(len(images)), len(columns))
    originals = images[which]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NetworkWarning)  # they are returned
        result = attacks.attack(
            network,
            originals,
            attack.name,
            attribute=np.tile(columns, len(images)),
            objective=network.spec.loss,
            labels=None if attack.labels is None else [each for each in attack.labels for _ in columns],
            progress=attack.progress,
            **attack.options,
        )
    flips = [
        Flip(
            int(which[k]),
            attributes[k % len(attributes)],
            Outcome(result.outcome[k]),
            *(float(getattr(result, name)[k]) for name in ("score_before", "score_after", "epsilon")),
            int(result.steps[k]),
            result.perturbation[k],
        )
        for k in range(len(originals))
    ]
    rows = np.flatnonzero(result.flipped)
    if len(rows):
        before, after = originals[rows], perturbed(originals[rows], result.perturbation[rows])
        small = min(images.shape[1:3]) < WINDOW
        similarity = np.full(len(rows), np.nan) if small else pass_scores(before, after).pass_
        strengths = STRENGTHS if attack.strengthen else STRENGTHS[:1]
        for row, score in zip(rows, similarity, strict=True):
            each = flips[row]
            pasted = _pasted(network, each, photos[each.image], crops[each.image], strengths, result.margin)
            flips[row] = replace(each, similarity=float(score), pasted=pasted)
    return flips, list(result.warnings)


def what_else_changed(
    networks: Callable[[], Iterable["AttributeNetwork"]], flips: Sequence[Flip], crops: Sequence[Crop]
) -> list[Flip]:
    """Return the attempts with the other decisions of the networks that changed; each network is used in turn.

    Where the networks decide on no other attribute, that stays unknown.
    """
    rows = [k for k, each in enumerate(flips) if each.flipped]
    if not rows:
        return list(flips)
    originals = np.stack([crops[flips[k].image].pixels for k in rows])
    after = perturbed(originals, np.stack([flips[k].perturbation for k in rows]))
    changed: list[dict[str, bool]] = [{} for _ in rows]
    seen = set()
    for network in networks():
        seen.update(network.spec.attributes)
        before, now = (decision_values(network, images) > 0 for images in (originals, after))
        for row, column in np.argwhere(before != now):
            changed[row][network.spec.attributes[column]] = bool(now[row, column])
    result = list(flips)
    for k, others in zip(rows, changed, strict=True):
        if seen - {flips[k].attribute}:
            others.pop(flips[k].attribute, None)
            result[k] = replace(flips[k], changed=others)
    return result


def decision_values(network: "AttributeNetwork", images: np.ndarray) -> np.ndarray:
    """Return decision values (N, attributes) of uint8 images (N, H, W, 3); above zero means present."""
    import torch

    return network.objective.decision_values(torch.from_numpy(scores(network, images))).numpy()


def _pasted(
    network: "AttributeNetwork", flip: Flip, photo: np.ndarray, crop: Crop, strengths: Iterable[float], margin: float
) -> PastedBack | None:
    """Put the perturbation into the photograph at the first strength that flips it; if none does, at the first."""
    if crop.alignment is None:
        return None
    column = network.spec.attributes.index(flip.attribute)
    patch = Patch.of(flip.perturbation, crop.alignment, photo)
    tried = []
    for strength in strengths:
        again = crop.alignment.crop(patch.on(photo, strength), crop.pixels.shape[1::-1])
        score = float(decision_values(network, again[None])[0, column])
        flips = (score > 0) != (flip.score_before > 0) and abs(score) > margin
        tried.append(PastedBack(strength, score, flips))
        if flips:
            return tried[-1]
    return tried[0]
