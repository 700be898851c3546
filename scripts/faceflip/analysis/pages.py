"""Tables for people: what a page holds, and Markdown and LaTeX of it; `faceflip.analysis.html` has the web page."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, groupby

MISSING = "–"
"""What stands where there is no number."""

LATIN, SIGNS, SHOWN = 0x17F, frozenset("‘’‚“”„‹›†‡•…‰€™←→"), 20
"""The last letter that every LaTeX sets, what it sets beyond, and how many others are named at most."""
LONG, SENTENCE = 50, 45
"""Lines of a table that fit on a printed page, and characters of a cell that fit on a line."""

Cell = str | tuple[str, str]
"""Text, or a value with its interval."""

WHITE_BELOW = 0.47
"""Share of a heat map's cell below which its type is white, else black: on cividis both have a contrast of 4.5 or more,
as WCAG 2 asks for."""


class Heat(str):
    """A number in a matrix: a web page colours its cell by the share, in [0, 1] or NaN, and can show the hint."""

    __slots__ = ("hint", "share")

    def __new__(cls, text: str, share: float, hint: str) -> "Heat":
        """Return the text with what belongs to it."""
        made = super().__new__(cls, text)
        made.share, made.hint = share, hint
        return made


def parts(cell: Cell) -> tuple[str, str]:
    """Return a cell's value, and its interval or nothing."""
    return (cell, "") if isinstance(cell, str) else cell


@dataclass(frozen=True)
class Column:
    """A column's heading, the heading above it that it may share with its neighbours, and its alignment (l or r).

    `name` is what the heading stands for, where the heading is a number to save space.
    """

    heading: str
    group: str = ""
    align: str = "r"
    name: str = ""


@dataclass(frozen=True)
class Sheet:
    """One table on a page.

    Attributes:
        notes: Sentences below the table.
        breaks: Numbers of the rows above which a rule is drawn.
        related: Names of a matrix' rows in the order in which related ones stand side by side; a web page offers it.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    breaks: frozenset[int] = frozenset()
    related: Sequence[str] = ()


def groups(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Return the headings above the headings, and over how many columns each goes; nothing where there are none."""
    if not any(column.group for column in columns):
        return []
    return [(group, len(list(members))) for group, members in groupby(columns, key=lambda column: column.group)]


def nothing(title: str, why: str) -> Sheet:
    """Return a sheet without rows that says why there are none."""
    return Sheet(title, [Column("", align="l")], [], [why])


def percent(share: float, digits: int = 1) -> str:
    """Return a fraction as percent without the sign, or the mark of a missing number."""
    return MISSING if math.isnan(share) else f"{100 * share:.{digits}f}"


def percent_cell(row: dict, digits: int = 1) -> Cell:
    """Return a row's `rate` as percent, with its interval where the row has one."""
    value = percent(row["rate"], digits)
    if value == MISSING or math.isnan(row.get("low", math.nan)):
        return value
    return value, f"[{percent(row['low'], digits)}, {percent(row['high'], digits)}]"


def marked(cell: Cell, mark: str) -> Cell:
    """Return a cell with a mark behind its value; one without a value as it is."""
    if cell == MISSING:
        return cell
    return cell + mark if isinstance(cell, str) else (cell[0] + mark, cell[1])


