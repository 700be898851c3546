"""`faceflip synthesize`: draw a look-alike of CelebA."""

from pathlib import Path
from typing import Annotated

import typer


def synthesize(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write; made if it is not there.")],
    train: Annotated[int, typer.Option(help="Training images.")] = 1600,
    validation: Annotated[int, typer.Option(help="Validation images.")] = 300,
    test: Annotated[int, typer.Option(help="Test images.")] = 400,
    mislabelled: Annotated[float, typer.Option(help="Share of the rarer class annotated wrongly.")] = 0.04,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 2018,
    workers: Annotated[int, typer.Option(help="Processes to draw with.")] = 1,
) -> None:
    """Draw faces with CelebA's 40 attributes, in CelebA's official layout.

    Example: faceflip synthesize faces --train 20000 --workers 8
    """
    from faceflip.data.synthetic import write_celeba
    from faceflip.runtime.progress import Progress

    write_celeba(
        folder,
        train=train,
        validation=validation,
        test=test,
        seed=seed,
        mislabelled=mislabelled,
        workers=workers,
        progress=Progress("synthesize", "faces"),
    )
