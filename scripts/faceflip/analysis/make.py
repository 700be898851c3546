"""The tables by name. Another one is a module beside this one and a line here.

This module imports no pandas, so that the workflow can read the registry while it is parsed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from faceflip.analysis.html import table_page
from faceflip.analysis.pages import latex, markdown
from faceflip.analysis.run import RunDescription
from faceflip.io.files import replacing, write_text
from faceflip.workflow.products import Product, Reading, reading


@dataclass(frozen=True)
class Table(Product):
    """A table that the workflow makes.

    Its inputs are ``attempts``, ``predictions``, ``transfers``, ``scans`` (Parquet), ``labels`` (counts of labels), or
    other tables by name. Its module has `compute(inputs, run)`, which returns the tidy data frame, and
    `sheets(frame, run)`, which lays it out; its docstring says how to read it.

    Attributes:
        options: Whether it depends on the attacks' options, and not only on what the attacks found.
    """

    options: bool = False


TABLES = {
    "classification_error": Table(
        "Classification error (Fig. 2)",
        ("predictions", "labels"),
        "Accuracy",
        "both",
        attack="",
        attribute="all learned",
    ),
    "table1": Table("Flipped attributes by PASS (Table 1)", ("attempts",), "Adversarial images"),
    "success": Table("Success per attribute (Fig. 3)", ("attempts",), "Adversarial images"),
    "overview": Table("What the attacks did and cost", ("attempts",), "Adversarial images", "both"),
    "line_search": Table("What the line search missed", ("scans",), "Adversarial images", attack="line searches"),
    "portability": Table(
        "Portability across networks (Fig. 4)",
        ("attempts", "transfers"),
        "Transfer",
        "both, to converged",
        "Euclidean",
        "ffa-line",
    ),
    "correlation": Table(
        "Correlation on MOON (Fig. 5)",
        ("attempts", "transfers"),
        "Transfer",
        network="MOON",
        attack="ffa",
        attribute="{attacked}, to all 40",
    ),
    "table2": Table(
        "Adversarial images at two checkpoints (Table 2)",
        ("attempts",),
        "Progress of training",
        "both",
        "Euclidean, softmax",
        "line searches",
    ),
    "statistics": Table(
        "The numbers of the text",
        ("attempts", "predictions", "labels", "portability", "correlation"),
        "Beside the paper",
        "both",
        options=True,
    ),
    "paper_comparison": Table(
        "Every number of the paper",
        ("table1", "table2", "statistics", "portability", "correlation"),
        "Beside the paper",
        "both",
        options=True,
    ),
}

INTERVAL = ("low", "high")


def module_of(name: str) -> str:
    """Return the name of the module that makes a table."""
    return TABLES[name].module or f"faceflip.analysis.tables.{name}"


def reading_of(name: str) -> Reading:
    """Return how to read a table."""
    return reading(module_of(name))


def make_table(
    name: str, inputs: Mapping[str, Path], run: RunDescription, outputs: Mapping[str, Path], intervals: bool = True
) -> None:
    """Compute a table and write it.

    Args:
        name: In `TABLES`.
        inputs: Paths of the table's inputs by role.
        run: What was run.
        outputs: Paths of the ``csv`` (tidy, every digit), and of ``md``, ``tex`` and ``html`` for people.
        intervals: Whether to write the columns of confidence intervals.

    Raises:
        UserError: An input is missing or not what it should be.
    """
    module = import_module(module_of(name))
    frame = module.compute(inputs, run)
    if not intervals:
        frame = frame.drop(columns=[column for column in INTERVAL if column in frame])
    sheets = module.sheets(frame, run)
    with replacing(outputs["csv"]) as beside:
        frame.to_csv(beside, index=False, lineterminator="\n")
    write_text(outputs["md"], markdown(sheets, run.line))
    write_text(outputs["tex"], latex(sheets, run.line))
    write_text(outputs["html"], table_page(TABLES[name].title, sheets, reading_of(name), run))
