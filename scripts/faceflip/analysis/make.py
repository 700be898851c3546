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

INTERVAL = ("low", "high")
KINDS = ("csv", "md", "tex", "html")
"""Of files that a table is written to."""


def make_table(
    product: Product,
    inputs: Mapping[str, Path | Sequence[Path]],
    run: RunDescription,
    outputs: Mapping[str, Path],
    intervals: bool = True,
) -> None:
    """Compute a table and write it.

    Args:
        product: The table.
        inputs: Paths of its inputs by role.
        run: What was run.
        outputs: Paths of the ``csv`` (tidy, every digit), and of ``md``, ``tex`` and ``html`` for people.
        intervals: Whether to write the columns of confidence intervals.

    Raises:
        UserError: An input is missing or not what it should be.
    """
    frame = load(f"{product.module}:compute")(inputs, run)
    if not intervals:
        frame = frame.drop(columns=[column for column in INTERVAL if column in frame])
    sheets = load(f"{product.module}:sheets")(frame, run)
    sheets = [replace(sheet, notes=[*sheet.notes, *run.notes]) for sheet in sheets]
    with replacing(outputs["csv"]) as beside:
        frame.to_csv(beside, index=False, lineterminator="\n")
    write_text(outputs["md"], markdown(sheets, run.line))
    write_text(outputs["tex"], latex(sheets, run.line))
    write_text(outputs["html"], table_page(product.heading, sheets, product.reading, run))


def make_tables(
    products: Mapping[str, Product],
    inputs: Mapping[str, Path | Sequence[Path]],
    run: RunDescription,
    folder: Path,
    intervals: bool = True,
) -> dict[str, dict[str, Path]]:
    """Compute tables and write them to a folder, each from those before it.

    Args:
        products: The tables by name, those first that others are made from.
        inputs: Paths by role of what is not among them.
        run: What was run.
        folder: For the files, ``TABLE.KIND``.
        intervals: Whether to write the columns of confidence intervals.

    Returns:
        The paths that were written, by table and kind.
    """
    made: dict[str, dict[str, Path]] = {}
    for name, product in products.items():
        outputs = {kind: folder / f"{name}.{kind}" for kind in KINDS}
        make_table(product, {**inputs, **{table: each["csv"] for table, each in made.items()}}, run, outputs, intervals)
        made[name] = outputs
    return made
