"""A look-alike of CelebA: drawn faces whose 40 attributes can be seen, in CelebA's own folder layout.

Nothing here needs torch, and importing the package does not import OpenCV either.
"""

import os
from collections.abc import Callable

MISLABELLED = 0.04
"""Share of each attribute's rarer class that is annotated wrongly unless the caller says otherwise."""


def write_celeba(
    folder: str | os.PathLike,
    *,
    train: int,
    validation: int,
    test: int,
    seed: int,
    mislabelled: float = MISLABELLED,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a drawn CelebA: `img_align_celeba/`, `list_attr_celeba.txt`, `list_eval_partition.txt`, `synthetic.json`.

    The folder appears whole or not at all. Images are numbered from 000001, the training split first, then validation
    and test. An image and its annotation depend on `seed`, on its number, on its split and on `mislabelled` alone: not
    on the sizes of the splits otherwise, and not on `workers`.

    Args:
        folder: the folder to make. It may exist when it is empty or holds an earlier look-alike, which is replaced.
        train: number of training images, 1 or more.
        validation: number of validation images, 0 or more.
        test: number of test images, 0 or more.
        seed: 0 or more; another seed gives other people.
        mislabelled: between 0 and 0.5, see `faceflip.data.synthetic.label_model.Annotations`.
        workers: threads that draw.
        progress: called as `progress(done, total)` in the calling thread while images are written.

    Raises:
        UserError: an argument is out of range, or the folder holds something else.
    """
    from faceflip.data.synthetic.folder import write

    write(
        folder,
        sizes={"train": train, "validation": validation, "test": test},
        seed=seed,
        mislabelled=mislabelled,
        workers=workers,
        progress=progress,
    )
