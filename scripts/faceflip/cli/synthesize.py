"""`faceflip synthesize`: draw a look-alike of CelebA."""

from pathlib import Path
from typing import Annotated

import typer

from faceflip.workflow.settings import Settings

DEFAULTS = Settings()


def synthesize(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write; made if it is not there.")],
    train: Annotated[int, typer.Option(help="Training images.")] = DEFAULTS.synthetic.train,
    validation: Annotated[int, typer.Option(help="Validation images.")] = DEFAULTS.synthetic.validation,
    test: Annotated[int, typer.Option(help="Test images.")] = DEFAULTS.synthetic.test,
    mislabelled: Annotated[
        float, typer.Option(help="Share of the rarer class annotated wrongly.")
    ] = DEFAULTS.synthetic.mislabelled,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = DEFAULTS.seed,
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
