"""Where networks and scores are computed."""

import os
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from faceflip.errors import UserError
from faceflip.runtime.memory import keep_freed_memory

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda")
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


@contextmanager
def computing_on(
    device: str, threads: int, jobs_per_gpu: int = 1, tf32: bool = False, deterministic: bool = False
) -> Iterator["torch.device"]:
    """Compute on the CPU, or on a GPU that is this process's own while the context lasts, the same way every time.

    Args:
        device: ``auto`` (a GPU where there is one), ``cpu`` or ``cuda``.
        threads: Of the CPU.
        jobs_per_gpu: How many jobs may compute on the same GPU at a time; see `faceflip.runtime.gpus`.
        tf32: Let GPUs compute float32 products with 10 bits of mantissa.
        deterministic: Have PyTorch choose deterministic algorithms on GPUs, also where others are faster.

    Raises:
        UserError: There is no device of that name, or a GPU is asked for and there is none.
    """
    chosen = prepare(device, threads, tf32)
    if chosen.type == "cpu":
        yield chosen
        return

    import torch

    from faceflip.runtime.gpus import lease, visible_gpus

    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # Max pooling is on PyTorch's list of exceptions, but deterministic where windows do not overlap: only warn.
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False
    with lease(visible_gpus(), jobs_per_gpu) as number:
        torch.cuda.set_device(number)
        yield torch.device("cuda", number)


def prepare(device: str, threads: int, tf32: bool = False) -> "torch.device":
    """Choose the kind of device, and make this process compute the same way every time; see `computing_on`."""
    if device not in DEVICES:
        raise UserError(f"there is no device {device!r}; there are {', '.join(DEVICES)}")
    import torch

    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        hidden = "" if visible is None else f" (CUDA_VISIBLE_DEVICES is {visible!r})"
        raise UserError(f"compute.device is cuda, but torch sees no GPU here{hidden}; set it to auto or cpu")
    return torch.device("cuda" if available and device != "cpu" else "cpu")


def existing(device: "str | torch.device") -> "torch.device":
    """Return PyTorch's device of a name, such as ``cuda:1``; raises UserError where there is none here."""
    import torch

    try:
        place = torch.device(device)
        torch.empty(1, device=place)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:  # by kind of device and of build
        reason = textwrap.shorten(str(error), 100, placeholder=" ...")
        raise UserError(f"there is no device {device!r} here ({reason}); cpu is always there") from error
    return place


@contextmanager
def accelerator(device: str, jobs_per_gpu: int = 1) -> Iterator["torch.device | None"]:
    """Yield the GPU that `computing_on` would choose, or None where there is none."""
    # Without a driver, torch (seconds) need not be imported.
    if device == "cpu" or (device == "auto" and not NVIDIA_DRIVER.exists()):
        yield None
        return
    with computing_on(device, threads=1, jobs_per_gpu=jobs_per_gpu) as chosen:
        yield chosen if chosen.type == "cuda" else None
