"""Pictures and words put on a page by millimetres from its upper left corner."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from faceflip.figures.style import MM, SMALL

Pair = tuple[float, float]
"""Left and top of a spot, or width and height, in millimetres."""


@dataclass(frozen=True)
class Paper:
    """A figure and its width and height in millimetres."""

    figure: Figure
    size: Pair

    @classmethod
    def of(cls, figure: Figure) -> "Paper":
        """Return the whole figure."""
        width, height = figure.get_size_inches()
        return cls(figure, (width / MM, height / MM))

    def show(self, picture: np.ndarray, corner: Pair, size: Pair) -> Axes:
        """Put a picture (H, W, 3) uint8 where its upper left corner shall be."""
        (left, top), (width, height) = corner, size
        across, down = self.size
        axes = self.figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))
        axes.imshow(picture, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        return axes

    def write(self, text: str, spot: Pair, **look) -> Text:
        """Put words below and right of a spot, unless the look says otherwise."""
        look = {"ha": "left", "va": "top", "fontsize": SMALL} | look
        return self.figure.text(spot[0] / self.size[0], 1 - spot[1] / self.size[1], text, **look)
