"""The page for people who have a browser and nothing else: everything that a run found, readable from the file system.

It needs what lies beside it in the results, the figures and the gallery, and no network. Without JavaScript all of it
is there; with it the gallery can be filtered and matrices can be rearranged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from faceflip.analysis.html import environment, sheets_of, table_page
from faceflip.analysis.names import display_name, ordered
from faceflip.analysis.pages import Sheet
from faceflip.analysis.run import RunDescription
from faceflip.data.label_doubt import IN_WORDS
from faceflip.errors import UserError
from faceflip.io.files import write_text
from faceflip.report.gallery import MOST, Picture, read_gallery
from faceflip.report.readme import facts, read_headlines, read_manifest
from faceflip.report.runtime import runtime, sheet
from faceflip.wording import similarity
from faceflip.workflow.products import PARTS, Product, reading

MATRICES = ("transferability", "correlation")
"""Tables that are heat maps."""
SHORT = 30_000
"""Characters of a table's page up to which it is shown at once, and not only when it is opened."""


@dataclass(frozen=True)
class Item:
    """A table or figure on the page, by the name of its files; `content` is the HTML of a table."""

    name: str
    product: Product
    content: str = ""


def write_pages(
    page: Path,
    runtime_page: Path,
    run: RunDescription,
    tables: Mapping[str, Product],
    figures: Mapping[str, Product],
    pages: Sequence[str | Path],
    manifest: Path,
    errors: Path,
    attempts: Path,
    warnings: Path,
    gallery: Path,
    benchmarks: Path,
) -> None:
    """Write the page of everything, and that of time and memory.

    `pages` are the web pages of the tables, in the order of `tables`; `gallery` and `benchmarks` are the folders of the
    pictures and of what Snakemake measured; the others are as for `write_readme`.
    """
    time_and_memory = sheet(runtime(benchmarks))
    contents = [sheets_in(Path(file)) for file in pages]
    html = index_page(
        run,
        facts(run, read_manifest(manifest)),
        read_headlines(run, errors, attempts, warnings),
        [Item(*table, content) for table, content in zip(tables.items(), contents, strict=True)],
        [Item(name, product) for name, product in figures.items()],
        read_gallery(gallery),
        time_and_memory,
    )
    write_text(page, html)
    explained = reading("faceflip.report.runtime")
    write_text(runtime_page, table_page("Time and memory", [time_and_memory], explained, run))


def sheets_in(page: Path) -> str:
    """Return the part of a table's page that the page of everything takes over; raises UserError where it is none."""
    try:
        return sheets_of(page.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{page}: cannot be read as a table's page ({error}); delete it and run again") from error


def index_page(
    run: RunDescription,
    facts: Sequence[str],
    headlines: Sequence[str],
    tables: Sequence[Item],
    figures: Sequence[Item],
    pictures: Sequence[Picture],
    time_and_memory: Sheet,
) -> str:
    """Return the page: headlines of what came out and facts of what was run, a sentence each, then all there is."""
    tables = [item for item in tables if run.like_paper or not item.product.in_print]
    in_parts = sorted(tables, key=lambda item: PARTS.index(item.product.part))
    template = environment().get_template("index.html")
    return template.render(
        title="What the run found",
        run=run,
        facts=facts,
        headlines=headlines,
        figures=figures,
        tables=[item for item in in_parts if item.name not in MATRICES],
        matrices=[item for item in in_parts if item.name in MATRICES],
        short=SHORT,
        pictures=pictures,
        filters=_filters(pictures, run),
        time_and_memory=time_and_memory,
        display_name=display_name,
        similarity=similarity,
        attributes_shown=min(len(run.attacked), MOST),
        in_doubt=", or ".join(IN_WORDS[source] for source in run.doubt),
    )


def _filters(pictures: Sequence[Picture], run: RunDescription) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return what the gallery can be filtered by: key, name, and values with their names."""
    attributes = ordered((picture.attribute for picture in pictures), run.attributes)
    networks = ordered((picture.network for picture in pictures), run.network_names)
    attacks = sorted({picture.attack for picture in pictures})
    label = [("label", "Label", [("firm", "firm"), ("doubtful", "in doubt")])] if run.doubt else []
    return [
        ("attribute", "Attribute", [(name, display_name(name)) for name in attributes]),
        ("attack", "Attack", [(name, name) for name in attacks]),
        ("network", "Network", [(name, run.network(name).title) for name in networks]),
        ("kind", "Decision", [("flipped", "was right, now wrong"), ("corrected", "was wrong, now right (natural)")]),
        *label,
    ]
