"""What a comparison of runs writes: a page for people, in Markdown and for browsers, and files for programs."""

from pathlib import Path

import pandas as pd

from faceflip.analysis.comparison.compared import Comparison
from faceflip.analysis.comparison.layout import whole
from faceflip.analysis.html import environment
from faceflip.analysis.pages import markdown
from faceflip.io.files import replacing, write_text

TITLE = "Runs beside each other"


def write_comparison(found: Comparison, folder: Path) -> list[Path]:
    """Write ``compare.md``, ``compare.html``, ``settings.csv``, ``tests.csv``, ``words.csv``, and ``tables/TABLE.csv``.

    Returns the files.

    Raises:
        UserError: The folder cannot be written to.
    """
    parts = whole(found)
    pages = {"compare.md": markdown([sheet for _, sheets in parts for sheet in sheets], found.line)}
    pages["compare.html"] = comparison_page(found)
    for name, text in pages.items():
        write_text(folder / name, text)
    frames = {"settings": _settings(found), "tests": found.tests, "words": _words(found)}
    frames |= {f"tables/{table.name}": table.numbers for table in found.tables if not table.without_keys}
    for name, frame in frames.items():
        with replacing(folder / f"{name}.csv") as beside:
            frame.to_csv(beside, index=False, lineterminator="\n")
    return [folder / name for name in (*pages, *(f"{name}.csv" for name in frames))]


def comparison_page(found: Comparison) -> str:
    """Return the web page, which needs nothing beside it."""
    top = {"line": found.line, "synthetic": bool(found.drawn)}
    files = [table.name for table in found.tables if not table.without_keys]
    template = environment().get_template("compare.html")
    return template.render(title=TITLE, run=top, parts=whole(found), files=files)


def _settings(found: Comparison) -> pd.DataFrame:
    rows = [(each.name, *each.told) for each in found.differences]
    return pd.DataFrame(rows, columns=["setting", *found.letters])


def _words(found: Comparison) -> pd.DataFrame:
    """Return the words of all tables that differ: columns table, row (its keys), column, and the letters."""
    parts = []
    for table in found.tables:
        words = table.words
        row = [", ".join(filter(None, keys)) for keys in words[list(table.keys)].itertuples(index=False)]
        parts.append(
            words.assign(table=table.name, row=row).reindex(columns=["table", "row", "column", *found.letters])
        )
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
