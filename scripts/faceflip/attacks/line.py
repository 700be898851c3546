"""Line search: the smallest epsilon of the last section of a ray at which the decision changes."""

from collections import deque

import numpy as np
import torch
from torch import Tensor

from faceflip.attacks.rays import Rays
from faceflip.attacks.slots import Slots, SlotState
from faceflip.outcomes import Outcome


class LineSearch:
    """One gradient, then epsilons: growing sections until the decision changes, then bisection of the last one.

    The sum of its changes says where on its ray an image is (see `Rays`). So two things take no forward pass: to move
    an end of the section to a middle that has the same image, and to know that nothing lies between the ends.

    With the option `search_precision` probes are judged in a lower precision while that is in no doubt, from then on in
    float32. Where the search would end, float32 judges those ends that it has not seen yet: first the upper one, then
    the lower one. Where it says otherwise, the search goes on in it: upwards from an upper end that does not flip,
    below a lower end that does; between what float32 has seen alone. So each attempt ends on verdicts of float32.
    """

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.whole = slots.direction.whole
        limit = slots.options.max_epsilon
        self.limit = np.full(len(slots.state), float(np.floor(limit)) if self.whole else float(limit))
        self.low, self.high, self.probe = np.zeros((3, len(slots.state)))
        self.change_low, self.change_high, self.change_probe = np.zeros((3, len(slots.state)))
        self._firm_low, self._firm_high = np.zeros((2, 2, len(slots.state)))
        """Ends of the section between what float32 has judged: epsilons and changes."""
        self._coarse = np.zeros(len(slots.state), bool)
        """Whether the next probe is judged in a lower precision."""
        self._rays = Rays(slots.image)
        self._image = torch.zeros_like(self._rays.directions)

    def gradient(self, rows: np.ndarray) -> None:
        """Take the direction of freshly loaded slots and their first epsilon."""
        slots = self.slots
        index = slots.on_device(rows)
        passed = slots.gradient(rows, slots.image.index_select(0, index))
        slots.steps[rows] = 1
        self.begin(rows, passed.directions)
        slots.finish(rows[~passed.moving], Outcome.ZERO_GRADIENT)
        self._advance()

    def begin(self, rows: np.ndarray, directions: Tensor) -> None:
        """Let these slots look along directions (N, P) next; each up to its `limit`."""
        self._rays.directions.index_copy_(0, self.slots.on_device(rows), directions)
        self._begin_below(rows, np.inf, np.inf)

    def begin_below(self, rows: np.ndarray, epsilons: np.ndarray, values: np.ndarray) -> None:
        """Let these slots look along the directions that they have, below flips at epsilons (N,) with these values."""
        self.slots.after[rows] = values
        self._begin_below(rows, epsilons, self._rays.write(rows, epsilons, self._image, rows))

    def _begin_below(self, rows: np.ndarray, high: np.ndarray | float, change: np.ndarray | float) -> None:
        self._firm_low[:, rows] = self.low[rows] = self.change_low[rows] = 0
        self.high[rows], self.change_high[rows] = high, change
        self._firm_high[:, rows] = self.high[rows], self.change_high[rows]
        self._coarse[rows] = self.slots.coarse is not None
        self.slots.state[rows] = SlotState.PROBE

    def forward(self, rows: np.ndarray) -> None:
        """Take the verdicts on the probes of these slots; in what would be padding, on later probes as well."""
        slots = self.slots
        coarse = bool(slots.state[rows[0]] == SlotState.COARSE)
        images = self._image.index_select(0, slots.on_device(rows))
        spare = (slots.coarse if coarse else slots.passes).padded(len(rows)) - len(rows)
        if not spare:
            self._judge(rows, slots.values(rows, images, coarse), coarse)
            self._advance()
            return
        later = []
        for place, row in enumerate(rows):
            share = spare // len(rows) + (place < spare % len(rows))
            later += [(int(row), epsilon) for epsilon in self._later_probes(row, share)]
        owners = np.array([row for row, _ in later], np.int64)
        later_images = self._rays.at(owners, np.array([epsilon for _, epsilon in later]))
        values = slots.values(np.concatenate([rows, owners]), torch.cat([images, later_images]), coarse)
        known = dict(zip(later, values[len(rows) :], strict=True))
        self._judge(rows, values[: len(rows)], coarse)
        self.settle()
        while len(rows := np.array([row for row in rows if self._wanted(row, coarse) in known], np.int64)):
            self._judge(rows, np.array([known[self._wanted(row, coarse)] for row in rows]), coarse)
            self.settle()

    def settle(self) -> bool:
        """Choose probes until none is left to choose."""
        any_to_settle = self.slots.count(SlotState.PROBE) > 0
        while self.slots.count(SlotState.PROBE):
            self._advance()
        return any_to_settle

    def _wanted(self, row: int, coarse: bool) -> tuple[int, float] | None:
        """Return the slot and the epsilon whose verdict it waits for, None if for none of this precision."""
        waiting = SlotState.COARSE if coarse else SlotState.FORWARD
        return (int(row), self.probe[row]) if self.slots.state[row] == waiting else None

    def perturbation(self, rows: np.ndarray) -> Tensor:
        """Return the integers (N, P) int16 added to the images of flipped slots."""
        index = self.slots.on_device(rows)
        return self._rays.at(rows, self.slots.epsilon[rows]).short() - self.slots.image.index_select(0, index)

    def _judge(self, rows: np.ndarray, values: np.ndarray, coarse: bool) -> None:
        """Move an end of each section to its probe by the verdict; where that is in doubt, wait for that of float32."""
        slots = self.slots
        slots.forwards[rows] += 1
        if coarse:
            doubted = slots.in_doubt(values)
            self._wait(rows[doubted], coarse=False)
            rows, values = rows[~doubted], values[~doubted]
        flipped = slots.flipped(rows, values)
        self._move(rows, flipped)
        if not coarse:
            slots.after[rows[flipped]] = values[flipped]
            self._confirm(rows[~flipped], rows[flipped])

    def _confirm(self, up: np.ndarray, down: np.ndarray) -> None:
        """Note what float32 has judged, unflipped and flipped probes; leave verdicts that it has overruled."""
        self._firm_low[:, up] = self.probe[up], self.change_probe[up]
        self._firm_high[:, down] = self.probe[down], self.change_probe[down]
        over, under = up[self.low[up] >= self.high[up]], down[self.high[down] <= self.low[down]]
        self.high[over], self.change_high[over] = self._firm_high[:, over]
        self.low[under], self.change_low[under] = self._firm_low[:, under]
        self.slots.overruled[over] = self.slots.overruled[under] = True

    def _wait(self, rows: np.ndarray, coarse: np.ndarray | bool) -> None:
        """Let these slots wait for forward passes over their probes, this one and the next ones in one precision."""
        self._coarse[rows] = coarse
        self.slots.state[rows] = np.where(self._coarse[rows], SlotState.COARSE, SlotState.FORWARD)

    def _move(self, rows: np.ndarray, flipped: np.ndarray) -> None:
        self.slots.state[rows] = SlotState.PROBE
        up, down = rows[~flipped], rows[flipped]
        self.low[up], self.change_low[up] = self.probe[up], self.change_probe[up]
        self.high[down], self.change_high[down] = self.probe[down], self.change_probe[down]

    def _advance(self) -> None:
        """Choose the next probe of each slot in the state PROBE, or end it.

        A probe whose image is that of an end costs no pass: the end moves there, and the slot is in the state PROBE
        again. Its next probe is chosen together with those of the next pass, which is faster than a round of its own.
        An end that float32 has not judged is the next probe where the attempt would end.
        """
        slots = self.slots
        rows = slots.oldest(SlotState.PROBE)
        low, high = self.low[rows], self.high[rows]
        growing = np.isinf(high)
        probe = np.where(growing, np.minimum(self.grown(low), self.limit[rows]), self._middle(low, high))
        found = (probe <= low) | (probe >= high)
        if not self.whole:
            found |= high - low <= slots.options.epsilon_tolerance
            found |= self.change_high[rows] - self.change_low[rows] <= 1
        found &= ~growing
        self._finish(rows[found], Outcome.FLIPPED)
        at_limit = growing & (low >= self.limit[rows])
        self._finish(rows[at_limit], Outcome.MAX_EPSILON)

        going = ~(found | at_limit)
        rows, probe, growing = rows[going], probe[going], growing[going]
        self._aim(rows, probe)
        self._wait(rows, self._coarse[rows])
        change = self.change_probe[rows]
        as_low, as_high = change == self.change_low[rows], change == self.change_high[rows]
        self._move(rows[as_low | as_high], as_high[as_low | as_high])
        stalled = rows[growing & as_low]
        if len(stalled):
            self._finish(stalled[self._saturated(stalled)], Outcome.SATURATED)

    def _aim(self, rows: np.ndarray, epsilons: np.ndarray) -> None:
        if not len(rows):  # most calls, which would take a percent of an attack's time
            return
        self.probe[rows] = epsilons
        self.change_probe[rows] = self._rays.write(rows, epsilons, self._image, rows)

    def _finish(self, rows: np.ndarray, outcome: Outcome) -> None:
        """End attempts, at their upper ends if flipped; where float32 has yet to judge an end, wait for that."""
        if not len(rows):
            return
        firm_low = self.change_low[rows] == self._firm_low[1, rows]
        firm_high = self.change_high[rows] == self._firm_high[1, rows]
        ended = rows[firm_low & firm_high]
        if outcome == Outcome.FLIPPED:
            self.slots.epsilon[ended] = self.high[ended]
        self.slots.finish(ended, outcome)
        lower, upper = rows[firm_high & ~firm_low], rows[~firm_high]
        self._aim(lower, self.low[lower])
        self._aim(upper, self.high[upper])
        self._wait(np.concatenate([lower, upper]), coarse=False)

    def grown(self, low: np.ndarray) -> np.ndarray:
        """Return the epsilons to try after `low` (N,) while nothing flips: 1, 3, 7, ...

        Override it for a search that widens its sections in another way; along FGS every epsilon must be whole.
        """
        return 2 * low + 1

    def _middle(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        middle = (low + high) / 2
        return np.floor(middle) if self.whole else middle

    def _saturated(self, rows: np.ndarray) -> np.ndarray:
        """Return which slots' probes have every pixel value that moves at its limit."""
        index = self.slots.on_device(rows)
        ray, image = self._rays.directions.index_select(0, index), self._image.index_select(0, index)
        there = torch.where(ray > 0, image == 255, (image == 0) | (ray == 0))
        return there.all(dim=1).cpu().numpy()

    def _later_probes(self, row: int, count: int) -> list[float]:
        """Return up to `count` probes after the current one: next sections, or the middles of halves, breadth first."""
        probes: list[float] = []
        if self.probe[row] >= self.high[row]:  # an end that float32 judges before the other one
            return [self.low[row]][:count]
        if np.isinf(self.high[row]):
            epsilon = self.probe[row]
            while len(probes) < count and epsilon < self.limit[row]:
                epsilon = min(float(self.grown(epsilon)), self.limit[row])
                probes.append(epsilon)
            return probes
        halves = deque([(self.low[row], self.probe[row]), (self.probe[row], self.high[row])])
        while halves and len(probes) < count:
            low, high = halves.popleft()
            middle = float(self._middle(low, high))
            if low < middle < high:
                probes.append(middle)
                halves += [(low, middle), (middle, high)]
        return probes


class Scan(LineSearch):
    """Tries every whole epsilon until the decision changes; FFA then bisects the last unit."""

    def grown(self, low: np.ndarray) -> np.ndarray:
        """Return the next whole epsilons."""
        return np.floor(low) + 1
