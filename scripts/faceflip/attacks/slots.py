"""The attempts under way: one row each, pixels in tensors on the device, everything else in arrays beside them."""

import warnings
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

from faceflip.attacks.directions import Attempts, Direction, unit_scaled
from faceflip.attacks.options import FLOAT32, AttackOptions
from faceflip.attacks.passes import Passes
from faceflip.attacks.sanity import SanityFindings, examine
from faceflip.errors import NetworkWarning, UserError
from faceflip.networks.objectives import decisions
from faceflip.outcomes import Outcome


class SlotState(IntEnum):
    """What a slot is waiting for."""

    IMAGE = 0
    GRADIENT = 1
    FORWARD = 2
    PROBE = 3
    """Line search: the next epsilon has yet to be chosen."""
    COLLECTION = 4
    COARSE = 5
    """A forward pass in the search's precision; those in the state FORWARD are in float32."""


@dataclass(frozen=True)
class GradientPass:
    """What a gradient pass finds of N images.

    Attributes:
        values: (N,) float64, decision values.
        directions: (N, P) float32, with a largest absolute value of one.
        moving: (N,) bool, which of them are not zeros.
        slopes: (N,) float64, change of the decision value along the direction for one pixel value, to first order.
    """

    values: np.ndarray
    directions: Tensor
    moving: np.ndarray
    slopes: np.ndarray


