"""`faceflip labels`: what CelebA's annotation and partition files say."""

import math
from pathlib import Path
from typing import Annotated

import typer

from faceflip.cli.printing import print_table
from faceflip.wording import printable


def labels(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder or zip archive of CelebA.")],
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the table of attributes, unrounded.")
    ] = None,
    correlations: Annotated[int, typer.Option(min=0, help="So many of the strongest correlations are shown.")] = 10,
) -> None:
    """Tell what CelebA's labels alone say, without images or networks.

    Images per split, prevalence of each attribute, the errors on the test split of always answering with the majority
    class, and the strongest correlations of attributes on the training split.

    Example: faceflip labels data/celeba --csv labels.csv
    """
    from faceflip.analysis.label_statistics import MEAN, label_correlations, label_statistics
    from faceflip.data.celeba import SPLITS, official
    from faceflip.data.celeba.finding import find
    from faceflip.data.celeba.labels import read_labels
    from faceflip.io.files import replacing

    layout = find(folder, images=False)
    layout.require(images=False)
    verdicts = official.check([layout.annotations, layout.partition])
    read = read_labels(layout)
    statistics = label_statistics(read.table)
    if csv:
        with replacing(csv) as beside:
            statistics.to_csv(beside, index=False, lineterminator="\n")

    for verdict in verdicts:
        typer.echo(printable(verdict.warning() or f"{verdict.name} is the official file"))
    for note in read.notes:
        typer.echo(printable(f"Note: {note}"))
    counts = read.table["split"].value_counts().reindex(list(SPLITS), fill_value=0)
    typer.echo(f"{counts.sum():,} images: " + ", ".join(f"{counts[split]:,} {split}" for split in SPLITS))
    typer.echo(
        "\nPercent of images with each attribute, and errors on the test split of always answering with the\n"
        "majority class, that of the training split and that of the test split:"
    )
    shares = [*(f"prevalence_{split}" for split in SPLITS), "trivial_train", "trivial_test"]
    print_table(
        {"attribute": "word", **dict.fromkeys((*SPLITS, "error:\ntrain", "error:\ntest"), "number")},
        [
            (row["attribute"], *("-" if math.isnan(row[name]) else f"{100 * row[name]:.2f}" for name in shares))
            for row in statistics.to_dict("records")
        ],
        bold=(MEAN,),
    )
    if correlations:
        typer.echo("\nStrongest correlations (phi) on the training split:")
        strongest = label_correlations(read.table).head(correlations).itertuples(index=False)
        print_table(
            {"attribute": "word", "with": "word", "phi": "number"},
            [(first, second, f"{phi:+.3f}") for first, second, phi in strongest],
        )
    if csv:
        typer.echo(printable(f"wrote {csv}"))
