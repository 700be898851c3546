"""Making a table: computed by its module, written for programs and for people."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from faceflip.analysis.html import table_page
from faceflip.analysis.pages import latex, markdown
from faceflip.analysis.run import RunDescription
from faceflip.io.files import replacing, write_text
from faceflip.registry import load
from faceflip.workflow.products import Product

INTERVALS = ("low", "high", "balanced_low", "balanced_high")
"""Columns of the ends of confidence intervals, which tables can go without."""


def make_table(
    product: Product,
    inputs: Mapping[str, Path | Sequence[Path]],
    run: RunDescription,
    outputs: Mapping[str, Path],
    intervals: bool = True,
) -> None:
    """Compute a table from its inputs, and write it with its confidence intervals or without.

    The inputs are paths by role; the outputs are those of the ``csv`` (tidy, every digit), and of ``md``, ``tex`` and
    ``html`` for people.

    Raises:
        UserError: An input is missing or not what it should be.
    """
    frame = load(f"{product.module}:compute")(inputs, run)
    if not intervals:
        frame = frame.drop(columns=list(INTERVALS), errors="ignore")
    sheets = load(f"{product.module}:sheets")(frame, run)
    sheets = [replace(sheet, notes=[*sheet.notes, *run.notes]) for sheet in sheets]
    with replacing(outputs["csv"]) as beside:
        frame.to_csv(beside, index=False, lineterminator="\n")
    write_text(outputs["md"], markdown(sheets, run.line))
    write_text(outputs["tex"], latex(sheets, run.line))
    write_text(outputs["html"], table_page(product.heading, sheets, product.reading, run))
