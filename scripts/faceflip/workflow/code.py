"""Which code made results: edits of modules and scripts make nothing anew by themselves, so a note names them."""

import hashlib
import json
from functools import cache
from pathlib import Path

from faceflip.io.inventory import SNAKEMAKE
from faceflip.io.paths import RUN

PACKAGE = Path(__file__).parents[1]
GENERATED = {"__pycache__"}
"""Folders of the package that hold what is made from its modules."""


@cache
def code_digest() -> str:
    """Return the SHA-256 of all files of the package and the workflow's scripts, by their names and bytes."""
    digest = hashlib.sha256()
    scripts = PACKAGE.parent.glob("*.py") if PACKAGE.parent.name == "scripts" else ()  # not so where it is installed
    for path in sorted([*PACKAGE.rglob("*"), *scripts]):
        name = path.relative_to(PACKAGE.parent)
        if path.is_file() and not GENERATED & {*name.parts}:
            digest.update(f"{name.as_posix()}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def note_on_code(run: Path | str = RUN) -> str | None:
    """Return what to say where other code described a run than is here, or None; older runs say nothing."""
    try:
        made_by = json.loads(Path(run).read_text(encoding="utf-8")).get("code")
    except (OSError, ValueError, AttributeError):
        return None  # told of by those who need it
    if not made_by or made_by == code_digest():
        return None
    return (
        f"{run}: the code of faceflip has changed since ({str(made_by)[:12]}, now {code_digest()[:12]}). By themselves "
        "only results of stages whose number in scripts/faceflip/workflow/versions.py was raised are made anew. To "
        f"make all anew: {SNAKEMAKE} --forceall. To take them as they are: {SNAKEMAKE} --forcerun describe_run"
    )
