"""Rays: the whole-number images round(clip(x + epsilon * d, 0, 255)) that a line search goes along.

They are computed in float64: two pixel values change at epsilons (k + 1/2) / |d| that differ by at least a relative
2^-33 where they differ at all, which float64 resolves and float32 does not, so that every distinct image of a ray can
be reached.
"""

import numpy as np
import torch
from torch import Tensor

from faceflip.runtime import compiled


class Rays:
    """One ray a slot: an unperturbed image, which is not copied, and a direction, zero at first.

    A pixel value moves one way only along a ray, so the sum of all changes identifies an image of a ray: equal sums are
    equal images, and a sum larger by one is the next distinct image.

    Attributes:
        images: (slots, P) uint8, where the rays begin.
        directions: (slots, P) float32, with a largest absolute value of one.
    """

    def __init__(self, images: Tensor) -> None:
        self.images = images
        self.directions = torch.zeros(images.shape, dtype=torch.float32, device=images.device)
        self._kernel = compiled.load("faceflip.attacks.ray_kernel") if images.device.type == "cpu" else None

    def write(self, rows: np.ndarray, epsilons: np.ndarray, results: Tensor, places: np.ndarray) -> np.ndarray:
        """Write the images of these slots' rays at epsilons (N,) to rows `places` of `results` (R, P) float32.

        Returns the sums (N,) float64 of their changes.
        """
        if self._kernel is not None:
            changes = np.zeros(len(rows))
            arrays = self.images.numpy(), self.directions.numpy(), rows, epsilons, results.numpy(), places
            self._kernel.along(*arrays, changes)
            return changes
        index, target = (torch.from_numpy(array).to(self.images.device) for array in (rows, places))
        epsilon = torch.from_numpy(epsilons).to(self.images.device)
        images, changes = along(self.images.index_select(0, index), self.directions.index_select(0, index), epsilon)
        results.index_copy_(0, target, images)
        return changes.cpu().numpy()

    def at(self, rows: np.ndarray, epsilons: np.ndarray) -> Tensor:
        """Return the images (N, P) float32 of these slots' rays at epsilons (N,)."""
        results = torch.empty(len(rows), self.images.shape[1], dtype=torch.float32, device=self.images.device)
        self.write(rows, epsilons, results, np.arange(len(rows)))
        return results


def along(images: Tensor, directions: Tensor, epsilons: Tensor) -> tuple[Tensor, Tensor]:
    """Return the images (N, P) float32 along rays and the sums (N,) float64 of their changes, on any device.

    The rays begin at images (N, P) uint8 and have directions (N, P) float32; the epsilons (N,) are float64.
    """
    base = images.double()
    moved = directions.double().mul_(epsilons[:, None]).add_(base).round_().clamp_(0, 255)
    return moved.float(), moved.sub_(base).abs_().sum(dim=1)
