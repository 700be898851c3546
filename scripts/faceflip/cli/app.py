"""The commands together, and what happens to their errors."""

import io
import sys
from typing import Annotated

import typer

import faceflip
from faceflip.catalogue import ATTACKS
from faceflip.cli import similarity, store
from faceflip.cli.compare import compare
from faceflip.cli.export_network import export_network
from faceflip.cli.flip import flip
from faceflip.cli.labels import labels
from faceflip.cli.plan import plan
from faceflip.cli.status import status
from faceflip.cli.subset import subset
from faceflip.cli.synthesize import synthesize
from faceflip.errors import UserError
from faceflip.wording import printable

app = typer.Typer(
    name="faceflip",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"faceflip {faceflip.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Accuracy and adversarial robustness of facial-attribute networks.

    The experiments are a Snakemake workflow; these commands are for what lies before and after it.
    """


EPILOGS = {"flip": "Attacks:\n\n" + "\n\n".join(f"{name}: {entry.title}" for name, entry in ATTACKS.items())}
"""What stands below a command's options in its help."""

for name, command in {
    "inspect": store.inspect,
    "show": store.show,
    "check": store.check,
    "export": store.export,
    "export-network": export_network,
    "diff": store.diff,
    "compare": compare,
    "flip": flip,
    "pass": similarity.pass_,
    "labels": labels,
    "subset": subset,
    "plan": plan,
    "status": status,
    "synthesize": synthesize,
}.items():
    app.command(name, epilog=EPILOGS.get(name))(command)


def main() -> None:
    """Run the command line; an error of the user's ends it with one message and status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal has no characters for is spelled out
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except UserError as error:
        print(f"Error: {printable(error)}", file=sys.stderr)
        sys.exit(2)
