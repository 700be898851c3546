"""What the benchmarks that may run on a GPU have in common."""

import platform

import torch


def wait(device: torch.device) -> None:
    """Wait until a GPU has done what it was told, so that a clock may be read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def described(device: torch.device, threads: int = 1) -> str:
    """Name what is computed on, and with which versions."""
    if device.type != "cuda":
        plural = "s" if threads > 1 else ""
        return f"{platform.machine()} CPU, {threads} thread{plural}, PyTorch {torch.__version__}"
    return (
        f"{torch.cuda.get_device_name(device)}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}, "
        f"cuDNN {torch.backends.cudnn.version()}"
    )


def forget_peak(device: torch.device) -> None:
    """Begin to measure the peak of a GPU's memory anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak(device: torch.device) -> str:
    """Return the most memory that PyTorch's tensors took on a GPU, weights and batches included; empty for a CPU."""
    return f"{torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB" if device.type == "cuda" else ""
