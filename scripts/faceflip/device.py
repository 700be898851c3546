"""Where networks and scores are computed."""

from pathlib import Path
from typing import TYPE_CHECKING

from faceflip.errors import UserError

if TYPE_CHECKING:
    import torch

NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


def prepare(device: str, threads: int) -> "torch.device":
    """Choose the device, and make this process compute the same way every time.

    Args:
        device: ``auto`` (a GPU where there is one), ``cpu`` or ``cuda``.
        threads: CPU threads to compute with.

    Raises:
        UserError: A GPU is asked for and there is none.
    """
    import torch

    torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise UserError("compute.device is cuda, but torch sees no GPU here; set it to auto or cpu")
    return torch.device("cuda" if available and device != "cpu" else "cpu")


def accelerator(device: str) -> "torch.device | None":
    """Return the GPU that `prepare` would choose, or None; where there is no driver torch (seconds) is not imported."""
    if device == "cpu" or (device == "auto" and not NVIDIA_DRIVER.exists()):
        return None
    chosen = prepare(device, threads=1)
    return chosen if chosen.type == "cuda" else None
