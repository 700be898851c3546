"""Attacks that are not ours, of a library or of your own, on whole pixel values and by our verdict."""

import hashlib

import numpy as np
import torch
from torch import Tensor

from faceflip.attacks.conventions import ForeignAttack, foreign_attack
from faceflip.attacks.directions import Attempts, Direction
from faceflip.attacks.line import LineSearch
from faceflip.attacks.options import AttackOptions
from faceflip.attacks.slots import Slots, SlotState
from faceflip.attacks.two_logits import SCALE, Answer, Ask, Asked, RandomState, Turns, TwoLogits
from faceflip.errors import UserError
from faceflip.networks.objectives import Objective
from faceflip.outcomes import Outcome
from faceflip.seeds import derive

NOISE = 1e-3
"""Changes of pixel values up to this are rounding, and no direction."""


class DecisionValue(Direction):
    """The gradient of the decision value itself, in its own length."""

    def output_gradient(
        self, scores: Tensor, attempts: Attempts, objective: Objective, options: AttackOptions
    ) -> Tensor:
        """Return how the decision value changes with the scores."""
        return objective.value_gradient(attempts.attribute, scores.shape[1])

    def scale(self, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Leave the gradient as it is."""
        return gradient, gradient.abs().sum(dim=1)


class ForeignSearch:
    """Runs somebody else's attack on each image, and takes our verdict on what it returns.

    An attack sees the decision value as two logits and nothing else (`TwoLogits`). The images that it returns are
    rounded to whole pixel values; the first of them that is flipped is the attempt's. With the option `then` what is
    added to it is a direction for `LineSearch`, up to the image itself; where none is flipped, up to `max_epsilon`. If
    the image of the line search is larger by the L2 or L-infinity norm, the attack's own is kept.

    An attempt's randomness follows from the option `seed`, the attribute and the image's bytes alone.
    """

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.file = slots.options.file
        self.attack: ForeignAttack = foreign_attack(self.file, slots.options.options)
        self.line = LineSearch(slots) if slots.options.then else None
        count = len(slots.state)
        self._turns: list[Turns | None] = [None] * count
        self._asked: list[Tensor | None] = [None] * count
        """Images (n, P) float32 that a slot waits for a pass with."""
        self._returned: list[Tensor | None] = [None] * count
        """Images (k, P) float32 that its attack returned and that are being judged."""
        self._gradient = torch.zeros(slots.image.shape, dtype=torch.float32, device=slots.image.device)
        self._image = torch.zeros_like(slots.image)
        """The attack's own rounded images, valid where `own` is, with their decision values."""
        self.own, self.along = np.zeros((2, count), bool)
        self.value = np.zeros(count)

    def gradient(self, rows: np.ndarray) -> None:
        """Make a gradient pass: of fresh slots at the unperturbed image, of others at the images asked for."""
        slots = self.slots
        fresh = slots.gradients[rows] == 0
        for row in rows[fresh]:
            self._asked[row] = slots.image[row : row + 1].float()
            self._turns[row] = self._returned[row] = None
        self.own[rows[fresh]] = self.along[rows[fresh]] = False
        owners, images, parts = self._gathered(rows)
        passed = slots.gradient(owners, images)
        slots.gradients[rows] += [part.stop - part.start - 1 for part in parts]
        with _OwnRandomness(slots.passes.device):
            for row, part, new in zip(rows, parts, fresh, strict=True):
                if new:
                    self._gradient[row] = passed.directions[part.start]
                    self._turns[row] = self._begun(row)
                    self._go_on(row, None)
                else:
                    self._go_on(row, Answer(passed.values[part], passed.directions[part]))

    def forward(self, rows: np.ndarray) -> None:
        """Make a forward pass: with the images asked for, those returned, or those of the line search."""
        searching = self.along[rows]
        if searching.any():
            self.line.forward(rows[searching])
            self._keep_smaller()
        rows = rows[~searching]
        if not len(rows):
            return
        owners, images, parts = self._gathered(rows)
        values = self.slots.values(owners, images)
        self.slots.forwards[rows] += [part.stop - part.start for part in parts]
        with _OwnRandomness(self.slots.passes.device):
            for row, part in zip(rows, parts, strict=True):
                if self._returned[row] is None:
                    self._go_on(row, Answer(values[part]))
                else:
                    self._judge(row, values[part])

    def settle(self) -> bool:
        """Let the line search choose its probes."""
        settled = self.line is not None and self.line.settle()
        if settled:
            self._keep_smaller()
        return settled

    def perturbation(self, rows: np.ndarray) -> Tensor:
        """Return the integers (N, P) int16 added to the images of flipped slots."""
        changes = self._own_changes(rows)
        if (searched := ~self.own[rows]).any():
            changes[self.slots.on_device(searched)] = self.line.perturbation(rows[searched])
        return changes

    def _own_changes(self, rows: np.ndarray) -> Tensor:
        """Return what the attacks' own images add to the unperturbed ones, (N, P) int16."""
        index = self.slots.on_device(rows)
        return self._image.index_select(0, index).short() - self.slots.image.index_select(0, index)

    def close(self) -> None:
        """End the attacks that are under way."""
        for turns in filter(None, self._turns):
            turns.give_up()

    def _gathered(self, rows: np.ndarray) -> tuple[np.ndarray, Tensor, list[slice]]:
        """Return the images that these slots wait with, whose they are, and where those of each slot lie."""
        counts = np.array([len(self._asked[row]) for row in rows])
        ends = np.cumsum(counts)
        parts = [slice(int(end - count), int(end)) for end, count in zip(ends, counts, strict=True)]
        return np.repeat(rows, counts), torch.cat([self._asked[row] for row in rows]), parts

    def _begun(self, row: int) -> Turns:
        """Prepare the attack on the image of a slot."""
        slots, passes = self.slots, self.slots.passes
        image = (passes.nchw(slots.image[row : row + 1].float()) / SCALE).contiguous()
        decided = torch.tensor([int(slots.decision[row] > 0)], device=passes.device)
        digest = hashlib.sha256(slots.image[row].cpu().numpy()).hexdigest()
        seed = derive(slots.options.seed, str(slots.attribute_of(row)), digest)
        attack, size, device = self.attack, passes.size, passes.device

        def run(ask: Ask) -> Tensor:
            return attack(TwoLogits(ask, size, device), image, decided, seed)

        return Turns(run, seed, device)

    def _go_on(self, row: int, answer: Answer | None) -> None:
        """Let a slot's attack go on until it asks for a pass, or returns."""
        clean = self.slots.image[row].float()
        while True:
            said = self._said(row, answer)
            if isinstance(said, Tensor):
                self._turns[row] = None
                self._take(row, said)
                return
            if len(said.images) > 1 or not torch.equal(said.images[0], clean):
                self._asked[row] = said.images
                self.slots.state[row] = SlotState.GRADIENT if said.gradient else SlotState.FORWARD
                return
            # The pass that began the attempt has told all of the unperturbed image.
            answer = Answer(self.slots.before[row : row + 1], self._gradient[row : row + 1])

    def _said(self, row: int, answer: Answer | None) -> Asked | Tensor:
        try:
            return self._turns[row].next(answer)
        except (UserError, KeyboardInterrupt, torch.OutOfMemoryError):
            raise
        except BaseException as error:  # whatever somebody's code may raise
            what = f"{type(error).__name__}: {error}"
            raise UserError(f"{self.file}: fails on image {self.slots.position[row]}: {what}") from error

    def _take(self, row: int, returned: Tensor) -> None:
        """Wait for the verdict on images that are numbers and other than the unperturbed one."""
        slots = self.slots
        slots.steps[row] = slots.gradients[row]
        finite = returned.isfinite().all(dim=1)
        slots.unsure[row] |= not finite.all()
        returned = returned[finite]
        rounded = returned.round()
        changed = (rounded != slots.image[row]).any(dim=1)
        if changed.any():
            self._returned[row], self._asked[row] = returned[changed], rounded[changed]
            slots.state[row] = SlotState.FORWARD
        else:
            self._end_unflipped(row, returned)

    def _judge(self, row: int, values: np.ndarray) -> None:
        """Take the verdicts on what a slot's attack returned."""
        flipped = self.slots.flipped(np.repeat(row, len(values)), values)
        returned, self._returned[row] = self._returned[row], None
        if not flipped.any():
            self._end_unflipped(row, returned)
            return
        first = int(np.argmax(flipped))
        self._image[row] = self._asked[row][first].to(torch.uint8)
        self.own[row], self.value[row] = True, values[first]
        if self.line:
            self._search(row, returned[first])
        else:
            self._settle_for_own(np.array([row]))

    def _end_unflipped(self, row: int, returned: Tensor) -> None:
        """End an attempt none of whose images is flipped, or look further along what was added to the last of them."""
        if self.line and len(returned) and (returned[-1] - self.slots.image[row]).abs().max() > NOISE:
            self._search(row, returned[-1])
        else:
            self.slots.finish(np.array([row]), np.array([Outcome.MAX_STEPS]))

    def _search(self, row: int, image: Tensor) -> None:
        """Search the ray from the unperturbed image through another one, unrounded."""
        change = image.double() - self.slots.image[row]
        length = float(change.abs().max())
        self.line.limit[row] = length if self.own[row] else self.slots.options.max_epsilon
        self.line.begin(np.array([row]), (change / length).float()[None])
        self.along[row] = True

    def _keep_smaller(self) -> None:
        """Put the attack's own image in place of what a line search ended with where that is no smaller."""
        ended = np.flatnonzero((self.slots.state == SlotState.COLLECTION) & self.along & self.own)
        if not len(ended):
            return
        self.along[ended] = False
        better = self.slots.outcome[ended] == Outcome.FLIPPED
        found, own = self.line.perturbation(ended[better]), self._own_changes(ended[better])
        smaller = (_squares(found) <= _squares(own)) & (_largest(found) <= _largest(own))
        better[better] = smaller.cpu().numpy()
        self.own[ended[better]] = False
        self._settle_for_own(ended[~better])

    def _settle_for_own(self, rows: np.ndarray) -> None:
        """End attempts with the images of their attacks."""
        slots = self.slots
        slots.epsilon[rows] = _largest(self._own_changes(rows)).cpu().numpy()
        slots.after[rows] = self.value[rows]
        slots.unsure[rows] = False
        slots.finish(rows, Outcome.FLIPPED)


def _squares(changes: Tensor) -> Tensor:
    return changes.long().square().sum(dim=1)


def _largest(changes: Tensor) -> Tensor:
    return changes.abs().amax(dim=1)


class _OwnRandomness:
    """While the context lasts, attacks draw as they like; afterwards all generators are as they were."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def __enter__(self) -> None:
        self._outer = RandomState(self._device)

    def __exit__(self, *_: object) -> None:
        self._outer.restore()