class Slots:
    """State that every search needs, for `count` attempts at once.

    Attributes:
        state: `SlotState` of each slot.
        position: place of the attempt's image in the run's input.
        image: (slots, P) uint8, the unperturbed images.
        before: decision value of the unperturbed image.
        decision: decision on the unperturbed image, -1 or +1.
        after, epsilon, steps, outcome: the result of the attempt, valid from COLLECTION on.
        overruled: whether float32 said otherwise than a lower precision did.
        unsure: whether a score on the way was not finite, which is no verdict.
        findings: what was found of the network; None before the first gradient pass.
        coarse: the passes of the state COARSE, where there is one; known after the first gradient pass.
        gradients, forwards: passes made for this attempt.
    """

    def __init__(self, count: int, passes: Passes, direction: Direction, options: AttackOptions, columns: int) -> None:
        """Make `count` empty slots for attributes below `columns`."""
        self.columns = columns
        self.passes = passes
        self.direction = direction
        self.options = options
        self.position = np.zeros(count, np.int64)
        self.before, self.after, self.epsilon = np.zeros((3, count))
        self.steps, self.gradients, self.forwards = np.zeros((3, count), np.int32)
        self.outcome, self.decision = np.zeros((2, count), np.int8)
        self.state = np.full(count, SlotState.IMAGE, np.int8)
        self.unsure, self.overruled = np.zeros((2, count), bool)
        device = passes.device
        self.image = torch.zeros(count, passes.pixels, dtype=torch.uint8, device=device)
        self._attribute = torch.zeros(count, dtype=torch.int64, device=device)
        self._label = torch.zeros(count, dtype=torch.int8, device=device)
        self._decision = torch.zeros(count, dtype=torch.int8, device=device)
        self._scores: Tensor | None = None
        self.findings: SanityFindings | None = None
        self.coarse: Passes | None = None

    @property
    def margin(self) -> float:
        """What a decision value must be past zero to count as flipped; known after the first gradient pass."""
        return self.findings.margin if self.options.margin is None else self.options.margin

    def oldest(self, state: SlotState) -> np.ndarray:
        """Return the slots in this state, in the order in which their images entered."""
        rows = np.flatnonzero(self.state == state)
        return rows[np.argsort(self.position[rows])]

    def count(self, state: SlotState) -> int:
        """Return how many slots are in this state."""
        return int(np.count_nonzero(self.state == state))

    def on_device(self, array: np.ndarray) -> Tensor:
        """Return an array as a tensor on the device."""
        return torch.from_numpy(array).to(self.passes.device)

    def load(self, rows: np.ndarray, positions: np.ndarray, images: Tensor, attribute: Tensor, label: Tensor) -> None:
        """Put attempts into free slots: places in the input, uint8 images (N, P), attributes, labels (0: unknown)."""
        index = self.on_device(rows)
        self.image.index_copy_(0, index, images.to(self.passes.device))
        self._attribute[index] = attribute.to(self.passes.device)
        self._label[index] = label.to(self.passes.device)
        self.position[rows] = positions
        self.after[rows] = np.nan
        self.epsilon[rows] = np.nan
        self.steps[rows] = self.gradients[rows] = self.forwards[rows] = 0
        self.unsure[rows] = self.overruled[rows] = False
        self.state[rows] = SlotState.GRADIENT

    def examine(self, images: Tensor) -> None:
        """Try the network on uint8 images (n, height, width, 3), by their first attribute, before any attempt."""
        rows = np.arange(min(len(images), len(self.state)))
        zeros = torch.zeros(len(rows), dtype=torch.int64)
        pixels = images[: len(rows)].flatten(1)
        self.load(rows, rows, pixels, zeros, zeros.to(torch.int8))
        self.gradient(rows, pixels.to(self.passes.device, torch.float32))
        self.state[rows] = SlotState.IMAGE

    def attribute_of(self, row: int) -> int:
        """Return the attacked attribute's column of a slot."""
        return int(self._attribute[row])

    def gradient(self, rows: np.ndarray, images: Tensor) -> GradientPass:
        """Make a gradient pass at images (N, P) of these slots."""
        index = self.on_device(rows)
        fresh = self.gradients[rows] == 0
        upwards = torch.zeros(len(rows), dtype=torch.float32, device=self.passes.device)

        def output_gradients(scores: Tensor, part: slice) -> Tensor:
            some = index[part]
            self._begin(scores, some, fresh[part])
            attempts = Attempts(self._attribute[some], self._decision[some], self._label[some], self._scores[some])
            unit = unit_scaled(self.direction.output_gradient(scores, attempts, self.passes.objective, self.options))
            upwards[part] = self._values(unit, some)
            return unit

        scores, gradients = self.passes.gradient(images, output_gradients)
        originals = self.image.index_select(0, index).reshape(-1, *self.passes.size, 3)
        steepest = self.direction.steepest(gradients, originals)
        directions, slope = self.direction.scale(steepest)
        if steepest is not gradients:  # then `scale` has seen no gradients, and slopes are products with these
            slope = (gradients * directions).sum(dim=1, dtype=torch.float64).float()
        # One transfer for everything that the bookkeeping needs.
        passed = torch.stack([self._values(scores, index), self._decision[index], slope, upwards])
        values, decision, slope, upwards = passed.double().cpu().numpy()
        self._check_finite(rows[fresh], values[fresh], "score")
        self._check_finite(rows[fresh], slope[fresh], "gradient")
        unsure = ~np.isfinite(values + slope)
        self.unsure[rows] |= unsure
        if unsure.any():  # what is no number leads nowhere
            directions[self.on_device(np.flatnonzero(unsure))] = 0
            slope[unsure] = 0
        if self.findings is None:
            if self.options.search_precision != FLOAT32:
                self.coarse = self.passes.coarser(self.options.search_precision)
            self.findings = examine(self.passes, self.coarse)
            for sentence in self.findings.warnings:
                warnings.warn(sentence, NetworkWarning, stacklevel=2)
        self.before[rows[fresh]] = values[fresh]
        self.decision[rows[fresh]] = decision[fresh]
        self.gradients[rows] += 1
        return GradientPass(values, directions, slope > 0, slope * np.sign(upwards))

    def _begin(self, scores: Tensor, index: Tensor, fresh: np.ndarray) -> None:
        """Keep the scores of unperturbed images, and the decisions on them."""
        if self._scores is None:
            self._check_outputs(scores)
            self._scores = scores.new_zeros(len(self.state), scores.shape[1])
        if fresh.any():
            new = self.on_device(np.flatnonzero(fresh))
            self._decision[index[new]] = decisions(self._values(scores[new], index[new]))
            self._scores[index[new]] = scores[new]

    def values(self, rows: np.ndarray, images: Tensor, coarse: bool = False) -> np.ndarray:
        """Return the decision values (N,) float64 of images (N, P), each of the attribute of its slot in `rows`."""
        passes = self.coarse if coarse else self.passes
        values = self._values(passes.forward(images), self.on_device(rows)).double().cpu().numpy()
        if not coarse:
            self.unsure[rows] |= ~np.isfinite(values)
        return values

    def in_doubt(self, values: np.ndarray) -> np.ndarray:
        """Return which values of a lower precision are so close to the boundary that float32 may say otherwise."""
        return ~np.isfinite(values) | (np.abs(values) <= self.findings.doubt + self.margin)

    def flipped(self, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return which values are on the other side of zero than the slot's decision, past the numerical margin."""
        past = np.where(self.decision[rows] > 0, values <= -self.margin, values > self.margin)
        return past & np.isfinite(values)

    def crossed(self, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return which values are on the other side of zero than the slot's decision, by however little."""
        return (values > 0) != (self.decision[rows] > 0)

    def finish(self, rows: np.ndarray, outcome: Outcome | np.ndarray) -> None:
        """End attempts; those of outcome FLIPPED need `after`, `epsilon` and `steps` set beside."""
        unsure = self.unsure[rows] & (outcome != Outcome.FLIPPED)
        self.outcome[rows] = np.where(unsure, Outcome.NOT_FINITE, outcome)
        self.state[rows] = SlotState.COLLECTION

    def _values(self, scores: Tensor, index: Tensor) -> Tensor:
        values = self.passes.objective.decision_values(scores)
        if values.shape[1] == 1:
            return values[:, 0]
        return values.gather(1, self._attribute[index][:, None]).squeeze(1)

    def _check_outputs(self, scores: Tensor) -> None:
        """Raise `UserError` where the network's scores do not go with objective, attributes or direction."""
        objective = self.passes.objective
        if scores.shape[1] == 0 or scores.shape[1] % objective.scores_an_attribute:
            expected = "N x 2 for each attribute" if objective.two_logits else "N x 1 for each attribute"
            shape = " x ".join(map(str, scores.shape))
            raise UserError(f"objective {objective.name}: expected scores {expected} of the network, not {shape}")
        decided = objective.decision_values(scores).shape[1]
        if self.columns > decided:
            raise UserError(f"attribute {self.columns - 1}: the network decides on {decided}, counted from 0")
        self.direction.check_network(objective, self.options, decided)

    def _check_finite(self, rows: np.ndarray, values: np.ndarray, what: str) -> None:
        if not np.isfinite(values).all():
            first = rows[~np.isfinite(values)][0]
            raise UserError(f"the network gives a {what} that is not finite for image {self.position[first]}")
