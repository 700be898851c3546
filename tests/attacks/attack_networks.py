"""Small networks whose attacks can be worked out by other means."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """Scores W x + b over pixel values in the order height, width, channel.

    With whole weights below 2^24 / (255 * P) every score is exact in float32, whatever the shape of the batch.
    """

    def __init__(self, weights: Sequence[Sequence[float]] | np.ndarray, bias: Sequence[float] | float = 0.0) -> None:
        super().__init__()
        weights = torch.as_tensor(np.asarray(weights, np.float32))
        self.weights = nn.Parameter(weights)
        self.bias = nn.Parameter(torch.as_tensor(bias, dtype=torch.float32).expand(len(weights)).clone())

    def forward(self, images: Tensor) -> Tensor:
        return images.permute(0, 2, 3, 1).flatten(1) @ self.weights.T + self.bias


class Ridge(nn.Module):
    """Scores b + sum of w |v . x - c|: piecewise linear, so that rays cross the decision more than once."""

    def __init__(self, hidden: np.ndarray, offsets: np.ndarray, weights: np.ndarray, bias: float) -> None:
        super().__init__()
        self.hidden = Linear(hidden, -offsets)
        self.weights = nn.Parameter(torch.as_tensor(weights, dtype=torch.float32))
        self.bias = bias

    def forward(self, images: Tensor) -> Tensor:
        return (self.hidden(images).abs() @ self.weights + self.bias)[:, None]


def convolutional(outputs: int, seed: int, size: tuple[int, int] = (12, 10), spread: float = 4.0) -> nn.Module:
    """Return a small network of the kind that is attacked, for images of `size` (height, width), in evaluation mode.

    Its outputs have a mean of about zero and the given spread over uniform noise images, so that both decisions occur.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            _Centre(),
            nn.Conv2d(3, 8, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(8, 16, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten(),
            nn.Linear(16 * -(-size[0] // 4) * -(-size[1] // 4), 32),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(32, outputs),
        ).eval()
        with torch.no_grad():
            scores = network(torch.rand(256, 3, *size) * 255)
        balance(network[-1], scores, spread)
    return network


@torch.no_grad()
def balance(last: nn.Linear, scores: Tensor, spread: float = 1.0) -> None:
    """Change the last layer so that the scores (N, M), seen over some images, have a mean of zero and this spread."""
    scale = spread / scores.std(dim=0)
    last.weight *= scale[:, None]
    last.bias.copy_((last.bias - scores.mean(dim=0)) * scale)


class _Centre(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return (images - 128) / 64


class Padded(nn.Module):
    """A network that sees every image in a batch of so many rows, the others black, as the engine's passes are."""

    def __init__(self, network: nn.Module, rows: int) -> None:
        super().__init__()
        self.network, self.rows = network, rows

    def forward(self, images: Tensor) -> Tensor:
        _, channels, height, width = images.shape
        others = torch.zeros(self.rows - len(images), height, width, channels).permute(0, 3, 1, 2)
        return self.network(torch.cat([images, others]))[: len(images)]


def noise_images(count: int, seed: int, size: tuple[int, int] = (12, 10)) -> np.ndarray:
    """Return uint8 images (count, height, width, 3), a third of their pixel values at 0 or 255."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, *size, 3), dtype=np.uint8)
    images[random.random(images.shape) < 1 / 6] = 0
    images[random.random(images.shape) < 1 / 6] = 255
    return images
