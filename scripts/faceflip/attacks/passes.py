"""Forward and gradient passes in fixed batch shapes.

The last bits of a network's scores of an image depend on the shape of its batch, which decides how sums are split up.
So every pass here has the shape of a full batch (of all images, if a run has fewer), padded where fewer are at hand;
what else is in the batch then makes no difference. Where a smaller shape was seen to give the same bits, it serves few.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from faceflip.errors import UserError
from faceflip.networks.objectives import Objective
from faceflip.runtime.device import existing

SMALL = (16, 8, 4)
"""Rows of the shapes that the last images of a run take, where they give the same bits as the full shape."""

MEASURED = 8
"""Images of a run on which the margin is measured."""

HEADROOM = 32.0
"""The margin is this many times the largest difference between batch shapes seen on few images."""

OutputGradients = Callable[[Tensor, slice], Tensor]
"""Given the scores of some of a pass's images, and which ones these are, the gradient with respect to these scores."""


@contextmanager
def prepared(network: nn.Module, device: str | torch.device | None) -> Iterator[tuple[nn.Module, torch.device]]:
    """Yield the network in evaluation mode with frozen parameters, and its device; leave it as it was found.

    A network that is to run on another device than its own is copied there; raises `UserError` if there is none.
    """
    parameters = [*network.parameters(), *network.buffers()]
    own = parameters[0].device if parameters else torch.device("cpu")
    wanted = own if device is None else existing(device)
    if wanted.type != own.type or wanted.index not in (None, own.index):
        network, own = copy.deepcopy(network).to(wanted), wanted
    modes = {module: module.training for module in network.modules()}
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    try:
        network.eval()
        network.requires_grad_(False)
        yield network, own
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)
        for module, mode in modes.items():
            module.training = mode


@dataclass(frozen=True)
class _Sample:
    """A run's first images (n, P), their output gradients and scores (n, M) and gradients (n, P) in the full shape."""

    images: Tensor
    output_gradients: Tensor
    scores: Tensor
    gradients: Tensor


