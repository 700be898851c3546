"""Making a figure: drawn by its module, written as PDF and PNG, for dark screens too, with its caption as text."""

from collections.abc import Mapping
from pathlib import Path

from faceflip.analysis.frames import FigureInputs
from faceflip.analysis.run import RunDescription
from faceflip.io.files import write_text
from faceflip.registry import load
from faceflip.workflow.products import Product


def caption(product: Product, run: RunDescription) -> str:
    """Return what belongs below a figure in a text: what it is, how to read it, and what was run."""
    return f"{product.heading}\n\n{product.reading.of(run.like_paper, run.doubt).text}\n\n{run.line}\n"


def make_figure(product: Product, inputs: FigureInputs, run: RunDescription, outputs: Mapping[str, Path]) -> None:
    """Draw a figure from its inputs, paths by role, and write ``pdf``, ``png``, ``dark`` and ``caption``.

    Raises:
        UserError: An input is missing or not what it should be.
    """
    from faceflip.figures.style import drawing, save

    with drawing(run.attributes):
        save(load(f"{product.module}:draw")(inputs, run), outputs)
    write_text(outputs["caption"], caption(product, run))
