"""The tables by name. Another one is a module beside this one and a line here.

This module imports no pandas, so that the workflow can read the registry while it is parsed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from faceflip.analysis.pages import latex, markdown
from faceflip.analysis.run import RunDescription
from faceflip.files import replacing, write_text


@dataclass(frozen=True)
class Table:
    """A table that the workflow makes.

    Attributes:
        title: A few words.
        inputs: Roles of what it is computed from: ``attempts``, ``predictions``, ``transfers`` (Parquet), ``labels``
            (counts of labels), or other tables by name.
        module: Has `compute(inputs, run)`, which returns the tidy data frame, and `sheets(frame, run)`, which lays it
            out; its docstring says how to read it. By default the module of this package that has the table's name.
        options: Whether it depends on the attacks' options, and not only on what the attacks found.
    """

    title: str
    inputs: tuple[str, ...]
    module: str = ""
    options: bool = False


TABLES = {
    "classification_error": Table("Classification error (Fig. 2)", ("predictions", "labels")),
    "table1": Table("Flipped attributes by PASS (Table 1)", ("attempts",)),
    "table2": Table("Adversarial images at two checkpoints (Table 2)", ("attempts",)),
    "success": Table("Success per attribute (Fig. 3)", ("attempts",)),
    "portability": Table("Portability across networks (Fig. 4)", ("attempts", "transfers")),
    "correlation": Table("Correlation on MOON (Fig. 5)", ("attempts", "transfers")),
    "overview": Table("What the attacks did and cost", ("attempts",)),
    "statistics": Table(
        "The numbers of the text",
        ("attempts", "predictions", "labels", "portability", "correlation"),
        options=True,
    ),
    "paper_comparison": Table(
        "Beside the paper", ("table1", "table2", "statistics", "portability", "correlation"), options=True
    ),
}

INTERVAL = ("low", "high")


def make_table(
    name: str, inputs: Mapping[str, Path], run: RunDescription, outputs: Mapping[str, Path], intervals: bool = True
) -> None:
    """Compute a table and write it.

    Args:
        name: In `TABLES`.
        inputs: Paths of the table's inputs by role.
        run: What was run.
        outputs: Paths of the ``csv`` (tidy, every digit), and of the ``md`` and ``tex`` for people.
        intervals: Whether to write the columns of confidence intervals.

    Raises:
        UserError: An input is missing or not what it should be.
    """
    module = import_module(TABLES[name].module or f"faceflip.analysis.{name}")
    frame = module.compute(inputs, run)
    if not intervals:
        frame = frame.drop(columns=[column for column in INTERVAL if column in frame])
    sheets = module.sheets(frame, run)
    with replacing(outputs["csv"]) as beside:
        frame.to_csv(beside, index=False, lineterminator="\n")
    write_text(outputs["md"], markdown(sheets, run.line))
    write_text(outputs["tex"], latex(sheets, run.line))
