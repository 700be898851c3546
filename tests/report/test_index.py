import re
from dataclasses import replace

import pytest

from faceflip.analysis.html import sheets_of, table_page
from faceflip.analysis.pages import Column, Sheet
from faceflip.report.gallery import choose
from faceflip.report.index import Item, index_page
from faceflip.workflow.products import FIGURES, TABLES
from specimen import specimen

ATTRIBUTES = ("5_o_Clock_Shadow", "Male")
EMPTY = Sheet("Time", [Column("rule", align="l")], [])


@pytest.fixture(scope="module")
def made():
    return specimen(attributes=ATTRIBUTES, moon_attributes=ATTRIBUTES, sample=20, test=4, dataset="celeba")


@pytest.fixture
def page(made):
    def make(pictures):
        tables = []
        for name, product in TABLES.items():
            sheet = Sheet(f"Sheet of {name}", [Column("a", align="l")], [["<b>"]])
            tables.append(Item(name, product, sheets_of(table_page(name, [sheet], product.reading, made.run))))
        figures = [Item(name, product) for name, product in FIGURES.items()]
        return index_page(made.run, ["A <fact>."], ["A headline."], tables, figures, pictures, EMPTY)

    return make


def test_without_figures_and_matrices_there_are_no_headings_of_them(made):
    html = index_page(made.run, [], [], [], [], [], EMPTY)
    assert not {"figures", "matrices"} & set(re.findall(r'id="(\w+)"', html))
    anchors = set(re.findall(r'href="#(\w+)"', html))
    assert anchors <= set(re.findall(r'id="(\w+)"', html))


def test_every_table_and_figure_is_there_once(page):
    html = page([])
    for name in TABLES:
        assert html.count(f"Sheet of {name}</h3>") == 1
    for name in FIGURES:
        assert html.count(f'src="figures/{name}.png"') == 1
        dark = f'<source media="screen and (prefers-color-scheme: dark)" srcset="figures/dark/{name}.png 2x">'
        assert html.count(dark) == 1
    numbers = [name for name in re.findall(r'src="figures/(\w+)', html) if FIGURES[name].paper]
    assert [FIGURES[name].paper for name in numbers] == [f"Fig. {number}" for number in range(1, 6)]
    assert [FIGURES[name].paper in html for name in numbers]
    identifiers = re.findall(r'\bid="([^"]+)"', html)
    assert len(identifiers) == len(set(identifiers))
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(identifiers)


def test_texts_are_escaped(page):
    html = page([])
    assert "A &lt;fact&gt;." in html
    assert "<b>" not in html


def test_photographs_are_not_called_drawn(page):
    assert "ynthetic" not in page([]).split("</h1>")[1].split("</p>")[0]


def test_the_gallery_shows_every_picture(page, made):
    pictures = choose(made.attempts, made.run)
    html = page(pictures)
    assert html.count('<figure class="picture"') == len(pictures) > 10
    assert '<option value="5_o_Clock_Shadow">5 o&#39;Clock Shadow</option>' in html
    assert "No attempt of this run flipped" in page([])


def test_the_gallery_tells_similarities_near_one_apart(page, made):
    pictures = [replace(each, similarity=0.999949) for each in choose(made.attempts, made.run)]
    assert page(pictures).count("PASS 0.9999490") == len(pictures)


def test_the_epsilon_of_iterative_attacks_is_told_as_steps(page, made):
    pictures = [replace(picture, epsilon=37.0) for picture in choose(made.attempts, made.run)]
    iterative = sum(picture.attack.endswith("-iterative") for picture in pictures)
    html = page(pictures)
    assert html.count("37 steps;") == iterative > 0
    assert html.count("ε 37;") == len(pictures) - iterative > 0
