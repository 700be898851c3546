"""Small networks of your own, named as FILE.py:NAME: with dropout, with BatchNorm, and linear."""

from torch import nn


class Centre(nn.Module):
    def forward(self, images):
        return (images - 128) / 64


def perceptron(outputs, image_size, hidden=6):
    width, height = image_size
    layers = nn.Linear(3 * width * height, hidden), nn.ReLU(), nn.Dropout(0.5), nn.Linear(hidden, outputs)
    return nn.Sequential(Centre(), nn.Flatten(), *layers)


def normalised(outputs, image_size):
    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(3), nn.Flatten(), nn.Dropout(0.5)
    return nn.Sequential(Centre(), *layers, nn.Linear(16, outputs))


def linear(outputs, image_size):
    width, height = image_size
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * width * height, outputs))


def brought(outputs=1, seed=0):
    """A network that was trained elsewhere: its trunk is frozen, and it has a head that it makes no use of."""

    class Headed(nn.Module):
        def __init__(self):
            super().__init__()
            self.trunk = nn.Conv2d(3, 4, 3).requires_grad_(False)
            self.norm, self.head, self.idle = nn.BatchNorm2d(4), nn.Linear(4, outputs), nn.Linear(4, 2)

        def forward(self, images):
            return self.head(self.norm(self.trunk(images / 255)).relu().mean((2, 3)))

    return Headed()
