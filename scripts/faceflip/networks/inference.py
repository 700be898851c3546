"""Running a trained network over many images."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn


def to_input(images: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """Return uint8 images (N, H, W, 3) as float32 (N, 3, H, W) on 0-255, channels-last in memory."""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float()


def batches(images: np.ndarray, rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield `images[rows]` in blocks; rows of a memory map are read as they are needed."""
    for start in range(0, len(rows), size):
        yield np.take(images, rows[start : start + size], axis=0)


@torch.inference_mode()
def scores(network: nn.Module, images: np.ndarray, rows: np.ndarray | None = None, batch_size: int = 128) -> np.ndarray:
    """Return the scores, shape (len(rows), outputs) float32, of uint8 images (N, H, W, 3).

    The network is used where it lies and as it is; put it into evaluation mode first.
    """
    rows = np.arange(len(images)) if rows is None else rows
    device = next(network.parameters()).device
    return np.concatenate(
        [network(to_input(batch, device)).cpu().numpy() for batch in batches(images, rows, batch_size)]
    )
