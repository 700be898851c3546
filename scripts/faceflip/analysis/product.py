"""What tables and figures have in common: what they are made from, where they stand in the report, how to read them."""

import ast
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from faceflip.celeba import ATTRIBUTES

PARTS = ("Accuracy", "Adversarial images", "Transfer", "Progress of training", "Beside the paper")
"""The parts of the report, in the order of its pages."""


@dataclass(frozen=True)
class Product:
    """Something that the workflow makes from tidy tables.

    Attributes:
        title: A few words.
        inputs: Roles of what it is made from; see the registry.
        part: The part of the report that it belongs to, one of `PARTS`.
        experiment: The checkpoints that it is about; this and what follows in few letters, for the report's lists.
        network: The kinds of networks.
        attack: The attacks; empty where it is about none.
        attribute: The attributes; ``{attacked}`` stands for how many have separate networks and are attacked.
        module: Where it is made; by default the module of the registry's package that has the product's name.
    """

    title: str
    inputs: tuple[str, ...]
    part: str
    experiment: str = "converged"
    network: str = "all"
    attack: str = "all"
    attribute: str = "{attacked}"
    module: str = ""

    def labels(self, attacked: int) -> dict[str, str]:
        """Return what the report lists beside it, in a run that attacks so many attributes."""
        every = len(ATTRIBUTES)
        attribute = self.attribute.format(attacked=f"all {every}" if attacked == every else f"{attacked} of {every}")
        about = {"experiment": self.experiment, "network": self.network, "attack": self.attack}
        return {"item": self.title, **about, "attribute": attribute}


@dataclass(frozen=True)
class Reading:
    """How to read a product.

    Attributes:
        summary: One sentence, or the beginning of one.
        paragraphs: What the rows, columns and marks are, and what would be surprising.
    """

    summary: str
    paragraphs: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of it, paragraphs apart."""
        return "\n\n".join((self.summary, *self.paragraphs))


@cache
def reading(module: str) -> Reading:
    """Return how to read a product: the docstring of the module that makes it.

    The module is not imported, so that the workflow can ask while it is parsed.
    """
    source = Path(find_spec(module).origin).read_text(encoding="utf-8")
    blocks = ast.get_docstring(ast.parse(source)).split("\n\n")
    summary, *paragraphs = (" ".join(block.split()) for block in blocks)
    return Reading(summary, tuple(paragraphs))
