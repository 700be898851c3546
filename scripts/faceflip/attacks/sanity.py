"""Trying a network before it is attacked: whether verdicts on it mean anything, and how coarsely it rounds.

An attack assumes that the network is a function of the image whose gradient leads somewhere. A network that is not,
such as one with dropout left on, looks robust. So a few images of each run are evaluated once more: elsewhere on their
rays, in other batches, one by one. As with the checks of AutoAttack (Croce and Hein 2020), what makes verdicts
meaningless is an error, and what is suspicious a warning.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from faceflip.attacks.passes import Passes
from faceflip.errors import UserError

LOOKED_AT = 8
"""Images of a run that are looked at."""

DOUBT = 2.0
"""Decision values of a lower precision are in doubt up to this many times their largest difference from float32."""

HEADROOM = 32.0
"""The margin is this many times the largest difference between evaluations of the same image."""

NO_FUNCTION = 0.01
"""A difference of this share of the largest decision value is more than rounding."""

COARSE = 0.05
"""A margin of this share of the decision values' median size is worth a warning."""


@dataclass(frozen=True)
class SanityFindings:
    """What was found of a network.

    Attributes:
        margin: How far past zero a decision value must be for its sign to hold in other batches.
        warnings: What is suspicious, a sentence each.
        doubt: How far from zero a decision value of a lower precision must be for its sign to hold in float32, as far
            as a few images tell; 0 where there is no lower precision.
    """

    margin: float
    warnings: tuple[str, ...]
    doubt: float = 0.0


def examine(passes: Passes, coarse: Passes | None = None) -> SanityFindings:
    """Try a network on a run's first images, after its first gradient pass, and beside it in a lower precision.

    Decision values are compared between this run's shape, the images between others, one by one, and by seven in
    PyTorch's default memory layout: where the images are, near the decision, which the gradient foretells, and at the
    far end of their rays, where rounding is coarsest as long as scores grow.

    Raises:
        UserError: The network is no function of the image: it gives other scores a second time, or in another batch.
    """
    sample = passes.sample
    images, gradients = sample.images[:LOOKED_AT], sample.gradients[:LOOKED_AT]
    values = passes.objective.decision_values
    before = values(sample.scores[:LOOKED_AT])
    slope = gradients.abs().sum(dim=1)
    size = (sample.scores * sample.output_gradients)[:LOOKED_AT].abs().amax(dim=1)
    near = (size / slope.where(slope > 0, 1.0)).clamp_(0, 255)[:, None]
    places = [(images + step * gradients.sign()).round_().clamp_(0, 255) for step in (0, near, 255)]
    rows = torch.stack(places, dim=1)  # each image between others than before
    with torch.inference_mode():
        scores = passes.forward(rows.flatten(0, 1))
        evaluated = values(scores).unflatten(0, rows.shape[:2])
        elsewhere = [values(each) for each in _elsewhere(passes, rows[:, 1:].flatten(0, 1))]
    moved = evaluated[:, 1:].flatten(0, 1)
    difference = max(map(_largest, [evaluated[:, 0] - before, *(each - moved[: len(each)] for each in elsewhere)]))
    if difference > NO_FUNCTION * _largest(evaluated):
        _refuse(passes, rows[:, 0], difference)
    margin = HEADROOM * difference
    doubt = DOUBT * _largest(values(coarse.forward(rows[:, 1])) - evaluated[:, 1]) if coarse else 0.0
    return SanityFindings(margin, tuple(_suspicions(passes, scores, margin, evaluated)), doubt)


def _elsewhere(passes: Passes, images: Tensor) -> Iterator[Tensor]:
    """Yield the scores of the images in batches of one, and of the first in one of seven in the default layout."""
    batch = passes.nchw(images)
    yield torch.cat([passes.scores(each) for each in batch.split(1)])
    try:
        yield passes.scores(batch[:7].contiguous())
    except torch.OutOfMemoryError:
        yield passes.scores(batch[: passes.rows].contiguous())  # as many as memory was seen to hold


def _refuse(passes: Passes, images: Tensor, difference: float) -> None:
    """Raise `UserError`, saying why the network is no function of the image."""
    batch = passes.nchw(images)[: passes.rows]
    first, second = (passes.scores(batch) for _ in range(2))
    if _largest(first - second) > difference / 100:
        why = "for the same images a second time (dropout or noise that is on in evaluation mode?)"
    else:
        why = "for the same images in other batches (batch normalisation without running statistics?)"
    raise UserError(
        f"network: gives decision values that differ by up to {difference:.3g} {why}; expected a function of each "
        "image alone, because verdicts on another do not hold"
    )


def _suspicions(passes: Passes, scores: Tensor, margin: float, values: Tensor) -> Iterator[str]:
    """Yield what is suspicious of gradients and scores (N, M), decision values (N, attributes) and the margin."""
    gradients = passes.sample.gradients
    if len(gradients) >= LOOKED_AT // 2 and not gradients.any():
        yield (
            f"the gradient is zero on all {len(gradients)} images looked at: saturated or rounded scores make a "
            "network look robust against attacks by gradients"
        )
    finite = values[values.isfinite()]
    typical = finite.abs().median().item() if len(finite) else 0.0
    if margin > COARSE * typical:
        yield (
            f"decision values must pass zero by {margin:.3g} because the network rounds so coarsely, and have a median "
            f"size of {typical:.3g}: flips by less are not counted"
        )
    if (kind := _like_probabilities(scores.view(-1, 2) if passes.objective.two_logits else scores)) is not None:
        yield f"scores look like {kind}: attacks need those before the last sigmoid or softmax"
    whole = (scores == scores.round()).all()
    for coarse in (torch.bfloat16, torch.float16):
        if not whole and (scores == scores.to(coarse).float()).all():
            yield f"all scores have the precision of {coarse}: verdicts of a network that computes in it may not last"
            break


def _like_probabilities(scores: Tensor) -> str | None:
    """Return what scores (N, M) look like that are no scores, None where they look like scores."""
    if scores.shape[1] > 1 and _near(scores.exp().sum(dim=1)):
        return "log-probabilities"
    # Scores of a few images may lie there by chance; those of many places hardly do.
    if len(scores) >= 3 * LOOKED_AT and (scores >= 0).all() and (scores <= 1).all() and scores.any():
        return "probabilities"
    return None


def _near(sums: Tensor) -> bool:
    return bool(((sums - 1).abs() < 1e-3).all())


def _largest(values: Tensor) -> float:
    """Return the largest absolute value of those that are finite, 0 where none is."""
    finite = values[values.isfinite()]
    return finite.abs().amax().item() if len(finite) else 0.0
