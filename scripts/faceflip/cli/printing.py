"""Printing for people: text as it is, and tables that fit the terminal without cutting a number."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from faceflip.wording import printable

if TYPE_CHECKING:
    from rich.console import Console

Kind = Literal["path", "word", "number"]
"""What a column holds: a path may be folded onto several lines, a word is on the left, a number on the right."""

FOLDED = 20
"""Columns of the terminal that a path gets at least, if it is not shorter."""

GAP = 2


def console() -> "Console":
    """Return where to print: nothing in the text is taken for markup, and no line is cut."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def print_table(columns: Mapping[str, Kind], rows: Iterable[Sequence[str]], bold: Container[str] = ()) -> None:
    """Print a table, or where the terminal is too narrow for its numbers, each row as lines of ``heading  cell``.

    Headings of several lines have line feeds; where all are blank, none are printed. Rows that begin with a cell in
    `bold` are bold.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    to = console()
    if not to.is_terminal:
        to.width = 10_000  # lines as long as they must be, for other programs
    if sum(_widths(columns, rows)) + GAP * (len(columns) - 1) <= to.width:
        to.print(_table(columns, rows, bold))
        return
    headings = [heading.replace("\n", " ") for heading in columns]
    widest = max(map(len, headings[1:]))
    for row in rows:
        to.print(row[0], style="bold")
        for heading, cell in zip(headings[1:], row[1:], strict=True):
            if cell:
                to.print(f"  {heading:<{widest}}  {cell}")


def _widths(columns: Mapping[str, Kind], rows: Sequence[Sequence[str]]) -> Iterable[int]:
    """Yield how wide each column has to be at least."""
    from rich.cells import cell_len

    for k, (heading, kind) in enumerate(columns.items()):
        widest = max(map(cell_len, [*heading.split("\n"), *(row[k] for row in rows)]))
        yield min(widest, FOLDED) if kind == "path" else widest


def _table(columns: Mapping[str, Kind], rows: Sequence[Sequence[str]], bold: Container[str]) -> object:
    from rich.table import Table

    table = Table(box=None, show_header=any(map(str.strip, columns)), pad_edge=False, padding=(0, GAP // 2))
    for heading, kind in columns.items():
        justify = "right" if kind == "number" else "left"
        table.add_column(heading, justify=justify, no_wrap=kind != "path", overflow="fold")
    for row in rows:
        table.add_row(*row, style="bold" if row[0] in bold else None)
    return table
