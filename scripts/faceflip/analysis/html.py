"""Tables as web pages that need nothing beside them: no network, no style sheet, no script of others."""

import math
import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from faceflip.analysis.pages import SENTENCE, WHITE_BELOW, Cell, Heat, Sheet, groups, parts
from faceflip.analysis.run import RunDescription
from faceflip.workflow.products import Reading

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_BEGIN, _END = "<!-- begin of the sheets -->", "<!-- end of the sheets -->"


@cache
def environment() -> "Environment":
    """Return the templates, which escape what is put into them."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("faceflip"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters["prose"] = _prose
    made.globals |= {
        "begin": _BEGIN,
        "end": _END,
        "groups": groups,
        "parts": parts,
        "sentence": SENTENCE,
        "style": style_of,
    }
    return made


def table_page(title: str, sheets: Sequence[Sheet], reading: Reading, run: RunDescription) -> str:
    """Return the web page of one table."""
    return (
        environment()
        .get_template("table.html")
        .render(title=title, sheets=sheets, reading=reading.of(run.like_paper, run.doubt), run=run)
    )


def sheets_of(page: str) -> str:
    """Return the part of a `table_page` that another page can take over.

    Raises:
        ValueError: The page is not one of `table_page`.
    """
    _, begin, rest = page.partition(_BEGIN)
    sheets, end, _ = rest.partition(_END)
    if not (begin and end):
        raise ValueError("no page of a table")
    return sheets.strip()


def _prose(text: str) -> "Markup":
    """Return a sentence of a docstring, in which names of columns stand between backticks."""
    from markupsafe import Markup, escape

    return Markup(re.sub("`+([^`]+)`+", r"<code>\1</code>", str(escape(text))))


def style_of(cell: Cell) -> str:
    """Return the colours of a matrix' cell, and nothing for other cells."""
    if not isinstance(cell, Heat) or math.isnan(cell.share):
        return ""
    red, green, blue = _palette()[round(255 * cell.share)]
    return f"background:#{red:02x}{green:02x}{blue:02x};color:{'#fff' if cell.share < WHITE_BELOW else '#000'}"


@cache
def _palette() -> list[tuple[int, int, int]]:
    """Return the 256 colours of cividis, which is made for people with any colour vision."""
    from matplotlib import colormaps

    return [tuple(round(255 * part) for part in color[:3]) for color in colormaps["cividis"].colors]
