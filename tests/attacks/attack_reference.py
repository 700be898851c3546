"""The attacks in plain words: one image at a time, no tricks, nothing shared with the engine.

An attempt is a generator. It asks ``("gradient", image, seeds)`` or ``("forward", image)`` and is sent scores and
gradients, or scores; it returns an `Attempt`. How the passes are made is up to who drives it: `one_by_one` makes one
for each request, `lockstep` one for a batch of attempts that start together, padded to the full shape.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn


@dataclass(frozen=True)
class Attempt:
    """What an attempt came to; the names are those of `AttackResult`."""

    perturbation: np.ndarray
    flipped: bool
    outcome: str
    epsilon: float
    steps: int
    score_before: float
    score_after: float
    gradient_passes: int
    forward_passes: int


@dataclass(frozen=True)
class Setting:
    """Network kind and options of an attempt."""

    objective: str = "euclidean"
    attribute: int = 0
    label: int = 0
    search: str = "doubling"
    max_epsilon: float = 255
    max_steps: int = 100
    fgs_label: str = "current"
    ffa_target: str = "current"
    ffa_objective: str = "scores"
    margin: float = 0.0

    def value(self, scores: np.ndarray) -> float:
        """Return the decision value."""
        if self.objective == "softmax":
            return float(np.float32(scores[1]) - np.float32(scores[0]))
        return float(scores[self.attribute])

    def flipped(self, value: float, decision: int) -> bool:
        """Return the verdict on a rounded image."""
        return value <= -self.margin if decision > 0 else value > self.margin


def decide(value: float) -> int:
    """Return +1 or -1; zero counts as absent."""
    return 1 if value > 0 else -1


def fgs_seeds(setting: Setting, scores: np.ndarray, decision: int, _: np.ndarray) -> np.ndarray:
    """Return the sign of dJ/dscores of the label that fgs_label names."""
    label = {"current": decision, "annotated": setting.label, "opposite": -decision}[setting.fgs_label]
    sign = -1 if setting.fgs_label == "opposite" else 1
    if setting.objective == "softmax":  # cross-entropy: raised by lowering the label's logit against the other
        return sign * np.array([1.0, -1.0] if label > 0 else [-1.0, 1.0])
    return sign * np.sign(scores - label)


def ffa_seeds(setting: Setting, scores: np.ndarray, decision: int, original: np.ndarray) -> np.ndarray:
    """Return t - f, scaled to a largest absolute value of one."""
    anew = setting.ffa_target == "current"
    crossed = anew and decide(setting.value(scores)) != decision
    if setting.objective == "softmax" and setting.ffa_objective == "margin":
        towards = -decision if crossed else -np.sign(setting.value(scores))
        return towards * np.array([-1.0, 1.0])
    target = (scores if anew else original).astype(np.float32).copy()
    column = int(decision > 0) if setting.objective == "softmax" else setting.attribute
    target[column] = 0
    seeds = target - scores
    if crossed and setting.objective != "softmax":
        seeds[column] = -decision
    return seeds / max(np.abs(seeds).max(), np.finfo(np.float32).tiny)


def at(image: np.ndarray, direction: np.ndarray, epsilon: float) -> np.ndarray:
    """Return the image of a ray: round(clip(x + epsilon * d))."""
    return np.rint(np.clip(image.astype(np.float64) + epsilon * direction.astype(np.float64), 0, 255))


def line(setting: Setting, image: np.ndarray, seeds: Callable, whole: bool) -> Generator[tuple, object, Attempt]:
    """Search along a ray: sections that double (or of width one), then bisection."""
    kept: list = []

    def seeded(scores: np.ndarray) -> np.ndarray:
        kept[:] = [setting.value(scores), decide(setting.value(scores))]
        return seeds(setting, scores, kept[1], scores)

    _, gradient = yield "gradient", image, seeded
    before, decision = kept
    forwards = 0

    def ended(outcome: str, epsilon: float = np.nan, after: float = np.nan) -> Attempt:
        flipped = outcome == "flipped"
        changes = (at(image, direction, epsilon) - image if flipped else np.zeros_like(image, float)).astype(np.int16)
        return Attempt(changes, flipped, outcome, epsilon, 1, before, after, 1, forwards)

    largest = np.abs(gradient).max()
    direction = np.sign(gradient) if whole else gradient / largest
    if not largest:
        return ended("zero_gradient")
    limit = np.floor(setting.max_epsilon) if whole else setting.max_epsilon
    farthest = at(image, direction, 1e300)
    low, at_low, high, at_high, after = 0.0, image, None, None, np.nan
    while True:
        if high is None:
            if low >= limit:
                return ended("max_epsilon")
            if (at_low == farthest).all():
                return ended("saturated")
            probe = min(low + 1 if setting.search == "scan" else 2 * low + 1, limit)
        else:
            probe = np.floor((low + high) / 2) if whole else (low + high) / 2
            if not low < probe < high or (not whole and np.abs(at_high - at_low).sum() == 1):
                return ended("flipped", high, after)
        picture = at(image, direction, probe)
        if (picture == at_low).all():
            low, at_low = probe, picture
        elif high is not None and (picture == at_high).all():
            high, at_high = probe, picture
        else:
            forwards += 1
            value = setting.value((yield "forward", picture))
            if setting.flipped(value, decision):
                high, at_high, after = probe, picture, value
            else:
                low, at_low = probe, picture


def iterative(setting: Setting, image: np.ndarray, seeds: Callable, whole: bool) -> Generator[tuple, object, Attempt]:
    """Take steps of one pixel value until the rounded image is flipped."""
    kept: dict = {}

    def seeded(scores: np.ndarray) -> np.ndarray:
        kept["value"] = setting.value(scores)
        kept.setdefault("before", kept["value"])
        kept.setdefault("original", scores)
        chosen = seeds(setting, scores, decide(kept["before"]), kept["original"])
        kept["upwards"] = np.sign(setting.value(chosen))
        return chosen

    state = image.astype(np.float32)
    gradients = forwards = decision = 0
    hopeful, last_value, last_slope = False, None, None

    def ended(outcome: str, steps: int, after: float = np.nan) -> Attempt:
        flipped = outcome == "flipped"
        changes = (np.rint(state) - image if flipped else np.zeros_like(state)).astype(np.int16)
        epsilon = float(steps) if flipped else np.nan
        return Attempt(changes, flipped, outcome, epsilon, steps, kept["before"], after, gradients, forwards)

    for step in range(setting.max_steps + 1):
        last = step == setting.max_steps
        if hopeful or last:  # a flip is expected, or has to be: a forward pass is cheaper
            forwards += 1
            value = setting.value((yield "forward", np.rint(state)))
            if setting.flipped(value, decision):
                return ended("flipped", step, value)
        if last:
            return ended("max_steps", step)
        _, gradient = yield "gradient", state, seeded
        gradients += 1
        decision = decide(kept["before"])
        if step and whole and setting.flipped(kept["value"], decision):
            return ended("flipped", step, kept["value"])
        largest = np.abs(gradient).max()
        direction = np.sign(gradient) if whole else gradient / max(largest, np.finfo(np.float32).tiny)
        stepped = np.clip(state + direction.astype(np.float32), 0, 255)
        stuck = (stepped == state).all()
        if step and not whole and (stuck or decide(kept["value"]) != decision):
            forwards += 1
            value = setting.value((yield "forward", np.rint(state)))
            if setting.flipped(value, decision):
                return ended("flipped", step, value)
        if stuck:
            return ended("saturated" if largest else "zero_gradient", step)
        slope = kept["upwards"] * np.abs(gradient).sum()
        held = (kept["value"] - last_value) / last_slope if step else 1.0
        hopeful = whole and decide(kept["value"] + held * slope) != decision
        state, last_value, last_slope = stepped, kept["value"], slope
    raise AssertionError("the loop ends by returning")


ATTEMPTS = {
    "fgs-line": (line, fgs_seeds, True),
    "fgs-iterative": (iterative, fgs_seeds, True),
    "ffa-line": (line, ffa_seeds, False),
    "ffa-iterative": (iterative, ffa_seeds, False),
}


def lockstep(network: nn.Module, images: np.ndarray, attack: str, settings: list[Setting], rows: int) -> list[Attempt]:
    """Attack images (N, H, W, 3) in batches of `rows` that start together and wait for their slowest."""
    results: list[Attempt] = []
    for start in range(0, len(images), rows):
        results += _batch(network, images[start : start + rows], attack, settings[start : start + rows], rows)
    return results


def one_by_one(network: nn.Module, images: np.ndarray, attack: str, settings: list[Setting]) -> list[Attempt]:
    """Attack images (N, H, W, 3) each on its own."""
    return lockstep(network, images, attack, settings, 1)


def _batch(network: nn.Module, images: np.ndarray, attack: str, settings: list[Setting], rows: int) -> list[Attempt]:
    kind, seeds, whole = ATTEMPTS[attack]
    shape = images.shape[1:]
    attempts = [kind(setting, image.ravel(), seeds, whole) for setting, image in zip(settings, images, strict=True)]
    requests = {number: next(attempt) for number, attempt in enumerate(attempts)}
    results: dict[int, Attempt] = {}
    while requests:
        for wanted, run in (("gradient", _gradients), ("forward", _forwards)):
            asking = {number: request for number, request in requests.items() if request[0] == wanted}
            if not asking:
                continue
            batch = torch.zeros(rows, *shape)
            for number, request in asking.items():
                batch[number] = torch.from_numpy(np.asarray(request[1], np.float32).reshape(shape))
            answers = run(network, batch.permute(0, 3, 1, 2), asking)
            for number, answer in answers.items():
                try:
                    requests[number] = attempts[number].send(answer)
                except StopIteration as end:
                    results[number] = end.value
                    del requests[number]
    return [results[number] for number in range(len(attempts))]


def _forwards(network: nn.Module, batch: torch.Tensor, asking: dict) -> dict:
    with torch.inference_mode():
        scores = network(batch).numpy()
    return {number: scores[number] for number in asking}


def _gradients(network: nn.Module, batch: torch.Tensor, asking: dict) -> dict:
    batch = batch.requires_grad_()
    scores = network(batch)
    wanted = np.zeros(tuple(scores.shape), np.float32)
    for number, (_, _, seeds) in asking.items():
        wanted[number] = seeds(scores[number].detach().numpy())
    (gradients,) = torch.autograd.grad(scores, batch, torch.from_numpy(wanted))
    flat = gradients.permute(0, 2, 3, 1).reshape(len(batch), -1).numpy()
    return {number: (scores[number].detach().numpy(), flat[number]) for number in asking}
