"""Searches for small perturbations: some gradients first, then the line search along what they lead to.

What the whole-number images of a ray through x are, round(clip(x + epsilon d, 0, 255)), is also the answer to a
question: of all whole-number images, which changes a linear decision value most for what it takes in L2, if d is the
value's gradient? So the smallest flip lies on such a ray, with d the gradient where the ray crosses the boundary; and
both searches here end on a ray, with the certificate of every line search.
"""

import numpy as np
import torch
from torch import Tensor

from faceflip.attacks.line import LineSearch
from faceflip.attacks.rays import Rays
from faceflip.attacks.slots import GradientPass, Slots
from faceflip.outcomes import Outcome

OVERSHOOT = 1.02
"""Of a Newton step, so that it crosses the boundary and does not end at it (Moosavi-Dezfooli et al. 2016)."""
FIRST = 4.0
"""Pixel values of the first step of a descent."""
KEPT = (0.3, 0.95)
"""Share of the way so far in the next one, at the second and at the last step of a descent."""
CHANGE = (0.5, 0.02)
"""By which share a perturbation may become longer or shorter, at the second and at the last step of a descent."""


class _Gradients(LineSearch):
    """What both searches have in common: rays that are not whole, and directions that lead out of the decision."""

    def __init__(self, slots: Slots) -> None:
        super().__init__(slots)
        self.whole = False
        self.limit[:] = slots.options.max_epsilon

    def _oriented(self, rows: np.ndarray, passed: GradientPass) -> Tensor:
        """Return the directions (N, P) of a pass, those turned round along which the decision value does not fall."""
        back = self.slots.decision[rows] * passed.slopes > 0
        sign = torch.from_numpy(np.where(back, -1.0, 1.0)).to(self._image.device, torch.float32)
        return passed.directions.mul_(sign[:, None])


class NewtonSearch(_Gradients):
    """Steps to where the tangent of the decision value crosses zero, until the unrounded image has crossed it.

    That is DeepFool for one binary decision. Then the line search goes along all that was added, so also where the
    `max_steps` are made, the gradient is zero or nothing can move any more, without a crossing.

    Source: Moosavi-Dezfooli, Fawzi and Frossard 2016, DeepFool, CVPR.
    """

    def __init__(self, slots: Slots) -> None:
        super().__init__(slots)
        self._state = torch.zeros_like(self._image)
        """Images that steps have led to, unrounded."""

    def gradient(self, rows: np.ndarray) -> None:
        """Step on from the images of these slots, or look along the way that they went."""
        slots = self.slots
        index = slots.on_device(rows)
        fresh = slots.gradients[rows] == 0
        at = slots.on_device(rows[fresh])
        self._state.index_copy_(0, at, slots.image.index_select(0, at).float())
        state = self._state.index_select(0, index)
        passed = slots.gradient(rows, state)

        slots.finish(rows[fresh & ~passed.moving], Outcome.ZERO_GRADIENT)
        with np.errstate(divide="ignore", invalid="ignore"):
            length = OVERSHOOT * (np.abs(passed.values) + slots.margin) / np.abs(passed.slopes)
        # Beyond this every pixel value that moves is at its limit.
        length = np.minimum(np.nan_to_num(length, nan=0.0, posinf=np.inf), slots.options.max_epsilon)
        steps = torch.from_numpy(length).to(state.device, torch.float32)[:, None]
        stepped = self._oriented(rows, passed).mul_(steps).add_(state).clamp_(0, 255)

        stuck = ((stepped - state).abs_().amax(dim=1) == 0).cpu().numpy()
        over = slots.gradients[rows] > slots.options.max_steps
        done = ~fresh & (slots.crossed(rows, passed.values) | ~passed.moving | stuck | over)
        going = passed.moving & ~done
        chosen = slots.on_device(np.flatnonzero(going))
        self._state.index_copy_(0, index[chosen], stepped[chosen])
        slots.steps[rows[going]] += 1
        self._look_along(rows[done])
        self._advance()

    def _look_along(self, rows: np.ndarray) -> None:
        """Let these slots search the rays through where they have come to."""
        index = self.slots.on_device(rows)
        way = self._state.index_select(0, index) - self.slots.image.index_select(0, index)
        largest = way.abs().amax(dim=1)
        moved = (largest > 0).cpu().numpy()
        self.begin(rows, way / largest.where(largest > 0, 1.0)[:, None])
        self.slots.finish(rows[~moved], Outcome.SATURATED)


