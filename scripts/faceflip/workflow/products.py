"""The tables and figures by name: what they are made from, where they stand in the report, how to read them.

An entry names the module that makes it, which is imported when it is made. Another one is a module in
`faceflip.analysis.tables` or `faceflip.figures` and an entry here; or, in a run of your own, a file and a line of
configuration (docs/guides/extending.md).
"""

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PARTS = (
    "Warnings",
    "Accuracy",
    "Labels",
    "Adversarial images",
    "Transfer",
    "Progress of training",
    "Fine-tuning",
    "Beside the paper",
)
"""The parts of the report, in the order of its pages."""

INPUTS = (
    "attempts",
    "predictions",
    "transfers",
    "scans",
    "labels",
    "dataset",
    "stores",
    "histories",
    "preflights",
    "between",
    "tunings",
    "doubts",
)
"""Roles of what products are made from; the others are tables by name."""


@dataclass(frozen=True)
class Product:
    """Something that the workflow makes from tidy tables.

    Attributes:
        title: A few words.
        inputs: Roles of what it is made from, see `INPUTS`.
        module: Where it is made: a module, or the path of a file of your own.
        part: The part of the report that it belongs to, one of `PARTS`.
        experiment: The checkpoints that it is about, in few letters for the report's lists, as what follows.
        attack: The attacks; empty where it is about none.
        attribute: The attributes; ``{attacked}`` stands for how many are attacked.
        paper: What the paper calls it, such as ``Table 1``; empty for what the paper does not have.
        options: Whether it depends on the attacks' options, and not only on what the attacks found.
        in_print: Whether it is about the paper's numbers, and says nothing of other attributes than CelebA's.
    """

    title: str
    inputs: tuple[str, ...]
    module: str
    part: str
    experiment: str = "converged"
    network: str = "all"
    attack: str = "all"
    attribute: str = "{attacked}"
    paper: str = ""
    options: bool = False
    in_print: bool = False

    @property
    def heading(self) -> str:
        """The title with the paper's name of it."""
        return f"{self.title} ({self.paper})" if self.paper else self.title

    @property
    def paper_name(self) -> str:
        """The paper's name as that of a file: ``table1``."""
        return self.paper.lower().replace("fig. ", "figure").replace(" ", "")

    @property
    def reading(self) -> "Reading":
        """How to read it."""
        return reading(self.module)

    def labels(self, attacked: str) -> dict[str, str]:
        """Return what the report lists beside it; `attacked` says how many attributes of how many are attacked."""
        about = {"experiment": self.experiment, "network": self.network, "attack": self.attack}
        return {"item": self.heading, **about, "attribute": self.attribute.format(attacked=attacked)}


Products = Mapping[str, Product]


def _products(package: str, entries: Mapping[str, tuple[str, tuple[str, ...], str, Mapping[str, Any]]]) -> Products:
    """Return products whose modules have their names, from title, inputs, part, and what else is not as usual."""
    return {
        name: Product(title, inputs, f"{package}.{name}", part, **more)
        for name, (title, inputs, part, more) in entries.items()
    }


