"""VGG-16 as in Parkhi, Vedaldi, Zisserman: Deep Face Recognition (BMVC 2015), for any input size and width."""

from math import ceil, floor, prod

from torch import nn

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and number of 3 x 3 convolutions before each of the five max pools."""

HIDDEN = 4096
"""Width of the fully connected layers fc6 and fc7."""


def vgg16(
    outputs: int, image_size: tuple[int, int], width: float = 1.0, dropout: float = 0.5, pooling: str = "ceil"
) -> nn.Sequential:
    """Build the layers of VGG-16 for images of `image_size` (width, height) pixels.

    `width` multiplies the number of channels and hidden units. Pools round their size up, as Caffe's do: at 178 x 218
    fc6 sees 7 x 6 x 512 values and the network with one output has 119.6 million parameters. With `pooling` "floor"
    they round down, as PyTorch's do by default: 6 x 5 x 512 values, 94.4 million parameters.
    """
    layers: list[nn.Module] = []
    channels = 3
    for stage_channels, convolutions in STAGES:
        for _ in range(convolutions):
            scaled = max(1, round(stage_channels * width))
            layers += [nn.Conv2d(channels, scaled, kernel_size=3, padding=1), nn.ReLU(inplace=True)]
            channels = scaled
        layers.append(nn.MaxPool2d(2, stride=2, ceil_mode=pooling == "ceil"))

    # Halving and rounding five times is the same as dividing by 32 and rounding once.
    rounded = {"ceil": ceil, "floor": floor}[pooling]
    features = channels * prod(rounded(side / 2 ** len(STAGES)) for side in image_size)
    hidden = max(1, round(HIDDEN * width))
    layers.append(nn.Flatten())
    for _ in range(2):
        layers += [nn.Linear(features, hidden), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        features = hidden
    layers.append(nn.Linear(features, outputs))
    return nn.Sequential(*layers)
