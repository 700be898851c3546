"""Links to the paper's tables and figures by the paper's own names of them."""

from collections.abc import Sequence
from os.path import relpath
from pathlib import Path


def link_paper_names(folder: Path, names: Sequence[str], files: Sequence[str | Path]) -> None:
    """Make a folder of relative links, such as ``table1.csv`` to ``../tables/flippability.csv``.

    Args:
        folder: Made if it is missing; links in it are made anew.
        names: Of the links.
        files: What they lead to, in the same order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in zip(names, files, strict=True):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(relpath(file, folder))
