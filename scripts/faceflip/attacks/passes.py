"""Forward and gradient passes in fixed batch shapes.

The last bits of a network's scores of an image depend on the shape of its batch, which decides how sums are split up.
So every pass here has the shape of a full batch (of all images, if a run has fewer), padded where fewer are at hand;
what else is in the batch then makes no difference. Where a smaller shape was seen to give the same bits, few images
take it.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from faceflip.attacks.options import FLOAT32
from faceflip.attacks.precision import computing_in
from faceflip.errors import UserError
from faceflip.networks.objectives import Objective
from faceflip.runtime.device import existing

SMALL = (16, 8, 4)
"""Rows of the shapes that the last images of a run take, where they give the same bits as the full shape."""

OutputGradients = Callable[[Tensor, slice], Tensor]
"""Given the scores of some of a pass's images, and which ones these are, the gradient with respect to these scores."""


@contextmanager
def prepared(
    network: nn.Module | Callable[[Tensor], Tensor], device: str | torch.device | None
) -> Iterator[tuple[nn.Module, torch.device]]:
    """Yield the network in evaluation mode with frozen parameters, and its device; leave it as it was found.

    A network that is to run on another device than its own is copied there. A function runs where its images are.

    Raises:
        UserError: There is no such device, or the network does not compute in float32.
    """
    network = _as_module(network)
    parameters = [*network.parameters(), *network.buffers()]
    own = parameters[0].device if parameters else torch.device("cpu")
    wanted = own if device is None else existing(device)
    _check_precision(parameters, wanted)
    if wanted.type != own.type or wanted.index not in (None, own.index):
        network, own = copy.deepcopy(network).to(wanted), wanted
    training = [module for module in network.modules() if getattr(module, "training", False)]
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    try:
        if training:
            with suppress(NotImplementedError):  # exported programs stay in the mode in which they were exported
                network.eval()
        for parameter in trainable:
            parameter.requires_grad_(False)
        yield network, own
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)
        for module in training:
            module.training = True


def _as_module(network: object) -> nn.Module:
    if type(network).__module__.startswith("torch.export"):  # naming the class would import all of torch.export
        return network.module()
    if isinstance(network, nn.Module):
        return network
    if callable(network):
        return _Function(network)
    raise UserError(f"network: expected a module, or a function from images to scores, not {type(network).__name__}")


