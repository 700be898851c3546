"""Continuous batching: the attempts of a run go through a fixed number of slots, so that every pass is full.

There are twice as many slots as rows in a pass. Where enough attempts wait for a forward pass, one is made; else images
enter until enough wait for a gradient pass. So a pass is full until no image is left to enter. A pass has one
precision; where forward passes have two, there are three times as many slots, for the same reason. The result of an
attempt does not depend on the others under way (see `passes`).
"""

import inspect
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from faceflip.attacks.directions import Direction
from faceflip.attacks.options import FLOAT32, AttackOptions
from faceflip.attacks.passes import SMALL, Passes, prepared
from faceflip.attacks.precision import require_float32
from faceflip.attacks.results import AttackResult
from faceflip.attacks.searches import Search
from faceflip.attacks.slots import Slots, SlotState
from faceflip.catalogue import find_direction, find_search
from faceflip.errors import UserError
from faceflip.networks.objectives import Objective, objective_of
from faceflip.outcomes import Outcome
from faceflip.registry import load_class
from faceflip.runtime.progress import Progress, ReportedProgress


class ImageRows(Protocol):
    """Images that are gathered as they are needed, such as rows of a memory-mapped file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, height, width, 3)."""

    def __getitem__(self, positions: slice) -> np.ndarray | Tensor:
        """Return the uint8 images at these consecutive positions."""


def iterate(
    network: nn.Module,
    images: np.ndarray | Tensor | ImageRows,
    attack: str = "ffa-line",
    attribute: int | np.ndarray | Tensor = 0,
    objective: str = "euclidean",
    labels: np.ndarray | Tensor | None = None,
    *,
    device: str | torch.device | None = None,
    progress: bool | ReportedProgress = False,
    examined: np.ndarray | None = None,
    **options: Any,
) -> Iterator[AttackResult]:
    """Attack each image and yield blocks of finished attempts, in the order in which they finish.

    `AttackResult.index` says which images a block holds. The order is the same every time. Memory is bounded by the
    options batch_size and block_size, not by the number of images. Until the iterator is exhausted or closed, the
    network stays in evaluation mode with frozen parameters. What is suspicious of it raises
    `faceflip.errors.NetworkWarning` and stands in `AttackResult.warnings`. On NVIDIA GPUs PyTorch convolves with TF32
    unless `faceflip.runtime.device.prepare` turns that off, as in every job of the workflow.

    Args:
        network: any module or function from float32 RGB images N x 3 x H x W on 0-255 to scores N x M; it is run in
            evaluation mode and left as it was.
        images: uint8, N x H x W x 3: an array, a tensor, or anything with a shape that gives slices of such.
        attack: a name of `faceflip.catalogue.ATTACKS`, or any with the options direction and search, or with the
            option file; or what that option would be, such as ``adv_lib.attacks:ddn``.
        attribute: the attacked column of the decision values, one for all images or one each.
        objective: the loss that the network was trained for: ``euclidean`` or ``bce`` (a score for each attribute),
            ``softmax`` (two logits for each), or a reference to your own.
        labels: annotated labels, N values of -1 or +1; only needed where an option says so.
        device: where to run; the network's own device by default, else the network is copied there.
        progress: True shows progress on standard error; a function is called with attempts done, their total, a note.
        examined: images to try the network on before the attack, uint8, n x H x W x 3; None takes the first that are
            attacked. With them all passes have the shape of a full batch at first. So runs with the same ones give an
            image the same bytes, however many other images they have and whichever.
        **options: fields of `faceflip.attacks.AttackOptions`.

    Raises:
        UserError: an argument or option is wrong, or does not go with the attack or the network; or the network is no
            function of the image (see `faceflip.attacks.sanity`).
    """
    checked = AttackOptions.of(options)
    entry = checked.attack(attack)
    if file := checked.file_of(attack):
        checked = checked.model_copy(update={"file": file})
    direction = load_class(find_direction(entry.direction).target, Direction)()
    search = load_class(find_search(entry.search).target, Search)
    trained_for = objective_of(objective)
    count = _checked_shape(images)
    columns, signs = _columns(attribute, count), _signs(labels, count)
    direction.check(trained_for, checked, labels is not None)
    report = Progress(f"attack {attack}", "attempts") if progress is True else progress or None
    run = _Run(images, columns, signs, direction, search, trained_for, checked, examined)
    return run.blocks(network, device, report)


