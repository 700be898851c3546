"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

from faceflip.errors import UserError

OwnCode = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE.py:NAME",
        help="Code of your own that the checkpoint may name: loss, architecture, or program.",
    ),
]

ConfigFiles = Annotated[
    list[Path] | None,
    typer.Option("--configfile", help="Laid over config.yaml, as for snakemake; may be given several times."),
]
Project = Annotated[Path | None, typer.Option("--project", help="Folder of the Snakefile.", show_default=False)]


def project_folder(given: Path | None) -> Path:
    """Return the folder of the Snakefile: the one given, the working directory, or where this code lies."""
    candidates = [given] if given else [Path(), Path(__file__).parents[3]]
    for folder in candidates:
        if (folder / "Snakefile").exists() and (folder / "config.yaml").exists():
            return folder
    raise UserError(f"{candidates[0].resolve()}: no Snakefile and config.yaml here; name their folder with --project")
