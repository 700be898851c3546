"""`faceflip compare`: finished runs beside each other."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faceflip.wording import printable, quantity

if TYPE_CHECKING:
    import pandas as pd

    from faceflip.analysis.comparison.compared import Comparison


def compare(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN_A RUN_B...",
            help="Folders of finished runs, or their results; all others are compared with the first.",
            show_default=False,
        ),
    ],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            metavar="DIR",
            help="Write all of it there: compare.html, compare.md, and CSV files for programs.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Compare finished runs: what differs between them, and what follows from that.

    Prints as Markdown which settings, data and code differ, whether the numbers are of the same, errors and adversarial
    images with differences, intervals and tests, and how many numbers of each table differ. On the same images, what
    two runs found is paired. Of runs that differ by their seeds alone, numbers get a mean and an interval over runs.

    Exit status: 0 whatever differs, 2 when a run cannot be read.

    Example: faceflip compare monday/results tuesday/results --folder compared
    """
    from faceflip.analysis.comparison.compared import compare_runs
    from faceflip.analysis.comparison.layout import short
    from faceflip.analysis.pages import markdown
    from faceflip.report.comparing import write_comparison

    found = compare_runs(folders)
    written = write_comparison(found, folder) if folder else []
    if as_json:
        typer.echo(json.dumps(_plain(found), indent=2))
    else:
        typer.echo(printable(markdown(short(found), found.line, aligned=True)), nl=False)
    if written:
        typer.echo(printable(f"\nwrote {written[1]} and {quantity(len(written) - 1, 'file')} beside it"), err=as_json)


def _plain(found: "Comparison") -> dict[str, Any]:
    """Return a comparison as plain values; a missing number is null."""
    return {
        "runs": [
            {
                "run": run.letter,
                "folder": str(run.folder),
                "what": run.description.line,
                "drawn": run.description.synthetic,
            }
            for run in found.runs
        ],
        "differences": {each.name: dict(zip(found.letters, each.told, strict=True)) for each in found.differences},
        "not_of_the_same": [each._asdict() for each in found.cautions],
        "only_seeds": found.over_seeds,
        "tests": _records(found.tests),
        "tables": {
            table.name: {
                "runs": list(table.letters),
                "in_all": table.in_all,
                "differ": int(table.differ.sum()),
                "words_differ": len(table.words),
            }
            for table in found.tables
        },
    }


def _records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [
        {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in row.items()}
        for row in rows
    ]