class _Function(nn.Module):
    """A function, such as ``lambda images: network(images)[0]``, called as a module is."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.forward = function


def _check_precision(parameters: list[Tensor], device: torch.device) -> None:
    """Raise `UserError` unless the network computes in float32: what flips in a coarser type may not flip in it."""
    coarse = {str(each.dtype) for each in parameters if each.is_floating_point()} - {"torch.float32"}
    if coarse:
        raise UserError(
            f"network: has weights of {', '.join(sorted(coarse))}; expected torch.float32, in which images come and "
            "verdicts are taken; call its method float() before"
        )
    if torch.is_autocast_enabled(device.type):
        raise UserError("network: runs under torch.autocast, whose verdicts may not hold in float32; attack outside it")


@dataclass(frozen=True)
class Sample:
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
        precision: In which the network computes; scores come as float32 from any.
        pixels: Pixel values of one image.
        sample: Some images of the first gradient pass, None before it.
    """

    network: nn.Module
    objective: Objective
    device: torch.device
    size: tuple[int, int]
    rows: int
    precision: str = FLOAT32

    def __post_init__(self) -> None:
        self.pixels = self.size[0] * self.size[1] * 3
        self.sample: Sample | None = None
        self._agreeing: dict[tuple[int, bool], bool] = {}
        self._buffer = torch.zeros(self.rows, self.pixels, dtype=torch.float32, device=self.device)
        self._layouts = (torch.preserve_format, torch.contiguous_format)

    def coarser(self, precision: str) -> "Passes":
        """Return forward passes of the same network in a lower precision, once the first gradient pass is made."""
        coarse = replace(self, precision=precision)
        coarse.sample = replace(self.sample, scores=coarse.forward(self.sample.images))
        return coarse

    def padded(self, count: int) -> int:
        """Return how many rows the forward passes over `count` images take together, padding included."""
        rows = 0
        while rows < count:
            rows += self._shape(count - rows, backward=False)
        return rows

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores (N, M) of images (N, P) of any type on 0-255."""
        with torch.inference_mode():
            return self._in_shapes(images, lambda batch, _: (self.scores(batch),), backward=False)[0]

    def scores(self, batch: Tensor) -> Tensor:
        """Return the network's scores (n, M) of a batch n x 3 x height x width in its own shape.

        The network gets a copy, because it may change what it gets. One that cannot work on channels_last, such as by
        ``view(n, -1)`` behind a convolution, gets PyTorch's default layout from then on.

        Raises:
            UserError: The network fails, or gives something else than float32 scores.
        """
        for layout in self._layouts:
            try:
                with computing_in(self.precision, self.device):
                    output = self.network(batch.clone(memory_format=layout))
            except (torch.OutOfMemoryError, UserError):
                raise
            except Exception as error:  # whatever somebody's code may raise
                failure = error
            else:
                self._layouts = (layout,)
                if self.precision != FLOAT32 and isinstance(output, Tensor) and output.dtype == torch.bfloat16:
                    output = output.float()
                return _as_scores(output, len(batch))
        shape = " x ".join(map(str, batch.shape))
        raise UserError(f"network: fails on a {self.precision} batch {shape}: {failure}") from failure

    def gradient(self, images: Tensor, output_gradients: OutputGradients) -> tuple[Tensor, Tensor]:
        """Return scores (N, M) and the gradients (N, P) of output gradients . scores with respect to the images (N, P).

        The first gradient pass of a run also keeps some of its images as `sample`.
        """
        scores, gradients = self._in_shapes(
            images, lambda batch, part: self._backward(batch, part, output_gradients), backward=True
        )
        if self.sample is None:
            few = slice(0, min(len(images), SMALL[0]))
            kept = images[few].to(torch.float32, copy=True)
            wanted = output_gradients(scores[few], few)
            self.sample = Sample(kept, wanted, scores[few].clone(), gradients[few].clone())
        return scores, gradients

    def _backward(self, batch: Tensor, part: slice, output_gradients: OutputGradients) -> tuple[Tensor, Tensor]:
        """Return scores and gradients of a batch N x 3 x height x width whose first rows are the images of `part`."""
        batch = batch.detach().requires_grad_()
        with torch.enable_grad():
            scores = self.scores(batch)
        if not scores.requires_grad:
            raise UserError(
                "network: no gradient flows from its scores to the images (detached, computed under no_grad, rounded, "
                "or by argmax); attacks need one"
            )
        known = part.stop - part.start
        wanted = torch.zeros_like(scores)
        wanted[:known] = output_gradients(scores.detach()[:known], part)
        # Bit for bit that of `scores` with output gradients, for which PyTorch would import SymPy: seconds in each job.
        (gradient,) = torch.autograd.grad((scores * wanted).sum(), batch, materialize_grads=True)
        # The gradient of a plain sum is one number shown everywhere; directions are made of it in place.
        return scores.detach(), gradient.permute(0, 2, 3, 1).reshape(len(batch), -1).contiguous()

    def _shape(self, count: int, backward: bool) -> int:
        """Return the rows of the next batch where `count` images are left."""
        if self.sample is None or count > self.rows - SMALL[-1]:
            return self.rows
        # The smallest shape that holds them all, else the largest that does not; each is tried out when it is needed.
        wanted = sorted(SMALL, key=lambda rows: (rows < count, abs(rows - count)))
        return next((rows for rows in wanted if rows < self.rows and self._agrees(rows, backward)), self.rows)

    def _agrees(self, rows: int, backward: bool) -> bool:
        """Return whether a smaller shape was seen to give the very same scores and gradients as the full one."""
        if (rows, backward) not in self._agreeing:
            self._agreeing[rows, backward] = rows <= len(self.sample.images) and self._tried(rows, backward)
        return self._agreeing[rows, backward]

    def _tried(self, rows: int, backward: bool) -> bool:
        """Pass the sample's first images in a batch of this shape, and compare what comes out."""
        sample, part = self.sample, slice(0, rows)
        batch = self.nchw(sample.images[part])
        if not backward:
            with torch.inference_mode():
                return torch.equal(self.scores(batch), sample.scores[part])
        scores, gradients = self._backward(batch, part, lambda _, part: sample.output_gradients[part])
        return torch.equal(scores, sample.scores[part]) and torch.equal(gradients, sample.gradients[part])

    def nchw(self, rows: Tensor) -> Tensor:
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
                result = run(self.nchw(batch), part)
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


def _as_scores(output: object, count: int) -> Tensor:
    """Return what a network gave for `count` images as scores (count, M); squeezed and unsqueezed ones as well."""
    if not isinstance(output, Tensor):
        raise UserError(
            f"network: expected a tensor of scores, N x M, not {type(output).__name__}; give a function that picks it, "
            "such as lambda images: network(images)[0]"
        )
    if output.dtype != torch.float32:
        raise UserError(
            f"network: expected scores of torch.float32, not {output.dtype}; turn off the autocast within it, because "
            "verdicts in another type may not hold in float32"
        )
    scores = output
    if output.ndim < 2 and output.numel() % count == 0:
        scores = output.reshape(count, -1)
    elif output.ndim > 2 and output.shape[2:].numel() == 1:
        scores = output.flatten(1)
    if scores.ndim != 2 or len(scores) != count:
        found = " x ".join(map(str, output.shape))
        raise UserError(f"network: expected scores {count} x M for {count} images, not {found}")
    return scores
