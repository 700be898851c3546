"""The figures by name. Another one is a module beside this one and a line here.

This module imports no Matplotlib, so that the workflow can read the registry while it is parsed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from faceflip.analysis.run import RunDescription
from faceflip.figures.options import FigureInputs, Options
from faceflip.workflow.products import Product, Reading, reading


@dataclass(frozen=True)
class FigureEntry(Product):
    """A figure that the workflow makes.

    Its inputs are ``attempts``, ``transfers`` (Parquet), ``dataset`` (the packed images), ``histories`` (of all
    networks), ``stores`` (joined views of all attacks), or tables by name. Its module has `draw(inputs, run, options)`,
    which returns a Matplotlib figure; its docstring says how to read it.
    """


FIGURES = {
    "figure1": FigureEntry(
        "Adversarial images (Fig. 1)",
        ("attempts", "transfers", "dataset", "stores"),
        "Adversarial images",
        network="Euclidean, MOON",
        attack="ffa",
    ),
    "figure2": FigureEntry(
        "Classification error (Fig. 2)", ("classification_error",), "Accuracy", attack="", attribute="all learned"
    ),
    "figure3": FigureEntry(
        "Success per attribute (Fig. 3)",
        ("success",),
        "Adversarial images",
        network="Euclidean, MOON",
    ),
    "figure4": FigureEntry(
        "Portability across networks (Fig. 4)",
        ("portability",),
        "Transfer",
        "both, to converged",
        "Euclidean",
        "ffa-line",
    ),
    "figure5": FigureEntry(
        "Correlation on MOON (Fig. 5)",
        ("correlation",),
        "Transfer",
        network="MOON",
        attack="ffa",
        attribute="{attacked}, to all 40",
    ),
    "flippability": FigureEntry(
        "Flippability of each attribute", ("success",), "Adversarial images", attack="ffa-line"
    ),
    "pass_distribution": FigureEntry("PASS of the flipped attempts", ("attempts",), "Adversarial images"),
    "epsilon_distribution": FigureEntry("Epsilon of the flipped attempts", ("attempts",), "Adversarial images"),
    "training_curves": FigureEntry("Training curves", ("histories",), "Progress of training", "every epoch", attack=""),
}


def module_of(name: str) -> str:
    """Return the name of the module that draws a figure."""
    return FIGURES[name].module or f"faceflip.figures.{name}"


def reading_of(name: str) -> Reading:
    """Return how to read a figure."""
    return reading(module_of(name))


def caption(name: str, run: RunDescription) -> str:
    """Return what belongs below a figure in a text: what it is, how to read it, and what was run."""
    return f"{FIGURES[name].title}\n\n{reading_of(name).text}\n\n{run.line}\n"


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

    module = import_module(module_of(name))
    with drawing():
        save(module.draw(inputs, run, options), outputs)
