"""The whole method on one page: one image at a time, in plain NumPy and PyTorch, to be read from top to bottom.

The equations are those of Rozsa, Günther, Rudd and Boult (2018): x is an image of pixel values 0-255, f(x) are the
network's scores, y in {-1, +1} is a label, J the loss, d a direction, epsilon its length. Where the paper leaves a
choice, an option names the others.

The engine (`faceflip.attacks.attack`) does the same for many images at once. It shares no code with this page, and the
tests hold it against this page: in passes of the same shape both give the same bytes.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from faceflip.attacks.options import AttackOptions
from faceflip.errors import UserError
from faceflip.outcomes import Outcome
from faceflip.registry import look_up


@dataclass(frozen=True)
class Attempt:
    """The result of an attempt: a row of `faceflip.attacks.AttackResult`, which says what the names mean."""

    perturbation: np.ndarray
    flipped: bool
    outcome: Outcome
    epsilon: float
    steps: int
    score_before: float
    score_after: float
    gradient_passes: int
    forward_passes: int


def attack(
    network: nn.Module,
    image: np.ndarray,
    attack: str = "ffa-line",
    attribute: int = 0,
    objective: str = "euclidean",
    label: int = 0,
    **options: Any,
) -> Attempt:
    """Look for a change of one image that changes the decision on one attribute.

    Args:
        network: From float32 RGB images 1 x 3 x H x W on 0-255 to scores 1 x M, in evaluation mode on a CPU.
        image: (H, W, 3) uint8.
        attack: A name of `faceflip.catalogue.ATTACKS`, or any with the options direction and search.
        attribute: The attacked attribute's place among those that the network decides on.
        objective: The loss that the network was trained for: ``euclidean``, ``softmax`` or ``bce``.
        label: The annotated label, -1 or +1; only the option ``fgs_label: annotated`` uses it.
        **options: Fields of `faceflip.attacks.AttackOptions`; the margin is zero unless it is given, and all passes
            are in float32.

    Raises:
        UserError: An option is wrong, the attack is not one of this page, or it does not apply to the network.
    """
    checked = AttackOptions.of(options)
    entry = checked.attack(attack)
    look_up(dict.fromkeys(("euclidean", "softmax", "bce")), objective, "loss on this page")
    look_up(dict.fromkeys(("fgs", "ffa", "boundary")), entry.direction, "direction on this page")
    method = Method(network, image.ravel(), image.shape, attribute, objective, label, checked, entry.direction)
    searches = {"doubling": method.line, "scan": partial(method.line, growth=1), "iterative": method.iterative}
    searches |= {"newton": method.newton, "descent": method.descent}
    return look_up(searches, entry.search, "search on this page")()


def decide(value: float) -> int:
    """Return the decision c(x), eq. (2): +1 where the decision value is above zero, else -1."""
    return 1 if value > 0 else -1


def loss_gradient(objective: str, scores: np.ndarray, label: int) -> np.ndarray:
    """Return dJ/df of one attribute: its one score or two logits (absent, present) as float64, its label -1 or +1."""
    f = scores.astype(np.float64)
    if objective == "euclidean":  # J = (f - y)^2, eq. (1), and one term of the sum in eq. (4)
        return 2 * (f - label)
    if objective == "bce":  # J = log(1 + exp(-y f)); its derivative is -y times the wrong label's probability
        return -label * np.exp(-np.logaddexp(0, label * f))
    # Softmax, J = -log of the label's probability; as bce of present minus absent, which falls by the absent logit.
    return loss_gradient("bce", f[1:] - f[:1], label) * [-1, 1]


def along(image: np.ndarray, direction: np.ndarray, epsilon: float) -> np.ndarray:
    """Return the whole-number image round(clip(x + epsilon d, 0, 255)); a half rounds to even."""
    return np.rint(np.clip(image.astype(np.float64) + epsilon * direction.astype(np.float64), 0, 255))


def squared(direction: np.ndarray) -> np.float32:
    """Return the squared L2 norm of a direction, rounded to single precision: the same in whatever order it adds up."""
    return np.square(direction).sum(dtype=np.float64).astype(np.float32)


def norm(direction: np.ndarray) -> float:
    """Return the L2 norm of a direction."""
    return float(np.sqrt(np.float64(squared(direction))))


OVERSHOOT = 1.02
"""Of a Newton step, so that it crosses the boundary and does not end at it."""
FIRST, KEPT, CHANGE = 4.0, (0.3, 0.95), (0.5, 0.02)
"""Of a descent: pixel values of its first step; at the second and last step, the share of the old direction in the new
one, and the share by which a length may change."""


@dataclass
class Method:
    """One attempt: the arguments of `attack`, and what the passes so far have shown.

    Attributes:
        image: (P,) uint8, the unperturbed image x, its values in the order height, width, channel.
        shape: (H, W, 3).
        unsure: Whether a score or a gradient on the way was not finite, which is no verdict and no direction.
        toward: The direction: ``fgs``, ``ffa`` or ``boundary``.
        original: (M,) float32, the scores of the unperturbed image, known from the first pass on.
        before: Its decision value.
        decision: Its decision.
    """

    network: nn.Module
    image: np.ndarray
    shape: tuple[int, int, int]
    attribute: int
    objective: str
    label: int
    options: AttackOptions
    toward: str
    gradient_passes: int = 0
    forward_passes: int = 0
    unsure: bool = False

    @property
    def whole(self) -> bool:
        """Whether directions are -1, 0, +1 alone, so that a whole epsilon gives whole pixel values: FGS, no other."""
        return self.toward == "fgs"

    # Scores and decisions

    @property
    def own(self) -> slice:
        """Where the attribute's scores stand among the network's: one, or the logits of absent and present."""
        each = 2 if self.objective == "softmax" else 1
        return slice(each * self.attribute, each * (self.attribute + 1))

    def value(self, scores: np.ndarray) -> float:
        """Return the decision value: the attribute's score, or its present logit minus its absent one."""
        own = scores[self.own]
        return float(own[1] - own[0] if self.objective == "softmax" else own[0])

    def flips(self, value: float) -> bool:
        """Return whether an image of this decision value counts as flipped: past zero by the margin."""
        margin = self.options.margin or 0.0
        if not np.isfinite(value):
            self.unsure = True
            return False
        return value <= -margin if self.decision > 0 else value > margin

    # Directions, as gradients with respect to the scores that are propagated back to the image

    def fgs(self, scores: np.ndarray) -> np.ndarray:
        """Return dJ/df, whose gradient in x FGS takes the sign of, eq. (7).

        y is the current decision, so that raising the loss means leaving it; or the annotated label; or the loss of
        the opposite decision is lowered. J is the loss of a network of one attribute, or one attribute's part of it.
        """
        own = scores[self.own]
        if len(own) < len(scores) and self.options.fgs_scope == "network":
            raise UserError("FGS raises the loss of all attributes at once; use FFA, or option fgs_scope: attribute")
        y = {"current": self.decision, "annotated": self.label, "opposite": -self.decision}[self.options.fgs_label]
        gradient = np.zeros(len(scores))
        gradient[self.own] = loss_gradient(self.objective, own, y)
        return -gradient if self.options.fgs_label == "opposite" else gradient

    def ffa(self, scores: np.ndarray) -> np.ndarray:
        """Return t - f: FFA descends 1/2 ||t - f(x)||^2, eqs. (8) and (9) (the sign in eq. (9) is a slip).

        t is f, but zero for the score that carries the decision: the attribute's own, or the larger of its two logits.
        Where an unrounded image has crossed zero and its rounded image has not, that leads back (`onward`: on).
        """
        current, softmax = self.options.ffa_target == "current", self.objective == "softmax"
        onward = current and self.options.ffa_crossed == "onward" and decide(self.value(scores)) != self.decision
        if softmax and self.options.ffa_objective == "margin":  # the decision value goes to zero, by both logits
            descent = np.zeros(len(scores))
            descent[self.own] = (-self.decision if onward else -self.value(scores)) * np.array([-1, 1])
            return descent
        carrier = self.own.start + int(softmax and self.decision > 0)
        target = (scores if current else self.original).copy()
        target[carrier] = 0
        descent = target - scores
        if onward and not softmax:
            descent[carrier] = -self.decision
        return descent

    def boundary(self, scores: np.ndarray) -> np.ndarray:
        """Return how the scores change for the decision value to leave the decision, by both logits if there are two.

        With a margin of logits in place of the larger one it is FFA's way, and it goes on past the boundary.
        """
        descent = np.zeros(len(scores))
        descent[self.own] = -self.decision * np.array([-1, 1] if self.objective == "softmax" else [1])
        return descent

    # Passes

    def batch(self, image: np.ndarray) -> torch.Tensor:
        """Return an image (P,) as the network takes it, float32 1 x 3 x H x W."""
        return torch.from_numpy(image.astype(np.float32).reshape(1, *self.shape)).permute(0, 3, 1, 2)

    def judge(self, image: np.ndarray) -> float:
        """Return the decision value of a whole-number image (P,)."""
        self.forward_passes += 1
        with torch.inference_mode():
            return self.value(self.network(self.batch(image))[0].numpy())

    def gradient(self, image: np.ndarray) -> tuple[float, np.ndarray, float]:
        """Return the decision value of an image (P,), its direction, and how much the value should rise by a step.

        The direction (P,) is the sign of the gradient (FGS), or the gradient scaled to a largest absolute value of one,
        so that epsilon is in pixel values. What is propagated back matters up to a positive factor
        only; it is scaled to one as well, so that the flat loss of a sure decision does not underflow on the way.
        """
        leaf = self.batch(image).requires_grad_()
        outputs = self.network(leaf)
        scores = outputs[0].detach().numpy()
        if not self.gradient_passes:
            self.original, self.before = scores, self.value(scores)
            self.decision = decide(self.before)
        self.gradient_passes += 1
        wanted = {"fgs": self.fgs, "ffa": self.ffa, "boundary": self.boundary}[self.toward](scores)
        wanted = (wanted / (np.abs(wanted).max() or 1)).astype(np.float32)
        (gradient,) = torch.autograd.grad(outputs, leaf, torch.from_numpy(wanted)[None])
        gradient = gradient.permute(0, 2, 3, 1).numpy().ravel()
        value = self.value(scores)
        if not np.isfinite(value + gradient.sum()):
            self.unsure, gradient = True, np.zeros_like(gradient)
        if self.whole:
            return value, np.sign(gradient), np.sign(self.value(wanted)) * np.abs(gradient).sum()
        largest = np.abs(gradient).max()
        direction = gradient / (largest or 1)
        return value, direction, np.sign(self.value(wanted)) * (squared(direction) * largest)

    # Searches

    def line(self, growth: int = 2) -> Attempt:
        """Search along a ray: epsilon = 1, 3, 7, ... until the decision changes, then bisection of the last section.

        With a growth of 1 every whole epsilon is tried. FGS keeps epsilon whole. An image that an end of the section
        has already is not judged again.
        """
        _, direction, _ = self.gradient(self.image)
        if not direction.any():
            return self.ended(Outcome.ZERO_GRADIENT, 1)
        return self.on_ray(direction, 1, self.whole, growth)

    def on_ray(
        self,
        direction: np.ndarray,
        steps: int,
        whole: bool = False,
        growth: int = 2,
        high: float | None = None,
        after: float = np.nan,
    ) -> Attempt:
        """Search a ray whose direction took so many steps; below a flip at `high` of the value `after`, if any."""
        image, options = self.image, self.options
        limit = np.floor(options.max_epsilon) if whole else options.max_epsilon
        farthest = np.where(direction == 0, image, np.where(direction > 0, 255, 0))
        low, at_low, at_high = 0.0, image, None if high is None else along(image, direction, high)
        while True:
            if high is None:
                if low >= limit:
                    return self.ended(Outcome.MAX_EPSILON, steps)
                if (at_low == farthest).all():
                    return self.ended(Outcome.SATURATED, steps)
                probe = min(growth * low + 1, limit)
            else:
                probe = np.floor((low + high) / 2) if whole else (low + high) / 2
                near = high - low <= options.epsilon_tolerance or np.abs(at_high - at_low).sum() <= 1
                if not low < probe < high or (near and not whole):
                    return self.ended(Outcome.FLIPPED, steps, at_high, high, after)
            picture = along(image, direction, probe)
            if (picture == at_low).all():
                low = probe
            elif high is not None and (picture == at_high).all():
                high = probe
            elif self.flips(value := self.judge(picture)):
                high, at_high, after = probe, picture, value
            else:
                low, at_low = probe, picture

    def iterative(self) -> Attempt:
        """Take steps with a largest change of one pixel value until the rounded image is flipped.

        Each step follows the gradient at the image that the last one led to, which FFA does not round. The value that
        comes with the gradient is FGS's verdict on the step before. Where it should cross zero by the next step, if the
        slope holds as far as it did in the last, a forward pass takes the next verdict: it is cheaper than a gradient.
        FFA judges the rounded image once the unrounded one has crossed zero, or cannot move.
        """
        state, steps, expected = self.image.astype(np.float32), 0, False
        last_value = last_slope = np.nan
        while True:
            if expected or steps == self.options.max_steps:
                after = self.judge(np.rint(state))
                if self.flips(after):
                    return self.ended(Outcome.FLIPPED, steps, np.rint(state), steps, after)
            if steps == self.options.max_steps:
                return self.ended(Outcome.MAX_STEPS, steps)
            value, direction, slope = self.gradient(state)
            stepped = np.clip(state + direction, 0, 255)
            stuck = (stepped == state).all()
            if steps and (self.whole or stuck or decide(value) != self.decision):
                after = value if self.whole else self.judge(np.rint(state))
                if self.flips(after):
                    return self.ended(Outcome.FLIPPED, steps, np.rint(state), steps, after)
            if stuck:
                return self.ended(Outcome.SATURATED if direction.any() else Outcome.ZERO_GRADIENT, steps)
            held = (value - last_value) / last_slope if steps else 1.0
            expected = self.whole and decide(value + held * slope) != self.decision
            state, steps, last_value, last_slope = stepped, steps + 1, value, slope

    def newton(self) -> Attempt:
        """Step to where the tangent of the decision value crosses zero, until the unrounded image has crossed it.

        That is DeepFool (Moosavi-Dezfooli et al. 2016) for one binary decision. All that was added is then a ray.
        """
        state, options = self.image.astype(np.float32), self.options
        for step in range(options.max_steps + 1):
            value, direction, slope = self.gradient(state)
            if not step and not direction.any():
                return self.ended(Outcome.ZERO_GRADIENT, 0)
            if not direction.any() or step == options.max_steps or (step and decide(value) != self.decision):
                break
            length = OVERSHOOT * (abs(value) + (options.margin or 0.0)) / np.float64(abs(slope))
            out = -direction if self.decision * slope > 0 else direction
            stepped = np.clip(state + out * np.float32(min(length, options.max_epsilon)), 0, 255)
            if step and (stepped == state).all():
                break
            state = stepped
        way = state - self.image
        if not way.any():
            return self.ended(Outcome.SATURATED, step)
        return self.on_ray(way / np.abs(way).max(), step)

    def descent(self) -> Attempt:
        """Turn and shorten a ray step by step, so that its image stays at the boundary and comes closer to x.

        The ray turns towards the gradient at its image, less and less; it becomes as long as the secant of the decision
        value says, but by no more than a share that falls, not shorter unless the image is flipped, nor longer if it
        is. Norm and direction are decoupled as in DDN (Rony et al. 2019). The smallest flip in L2 counts.
        """
        picture, steps, margin = self.image.astype(np.float32), self.options.descent_steps, self.options.margin or 0.0
        way, epsilon, best, smallest = np.zeros_like(picture), 0.0, None, np.inf
        for step in range(steps + 1):
            value, direction, slope = self.gradient(picture)
            direction = -direction if self.decision * slope > 0 else direction
            if not step and not direction.any():
                return self.ended(Outcome.ZERO_GRADIENT, 0)
            flipped = step > 0 and self.flips(value)
            size = np.square(picture - self.image).sum(dtype=np.float64)
            if flipped and size < smallest:
                smallest, best = size, (way, epsilon, value)
            if step == steps:
                break
            progress = min(max((step - 1) / max(steps - 2, 1), 0), 1)
            kept, change = (ends[0] + (ends[1] - ends[0]) * progress for ends in (KEPT, CHANGE))
            length = epsilon * norm(way)
            gone, missing = self.decision * (self.before - value), self.decision * self.before + margin
            wanted = length * missing / gone if gone > 0 else np.inf
            shortest, longest = (length * (1 - change), length) if flipped else (length, length * (1 + change))
            if step and direction.any():
                way = way * np.float32(kept / norm(way)) + direction * np.float32((1 - kept) / norm(direction))
            elif step:
                way = way * np.float32(kept / norm(way))
            else:
                way = direction * np.float32(1 / norm(direction))
            way = way / np.abs(way).max()
            epsilon = min(max(wanted, shortest), longest) / norm(way) if step else FIRST
            epsilon = min(epsilon, self.options.max_epsilon)
            picture = along(self.image, way, epsilon).astype(np.float32)
        if best is None:
            return self.on_ray(way, steps)
        way, epsilon, value = best
        return self.on_ray(way, steps, high=epsilon, after=value)

    def ended(
        self,
        outcome: Outcome,
        steps: int,
        perturbed: np.ndarray | None = None,
        epsilon: float = np.nan,
        after: float = np.nan,
    ) -> Attempt:
        """Return the result of the attempt; where it flipped, with the perturbed image (P,)."""
        if self.unsure and outcome != Outcome.FLIPPED:
            outcome = Outcome.NOT_FINITE
        changes = np.zeros_like(self.image) if perturbed is None else perturbed - self.image
        return Attempt(
            perturbation=changes.astype(np.int16).reshape(self.shape),
            flipped=outcome == Outcome.FLIPPED,
            outcome=outcome,
            epsilon=float(epsilon),
            steps=steps,
            score_before=self.before,
            score_after=after,
            gradient_passes=self.gradient_passes,
            forward_passes=self.forward_passes,
        )
