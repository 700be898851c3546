"""Caffe's RMSProp."""

from collections.abc import Iterable
from types import ModuleType

import torch
from torch import Tensor, nn


class RMSProp:
    """Caffe's RMSProp, PyTorch's without momentum: h <- d h + (1 - d) g^2, w <- w - rate g / (sqrt(h) + delta).

    On a CPU the arithmetic is that of `torch.optim.RMSprop`, to the last bit; but making a `torch.optim.Optimizer`
    imports PyTorch's compiler, which takes longer than a small network's first epoch. On a GPU a kernel of Triton's
    passes once over memory where PyTorch's operations pass five times; its last bits may be others.

    Attributes:
        mean_squares: h of each parameter.
        fused: Whether the kernel moves the weights.
        how: For the log: what moves the weights, and why it is not the kernel on a GPU that goes without.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], decay: float, delta: float, fused: bool | None = None
    ) -> None:
        """Start with h = 0; a parameter without a gradient, as the network makes no use of it, stays as it is.

        `fused` asks for the kernel, or for none; None is a kernel on GPUs. Where it does not work there is none.
        """
        self._parameters = list(parameters)
        self._decay, self._delta = decay, delta
        self.mean_squares = [torch.zeros_like(parameter) for parameter in self._parameters]
        wanted = any(parameter.is_cuda for parameter in self._parameters) if fused is None else fused
        self._kernel, reason = _kernel_for(self._parameters) if wanted else (None, "")
        self.fused = self._kernel is not None
        self.how = "weights move by " + ("one Triton kernel" if self._kernel else f"PyTorch's operations{reason}")

    def forget_gradients(self) -> None:
        """Make the parameters ready for another backward pass."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def gather(self) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Take the gradients into h; return the parameters that have one, their gradients and their h."""
        parameters, gradients, squares = self._learned()
        torch._foreach_mul_(squares, self._decay)
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - self._decay)
        return parameters, gradients, squares

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move the parameters against their gradients at a learning rate."""
        if self._kernel:
            for parameter, gradient, squares in zip(*self._learned(), strict=True):
                self._kernel.step(parameter, _laid_as(parameter, gradient), squares, self._decay, rate, self._delta)
            return
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

    def _learned(self) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Return the parameters that have a gradient, their gradients and their h."""
        all_of_them = zip(self._parameters, self.mean_squares, strict=True)
        parameters, squares = zip(*((each, h) for each, h in all_of_them if each.grad is not None), strict=True)
        return list(parameters), [parameter.grad for parameter in parameters], list(squares)


def _kernel_for(parameters: list[Tensor]) -> tuple[ModuleType | None, str]:
    """Return the module of the kernel, or None and why it cannot be had for these parameters."""
    if not all(parameter.dtype == torch.float32 and _without_gaps(parameter) for parameter in parameters):
        return None, " (not all of them are float32 and lie in one piece)"
    try:
        from faceflip.training import rmsprop_kernel

        for device in {parameter.device for parameter in parameters}:
            rmsprop_kernel.try_out(device)
    # No Triton, no C compiler, no folder for what it compiles, a device that it does not know.
    except Exception as error:
        said = str(error).strip().partition("\n")[0]
        return None, f" (Triton's kernel does not work here: {type(error).__name__}: {said})"
    return rmsprop_kernel, ""


def _without_gaps(tensor: Tensor) -> bool:
    """Return whether a tensor fills its memory, so that a pass over that meets each number once."""
    layouts = {4: (torch.channels_last,), 5: (torch.channels_last_3d,)}.get(tensor.dim(), ())
    return any(tensor.is_contiguous(memory_format=layout) for layout in (torch.contiguous_format, *layouts))


def _laid_as(parameter: Tensor, gradient: Tensor) -> Tensor:
    """Return the gradient with its numbers in the order in which the parameter's lie in memory."""
    if gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)