def number(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits; whole numbers with separators."""
    if math.isnan(value):
        return MISSING
    return f"{int(value):,}" if float(value).is_integer() and abs(value) >= 1 else f"{value:.{digits}g}"


_MARKDOWN = re.compile(
    r"[|*`$~]|<(?=[A-Za-z/!?])|&(?=#?\w+;)|\\(?=[!-/:-@\[-`{-~])|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[])"
)


def markdown_text(text: str) -> str:
    """Return text as Markdown shows it: what would be read as its signs or as HTML has a backslash before it."""
    return _MARKDOWN.sub(r"\\\g<0>", text)


def markdown(sheets: Sequence[Sheet], line: str, aligned: bool = False) -> str:
    """Return a page of Markdown that begins with the line that says what was run.

    Where it is read as it is, such as in a terminal, cells of a column can be `aligned`.
    """
    blocks = (block for sheet in sheets for block in ("", *_markdown(sheet, aligned)))
    return "\n".join([markdown_text(line), *blocks]) + "\n"


def _markdown(sheet: Sheet, aligned: bool) -> list[str]:
    headings = [f"{column.group}, {column.heading}" if column.group else column.heading for column in sheet.columns]
    rules = ["---:" if column.align == "r" else ":---" for column in sheet.columns]
    cells = [[" ".join(filter(None, parts(cell))) for cell in row] for row in sheet.rows]
    rows = [list(map(markdown_text, row)) for row in (headings, *cells)]
    rows.insert(1, rules)
    if aligned:
        rows = _aligned(rows, [column.align for column in sheet.columns])
    notes = [text for note in sheet.notes for text in ("", markdown_text(note))]
    return [f"## {markdown_text(sheet.title)}", "", *(f"| {' | '.join(row)} |" for row in rows), *notes]


def _aligned(rows: Sequence[Sequence[str]], aligns: Sequence[str]) -> list[list[str]]:
    """Return cells as wide as the widest of their columns, but for the last one of text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if aligns[-1] == "l":
        widths[-1] = 0
    return [
        [
            cell.rjust(width) if align == "r" else cell.ljust(width)
            for cell, width, align in zip(row, widths, aligns, strict=True)
        ]
        for row in rows
    ]


def latex(sheets: Sequence[Sheet], line: str) -> str:
    """Return `table` environments for the package booktabs; a comment and every caption say what was run.

    What is too long for a page is a `longtable`, which goes over several.
    """
    packages = r"% Needs \usepackage{booktabs" + (",longtable}." if any(map(_is_long, sheets)) else "}.")
    texts = (text for sheet in sheets for text in (sheet.title, *sheet.notes, *chain.from_iterable(sheet.rows)))
    others = sorted({sign for text in texts for part in parts(text) for sign in part} - set(_LATEX) - SIGNS)
    others = [sign for sign in others if ord(sign) > LATIN]
    if others:
        packages += f" And for {''.join(others[:SHOWN])}: LuaLaTeX or XeLaTeX, with a font that has them."
    return "\n".join([f"% {line}", packages, *(_latex(sheet, line) for sheet in sheets)]) + "\n"


def _is_long(sheet: Sheet) -> bool:
    def height(cell: Cell) -> int:
        return -(-len(cell) // SENTENCE) if isinstance(cell, str) else 2

    return sum(max(map(height, cells)) for cells in sheet.rows) > LONG


def _latex(sheet: Sheet, line: str) -> str:
    caption = rf"\caption{{{escape(sheet.title)}. {escape(line)}}}"
    layout = "".join(_latex_column(sheet, number_) for number_ in range(len(sheet.columns)))
    headings = _latex_row([escape(column.heading) for column in sheet.columns])
    heads = [r"\toprule", *_latex_groups(sheet.columns), headings, r"\midrule"]
    notes = [rf"\par\smallskip {{\footnotesize {escape(note)}}}" for note in sheet.notes]
    if _is_long(sheet):
        lines = [rf"\begin{{longtable}}{{{layout}}}", caption + r" \\", *heads, r"\endfirsthead", *heads, r"\endhead"]
        lines += [r"\bottomrule", r"\endfoot", *_latex_body(sheet), r"\end{longtable}", *notes]
    else:
        lines = [r"\begin{table}", r"\centering", caption, rf"\begin{{tabular}}{{{layout}}}", *heads]
        lines += [*_latex_body(sheet), r"\bottomrule", r"\end{tabular}", *notes, r"\end{table}"]
    return "\n".join(lines)


def _latex_column(sheet: Sheet, number_: int) -> str:
    """Return a column's alignment; columns of sentences get a width, so that their lines are broken."""
    cells = (cells[number_] for cells in sheet.rows)
    longest = max((len(cell) for cell in cells if isinstance(cell, str)), default=0)
    return r"p{0.25\linewidth}" if longest > SENTENCE else sheet.columns[number_].align


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex_body(sheet: Sheet) -> list[str]:
    lines = []
    for number_, cells in enumerate(sheet.rows):
        if number_ in sheet.breaks:
            lines.append(r"\midrule")
        values, intervals = zip(*map(parts, cells), strict=True)
        lines.append(_latex_row(map(escape, values)))
        # Intervals go below their values: beside them they would not fit on a page.
        if any(intervals):
            lines.append(_latex_row(rf"\scriptsize {escape(interval)}" if interval else "" for interval in intervals))
    return lines


def _latex_groups(columns: Sequence[Column]) -> list[str]:
    cells, rules, start = [], [], 1
    for group, width in groups(columns):
        cells.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(group)}}}" if group else " & ".join([""] * width))
        if group:
            rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    return [_latex_row(cells), " ".join(rules)] if rules else []


_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "τ": r"$\tau$",
    "ε": r"$\varepsilon$",
    "≥": r"$\geq$",
    "∞": r"$\infty$",
    "−": "$-$",
    "⁺": "$^{+}$",
    "⁻": "$^{-}$",
    "×": r"$\times$",
    "†": r"\dag{}",
    "–": "--",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
}


def escape(text: str) -> str:
    """Return text as LaTeX prints it."""
    return text.translate(str.maketrans(_LATEX))
