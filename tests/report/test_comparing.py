"""The page of a comparison: all parts, drawn faces on its face, nothing of the network."""

import re
from dataclasses import replace

import pytest

from faceflip.analysis.comparison import layout
from faceflip.analysis.comparison.compared import compare_runs
from faceflip.analysis.comparison.layout import short
from faceflip.report.comparing import comparison_page, write_comparison
from faceflip.workflow.products import TABLES
from specimen import QUICK_TABLES, SMALL, finish, specimen

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three runs, of other seeds each, the first of which is of photographs, too."""
    there = tmp_path_factory.mktemp("runs")
    products = {name: TABLES[name] for name in QUICK_TABLES}
    made = {f"seed{seed}": specimen(seed=seed, **SMALL) for seed in (1, 2, 3)}
    made = {name: replace(each, run=replace(made["seed1"].run, seed=int(name[-1]))) for name, each in made.items()}
    made["photographs"] = replace(made["seed1"], run=replace(made["seed1"].run, dataset="celeba"))
    return {name: finish(each, there / name, products, fingerprint=f"{name:>064}") for name, each in made.items()}


@pytest.fixture(scope="module")
def found(folders):
    return compare_runs([folders["seed1"], folders["seed2"]])


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.partition("<body>")[2].partition("<script>")[0]))


def test_every_part_is_linked_and_there(found):
    html = comparison_page(found)
    identifiers = re.findall(r'\bid="([^"]+)"', html)
    assert len(identifiers) == len(set(identifiers)) == 5
    assert re.findall(r'href="#([^"]+)"', html) == identifiers
    assert re.findall(r'href="(tables/\w+)\.csv"', html) == [f"tables/{name}" for name in QUICK_TABLES]
    assert "http" not in html
    assert "@media (prefers-color-scheme: dark)" in html
    assert "@media print" in html
    assert "nan" not in text_of(html).lower().replace("lnets+anet", "")


@pytest.mark.parametrize(
    ("names", "begins"),
    [
        (("seed1", "seed2"), "Synthetic faces, drawn by this project: their numbers say nothing about CelebA. Runs A"),
        (("photographs", "seed2"), "Synthetic faces in B, drawn by this project: their numbers say nothing"),
    ],
)
def test_drawn_faces_are_noted_on_its_face(folders, names, begins, tmp_path):
    found = compare_runs([folders[name] for name in names])
    write_comparison(found, tmp_path)
    html = (tmp_path / "compare.html").read_text()
    assert f'<p class="run synthetic">{begins}' in html
    assert "(synthetic faces)</title>" in html
    assert (tmp_path / "compare.md").read_text().startswith(begins)


def test_seeds_are_summarised_over_runs(folders):
    seeds = compare_runs([folders[name] for name in ("seed1", "seed2", "seed3")])
    (sheet,) = (each for each in short(seeds) if each.title == "Over runs")
    means = seeds.tables[0].numbers.query("method == 'moon' and attribute == 'mean' and number == 'error'").iloc[0]
    row = next(row for row in sheet.rows if row[:2] == ["moon", "error"])
    assert row[3][0] == f"{100 * means['mean']:.2f}"
    assert row[-3:] == [f"{100 * means[letter]:.2f}" for letter in "ABC"]


def test_long_tables_are_cut_and_say_so(found, monkeypatch):
    monkeypatch.setattr(layout, "MOST_ROWS", 4)
    assert "The 4 that differ most" in comparison_page(found)
