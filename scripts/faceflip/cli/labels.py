"""`faceflip labels`: what CelebA's annotation and partition files say, or a table of one's own."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faceflip.cli.printing import print_table
from faceflip.data.table import PARQUET, SEPARATORS, is_table
from faceflip.errors import UserError
from faceflip.wording import printable

if TYPE_CHECKING:
    import pandas as pd


def labels(
    place: Annotated[
        Path, typer.Argument(metavar="FOLDER|TABLE", help="Folder or zip archive of CelebA, or a table of one's own.")
    ],
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the table of attributes, unrounded.")
    ] = None,
    correlations: Annotated[int, typer.Option(min=0, help="So many of the strongest correlations are shown.")] = 10,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--columns",
            metavar="NAME",
            help="A column of the table that is an attribute; once for each.",
            show_default="all",
        ),
    ] = None,
    splits: Annotated[
        Path | None,
        typer.Option("--splits", metavar="FILE", help="Another file that says the split of each image of the table."),
    ] = None,
    split_shares: Annotated[
        tuple[float, float, float] | None,
        typer.Option(
            metavar="TRAIN VALIDATION TEST",
            help="Make the splits anew by these shares, as dataset.split_shares does.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Tell what the labels of CelebA or of a table alone say, without images or networks.

    Images per split, prevalence of each attribute, the errors on the test split of always answering with the majority
    class, and the strongest correlations of attributes on the training split. Unknown labels count nowhere.

    Example: faceflip labels data/celeba --csv labels.csv
    """
    from faceflip.analysis.label_statistics import MEAN, label_correlations, label_statistics
    from faceflip.data.celeba import SPLITS
    from faceflip.data.celeba.splits import fault_of_shares
    from faceflip.io.files import replacing

    if split_shares and (fault := fault_of_shares(split_shares)):
        raise UserError(f"--split-shares: {fault}")
    if not is_table(place) and (columns or splits):
        raise UserError(f"{place}: --columns and --splits are of a table, {', '.join([*SEPARATORS, PARQUET])}")
    try:
        read = _table(place, columns, splits, split_shares) if is_table(place) else _celeba(place, split_shares)
    except UserError as error:
        raise UserError(_by_options(str(error))) from error
    notes, table, attributes = read
    statistics = label_statistics(table, attributes)
    if csv:
        with replacing(csv) as beside:
            statistics.to_csv(beside, index=False, lineterminator="\n")

    for note in notes:
        typer.echo(printable(note))
    counts = table["split"].value_counts().reindex(list(SPLITS), fill_value=0)
    typer.echo(f"{counts.sum():,} images: " + ", ".join(f"{counts[split]:,} {split}" for split in SPLITS))
    typer.echo(
        "\nPercent of images with each attribute, and errors on the test split of always answering with the\n"
        "majority class, that of the training split and that of the test split. Balanced, the mean of the\n"
        "errors of the two classes, they are 50 where there are both; such an error rests on the images of\n"
        "the rarer class in the test split:"
    )
    shares = [*(f"prevalence_{split}" for split in SPLITS), "trivial_train", "trivial_test"]
    print_table(
        {"attribute": "word", **dict.fromkeys((*SPLITS, "error:\ntrain", "error:\ntest", "rarer:\ntest"), "number")},
        [
            (
                row["attribute"],
                *("-" if math.isnan(row[name]) else f"{100 * row[name]:.2f}" for name in shares),
                "" if row["attribute"] == MEAN else f"{row['rarer_test']:,}",
            )
            for row in statistics.to_dict("records")
        ],
        bold=(MEAN,),
    )
    if correlations:
        typer.echo("\nStrongest correlations (phi) on the training split:")
        strongest = label_correlations(table, attributes=attributes).head(correlations).itertuples(index=False)
        print_table(
            {"attribute": "word", "with": "word", "phi": "number"},
            [(first, second, f"{phi:+.3f}") for first, second, phi in strongest],
        )
    if csv:
        typer.echo(printable(f"wrote {csv}"))


Read = tuple[list[str], "pd.DataFrame", tuple[str, ...]]
"""What to say of the files, the table of splits and labels, and its attributes."""


def _by_options(message: str) -> str:
    """Return a message about keys of the configuration as one about the options of this command."""
    message = re.sub(
        r"(?<![\w/])dataset\.(columns|splits|split_shares)(?!\.?\w)",
        lambda key: f"--{key[1].replace('_', '-')}",
        message,
    )
    return message.replace("[0.8, 0.1, 0.1]", "0.8 0.1 0.1")


def _celeba(folder: Path, split_shares: Sequence[float] | None) -> Read:
    from faceflip.data.celeba import ATTRIBUTES, official
    from faceflip.data.celeba.finding import find
    from faceflip.data.celeba.labels import read_labels

    layout = find(folder, images=False)
    layout.require(images=False, partition=split_shares is None)
    verdicts = official.check([place for place in (layout.annotations, layout.partition) if place])
    read = read_labels(layout, split_shares=split_shares)
    told = [verdict.warning() or f"{verdict.name} is the official file" for verdict in verdicts]
    return [*told, *(f"Note: {note}" for note in read.notes)], read.table, ATTRIBUTES


def _table(
    path: Path, columns: Sequence[str] | None, splits: Path | None, split_shares: Sequence[float] | None
) -> Read:
    from faceflip.data.table import LabelTable

    read = LabelTable(path, columns=columns or None, splits=splits, split_shares=split_shares)
    return [f"Note: {note}" for note in read.origin()["notes"]], read.table, read.attributes
