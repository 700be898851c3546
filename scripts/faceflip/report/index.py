"""The page for people who have a browser and nothing else: everything that a run found, readable from the file system.

It needs what lies beside it in the results, the figures and the gallery, and no network. Without JavaScript all of it
is there; with it the gallery can be filtered and matrices can be rearranged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faceflip.analysis.html import environment, sheets_of
from faceflip.analysis.make import TABLES
from faceflip.analysis.make import reading_of as reading_of_table
from faceflip.analysis.names import NETWORK_NAMES, display_name, ordered
from faceflip.analysis.pages import Sheet
from faceflip.analysis.run import RunDescription
from faceflip.figures.make import FIGURES
from faceflip.figures.make import reading_of as reading_of_figure
from faceflip.report.gallery import Picture
from faceflip.workflow.products import PARTS, Product, Reading

MATRICES = ("portability", "correlation")
"""Tables that are heat maps."""
SHORT = 30_000
"""Characters of a table's page up to which it is shown at once, and not only when it is opened."""


@dataclass(frozen=True)
class Item:
    """A table or figure on the page.

    Attributes:
        name: In its registry.
        product: What the registry says of it.
        reading: How to read it.
        content: HTML of a table; empty for figures.
    """

    name: str
    product: Product
    reading: Reading
    content: str = ""


def index_page(
    run: RunDescription,
    facts: Sequence[str],
    headlines: Sequence[str],
    tables: Mapping[str, Path],
    pictures: Sequence[Picture],
    time_and_memory: Sheet,
) -> str:
    """Return the page.

    Args:
        run: What was run.
        facts: More of that, a sentence each.
        headlines: What came out, a sentence each.
        tables: The web page of each table by name.
        pictures: The gallery.
        time_and_memory: From `faceflip.report.runtime`.
    """
    contents = {name: sheets_of(path.read_text(encoding="utf-8")) for name, path in tables.items()}
    in_parts = sorted(TABLES, key=lambda name: PARTS.index(TABLES[name].part))
    items = [Item(name, TABLES[name], reading_of_table(name), contents[name]) for name in in_parts]
    values: dict[str, Any] = {
        "title": "What the run found",
        "run": run,
        "facts": facts,
        "headlines": headlines,
        "figures": [Item(name, FIGURES[name], reading_of_figure(name)) for name in FIGURES],
        "tables": [item for item in items if item.name not in MATRICES],
        "matrices": [item for item in items if item.name in MATRICES],
        "short": SHORT,
        "pictures": pictures,
        "filters": _filters(pictures),
        "time_and_memory": time_and_memory,
        "display_name": display_name,
        "network_names": NETWORK_NAMES,
    }
    return environment().get_template("index.html").render(values)


def _filters(pictures: Sequence[Picture]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return what the gallery can be filtered by: key, name, and values with their names."""
    attributes = ordered({picture.attribute for picture in pictures})
    networks = ordered({picture.network for picture in pictures}, NETWORK_NAMES)
    attacks = sorted({picture.attack for picture in pictures})
    kinds = [("flipped", "was right, now wrong"), ("corrected", "was wrong, now right (natural)")]
    return [
        ("attribute", "Attribute", [(name, display_name(name)) for name in attributes]),
        ("attack", "Attack", [(name, name) for name in attacks]),
        ("network", "Network", [(name, NETWORK_NAMES[name]) for name in networks]),
        ("kind", "Decision", kinds),
    ]
