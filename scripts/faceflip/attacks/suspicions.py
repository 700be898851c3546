"""What is suspicious of a network that was trained elsewhere, before anything is spent on attacking it.

Beside the checks before every attack (`faceflip.attacks.sanity`) its answers are compared with labels: most mistakes in
bringing a network, such as pixels of another range or outputs in another order, show in its answers.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from scipy.stats import binomtest, fisher_exact

from faceflip.attacks.passes import SMALL, Passes, prepared
from faceflip.attacks.sanity import examine
from faceflip.errors import UserError
from faceflip.networks.network import AttributeNetwork
from faceflip.networks.objectives import Objective
from faceflip.wording import first_of, quantity

SURE = 0.01
"""A suspicion of labels is reported if chance would raise it in so small a share of networks, over all attributes."""
INVERTED = 0.4
"""Below this balanced accuracy a sign looks inverted."""
LEARNED, FOLLOWS = 0.6, 0.75
"""Below this balanced accuracy nothing is learned; from this one on, scores follow the labels of another attribute."""
SHOWN = 5

SEEN = "does it see images as it was trained (`input`: scale, mean, std, order, size)?"


@torch.inference_mode(False)
def suspicions(
    network: AttributeNetwork,
    images: np.ndarray,
    labels: np.ndarray,
    majority: np.ndarray,
    device: torch.device,
    batch_size: int = 32,
) -> list[str]:
    """Try a network on some images and return what is suspicious, a sentence each.

    Args:
        network: In evaluation mode.
        images: (N, H, W, 3) uint8.
        labels: (N, attributes) of the network: -1, +1, or 0 where they are not known.
        majority: (attributes,) the more frequent label of the training split: what Trivial answers.
        device: Where it runs.
        batch_size: Images a pass.

    Raises:
        UserError: Attacks on it would mean nothing: its scores are not finite, change from time to time or do not
            change at all, no gradient flows, or they are probabilities, which never cross zero.
    """
    objective, attributes = network.objective, network.spec.attributes
    with prepared(network, device) as (module, place):
        passes = Passes(module, objective, place, images.shape[1:3], min(batch_size, max(len(images), SMALL[-1])))
        pixels = torch.from_numpy(images.reshape(len(images), -1)).to(place)
        scores = passes.forward(pixels)
        values = objective.decision_values(scores).cpu().numpy()
        _require_sense(objective, scores.cpu().numpy(), values, labels)
        few = pixels[: SMALL[0]].float()
        passes.gradient(few, lambda scores, part: _towards_zero(objective, scores, part))
        findings = examine(passes)
    answers = np.where(values > 0, 1, -1)
    constant = [name for name, column in zip(attributes, values.T, strict=True) if np.ptp(column) <= findings.margin]
    said = [f"the same score for all {len(images)} images on {_few(constant)}"] if constant else []
    return [*findings.warnings, *said, *of_labels(attributes, answers, labels, majority)]


def _towards_zero(objective: Objective, scores: torch.Tensor, part: slice) -> torch.Tensor:
    """Return output gradients that move one decision value an image to zero, those of all attributes by turns."""
    values = objective.decision_values(scores)
    column = torch.arange(part.start, part.stop, device=scores.device)[: len(scores)] % values.shape[1]
    away = values.gather(1, column[:, None]).sign()
    return -torch.where(away == 0, 1.0, away) * objective.value_gradient(column, scores.shape[1])


def _require_sense(objective: Objective, scores: np.ndarray, values: np.ndarray, labels: np.ndarray) -> None:
    """Raise UserError where a network's scores of some images can be no scores."""
    count = len(scores)
    if strange := int((~np.isfinite(scores)).any(axis=1).sum()):
        raise UserError(
            f"its scores of {strange} of {quantity(count, 'image')} are infinite or no numbers; {SEEN} Are the weights "
            "in float32 what they were?"
        )
    if count > 1 and (scores == scores[:1]).all():
        raise UserError(
            f"its scores of {count} images are all the same, {scores[0].tolist()[:SHOWN]}: it does not look at the "
            f"image; {SEEN} Are its weights the trained ones?"
        )
    absent = (labels < 0).sum() / max((labels != 0).sum(), 1)
    if not objective.two_logits and count >= 8 and (values > 0).all() and (values <= 1).all() and absent >= 0.1:
        raise UserError(
            "its scores look like probabilities, all between 0 and 1: a score above zero means that the attribute is "
            "present, so that every image would have every one; give the scores before the last sigmoid (leave it out "
            "of the network that is built, or of what is exported)"
        )