@dataclass(eq=False)
class Passes:
    """The passes of one prepared network over images that lie in memory row by row.

    Images come and gradients go as (N, height * width * 3) with the channel fastest, which a convolution sees as
    channels_last without a copy. On a GPU that runs out of memory the shape is halved, once and for all.

    Attributes:
        size: Height and width of the images.
        rows: Images in a full pass.
        margin: How far past zero a decision value counts as flipped; None lets the first gradient pass measure it.
        pixels: Pixel values of one image.
    """

    network: nn.Module
    objective: Objective
    device: torch.device
    size: tuple[int, int]
    rows: int
    margin: float | None

    def __post_init__(self) -> None:
        self.pixels = self.size[0] * self.size[1] * 3
        self._sample: _Sample | None = None
        self._small: dict[bool, list[int]] = {}
        self._buffer = torch.zeros(self.rows, self.pixels, device=self.device)

    def padded(self, count: int) -> int:
        """Return how many rows the forward passes over `count` images take together, padding included."""
        rows = 0
        while rows < count:
            rows += self._shape(count - rows, backward=False)
        return rows

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores (N, M) of images (N, P) of any type on 0-255."""
        with torch.inference_mode():
            return self._in_shapes(images, lambda batch, _: (self.network(batch),), backward=False)[0]

    def gradient(self, images: Tensor, output_gradients: OutputGradients) -> tuple[Tensor, Tensor]:
        """Return scores (N, M) and the gradients (N, P) of output gradients . scores with respect to the images (N, P).

        The first gradient pass of a run also keeps some of its images to measure rounding with, and settles the margin.
        """
        scores, gradients = self._in_shapes(
            images, lambda batch, part: self._backward(batch, part, output_gradients), backward=True
        )
        if self._sample is None:
            few = slice(0, min(len(images), SMALL[0]))
            kept = images[few].to(torch.float32, copy=True)
            wanted = output_gradients(scores[few], few)
            self._sample = _Sample(kept, wanted, scores[few].clone(), gradients[few].clone())
            if self.margin is None:
                self.margin = HEADROOM * self._largest_difference()
        return scores, gradients

    def _backward(self, batch: Tensor, part: slice, output_gradients: OutputGradients) -> tuple[Tensor, Tensor]:
        """Return scores and gradients of a batch N x 3 x height x width whose first rows are the images of `part`."""
        batch = batch.detach().requires_grad_()
        with torch.enable_grad():
            scores = self.network(batch)
        known = part.stop - part.start
        wanted = torch.zeros_like(scores)
        wanted[:known] = output_gradients(scores.detach()[:known], part)
        (gradient,) = torch.autograd.grad(scores, batch, wanted)
        # The gradient of a plain sum is one number shown everywhere; directions are made of it in place.
        return scores.detach(), gradient.permute(0, 2, 3, 1).reshape(len(batch), -1).contiguous()

    def _shape(self, count: int, backward: bool) -> int:
        """Return the rows of the next batch where `count` images are left."""
        if self._sample is None or count > self.rows - SMALL[-1]:
            return self.rows
        if backward not in self._small:
            fitting = [rows for rows in SMALL if rows < self.rows and rows <= len(self._sample.images)]
            self._small[backward] = [rows for rows in fitting if self._agrees(rows, backward)]
        small = self._small[backward]
        if not small or count > self.rows - small[-1]:
            return self.rows
        return next((rows for rows in reversed(small) if rows >= count), small[0])

    def _agrees(self, rows: int, backward: bool) -> bool:
        """Return whether the sample's first images in a batch of this shape give the very same scores and gradients."""
        sample, part = self._sample, slice(0, rows)
        batch = self._nchw(sample.images[part])
        if not backward:
            with torch.inference_mode():
                return torch.equal(self.network(batch), sample.scores[part])
        scores, gradients = self._backward(batch, part, lambda _, part: sample.output_gradients[part])
        return torch.equal(scores, sample.scores[part]) and torch.equal(gradients, sample.gradients[part])

    def _largest_difference(self) -> float:
        """Return by how much decision values differ between shapes and layouts of a batch.

        The sample's images are pushed to the far end of their rays, where rounding is coarsest, and evaluated in this
        run's shape, one by one, and by seven in PyTorch's default memory layout.
        """
        few = slice(0, MEASURED)
        ends = (self._sample.images[few] + 255 * self._sample.gradients[few].sign()).clamp_(0, 255)
        values = self.objective.decision_values(self.forward(ends))
        batch = self._nchw(ends)
        with torch.inference_mode():
            one_by_one = torch.cat([self.network(each) for each in batch.split(1)])
            try:
                seven = self.network(batch[:7].contiguous())
            except torch.OutOfMemoryError:
                seven = self.network(batch[: self.rows].contiguous())  # as many as memory was seen to hold
            again = [self.objective.decision_values(each) for each in (one_by_one, seven)]
            return max((each - values[: len(each)]).abs().max().item() for each in again)

    def _nchw(self, rows: Tensor) -> Tensor:
        """View rows (N, P) as a batch N x 3 x height x width."""
        return rows.view(len(rows), *self.size, 3).permute(0, 3, 1, 2)

    def _in_shapes(
        self, images: Tensor, run: Callable[[Tensor, slice], tuple[Tensor, ...]], backward: bool
    ) -> tuple[Tensor, ...]:
        """Run over the images in batches of the full or a small shape and join what comes out."""
        parts = []
        start = 0
        while start < len(images):
            rows = self._shape(len(images) - start, backward)
            part = slice(start, min(start + rows, len(images)))
            batch = images[part]
            if len(batch) < rows or batch.dtype != torch.float32:
                batch = self._buffer[:rows]
                batch[: part.stop - part.start].copy_(images[part])
            try:
                result = run(self._nchw(batch), part)
            except torch.OutOfMemoryError:
                self._halve()
                continue
            parts.append([each[: part.stop - part.start] for each in result])
            start = part.stop
        return tuple(each[0] if len(each) == 1 else torch.cat(each) for each in zip(*parts, strict=True))

    def _halve(self) -> None:
        if self.rows == 1:
            height, width = self.size
            raise UserError(f"not even one image of {width} x {height} fits into the memory of {self.device}")
        self.rows //= 2
        self._buffer = self._buffer[: self.rows].clone()
        torch.cuda.empty_cache()
