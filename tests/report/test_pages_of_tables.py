from collections import defaultdict

import pytest
from docutils.core import publish_parts

from faceflip.analysis.html import sheets_of, table_page
from faceflip.analysis.pages import Column, Heat, Sheet
from faceflip.workflow.products import FIGURES, PARTS, TABLES, Reading
from specimen import specimen

RUN = specimen(attributes=("Male",), moon_attributes=("Male",), sample=2, test=2).run
SHEET = Sheet(
    "A & B",
    [Column("name", align="l"), Column("τ = 0", "line"), Column("n")],
    [["<x>", ("2.0", "[1.0, 3.0]"), "7"], ["–", "–", "0"]],
    ["100 % of #1."],
    frozenset({1}),
)
MATRIX = Sheet(
    "Shares",
    [Column(""), Column("target", align="l"), Column("1", name="Male"), Column("2", name="Young")],
    [["1", "Male", Heat("100", 1.0, "Male → Male: 3 of 3"), Heat("–", float("nan"), "no adversarial image")]],
    related=("Young", "Male"),
)


def page(*sheets):
    return table_page("Title", sheets, Reading("One `column`.", ("More <of> it.",)), RUN)


def test_a_page_says_what_was_run_and_how_to_read_it():
    html = page(SHEET)
    assert html.startswith("<!doctype html>")
    assert 'class="run synthetic"' in html
    assert RUN.line in html
    assert "<p>One <code>column</code>.</p>" in html
    assert "More &lt;of&gt; it." in html


def test_a_sheet_is_a_table_with_headings():
    html = page(SHEET)
    assert '<th scope="row" class="l">&lt;x&gt;</th>' in html
    assert '<td class="r">2.0<small>[1.0, 3.0]</small></td>' in html
    assert '<th colspan="1" scope="colgroup">line</th>' in html
    assert html.count('<tr class="rule">') == 1
    assert "100 % of #1." in html


def test_columns_of_sentences_are_wide():
    words = Sheet("Words", [Column("", align="l"), Column("note", align="l")], [["a", "b " * 30], ["c" * 50, "d"]])
    html = page(words)
    assert html.count('<td class="l long">') == html.count('<th scope="row" class="l long">') == 1


def test_cells_of_a_matrix_tell_their_counts():
    html = page(MATRIX)
    assert 'style="background:#fee838;color:#000" title="Male → Male: 3 of 3">100</td>' in html
    assert '<td class="empty" style="" title="no adversarial image">–</td>' in html
    assert '<tr data-name="Male">' in html


def test_pages_ask_nothing_of_the_network():
    for html in (page(SHEET), page(MATRIX)):
        assert "http" not in html
        assert "@import" not in html


def test_another_page_can_take_the_sheets_over():
    html = page(SHEET, MATRIX)
    sheets = sheets_of(html)
    assert sheets.count("<section") == sheets.count("</section>") == 2
    assert "<style" not in sheets
    with pytest.raises(ValueError, match="no page"):
        sheets_of("<p>")


PRODUCTS = {
    **{("Tables", name): product for name, product in TABLES.items()},
    **{("Figures", name): product for name, product in FIGURES.items()},
}


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=map("/".join, PRODUCTS))
def test_every_product_says_how_to_read_it(product):
    reading = product.reading
    assert product.part in PARTS
    assert 20 < len(reading.summary) < 200
    assert len(" ".join(reading.paragraphs)) > 150
    assert "faceflip." not in reading.text, "speaks of results, not of code"
    strict = {"report_level": 2, "halt_level": 2}
    assert publish_parts(reading.text, writer="html", settings_overrides=strict)["body"]


@pytest.mark.parametrize("attacked", ["8 of 40", "40 of 40"])
def test_no_label_becomes_a_switch(attacked):
    """Snakemake makes a switch of a label that splits a list in halves, and fails where the halves are not alike."""
    lists = defaultdict(list)
    for (kind, _), product in PRODUCTS.items():
        lists[product.part, kind].append(product.labels(attacked))
    for entries in lists.values():
        assert all("40" in entry["attribute"] or entry["attribute"] == "all learned" for entry in entries)
        switches = 0
        for label in list(entries[0])[1:]:
            values = [entry[label] for entry in entries]
            switches += len(set(values)) == 2 and all(2 * values.count(value) == len(values) for value in set(values))
        assert switches != 1, entries