def of_labels(
    attributes: Sequence[str], answers: np.ndarray, labels: np.ndarray, majority: np.ndarray
) -> Iterator[str]:
    """Yield what answers (N, attributes) in {-1, +1} say beside labels; the other arguments are as of `suspicions`."""
    inverted, below, follow = [], [], []
    for place, name in enumerate(attributes):
        given, true = answers[:, place], labels[:, place]
        accuracy, trivial, worse = _beside_trivial(given, true, majority[place])
        balanced, chance = _balanced(given, true, "less")
        if balanced < INVERTED and chance * len(attributes) < SURE:
            inverted.append(f"{name} ({balanced:.0%} balanced accuracy)")
        elif accuracy < trivial and worse * len(attributes) < SURE:
            below.append(f"{name} ({accuracy:.0%}, Trivial {trivial:.0%})")
        if balanced < LEARNED:
            follow += _followed(attributes, place, given, labels)
    if inverted:
        yield (
            f"the sign of {_few(inverted)} looks inverted against the labels: above zero must mean present. Let the "
            "code that builds the network turn it round, or swap the two columns of its logits in `outputs`"
        )
    if below:
        yield (
            f"its accuracy is below that of the majority answer on {_few(below)}; {SEEN} Are `attributes` or `outputs` "
            "in the order of what it gives?"
        )
    if follow:
        yield f"{_few(follow)}; `attributes` or `outputs` may be in another order than what it gives"


def _beside_trivial(answers: np.ndarray, labels: np.ndarray, majority: int) -> tuple[float, float, float]:
    """Return the accuracy on the images with a label, that of the majority answer, and how surely it is lower."""
    known = labels != 0
    if not known.any():
        return 1.0, 0.0, 1.0
    right, trivial = answers[known] == labels[known], labels[known] == majority
    lost, won = int((trivial & ~right).sum()), int((right & ~trivial).sum())
    chance = binomtest(lost, lost + won, alternative="greater").pvalue if lost + won else 1.0
    return right.mean(), trivial.mean(), float(chance)


def _balanced(answers: np.ndarray, labels: np.ndarray, alternative: str) -> tuple[float, float]:
    """Return the balanced accuracy, 1/2 where only one label occurs, and the chance of one so low, or so high."""
    table = [[int(((labels == label) & (answers == answer)).sum()) for answer in (1, -1)] for label in (1, -1)]
    if not all(map(sum, table)):
        return 0.5, 1.0
    rates = [row[place] / sum(row) for place, row in enumerate(table)]
    return sum(rates) / 2, float(fisher_exact(table, alternative=alternative).pvalue)


def _followed(attributes: Sequence[str], place: int, answers: np.ndarray, labels: np.ndarray) -> list[str]:
    """Say which other attribute's labels the answers on one follow, if they do."""
    others = {name: _balanced(answers, labels[:, k], "greater") for k, name in enumerate(attributes) if k != place}
    best = max(others, key=lambda name: others[name][0], default="")
    if best and others[best][0] >= FOLLOWS and others[best][1] * len(attributes) < SURE:
        return [f"the scores of {attributes[place]} follow the labels of {best}"]
    return []


def _few(names: Sequence[str]) -> str:
    return first_of(names, SHOWN)
