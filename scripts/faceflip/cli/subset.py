"""`faceflip subset`: make a folder of CelebA of the images that there are."""

from pathlib import Path
from typing import Annotated

import typer


def subset(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder or zip archive with a part of CelebA.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Where to write; a new folder.", show_default="FOLDER-subset"
        ),
    ] = None,
    split_shares: Annotated[
        tuple[float, float, float] | None,
        typer.Option(
            metavar="TRAIN VALIDATION TEST",
            help="Make the splits anew by these shares, each person in one split where identity_CelebA.txt is there.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Cut CelebA's annotation and partition file to the images that there are.

    Both are written into a new folder, with a link to the images, that dataset.celeba can name. Without it,
    dataset.subset does the same for a run.

    Example: faceflip subset data/celeba --split-shares 0.8 0.1 0.1
    """
    from faceflip.data.celeba import SPLITS
    from faceflip.data.celeba.cutting import write_subset
    from faceflip.data.celeba.splits import fault_of_shares
    from faceflip.errors import UserError
    from faceflip.wording import quantity

    if split_shares and (fault := fault_of_shares(split_shares)):
        raise UserError(f"--split-shares: {fault}")
    output = output or folder.with_name(f"{folder.resolve().stem}-subset")
    labels = write_subset(folder, output, split_shares)
    for note in labels.notes:
        typer.echo(f"Note: {note}")
    counts = labels.table["split"].value_counts()
    told = ", ".join(f"{counts[split]:,} {split}" for split in SPLITS)
    typer.echo(f"{output}: {quantity(len(labels.table), 'image')}, {told}; in a configuration: dataset.celeba")
