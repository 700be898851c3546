"""A picture of what an attack did: before, the perturbation, after."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

from faceflip.pixels import GAIN, enlarged, triptych

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

MARGIN, FONT_SIZE = 10, 14
LINE = FONT_SIZE + 5
LEAST_PANEL_WIDTH = 240
"""Smaller images are enlarged by a whole number, pixel by pixel."""

LABELS = ("before", f"perturbation x {GAIN}, grey is none", "after")


def comparison(image: np.ndarray, perturbation: np.ndarray, title: Sequence[str] = ()) -> "Image":
    """Return image, magnified perturbation and their sum side by side, with labels below and lines of text above.

    Both arrays are (H, W, 3), the image uint8, the perturbation whole numbers. Lines that are too long are wrapped.
    """
    from PIL import Image, ImageDraw

    panels = [Image.fromarray(enlarged(panel, LEAST_PANEL_WIDTH)) for panel in triptych(image, perturbation)]
    width, height = panels[0].size
    whole = len(panels) * (width + MARGIN) + MARGIN
    font = _font()
    lines = [part for line in title for part in _wrapped(line, font, whole - 2 * MARGIN)]
    top = MARGIN + len(lines) * LINE + (MARGIN if lines else 0)
    sheet = Image.new("RGB", (whole, top + height + LINE + MARGIN), "white")
    pen = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        pen.text((MARGIN, MARGIN + number * LINE), line, fill="black", font=font)
    for number, (panel, label) in enumerate(zip(panels, LABELS, strict=True)):
        left = MARGIN + number * (width + MARGIN)
        sheet.paste(panel, (left, top))
        pen.text((left, top + height + 3), label, fill="black", font=font)
    return sheet


def _font() -> "FreeTypeFont":
    """Return the font that comes with Matplotlib, which has more than Latin letters, unlike Pillow's own."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf", FONT_SIZE)


def _wrapped(line: str, font: "FreeTypeFont", width: int) -> list[str]:
    """Return a line in parts that are no wider than `width` pixels; words that are too long are broken."""
    most = max(1, len(line))
    while True:
        parts = wrap(line, most) or [""]
        if most == 1 or all(font.getlength(part) <= width for part in parts):
            return parts
        most -= 1