TABLES = _products(
    "faceflip.analysis.tables",
    {
        "classification_error": (
            "Classification error",
            ("predictions", "labels"),
            "Accuracy",
            {"experiment": "all", "attack": "", "attribute": "all learned"},
        ),
        "flippability": ("Flipped attributes by PASS", ("attempts",), "Adversarial images", {"paper": "Table 1"}),
        "success": ("Success per attribute", ("attempts",), "Adversarial images", {}),
        "overview": ("What the attacks did and cost", ("attempts",), "Adversarial images", {"experiment": "all"}),
        "best_known": ("The smallest flips that are known", ("attempts",), "Adversarial images", {}),
        "optimality": ("How close each attack comes to the smallest flips", ("attempts",), "Adversarial images", {}),
        "robust_accuracy": ("Accuracy under attack", ("attempts",), "Adversarial images", {}),
        "line_search": ("What the line search missed", ("scans",), "Adversarial images", {"attack": "line searches"}),
        "transferability": (
            "Transfer to the networks of other attributes",
            ("attempts", "transfers"),
            "Transfer",
            {"experiment": "all, to converged", "network": "one attribute each"},
        ),
        "correlation": (
            "Correlation of attributes within a network",
            ("attempts", "transfers"),
            "Transfer",
            {"network": "all attributes", "attribute": "{attacked}, to all"},
        ),
        "checkpoint_overlap": (
            "Adversarial images at two checkpoints",
            ("attempts",),
            "Progress of training",
            {"experiment": "all", "attack": "line searches", "paper": "Table 2"},
        ),
        "trainings": (
            "How trainings ended",
            ("histories",),
            "Progress of training",
            {"experiment": "every epoch", "attack": "", "attribute": "all learned"},
        ),
        "warnings": (
            "What to know before the numbers",
            ("attempts", "predictions", "trainings", "stores", "preflights"),
            "Warnings",
            {"experiment": "all", "attribute": "all learned"},
        ),
        "statistics": (
            "The numbers of the text",
            ("attempts", "predictions", "transfers", "labels", "transferability", "correlation"),
            "Beside the paper",
            {"experiment": "all", "options": True},
        ),
        "paper_comparison": (
            "Every number of the paper",
            ("flippability", "checkpoint_overlap", "statistics", "transferability", "correlation", "trainings"),
            "Beside the paper",
            {"experiment": "all", "options": True, "in_print": True},
        ),
        "paper_claims": (
            "What the paper says in words",
            (
                "attempts",
                "classification_error",
                "flippability",
                "statistics",
                "transferability",
                "correlation",
                "trainings",
            ),
            "Beside the paper",
            {"experiment": "all", "options": True, "in_print": True},
        ),
    },
)
"""A table's module has `compute(inputs, run)`, which returns the tidy data frame, and `sheets(frame, run)`, which lays
it out for people; its docstring says how to read it. Tables that others are made from come first."""

TABLES_BETWEEN = _products(
    "faceflip.analysis.tables",
    {
        "transferability_between": (
            "Transfer to other networks",
            ("between",),
            "Transfer",
            {"experiment": "last", "network": "those that share attributes"},
        )
    },
)
"""Tables of runs in which adversarial images are shown to other networks."""

TABLES_TUNED = _products(
    "faceflip.analysis.tables",
    {
        "fine_tuning": (
            "Fine-tuning on what attacks found",
            ("attempts", "predictions", "between", "tunings"),
            "Fine-tuning",
            {"experiment": "tuned", "network": "fine-tuned"},
        ),
        "fine_tuning_natural": (
            "Natural adversarial images after fine-tuning",
            ("attempts", "predictions"),
            "Fine-tuning",
            {"experiment": "tuned", "network": "fine-tuned"},
        ),
    },
)
"""Tables of runs in which networks are fine-tuned."""

TABLES_SEEDED = _products(
    "faceflip.analysis.tables",
    {
        "seeds": (
            "Spread over seeds",
            ("attempts", "predictions"),
            "Progress of training",
            {"experiment": "last", "network": "trained once a seed"},
        )
    },
)
"""Tables of runs in which networks are trained once a seed."""

TABLES_DOUBT = _products(
    "faceflip.analysis.tables",
    {
        "label_doubt": (
            "Labels in doubt",
            ("doubts",),
            "Labels",
            {"experiment": "", "network": "", "attack": "", "attribute": "all"},
        )
    },
)
"""Tables of runs in which something says which labels are in doubt."""

EVERY_TABLE = {**TABLES, **TABLES_DOUBT, **TABLES_BETWEEN, **TABLES_SEEDED, **TABLES_TUNED}

