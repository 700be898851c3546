"""The precision in which the probes of a line search may be computed, lower than that of verdicts."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from faceflip.attacks.options import FLOAT32
from faceflip.errors import UserError


@contextmanager
def computing_in(precision: str, device: torch.device) -> Iterator[None]:
    """Let networks compute in this precision: matrix products and convolutions, with sums in float32.

    ``tf32`` (10 bits of mantissa) changes nothing but on NVIDIA GPUs; ``bfloat16`` (7 bits) is `torch.autocast`.
    """
    if precision == "bfloat16":
        with torch.autocast(device.type, torch.bfloat16):
            yield
        return
    if precision == FLOAT32:
        yield
        return
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    products.allow_tf32 = convolutions.allow_tf32 = True
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before


def require_float32(precision: str, device: torch.device) -> None:
    """Raise `UserError` where verdicts on probes of a lower precision would not be taken in float32 themselves."""
    loose = torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32
    if precision != FLOAT32 and device.type == "cuda" and loose:
        raise UserError(
            f"option search_precision: {precision} probes need verdicts in float32, but PyTorch is set to compute in "
            "TF32 here; call faceflip.runtime.device.prepare before, which turns that off"
        )
