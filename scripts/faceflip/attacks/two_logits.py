"""What attacks of libraries see of a network, and how they run: an image each, and passes together.

Such an attack calls a network whenever it likes. Here it runs in a thread of its own, on a single image, and only while
the engine waits for it; where it calls the network, it stops until its images have gone through with those of others.
So it sees what it would see alone: its result depends neither on which other images are under way, nor on how many.
"""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from faceflip.errors import UserError

SCALE = 255
"""Pixel values of the network's images for one unit of those that attacks see."""


@dataclass(frozen=True)
class Asked:
    """Images (n, P) float32 on 0-255 whose decision values an attack asks for, or also their gradients."""

    images: Tensor
    gradient: bool


@dataclass(frozen=True)
class Answer:
    """Decision values (n,) float64 on the CPU, and their gradients (n, P) by the pixel values where asked for."""

    values: np.ndarray
    gradients: Tensor | None = None


Ask = Callable[[Asked], Answer]


class TwoLogits(nn.Module):
    """The logits [-v, v] of one attribute's decision value v, on images (n, 3, height, width) on 0-1.

    Class 0 is absent and class 1 is present; a tie is absent, as everywhere. Where the images require gradients, the
    gradient of v comes with the forward pass, so backward passes cost nothing more, to both logits or often. It cannot
    be differentiated a second time. It has no modes or parameters of the attacked network.
    """

    classes = 2

    def __init__(self, ask: Ask, size: tuple[int, int], device: torch.device) -> None:
        """Ask for the passes of images of `size` (height, width)."""
        super().__init__()
        self._ask, self.size = ask, size
        # Libraries ask the parameters where a network is.
        self.place = nn.Parameter(torch.empty(0, device=device), requires_grad=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (n, 2)."""
        expected = (3, *self.size)
        if not (isinstance(images, Tensor) and images.is_floating_point() and images.shape[1:] == expected):
            found = f"{images.dtype} {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
            raise UserError(f"the network is called with {found}; expected floats (n, {expected}) on 0-1")
        if not len(images):
            return images.new_zeros(0, 2)
        if images.requires_grad and torch.is_grad_enabled():
            return _WithGradient.apply(images, self._ask, self.place.device)
        return _logits(self._ask(Asked(_rows(images, self.place.device), gradient=False)).values, images)


class _WithGradient(Function):
    """Two logits whose gradient is known beforehand."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, ask: Ask, device: torch.device) -> Tensor:
        answer = ask(Asked(_rows(images, device), gradient=True))
        size = images.shape[2:]
        gradients = answer.gradients.view(len(images), *size, 3).permute(0, 3, 1, 2) * SCALE
        # Some attacks view gradients as rows, which only the default layout allows.
        ctx.save_for_backward(gradients.to(images).contiguous())
        return _logits(answer.values, images)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        (gradients,) = ctx.saved_tensors
        return (upstream[:, 1] - upstream[:, 0])[:, None, None, None] * gradients, None, None


def _rows(images: Tensor, device: torch.device) -> Tensor:
    """Return images as the engine has them: (n, P) float32 on 0-255, the channel fastest, no part of any graph."""
    return images.detach().to(device, torch.float32).permute(0, 2, 3, 1).reshape(len(images), -1) * SCALE


def _logits(values: np.ndarray, images: Tensor) -> Tensor:
    value = torch.from_numpy(values).to(images)
    return torch.stack([-value, value], dim=1)


class RandomState:
    """The states of the generators that attacks draw from: PyTorch's, NumPy's and Python's own, all of the process."""

    def __init__(self, device: torch.device) -> None:
        """Take the present states; on a GPU with that of its own generator."""
        self._gpu = device if device.type == "cuda" else None
        self.python, self.numpy, self.torch = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
        self.cuda = torch.cuda.get_rng_state(self._gpu) if self._gpu else None

    def restore(self) -> None:
        """Put the generators back into these states."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)  # noqa: NPY002
        torch.set_rng_state(self.torch)
        if self._gpu:
            torch.cuda.set_rng_state(self.cuda, self._gpu)


def seed_all(seed: int) -> None:
    """Seed the generators that attacks draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)


class _GivenUp(BaseException):
    """Ends an attack whose result nobody waits for any more."""


class Turns:
    """An attack under way, which does something only during `next`.

    What is random in it goes on from where it was, whatever was drawn elsewhere in the meantime.
    """

    def __init__(self, attack: Callable[[Ask], Tensor], seed: int, device: torch.device) -> None:
        """Prepare to call `attack` with what it asks through."""
        self._attack, self._seed, self._device = attack, seed, device
        self._answers: SimpleQueue[Answer | None] = SimpleQueue()
        self._said: SimpleQueue[Asked | Tensor | BaseException] = SimpleQueue()
        self._random: RandomState | None = None
        # In another thread, because libraries cannot be stopped in the middle of a call in this one.
        self._thread = threading.Thread(target=self._run, args=(torch.get_num_threads(),), daemon=True)

    def next(self, answer: Answer | None = None) -> Asked | Tensor:
        """Begin, or go on with the answer to what was asked; return what is asked next, or what the attack returns.

        Raises what the attack raises.
        """
        if self._random:
            self._random.restore()
            self._answers.put(answer)
        else:
            seed_all(self._seed)
            self._thread.start()
        said = self._said.get()
        if isinstance(said, BaseException):
            raise said
        self._random = RandomState(self._device)
        return said

    def give_up(self) -> None:
        """End the attack where it stands."""
        if self._thread.is_alive():
            self._answers.put(None)
            self._thread.join(timeout=1)  # it may be busy, but does not outlive the process

    def _run(self, threads: int) -> None:
        torch.set_num_threads(threads)  # a new thread has its own number
        if self._device.type == "cuda" and self._device.index is not None:
            torch.cuda.set_device(self._device)
        try:
            self._said.put(self._attack(self._ask))
        except _GivenUp:
            pass
        except BaseException as error:
            self._said.put(error)

    def _ask(self, asked: Asked) -> Answer:
        if threading.current_thread() is not self._thread:
            raise UserError("the network is called from another thread than the attack's own, which waits for nobody")
        self._said.put(asked)
        answer = self._answers.get()
        if answer is None:
            raise _GivenUp
        return answer