def attack(
    network: nn.Module, images: np.ndarray | Tensor | ImageRows, *arguments: Any, **options: Any
) -> AttackResult:
    """Attack each image and return all results, in the order of the images.

    Takes the arguments of `iterate`, and raises what it raises.
    """
    whole = None
    for block in iterate(network, images, *arguments, **options):
        if whole is None:
            whole = AttackResult.blank(images.shape[0], images.shape[1:3], block.margin, block.warnings)
        whole.put(block.index, block)
    return AttackResult.blank(0, images.shape[1:3], 0.0) if whole is None else whole


attack.__signature__ = inspect.signature(iterate).replace(return_annotation=AttackResult)  # for help() and editors


@dataclass
class _Run:
    """Attempts entering slots, passes over slots, and attempts leaving them.

    The arguments of `iterate`, checked: attacked columns (N,) int64, labels (N,) int8 or zeros, examined images.
    """

    images: ImageRows
    column: Tensor
    label: Tensor
    direction: Direction
    search_class: type[Search]
    objective: Objective
    options: AttackOptions
    examined: np.ndarray | None

    def blocks(
        self, network: nn.Module, device: str | torch.device | None, report: ReportedProgress | None
    ) -> Iterator[AttackResult]:
        """Do what `iterate` says."""
        self.total, *size = self.images.shape[:3]
        if not self.total:
            return
        with prepared(network, device) as (module, place), ExitStack() as ending:
            require_float32(self.options.search_precision, place)
            self._begin(module, place, tuple(size))
            if hasattr(self.search, "close"):
                ending.callback(self.search.close)
            done = flipped = filled = 0
            block = None
            while done < self.total:
                ended = self._step()
                while len(ended):
                    if block is None:
                        room = min(self.options.block_size, self.total - done)
                        block = AttackResult.blank(room, size, self.slots.margin, self.slots.findings.warnings)
                        filled = 0
                    some, ended = np.split(ended, [len(block) - filled])
                    taken = self._take(some)
                    block.put(slice(filled, filled + len(taken)), taken)
                    filled += len(taken)
                    done += len(taken)
                    flipped += int(taken.flipped.sum())
                    if filled == len(block):
                        yield block
                        block = None
                if report:
                    report(done, self.total, f"{flipped:,} flipped")

    @torch.inference_mode(False)  # whatever mode the caller is in, gradients flow through what is made here
    def _begin(self, network: nn.Module, device: torch.device, size: tuple[int, int]) -> None:
        # No more rows than images, up to the finest shape that a pass may have.
        self.rows = self.options.batch_size
        if self.examined is None:
            self.rows = min(self.rows, -(-self.total // SMALL[-1]) * SMALL[-1])
        self.passes = Passes(network, self.objective, device, size, self.rows)
        kinds = 2 if self.options.search_precision == FLOAT32 else 3
        self.slots = Slots(kinds * self.rows, self.passes, self.direction, self.options, int(self.column.max()) + 1)
        if self.examined is not None:
            self.slots.examine(torch.from_numpy(np.array(self.examined[: SMALL[0]])))
        self.search = self.search_class(self.slots)
        self.entered = 0

    @torch.inference_mode(False)
    def _step(self) -> np.ndarray:
        """Make one pass, and return the slots whose attempts have ended."""
        slots = self.slots
        judging = self._judging()
        if len(judging) < self.rows and self.search.settle():
            judging = self._judging()
        # Once no image is left to enter, the pass that fills more rows comes first.
        rather = self.entered == self.total and 0 < len(judging) >= slots.count(SlotState.GRADIENT)
        if len(judging) >= self.rows or rather:
            self.search.forward(judging[: self.rows])
        else:
            self._enter(self.rows - slots.count(SlotState.GRADIENT))
            moving = slots.oldest(SlotState.GRADIENT)[: self.rows]
            if len(moving):  # else choosing probes has just ended the attempts that were left
                self.search.gradient(moving)
        return slots.oldest(SlotState.COLLECTION)

    def _judging(self) -> np.ndarray:
        """Return the slots that wait for a forward pass, of the precision that more of them wait for."""
        return max((self.slots.oldest(state) for state in (SlotState.FORWARD, SlotState.COARSE)), key=len)

    def _enter(self, room: int) -> None:
        """Load the next images, as many as there is room for in the next gradient pass."""
        free = np.flatnonzero(self.slots.state == SlotState.IMAGE)
        free = free[: max(0, min(room, self.total - self.entered))]
        if not len(free):
            return
        part = slice(self.entered, self.entered + len(free))
        pixels = self.images[part]
        if not isinstance(pixels, Tensor):
            pixels = torch.from_numpy(np.array(pixels))  # a copy: memory maps are read-only, which torch warns of
        positions = np.arange(part.start, part.stop)
        self.slots.load(free, positions, pixels.reshape(len(free), -1), self.column[part], self.label[part])
        self.entered = part.stop

    @torch.inference_mode(False)
    def _take(self, rows: np.ndarray) -> AttackResult:
        """Return the results of ended attempts and free their slots."""
        slots = self.slots
        slots.state[rows] = SlotState.IMAGE
        flipped = slots.outcome[rows] == Outcome.FLIPPED
        perturbation = np.zeros((len(rows), *self.passes.size, 3), np.int16)
        if flipped.any():
            changes = self.search.perturbation(rows[flipped])
            perturbation[flipped] = changes.cpu().numpy().reshape(-1, *self.passes.size, 3)
        return AttackResult(
            index=slots.position[rows],
            perturbation=perturbation,
            flipped=flipped,
            outcome=slots.outcome[rows],
            epsilon=slots.epsilon[rows],
            steps=slots.steps[rows],
            score_before=slots.before[rows],
            score_after=slots.after[rows],
            gradient_passes=slots.gradients[rows],
            forward_passes=slots.forwards[rows],
            overruled=slots.overruled[rows],
            margin=slots.margin,
            warnings=slots.findings.warnings,
        )


def _checked_shape(images: object) -> int:
    """Return the number of images, or say what is wrong with them."""
    shape, dtype = tuple(getattr(images, "shape", ())), getattr(images, "dtype", None)
    if len(shape) != 4 or shape[3] != 3:
        raise UserError(f"images: expected N x height x width x 3, not {' x '.join(map(str, shape)) or type(images)}")
    if dtype is not None and str(dtype).removeprefix("torch.") != "uint8":
        raise UserError(f"images: expected uint8, not {dtype}")
    return shape[0]


def _columns(values: int | np.ndarray | Tensor, count: int) -> Tensor:
    """Return the attacked columns."""
    if isinstance(values, str):
        raise UserError(
            f"attribute: expected the number of a column, counted from 0, not {values!r}; of a network of all "
            "attributes it is faceflip.data.celeba.ATTRIBUTES.index(name)"
        )
    columns = _whole_numbers(values, count, "attribute", "the number of a column, counted from 0")
    if (columns < 0).any():
        raise UserError("attribute: expected a column from 0 on, not a negative one")
    return columns


def _signs(labels: np.ndarray | Tensor | None, count: int) -> Tensor:
    """Return the labels, or zeros where there are none."""
    if labels is None:
        return torch.zeros(count, dtype=torch.int8)
    column = _whole_numbers(labels, count, "labels", "-1 (absent) or +1 (present)")
    if not torch.isin(column, torch.tensor([-1, 1])).all():
        raise UserError("labels: expected -1 (absent) or +1 (present)")
    return column.to(torch.int8)


def _whole_numbers(values: object, count: int, name: str, meaning: str) -> Tensor:
    """Return one whole number for each image, or say what is wrong with them."""
    try:
        # A copy, because the columns of a data frame are read-only, which torch warns of.
        column = values if isinstance(values, Tensor) else torch.from_numpy(np.array(values))
    except (TypeError, ValueError):  # words, None, lists of different lengths
        found = textwrap.shorten(repr(values), 60, placeholder=" ...")
        raise UserError(f"{name}: expected {meaning}, as whole numbers, not {found}") from None
    if column.is_floating_point() or column.is_complex() or column.dtype == torch.bool:
        found = str(column.dtype).removeprefix("torch.")
        raise UserError(f"{name}: expected {meaning}, as whole numbers, not {found}")
    if column.ndim == 0:
        column = column.expand(count)
    if column.shape != (count,):
        found = " x ".join(map(str, column.shape))
        raise UserError(f"{name}: expected one whole number, or {count} of them, one for each image, not {found}")
    return column.cpu().long()
