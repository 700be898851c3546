"""Whether Snakemake can start jobs with a Python: it puts the path into a shell's line as it is."""

import re
from pathlib import Path

SEPARATING = re.compile(r"""[\s"'`$&;()<>|\\]""")
"""What ends a word of the shell, or has a meaning within one."""


def fault_of(python: str) -> str | None:
    """Return what is wrong with the path of a Python that is to run jobs, and what to do, or None. The path may be new.

    This module needs nothing but the standard library: the Makefile asks it before anything is installed.
    """
    path = Path(python).absolute()
    if found := sorted(set(SEPARATING.findall(str(path)))):
        named = " ".join("a space" if each == " " else ascii(each)[1:-1] for each in found)
        return (
            f"{path}: Snakemake cannot start jobs with a Python whose path has {named} in it; clone into a folder "
            "whose path has no spaces, quotes or other marks of the shell, or make the environment in one"
        )
    return None
