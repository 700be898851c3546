"""Options that several commands take."""

from typing import Annotated

import typer

OwnCode = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE.py:NAME",
        help="Code of one's own that the checkpoint may name: loss, architecture, or program.",
    ),
]
