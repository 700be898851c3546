"""What to do about a broken file: the second half of every message."""

import os
import shlex
from pathlib import Path

from faceflip.io.inventory import SNAKEMAKE
from faceflip.io.paths import RESULTS


def target(path: str | os.PathLike) -> str | None:
    """Return the Snakemake target of a file of a run: its path from the folder that holds `results`, or None."""
    parts = Path(path).absolute().parts
    if RESULTS not in parts:
        return None
    return "/".join(parts[len(parts) - 1 - parts[::-1].index(RESULTS) :])


def make(*paths: str | os.PathLike) -> str:
    """Say how files are made, such as ``run: snakemake --cores all results/...``."""
    targets = [target(path) for path in paths]
    if None in targets:
        return "make it" if len(paths) == 1 else "make them"
    return f"run: {SNAKEMAKE} {shlex.join(targets)}"


def remake(*paths: str | os.PathLike) -> str:
    """Say how files that are there are made again, such as ``delete it, then run: snakemake ...``."""
    return f"delete {'it' if len(paths) == 1 else 'them'}, then {make(*paths)}"
