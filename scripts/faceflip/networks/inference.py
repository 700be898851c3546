"""Running a trained network over many images."""

from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn

from faceflip.errors import UserError
from faceflip.runtime.progress import MoreDone


def to_input(images: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """Return uint8 images (N, H, W, 3) as float32 (N, 3, H, W) on 0-255, channels-last in memory."""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2).float()


@torch.inference_mode()
def scores(
    network: nn.Module,
    images: np.ndarray,
    rows: np.ndarray | None = None,
    batch_size: int = 128,
    progress: MoreDone | None = None,
    mirrored: bool = False,
) -> np.ndarray:
    """Return the scores, shape (len(rows), outputs) float32, of uint8 images (N, H, W, 3).

    The network is used where it lies and as it is; put it into evaluation mode first. It sees the images turned left to
    right if they are to be `mirrored`. `progress` is called with the number of images of each batch done. If a GPU's
    memory is too small for a batch, batches are halved from there on; raises `UserError` if not even one image fits.
    """
    rows = np.arange(len(images)) if rows is None else rows
    device = next(chain(network.parameters(), network.buffers())).device  # a frozen program has no parameters
    parts, start = [], 0
    while start < len(rows):
        batch = np.take(images, rows[start : start + batch_size], axis=0)
        if mirrored:  # not before: from a mirrored view of all images each batch would copy all
            batch = batch[:, :, ::-1]
        try:
            part = network(to_input(batch, device)).float().cpu().numpy()
        except torch.OutOfMemoryError:
            part = None  # what follows waits until the exception has let go of the pass's memory
        if part is not None:
            parts.append(part)
            start += batch_size
            if progress:
                progress(len(part))
        elif batch_size > 1:
            batch_size //= 2
            torch.cuda.empty_cache()
            print(f"out of memory on {device}: going on with batches of {batch_size} images")
        else:
            height, width = images.shape[1:3]
            raise UserError(f"not even one image of {width} x {height} pixels fits into the memory of {device}")
    return np.concatenate(parts)
