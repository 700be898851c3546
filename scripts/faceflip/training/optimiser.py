"""Caffe's RMSProp."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class RMSProp:
    """Caffe's RMSProp, PyTorch's without momentum: h <- d h + (1 - d) g^2, w <- w - rate g / (sqrt(h) + delta).

    The arithmetic is that of `torch.optim.RMSprop`, to the last bit; but making a `torch.optim.Optimizer` imports
    PyTorch's compiler, which takes longer than a small network's first epoch. `mean_squares` has h of each parameter.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], decay: float, delta: float) -> None:
        """Start with h = 0; a parameter without a gradient, as the network makes no use of it, stays as it is."""
        self._parameters = list(parameters)
        self._decay, self._delta = decay, delta
        self.mean_squares = [torch.zeros_like(parameter) for parameter in self._parameters]

    def forget_gradients(self) -> None:
        """Make the parameters ready for another backward pass."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def gather(self) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Take the gradients into h; return the parameters that have one, their gradients and their h."""
        all_of_them = zip(self._parameters, self.mean_squares, strict=True)
        parameters, squares = zip(*((each, h) for each, h in all_of_them if each.grad is not None), strict=True)
        gradients = [parameter.grad for parameter in parameters]
        torch._foreach_mul_(squares, self._decay)
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - self._decay)
        return list(parameters), gradients, list(squares)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move the parameters against their gradients at a learning rate."""
        parameters, gradients, squares = self.gather()
        roots = torch._foreach_sqrt(squares)
        torch._foreach_add_(roots, self._delta)
        torch._foreach_addcdiv_(parameters, gradients, roots, value=-rate)

    @torch.no_grad()
    def unbias(self, batches: int) -> None:
        """Make h, gathered from zero over so many batches, a weighted mean of their squares, as Adam does."""
        torch._foreach_div_(self.mean_squares, 1 - self._decay**batches)

    @torch.no_grad()
    def restore(self, mean_squares: list[Tensor]) -> None:
        """Continue from h as it was."""
        for own, saved in zip(self.mean_squares, mean_squares, strict=True):
            own.copy_(saved)
