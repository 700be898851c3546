"""Iterative search: steps of one pixel value, each along the gradient at the image that the last one led to."""

import numpy as np
import torch
from torch import Tensor

from faceflip.attacks.slots import GradientPass, Slots, SlotState
from faceflip.outcomes import Outcome

_GOING = -1


class IterativeSearch:
    """Steps with a largest change of one pixel value until the rounded image is flipped.

    FGS moves by whole numbers, so the gradient pass at a temporary image also gives the verdict on it. Where the slope
    promises a flip by the next step, a forward pass judges its image instead, at less than half the cost. FFA keeps
    fractions between steps: where the score of the unrounded image has crossed zero, a forward pass judges the rounded
    one. When no further step is allowed or possible, it does so in any case.
    """

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self._state = torch.zeros(slots.image.shape, dtype=torch.float32, device=slots.image.device)
        self._image = torch.zeros_like(slots.image)
        count = len(slots.state)
        self.stepped = np.zeros(count, np.int32)
        self.stuck = np.zeros(count, np.int8)
        self.hopeful = np.zeros(count, bool)
        self.value, self.slope = np.zeros((2, count))

    def gradient(self, rows: np.ndarray) -> None:
        """Judge the temporary images of these slots by the scores of the pass, and make the next step of the others."""
        slots = self.slots
        index = slots.on_device(rows)
        fresh = rows[slots.gradients[rows] == 0]
        self.stepped[fresh] = 0
        at = slots.on_device(fresh)
        self._state.index_copy_(0, at, slots.image.index_select(0, at).float())
        images = self._state.index_select(0, index)
        passed = slots.gradient(rows, images)
        values = passed.values

        slots.steps[rows] = self.stepped[rows]
        started = self.stepped[rows] > 0
        stepped = passed.directions.add_(images).clamp_(0, 255)
        changed = (images.sub_(stepped).abs_().amax(dim=1) > 0).cpu().numpy()
        self.stuck[rows] = np.where(passed.moving, np.where(changed, _GOING, Outcome.SATURATED), Outcome.ZERO_GRADIENT)
        judged = started & slots.flipped(rows, values) & slots.direction.whole
        perhaps = slots.crossed(rows, values) | (self.stuck[rows] != _GOING)
        doubtful = started & perhaps & (not slots.direction.whole)
        self._flip(rows[judged], values[judged])
        self._round(rows[judged | doubtful])

        self._state.index_copy_(0, index, stepped)
        self.stepped[rows] += 1
        self.hopeful[rows] = slots.direction.whole & self._expected(rows, passed)
        slots.state[rows[doubtful]] = SlotState.FORWARD
        self._go_on(rows[~judged & ~doubtful])

    def _expected(self, rows: np.ndarray, passed: GradientPass) -> np.ndarray:
        """Return which slots should cross zero by the next step, if the slope holds as far as it did in the last."""
        began = self.stepped[rows] == 1
        with np.errstate(divide="ignore", invalid="ignore"):
            held = (passed.values - self.value[rows]) / self.slope[rows]
        self.value[rows], self.slope[rows] = passed.values, passed.slopes
        return self.slots.crossed(rows, passed.values + np.where(began, 1.0, held) * passed.slopes)

    def forward(self, rows: np.ndarray) -> None:
        """Judge the rounded images of these slots."""
        slots = self.slots
        values = slots.values(rows, self._image.index_select(0, slots.on_device(rows)))
        slots.forwards[rows] += 1
        flipped = slots.flipped(rows, values)
        self._flip(rows[flipped], values[flipped])
        self._go_on(rows[~flipped])

    def settle(self) -> bool:
        """Do nothing: each pass leaves its slots waiting for the next, or for collection."""
        return False

    def perturbation(self, rows: np.ndarray) -> Tensor:
        """Return the integers (N, P) int16 added to the images of flipped slots."""
        index = self.slots.on_device(rows)
        return self._image.index_select(0, index).short() - self.slots.image.index_select(0, index)

    def _flip(self, rows: np.ndarray, values: np.ndarray) -> None:
        self.slots.after[rows] = values
        self.slots.epsilon[rows] = self.slots.steps[rows]
        self.slots.finish(rows, Outcome.FLIPPED)

    def _go_on(self, rows: np.ndarray) -> None:
        """Continue with slots whose image after `steps` is judged and not flipped; their state may be a step ahead."""
        slots = self.slots
        stuck = self.stuck[rows] != _GOING
        slots.finish(rows[stuck], self.stuck[rows[stuck]])
        rows = rows[~stuck]
        over = slots.steps[rows] >= slots.options.max_steps
        slots.finish(rows[over], Outcome.MAX_STEPS)
        rows = rows[~over]
        ahead = self.stepped[rows] > slots.steps[rows]
        last = rows[ahead & (self.hopeful[rows] | (self.stepped[rows] == slots.options.max_steps))]
        slots.state[rows] = SlotState.GRADIENT
        self._round(last)
        slots.steps[last] = self.stepped[last]
        slots.state[last] = SlotState.FORWARD

    def _round(self, rows: np.ndarray) -> None:
        """Round the states of these slots, for a forward pass to judge."""
        if len(rows):
            index = self.slots.on_device(rows)
            self._image.index_copy_(0, index, self._state.index_select(0, index).round_().to(torch.uint8))
