"""Classes beside absent and present, for losses of libraries that need more than two of them."""

import torch
from torch import Tensor, nn


class WithThirdClass(nn.Module):
    """The logits (n, 4) of a network of two classes, whose third and fourth are equal and below both of its own.

    So no decision changes. The ratio of logits that APGD and ALMA go by (Croce and Hein 2020, eq. (6)) is the
    difference of the two logits over what lies between the largest and the third. The third lies as far below the
    smaller one as the two logits were apart at the unperturbed image, which makes the ratio v / (abs(v) + abs(v0)) of
    the decision values v here and v0 there: it grows with v, its gradient vanishes nowhere, and no scale of the
    network's scores changes it. Its form for targets looks at a fourth class as well.
    """

    classes = 4

    def __init__(self, network: nn.Module, image: Tensor) -> None:
        """Add classes to a network of two, for an attack on `image` (1, 3, height, width)."""
        super().__init__()
        self.network = network
        with torch.no_grad():
            logits = network(image)
        # Of a tie nothing tells the scale.
        self.gap = float(logits.max() - logits.min()) or 1.0

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images (n, 3, height, width)."""
        logits = self.network(images)
        third = logits.amin(dim=1, keepdim=True) - self.gap
        return torch.cat([logits, third, third], dim=1)
