"""ResNet-18 of He, Zhang, Ren, Sun: Deep Residual Learning (CVPR 2016), of any width, for small images."""

from torch import nn
from torchvision.models.resnet import BasicBlock

CHANNELS = (64, 128, 256, 512)
"""Of the four stages, each of which has two blocks of two 3 x 3 convolutions."""
BLOCKS = 2
LEAST = 8
"""Channels that a stage has at least: 1 x 1 convolutions of stride 2 that read fewer write outside of their memory on
processors with AVX2 and without AVX-512 (oneDNN in PyTorch 2.14)."""


def small_resnet18(outputs: int, image_size: tuple[int, int], width: float = 1.0) -> nn.Sequential:
    """Build the layers for images of any size; `width` multiplies the number of channels, 8 at least.

    Before the stages stands one 3 x 3 convolution of stride 2, in place of one of 7 x 7 and a pool: small images have
    no pixels to lose. With its BatchNorm it learns in a few epochs what VGG-16 of the same cost needs many for.
    """
    channels = [max(LEAST, round(each * width)) for each in CHANNELS]
    before = channels[0]
    layers: list[nn.Module] = [nn.Conv2d(3, before, kernel_size=3, stride=2, padding=1, bias=False)]
    layers += [nn.BatchNorm2d(before), nn.ReLU(inplace=True)]
    for stage, size in enumerate(channels):
        for block in range(BLOCKS):
            stride = 2 if stage and not block else 1
            shortcut = None
            if (stride, before) != (1, size):
                shortcut = nn.Sequential(nn.Conv2d(before, size, 1, stride, bias=False), nn.BatchNorm2d(size))
            layers.append(BasicBlock(before, size, stride, shortcut))
            before = size
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, outputs))