class DescentSearch(_Gradients):
    """Turns and shortens a ray step by step, so that its image stays at the boundary and comes closer to x.

    Each step takes the gradient at a whole-number image of the ray. The ray turns towards it, by less from step to
    step: its direction is a running mean of gradients, as they differ much from place to place. Its length goes to
    where the secant through x and this image puts the boundary, but never becomes shorter where the image is not
    flipped, nor longer where it is, and by less and less from step to step. Of all flipped images the smallest in L2
    counts, and a line search tries to shorten its ray. Where none is flipped it looks further along the last ray.

    That the norm and the direction of a perturbation are decoupled is the idea of DDN, and so are rates that fall.

    Source: Rony et al. 2019, Decoupling Direction and Norm for Efficient Gradient-Based L2 Adversarial Attacks, CVPR.
    """

    def __init__(self, slots: Slots) -> None:
        super().__init__(slots)
        self._turning = Rays(slots.image)
        """The rays as they are now; those of the line search are those of the smallest flips."""
        count = len(slots.state)
        self._epsilon, self._square, self._smallest, self._least, self._value = np.zeros((5, count))
        """Of the present ray: epsilon and squared norm of its direction. Of the smallest flip: squared L2, epsilon,
        decision value."""

    def gradient(self, rows: np.ndarray) -> None:
        """Take the verdicts on the images of these slots, turn their rays, and go to the next images."""
        slots = self.slots
        fresh = slots.gradients[rows] == 0
        self._begin(rows[fresh])
        index = slots.on_device(rows)
        images = self._image.index_select(0, index)
        passed = slots.gradient(rows, images)
        slots.finish(rows[fresh & ~passed.moving], Outcome.ZERO_GRADIENT)
        flipped = slots.flipped(rows, passed.values) & ~fresh
        self._keep_smaller(rows, images, np.where(flipped, passed.values, np.nan))

        going = ~fresh | passed.moving
        last = going & (slots.gradients[rows] > slots.options.descent_steps)
        going &= ~last
        self._end(rows[last])
        if going.any():
            chosen = slots.on_device(np.flatnonzero(going))
            directions = self._oriented(rows, passed)[chosen]
            self._step(rows[going], directions, passed.values[going], flipped[going])
        self._advance()

    def _begin(self, rows: np.ndarray) -> None:
        index = self.slots.on_device(rows)
        self._image.index_copy_(0, index, self.slots.image.index_select(0, index).float())
        self._turning.directions.index_fill_(0, index, 0.0)
        self._square[rows] = self._epsilon[rows] = 0.0
        self._smallest[rows] = np.inf

    def _keep_smaller(self, rows: np.ndarray, images: Tensor, values: np.ndarray) -> None:
        """Remember images (N, P) that are their slots' smallest flips so far; values are NaN where not flipped."""
        slots = self.slots
        change = images - slots.image.index_select(0, slots.on_device(rows))
        squares = change.square_().sum(dim=1, dtype=torch.float64).cpu().numpy()
        better = np.isfinite(values) & (squares < self._smallest[rows])
        rows, index = rows[better], slots.on_device(rows[better])
        self._smallest[rows], self._value[rows] = squares[better], values[better]
        self._least[rows] = self._epsilon[rows]
        self._rays.directions.index_copy_(0, index, self._turning.directions.index_select(0, index))

    def _step(self, rows: np.ndarray, directions: Tensor, values: np.ndarray, flipped: np.ndarray) -> None:
        """Turn the rays of these slots towards directions (N, P), and go to the images where the boundary should be."""
        slots, index = self.slots, self.slots.on_device(rows)
        first = slots.steps[rows] == 0
        progress = np.clip((slots.steps[rows] - 1) / max(slots.options.descent_steps - 2, 1), 0, 1)
        length = self._epsilon[rows] * np.sqrt(self._square[rows])
        wanted = self._wanted_length(rows, values, length)
        change = CHANGE[0] + (CHANGE[1] - CHANGE[0]) * progress
        shortest = np.where(flipped, length * (1 - change), length)
        longest = np.where(flipped, length, length * (1 + change))

        kept = np.where(first, 0.0, KEPT[0] + (KEPT[1] - KEPT[0]) * progress)
        with np.errstate(divide="ignore", invalid="ignore"):
            old = np.where(first, 0.0, kept / np.sqrt(self._square[rows]))
            new = (1 - kept) / np.sqrt(_squares(directions))
        # A gradient of zeros turns nothing.
        old, new = (self._weights(np.where(np.isfinite(each), each, 0.0)) for each in (old, new))
        ways = self._turning.directions.index_select(0, index).mul_(old).add_(directions * new)
        ways.div_(torch.maximum(ways.amax(dim=1), -ways.amin(dim=1))[:, None])
        self._turning.directions.index_copy_(0, index, ways)
        self._square[rows] = _squares(ways)

        epsilon = np.clip(wanted, shortest, longest) / np.sqrt(self._square[rows])
        self._epsilon[rows] = np.minimum(np.where(first, FIRST, epsilon), self.limit[rows])
        self._turning.write(rows, self._epsilon[rows], self._image, rows)
        slots.steps[rows] += 1

    def _wanted_length(self, rows: np.ndarray, values: np.ndarray, length: np.ndarray) -> np.ndarray:
        """Return where the secants through x and the present images cross the boundary; infinite where they do not."""
        slots = self.slots
        towards = slots.decision[rows] * (slots.before[rows] - values)
        from_x = slots.decision[rows] * slots.before[rows] + slots.margin
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(towards > 0, length * from_x / towards, np.inf)

    def _weights(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self._image.device, torch.float32)[:, None]

    def _end(self, rows: np.ndarray) -> None:
        """Let these slots search the rays of their smallest flips, or else their last rays."""
        found = np.isfinite(self._smallest[rows])
        lost = rows[~found]
        self.begin(lost, self._turning.directions.index_select(0, self.slots.on_device(lost)))
        self.begin_below(rows[found], self._least[rows[found]], self._value[rows[found]])


def _squares(directions: Tensor) -> np.ndarray:
    """Return the squared L2 norms (N,) of directions (N, P), rounded so that the order of adding up does not show."""
    return directions.square().sum(dim=1, dtype=torch.float64).float().double().cpu().numpy()
