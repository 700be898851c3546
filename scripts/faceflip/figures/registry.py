"""The figures by name. Another one is a module beside this one and a line here.

This module imports no Matplotlib, so that the workflow can read the registry while it is parsed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from faceflip.analysis.run import RunDescription
from faceflip.figures.options import FigureInputs, Options


@dataclass(frozen=True)
class FigureEntry:
    """A figure that the workflow makes.

    Attributes:
        title: A few words.
        inputs: Roles of what it is drawn from: ``attempts``, ``transfers`` (Parquet), ``dataset`` (the packed images),
            ``histories`` (of all networks), ``stores`` (joined views of all attacks), or tables by name.
        module: Has `draw(inputs, run, options)`, which returns a Matplotlib figure; its docstring says how to read it.
            By default the module of this package that has the figure's name.
    """

    title: str
    inputs: tuple[str, ...]
    module: str = ""


FIGURES = {
    "figure1": FigureEntry("Adversarial images", ("attempts", "transfers", "dataset", "stores")),
    "figure2": FigureEntry("Classification error", ("classification_error",)),
    "figure3": FigureEntry("Adversarial success per attribute", ("success",)),
    "figure4": FigureEntry("Portability across networks", ("portability",)),
    "figure5": FigureEntry("Correlation on MOON", ("correlation",)),
    "flippability": FigureEntry("Flippability of each attribute", ("success",)),
    "pass_distribution": FigureEntry("PASS of the flipped attempts", ("attempts",)),
    "epsilon_distribution": FigureEntry("Epsilon of the flipped attempts", ("attempts",)),
    "training_curves": FigureEntry("Training curves", ("histories",)),
}


def make_figure(
    name: str, inputs: FigureInputs, run: RunDescription, outputs: Mapping[str, Path], options: Options
) -> None:
    """Draw a figure and write it.

    Args:
        name: In `FIGURES`.
        inputs: Paths of the figure's inputs by role.
        run: What was run.
        outputs: Paths of the ``pdf`` and the ``png``.
        options: Choices of presentation.

    Raises:
        UserError: An input is missing or not what it should be.
    """
    from faceflip.figures.style import drawing, save

    module = import_module(FIGURES[name].module or f"faceflip.figures.{name}")
    with drawing():
        save(module.draw(inputs, run, options), outputs)