FIGURES = _products(
    "faceflip.figures",
    {
        "examples": (
            "Adversarial images",
            ("attempts", "transfers", "dataset", "stores"),
            "Adversarial images",
            {"paper": "Fig. 1"},
        ),
        "classification_error": (
            "Classification error",
            ("classification_error",),
            "Accuracy",
            {"attack": "", "attribute": "all learned", "paper": "Fig. 2"},
        ),
        "success": ("Success per attribute", ("success",), "Adversarial images", {"paper": "Fig. 3"}),
        "transferability": (
            "Transfer to the networks of other attributes",
            ("transferability",),
            "Transfer",
            {"experiment": "all, to converged", "network": "one attribute each", "paper": "Fig. 4"},
        ),
        "correlation": (
            "Correlation of attributes within a network",
            ("correlation",),
            "Transfer",
            {"network": "all attributes", "attribute": "{attacked}, to all", "paper": "Fig. 5"},
        ),
        "balanced_error": (
            "Balanced error",
            ("classification_error",),
            "Accuracy",
            {"attack": "", "attribute": "all learned"},
        ),
        "success_intervals": (
            "Success per attribute with intervals",
            ("success",),
            "Adversarial images",
            {"attack": "line searches"},
        ),
        "robustness_curves": ("Flips by size of the perturbation", ("attempts",), "Adversarial images", {}),
        "pass_distribution": ("PASS of the flipped attempts", ("attempts",), "Adversarial images", {}),
        "epsilon_distribution": ("Epsilon of the flipped attempts", ("attempts",), "Adversarial images", {}),
        "training_curves": (
            "Training curves",
            ("histories",),
            "Progress of training",
            {"experiment": "every epoch", "attack": ""},
        ),
    },
)
"""A figure's module has `draw(inputs, run)`, which returns a Matplotlib figure; its docstring says how to read it."""

FIGURES_TUNED = _products(
    "faceflip.figures",
    {
        "fine_tuning": ("Error and robustness after fine-tuning", ("fine_tuning",), "Fine-tuning", {}),
        "fine_tuning_curves": (
            "Flips by size of the perturbation, before and after fine-tuning",
            ("attempts",),
            "Fine-tuning",
            {"experiment": "tuned", "network": "fine-tuned"},
        ),
        "fine_tuning_faces": (
            "The same faces before and after fine-tuning",
            ("attempts", "dataset", "stores"),
            "Fine-tuning",
            {"experiment": "tuned", "network": "fine-tuned"},
        ),
    },
)
"""Figures of runs in which networks are fine-tuned."""

FIGURES_DOUBT = _products(
    "faceflip.figures",
    {
        "most_doubted": (
            "The most doubted labels",
            ("doubts", "dataset"),
            "Labels",
            {"experiment": "", "network": "", "attack": "", "attribute": "all"},
        )
    },
)
"""Figures of runs in which something says which labels are in doubt."""

ON_PAGES = ("classification_error", "warnings")
"""Tables that every run has, as its pages begin with them."""

EVERY_FIGURE = {**FIGURES, **FIGURES_DOUBT, **FIGURES_TUNED}

OF_CELEBA = "Of CelebA alone: "
"""How a paragraph of a docstring begins that pages on other attributes leave out."""
OF_DOUBT = "Where labels are in doubt: "
"""How one begins that pages leave out of a run in which nothing says which labels are in doubt."""


def with_sources(tables: Products, wanted: Collection[str]) -> Products:
    """Return those of `tables` that are wanted, and those that these are made from; other names mean nothing."""
    names = set(wanted)
    # Tables that others are made from come first.
    for name in reversed(tables):
        if name in names:
            names.update(tables[name].inputs)
    return {name: each for name, each in tables.items() if name in names}


@dataclass(frozen=True)
class Reading:
    """How to read a product: a sentence, and paragraphs on its rows, columns and marks, and on what would surprise."""

    summary: str
    paragraphs: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of it, paragraphs apart."""
        return "\n\n".join((self.summary, *self.paragraphs))

    def of(self, like_paper: bool, doubt: Collection[str] = ()) -> "Reading":
        """Return it without the paragraphs that are not about a run.

        Those are `OF_CELEBA` where its attributes are not CelebA's, and `OF_DOUBT` where nothing puts labels in doubt.
        """
        left_out = tuple([OF_CELEBA] * (not like_paper) + [OF_DOUBT] * (not doubt))
        return Reading(self.summary, tuple(each for each in self.paragraphs if not each.startswith(left_out)))


@cache
def reading(module: str) -> Reading:
    """Return how to read a product: the docstring of the module or file that makes it, which is not imported here."""
    origin = module if module.endswith(".py") else find_spec(module).origin
    docstring = ast.get_docstring(ast.parse(Path(origin).read_text(encoding="utf-8"))) or "No docstring explains this."
    summary, *paragraphs = (" ".join(block.split()) for block in docstring.split("\n\n"))
    return Reading(summary, tuple(paragraphs))
