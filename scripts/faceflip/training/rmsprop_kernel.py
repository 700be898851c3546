"""RMSProp's step on a GPU, compiled by Triton: one pass over memory where tensor operations need five.

Import this through `faceflip.training.optimiser`, which does without where Triton is missing or cannot compile.

Every operation rounds once, to nearest, as the formula stands: no fused multiply-add, no approximate root or quotient.
So a step has the same bits with every version of Triton and PyTorch, and on every GPU.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024
"""Weights that a program of the grid moves."""


@triton.jit
def _move(weights, gradients, squares, count, decay, share, rate, delta, block: tl.constexpr):
    # 64 bits: a layer may have more than 2^31 weights.
    places = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    inside = places < count
    g = tl.load(gradients + places, mask=inside)
    h = decay * tl.load(squares + places, mask=inside) + share * g * g
    w = tl.load(weights + places, mask=inside) - tl.div_rn(rate * g, tl.sqrt_rn(h) + delta)
    tl.store(squares + places, h, mask=inside)
    tl.store(weights + places, w, mask=inside)


def step(weights: Tensor, gradients: Tensor, squares: Tensor, decay: float, rate: float, delta: float) -> None:
    """Move weights, and their mean squares h: h <- d h + (1 - d) g^2, w <- w - rate g / (sqrt(h) + delta).

    All three are float32, of one shape and in one order in memory, without gaps.
    """
    count = weights.numel()
    with torch.cuda.device_of(weights):
        _move[(triton.cdiv(count, BLOCK),)](
            weights, gradients, squares, count, decay, 1 - decay, rate, delta, block=BLOCK, enable_fp_fusion=False
        )


def try_out(device: torch.device) -> None:
    """Take a step on a few weights of a device; raises whatever keeps Triton from it."""
    weights, gradients, squares = torch.ones(3, 16, device=device)
    step(weights, gradients, squares, decay=0.5, rate=0.5, delta=1.0)
    if weights.tolist() != [0.75] * 16:
        raise ArithmeticError(f"it moves 1 to {weights.tolist()} rather than 0.75")
