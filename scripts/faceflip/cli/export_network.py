"""`faceflip export-network`: a checkpoint as safetensors and a Python file."""

from pathlib import Path
from typing import Annotated

import typer

from faceflip.cli.arguments import OwnCode


def export_network(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT.pt", help="A network that the workflow trained.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write.")],
    own_code: OwnCode = None,
) -> None:
    """Write a network's weights as safetensors, and a Python file that builds it with PyTorch alone.

    Prints the configuration with which another run brings it (docs/guides/networks.md).

    Example: faceflip export-network results/networks/moon/all/converged.pt moon
    """
    from faceflip.networks.checkpoint import load_checkpoint
    from faceflip.networks.exporting import CODE, SNIPPET, WEIGHTS
    from faceflip.networks.exporting import export_network as export

    text = export(*load_checkpoint(checkpoint, own_code=own_code or ()), folder)
    typer.echo(f"{folder}: {WEIGHTS}, {CODE} and {SNIPPET}, which is\n\n{text}", nl=False)
