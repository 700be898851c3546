"""FFA with SSIM as the measure of change, by a quadratic model of it around the unperturbed image."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, conv_transpose2d

from faceflip.attacks.directions import FFA
from faceflip.errors import UserError
from faceflip.similarity.definition import C1, C2, WINDOW, window


class SimilarFFA(FFA):
    """FFA's gradient g, turned to where it moves the score most for what it takes from SSIM, not from L2.

    In a window of SSIM a small change d of an image x takes var(d) / (2 var(x) + C2) + mean(d)^2 / (2 mean(x)^2 + C1)
    from it, to second order. Over all windows that is a quadratic form d' Q d, and Q^-1 g is the direction: little
    where the image is smooth, more where it has texture, and smooth itself, as a window's mean may change at little
    cost. Conjugate gradients come near enough in a few steps.

    PASS looks at whole windows alone, and of pixel values at the image's border few windows have a part. So that the
    change does not go all there, each pixel value costs a share of the mean cost in any case.

    Attributes:
        steps: Of conjugate gradients.
        share: Of the mean cost of a pixel value's own change, which is added to that of each.
    """

    steps = 4
    share = 0.1

    def steepest(self, gradients: Tensor, originals: Tensor) -> Tensor:
        """Return about Q^-1 g of gradients (N, P); raises `UserError` where images are smaller than SSIM's window."""
        height, width = originals.shape[1:3]
        if min(height, width) < WINDOW:
            raise UserError(
                f"SSIM needs images of {WINDOW} x {WINDOW} pixels at least, not {width} x {height}: attack along ffa"
            )
        # One by one: the last bits of an image's direction must not depend on how many others are beside it.
        pairs = zip(gradients, originals, strict=True)
        # TF32 would drown variances, and some algorithms add up in another order each time.
        with torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):
            return torch.stack([self._solved(gradient.view_as(original), original) for gradient, original in pairs])

    def _solved(self, gradient: Tensor, original: Tensor) -> Tensor:
        """Return Q^-1 g (P,) of a gradient and its image, both (height, width, 3), up to a positive factor."""
        # Channels are images of their own, (3, 1, height, width).
        image = original.permute(2, 0, 1)[:, None].float()
        right = gradient.permute(2, 0, 1)[:, None]
        largest = right.abs().amax()
        right = right / largest.where(largest > 0, 1.0)
        weights = torch.from_numpy(window()).float().to(image.device)
        column, row = weights.view(1, 1, -1, 1), weights.view(1, 1, 1, -1)

        def means(values: Tensor) -> Tensor:
            return conv2d(conv2d(values, column), row)

        def spread(values: Tensor) -> Tensor:  # the transpose of `means`
            return conv_transpose2d(conv_transpose2d(values, column), row)

        mean = means(image)
        of_variance = 1 / (2 * (means(image.square()) - mean.square()).clamp_min(0) + C2)
        of_mean = 1 / (2 * mean.square() + C1)
        own = spread(of_variance)
        own = own + self.share * own.mean()

        found, rest = torch.zeros_like(right), right
        way = near = rest / own
        size = (rest * near).sum()
        for _ in range(self.steps):
            turned = own * way - spread((of_variance - of_mean) * means(way))  # Q times the way
            length = size / (way * turned).sum().clamp_min(1e-30)
            found, rest = found + length * way, rest - length * turned
            near, before = rest / own, size
            size = (rest * near).sum()
            way = near + size / before.clamp_min(1e-30) * way
        return found[:, 0].permute(1, 2, 0).flatten()
