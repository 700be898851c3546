"""Whatever attributes a table of your own has, and however many labels it lacks: every table, figure and page."""

import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from scipy import stats

from faceflip.analysis import matrices
from faceflip.analysis.examples import choose_examples
from faceflip.analysis.frames import read_csv
from faceflip.analysis.html import sheets_of
from faceflip.analysis.label_statistics import label_correlations, label_statistics
from faceflip.analysis.names import display_name, spread
from faceflip.analysis.pages import Column, Sheet, escape, latex, markdown
from faceflip.analysis.statistics.intervals import wilson
from faceflip.errors import UserError
from faceflip.figures.examples import draw_examples
from faceflip.figures.lettering import LONGEST, short_names
from faceflip.figures.make import caption
from faceflip.figures.style import drawing
from faceflip.registry import load
from faceflip.report.gallery import MOST, choose
from faceflip.report.index import Item, index_page
from faceflip.report.readme import facts, headlines, write_readme
from faceflip.report.runtime import runtime, sheet
from faceflip.workflow.jobs import rules_of
from faceflip.workflow.plan import Plan
from faceflip.workflow.products import FIGURES, TABLES, TABLES_DOUBT
from faceflip.workflow.settings import Settings
from specimen import NETWORKS, make_tables, specimen

pytestmark = pytest.mark.slow

BOLD, SIGNS, FAR, LONG = "<b>bold</b> & 100 %", 'a/b $x$ _y_ \\ "q" {z} #1', "眼鏡 naïve", "x" * 80
TWO = {name: NETWORKS[name] for name in ("euclidean", "moon")}
FFA = {(name, "converged"): ("ffa-line",) for name in TWO}
RUNS = {
    "odd": {
        "attributes": (BOLD, FAR, LONG, SIGNS),
        "unknown": {BOLD: 0.5, FAR: 0.9, SIGNS: 1.0},
        "sample": 40,
        "test": 60,
        "size": (96, 80),
    },
    "one": {"attributes": ("2020",), "sample": 20, "test": 20},
    "maad": {"attributes": tuple(f"attribute {number}" for number in range(47)), "networks": TWO, "attacks": FFA},
    "many": {
        "attributes": tuple(f"{'long ' * (number % 9)}{number}" for number in range(300)),
        "networks": TWO,
        "attacks": FFA,
        "unknown": {"0": 0.5},
        "sample": 3,
        "test": 8,
    },
}
MANIFEST = {"fingerprint": "ab" * 32, "decoder": "libjpeg-turbo"}
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.just(" "), min_size=1, max_size=80)


class Made:
    """A specimen with all its tables and figures."""

    def __init__(self, name: str, folder: Path) -> None:
        about = {"sample": 12, "test": 14, **RUNS[name]}
        self.specimen = specimen(seed=3, moon_attributes=about["attributes"], dataset="table", **about)
        self.run, self.folder = self.specimen.run, folder
        paths = self.specimen.write(folder)
        self.tables = make_tables(TABLES, paths, self.run, folder)
        self.paths = paths | {name: files["csv"] for name, files in self.tables.items()}
        self.figure = cache(self._draw)

    def table(self, name: str) -> pd.DataFrame:
        return read_csv(self.tables[name]["csv"])

    def text(self, name: str, kind: str) -> str:
        return self.tables[name][kind].read_text(encoding="utf-8")

    def _draw(self, name: str):
        """Draw a figure within its type, and return it with the texts in it."""
        with drawing(self.run.attributes):
            if name == "examples":
                choices = choose_examples(self.specimen.attempts, self.specimen.transfers, self.run)
                picture = np.full((80, 96, 3), 99, np.uint8), np.ones((80, 96, 3), np.int16)
                shown = {each: picture for choice in choices for each in choice.examples if each}
                figure = draw_examples(choices, shown, self.run)
            else:
                figure = load(f"{FIGURES[name].module}:draw")(self.paths, self.run)
            FigureCanvasAgg(figure)
            if figure.get_layout_engine():
                figure.get_layout_engine().execute(figure)
            figure.tight = figure.get_tightbbox()
        return figure, [text for text in figure.findobj(Text) if text.get_text().strip()]

    def index(self) -> str:
        items = [Item(name, product, sheets_of(self.text(name, "html"))) for name, product in TABLES.items()]
        figures = [Item(name, product) for name, product in FIGURES.items()]
        said = headlines(self.run, self.table("classification_error"), self.specimen.attempts)
        pictures = choose(self.specimen.attempts, self.run)
        told = facts(self.run, MANIFEST)
        return index_page(self.run, told, said, items, figures, pictures, sheet(runtime(self.folder / "none")))

    def readme(self) -> str:
        (self.folder / "manifest.json").write_text(json.dumps(MANIFEST), encoding="utf-8")
        files = (self.paths[name] for name in ("classification_error", "attempts", "warnings"))
        write_readme(self.folder / "README.md", self.run, TABLES, FIGURES, self.folder / "manifest.json", *files)
        return (self.folder / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    kept = {}

    def make(name: str) -> Made:
        if name not in kept:
            kept[name] = Made(name, tmp_path_factory.mktemp(name))
        return kept[name]

    return make


@pytest.fixture(params=RUNS)
def made(request, runs) -> Made:
    return runs(request.param)


class _Texts(HTMLParser):
    """The texts of a page, those of elements alone."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found, self.tags = [], set()
        self.feed(page)

    def handle_data(self, data):
        self.found.append(data)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)


def test_every_table_is_made_and_stays_small(made):
    for name in TABLES:
        assert len(made.text(name, "md").splitlines()) > 4, name
        assert made.text(name, "html").startswith("<!doctype html>")
        assert "nan" not in re.sub("bold|naïve", "", made.text(name, "md")).lower(), name
        assert max(made.tables[name][kind].stat().st_size for kind in ("md", "tex", "html")) < 1_000_000, name


def test_every_figure_is_drawn_and_nothing_is_cut(made):
    for name in FIGURES:
        figure, texts = made.figure(name)
        width, height = figure.get_size_inches()
        assert figure.tight.x0 >= -0.005, name
        assert figure.tight.y0 >= -0.005, name
        assert figure.tight.x1 <= width + 0.005, name
        assert figure.tight.y1 <= height + 0.005, name
        assert height < 20, name
        assert min(text.get_fontsize() for text in texts) >= 4, name


def test_names_of_attributes_are_text_wherever_they_stand(runs):
    odd = runs("odd")
    shown = {display_name(name) for name in odd.run.attributes}
    labelled = shown - {display_name(SIGNS)}
    for name in ("classification_error", "success", "transferability", "correlation", "trainings"):
        expected = shown if name in ("transferability", "correlation", "trainings") else labelled
        page = _Texts(odd.text(name, "html"))
        assert expected <= set(page.found), name
        assert "b" not in page.tags
        rendered = _Texts(MarkdownIt("commonmark").enable("table").render(odd.text(name, "md")))
        assert expected <= set(rendered.found), name
        assert not rendered.tags & {"b", "em", "strong", "code"}
        tex = odd.text(name, "tex")
        assert all(escape(each) in tex for each in expected), name
        assert "LuaLaTeX or XeLaTeX" in tex.splitlines()[1], "for the Japanese letters"
    assert {"attribute", "source"} <= {*odd.table("success").columns, *odd.table("correlation").columns}
    assert set(odd.table("success")["attribute"]) == {BOLD, FAR, LONG}
    index = _Texts(odd.index())
    assert labelled <= set(index.found)
    assert "b" not in index.tags
    rendered = _Texts(MarkdownIt("commonmark").enable("table").render(odd.readme()))
    assert "Attacked attributes: " + ", ".join(name.replace("_", " ") for name in odd.run.attacked) in rendered.found


def test_names_that_look_like_numbers_stay_names(runs):
    for name in ("classification_error", "success", "correlation", "trainings"):
        column = {"correlation": "source", "trainings": "member"}.get(name, "attribute")
        assert "2020" in set(runs("one").table(name)[column])
    assert "2020" in {text.get_text() for text in runs("one").figure("success")[1]}


def test_names_of_pictures_are_those_of_files(runs):
    pictures = choose(runs("odd").specimen.attempts, runs("odd").run)
    assert {picture.attribute for picture in pictures} == {BOLD, FAR, LONG}
    assert len({picture.file for picture in pictures}) == len(pictures)
    assert all(re.fullmatch(r"[\w~.+-]+\.png", picture.file) and len(picture.file) < 200 for picture in pictures)


def test_nothing_is_said_of_celeba(made):
    """But that what is in print is of CelebA."""
    pages = [made.index(), made.readme(), *(caption(product, made.run) for product in FIGURES.values())]
    pages += [made.text(name, kind) for name in TABLES if not TABLES[name].in_print for kind in ("md", "tex", "html")]
    for page in pages:
        assert not re.search(r"CelebA|MOON, published|FaceTracer|LNets|9\.06", page)
    for name in ("paper_comparison", "paper_claims"):
        assert made.table(name).empty
        assert "This run has others, so nothing stands beside them." in made.text(name, "md")
        assert f"tables/{name}" not in made.readme() + made.index()
    assert set(made.table("classification_error")["method"]) <= {
        *("trivial_train", "trivial_test"),
        *(f"{network}{epoch}" for network in made.run.network_names for epoch in ("", "_epoch2")),
    }
    assert not made.table("statistics")["id"].str.contains("facetracer|lnets|published").any()
    assert made.run.line.startswith("Your own faces and labels, ")


def test_errors_with_gaps(runs):
    """Counted again from the predictions and labels."""
    odd = runs("odd")
    predictions, labels = odd.specimen.predictions, odd.specimen.labels
    test = predictions[predictions["split"] == "test"]
    assert test.groupby("attribute")["image"].nunique().to_dict() == {BOLD: 30, FAR: 6, LONG: 60}
    errors = odd.table("classification_error").set_index(["method", "attribute"])
    for (network, checkpoint, attribute), part in test.groupby(["network", "checkpoint", "attribute"]):
        method = network if checkpoint == "converged" else f"{network}_{checkpoint}"
        wrong = int(((part["score"] > 0) != (part["label"] > 0)).sum())
        row = errors.loc[method, attribute]
        assert (row["wrong"], row["images"]) == (wrong, len(part))
        assert row["error"] == pytest.approx(wrong / len(part))
        assert (row["low"], row["high"]) == pytest.approx(tuple(float(end) for end in wilson(wrong, len(part))))
    for attribute in (BOLD, FAR, LONG):
        count = labels.set_index(["attribute", "split"]).loc[attribute]
        majority = 2 * count.loc["train", "positives"] > count.loc["train", "images"]
        wrong = (
            count.loc["test", "images"] - count.loc["test", "positives"] if majority else count.loc["test", "positives"]
        )
        assert errors.loc[("trivial_train", attribute), "wrong"] == wrong
    mean = errors.xs("mean", level="attribute")["error"]
    for method in mean.index:
        assert mean[method] == pytest.approx(errors.loc[method].loc[[BOLD, FAR, LONG], "error"].mean())
    assert "| mean of 3 |" in odd.text("classification_error", "md")
    note = f"No image of the test split has a label of {display_name(SIGNS)}."
    assert note in _Texts(odd.text("classification_error", "html")).found
    assert any(text.get_text() == "mean of 3" for text in odd.figure("classification_error")[1])


def test_attempts_with_gaps(runs):
    odd = runs("odd")
    attempts = odd.specimen.attempts.query("checkpoint == 'converged'")
    assert attempts.groupby("attribute")["image"].nunique().to_dict() == {BOLD: 20, FAR: 4, LONG: 40}
    hit = attempts["flipped"] & (attempts["pass"] >= 0.95)
    success = odd.table("success")
    assert len(success) == 3 * 2 * attempts.groupby(["network", "attack"]).ngroups
    for row in success.to_dict("records"):
        chosen = (attempts["network"] == row["network"]) & (attempts["attribute"] == row["attribute"])
        chosen &= attempts["attack"] == f"{row['method']}-{row['search']}"
        chosen &= attempts["correct"] == (row["sign"] == "+")
        assert (row["total"], row["adversarial"]) == (chosen.sum(), hit[chosen].sum())
    pairs = odd.table("flippability").drop_duplicates(["network", "method", "search", "sign"])
    totals = pairs.groupby(["network", "method", "search"])["total"].sum()
    assert set(totals) == {20 + 4 + 40}
    assert not odd.table("correlation").empty
    assert SIGNS not in set(odd.table("correlation")["source"])
    assert SIGNS in set(odd.table("correlation")["target"])


def test_tests_over_images_with_gaps(runs):
    """The share of wrong attributes of each image, among those that it has a label of."""
    odd = runs("odd")
    test = odd.specimen.predictions.query("split == 'test' and checkpoint == 'converged'")
    wrong = ((test["score"] > 0) != (test["label"] > 0)).astype(float)
    shares = wrong.groupby([test["image"], test["network"]]).mean().reset_index()
    shares = shares.pivot_table(index="image", columns="network", values=0)
    expected = stats.ttest_rel(shares["euclidean"], shares["moon"])
    found = odd.table("statistics").set_index("id")
    assert found.loc["ttest_images_euclidean_vs_moon_p", "value"] == pytest.approx(expected.pvalue)
    assert found.loc["ttest_images_euclidean_vs_moon_p", "of"] == len(shares)
    majority = odd.specimen.labels.query("split == 'train'").set_index("attribute")
    majority = 2 * majority["positives"] > majority["images"]
    truth = test[test["network"] == "euclidean"]
    trivial = (truth["attribute"].map(majority) != (truth["label"] > 0)).groupby(truth["image"]).mean()
    expected = stats.ttest_rel(shares["euclidean"], trivial.astype(float))
    assert found.loc["ttest_images_euclidean_vs_trivial_train_p", "value"] == pytest.approx(expected.pvalue)
    errors = odd.table("classification_error")
    assert found.loc["error_moon", "of"] == errors.query("method == 'moon' and attribute != 'mean'").shape[0] == 3


def test_matrices_that_are_too_large_list_their_strongest_pairs(runs):
    many = runs("many")
    rates = many.table("correlation")
    assert len(rates) > 64 * 300
    others = rates[(rates["source"] != rates["target"]) & (rates["images"] > 0)].sort_values("low", ascending=False)
    page = many.text("correlation", "md")
    assert "is too large for a page" in page
    rows = [line for line in page.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == matrices.STRONGEST
    first = others.iloc[0]
    assert f"[{100 * first['low']:.1f}, " in rows[0]
    assert 'class="matrix"' not in many.text("correlation", "html")
    assert 'class="matrix"' in runs("maad").text("correlation", "html"), "47 attributes have room"


def test_figures_of_many_attributes_name_some_and_say_so(runs):
    many, maad = runs("many"), runs("maad")
    for name, words in (
        ("success", "72 of 300 attributes, evenly spread over their order; the table has all"),
        ("success_intervals", "80 of 300 attributes, evenly spread over their order; the table has all"),
        ("training_curves", "48 of 300 attributes, evenly spread over their order; the table has all"),
        ("classification_error", "one of 5 attributes has its name; the table has all"),
        ("correlation", "watched attribute, one of"),
    ):
        assert any(text.get_text().startswith(words) for text in many.figure(name)[1]), name
        every = {text.get_text() for text in maad.figure(name)[1]}
        assert not any(" of 47 attributes" in text or "one of" in text for text in every), name
        assert {f"attribute {number}" for number in range(47)} <= every, name


def test_the_gallery_of_many_attributes_says_what_it_shows(runs):
    many = runs("many")
    pictures = choose(many.specimen.attempts, many.run)
    assert {picture.attribute for picture in pictures} <= set(spread(many.run.attacked, MOST))
    assert f"attributes {MOST} are shown" in " ".join(many.index().split())
    assert "attributes 60 are shown" not in " ".join(runs("maad").index().split())


def test_intervals_of_matrices_do_not_depend_on_how_they_are_cut(runs, monkeypatch):
    made = runs("odd")
    arguments = (made.specimen.attempts, made.specimen.transfers, ("moon", "converged", "ffa-line"), 0.95)
    whole = [matrices.mean_interval(*arguments, own=own) for own in (True, False)]
    monkeypatch.setattr(matrices, "CELLS", 2)
    cut = [matrices.mean_interval(*arguments, own=own) for own in (True, False)]
    np.testing.assert_allclose(cut, whole, rtol=1e-12)
    assert not np.isnan(whole).any()


@given(name=NAMES)
@example(name="__0__")
@example(name="https://a.b/c?d=e&amp;f")
@settings(max_examples=400)
def test_any_name_comes_through_every_page(name):
    """Read back from Markdown by another program, and from LaTeX by taking the escapes away."""
    made = Sheet("Names", [Column("attribute", align="l"), Column("value")], [[name, "1"]])
    rendered = _Texts(MarkdownIt("commonmark").enable("table").render(markdown([made], "A line.")))
    text = "".join(rendered.found)
    assert " ".join(name.split()) in " ".join(text.split())
    assert rendered.tags <= {"p", "h2", "table", "thead", "tbody", "tr", "th", "td"}
    line = next(each for each in latex([made], "A line.").splitlines() if each.endswith(r" & 1 \\"))
    assert not re.search(r"(?<!\\)[&%#_]", line.removesuffix(r" & 1 \\"))


@given(names=st.lists(NAMES, unique=True, max_size=6))
def test_short_names_are_short_and_differ(names):
    names = list({display_name(name): name for name in names}.values())
    made = short_names(names)
    assert list(made) == names
    assert len(set(made.values())) == len(names)
    assert all(len(text.replace(r"\$", "$")) <= LONGEST + 4 for text in made.values())


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("5_o_Clock_Shadow", "5 o'Clock Shadow"),
        ("foo_Clock", "foo Clock"),
        ("x" * 80, "x" * 18 + "…" + "x" * 9),
        ("costs $5 or $6", r"costs \$5 or \$6"),
    ],
)
def test_what_figures_call_an_attribute(name, shown):
    assert short_names([name]) == {name: shown}


def test_names_that_are_alike_when_cut_are_numbered():
    first, second = "a" * 40 + "1" + "b" * 20, "a" * 40 + "2" + "b" * 20
    assert [text[-4:] for text in short_names([first, second]).values()] == [" (1)", " (2)"]


@pytest.mark.parametrize(("count", "most"), [(0, 5), (1, 5), (5, 5), (6, 5), (300, 80), (1000, 80)])
def test_spread(count, most):
    names = [str(number) for number in range(count)]
    shown = spread(names, most)
    assert len(shown) == len(set(shown)) == min(count, most)
    assert shown == sorted(shown, key=int)
    assert not names or (shown[0], shown[-1]) == (names[0], names[-1])


def test_labels_with_gaps():
    random = np.random.default_rng(0)
    names = (BOLD, "two", "three", "constant", "unknown")
    table = pd.DataFrame(random.choice([-1, 0, 1], (200, 5)), columns=list(names))
    table["two"] = np.where(random.random(200) < 0.8, table[BOLD], table["two"])
    table["constant"] = np.where(table["three"] == 0, 0, 1)
    table["unknown"] = 0
    table["split"] = np.repeat(["train", "test"], 100)
    known = table.drop(columns="split").replace(0, np.nan)
    expected = known[:100].corr()
    pairs = label_correlations(table, attributes=names)
    assert set(zip(pairs["first"], pairs["second"], strict=True)) == {(BOLD, "two"), (BOLD, "three"), ("two", "three")}
    for row in pairs.to_dict("records"):
        assert row["correlation"] == pytest.approx(expected.loc[row["first"], row["second"]])
    statistics = label_statistics(table, names).set_index("attribute")
    assert list(statistics.index) == [*names, "mean"]
    for name in names[:4]:
        train, test = known.loc[:99, name].dropna(), known.loc[100:, name].dropna()
        row = statistics.loc[name]
        assert (row["images_train"], row["images_test"]) == (len(train), len(test))
        assert row["prevalence_test"] == pytest.approx((test > 0).mean())
        assert row["trivial_train"] == pytest.approx((test != (1 if (train > 0).mean() > 0.5 else -1)).mean())
    assert statistics.loc["unknown", "images_train"] == 0
    assert np.isnan(statistics.loc["unknown", "trivial_test"])


def test_other_orders_of_the_attributes(runs):
    """The dataset's order is that of all tables."""
    odd = runs("odd")
    assert list(dict.fromkeys(odd.table("success")["attribute"])) == [BOLD, FAR, LONG]
    assert list(dict.fromkeys(odd.table("trainings")["member"])) == [*odd.run.attributes, "all"]
    turned = replace(odd.run, dataset_attributes=odd.run.attributes[::-1])
    assert turned.learned == [SIGNS, LONG, FAR, BOLD]


def test_what_is_in_print_is_no_part_of_a_run_on_a_table(tmp_path):
    (tmp_path / "labels.csv").write_text("file,split,one\na.png,train,1\n", encoding="utf-8")
    dataset = {"table": str(tmp_path / "labels.csv"), "images": str(tmp_path), "image_size": [64, 64]}
    small = {"samples": {"paper": {"images": 1}}, "networks": {"moon": {"loss": "euclidean", "per": "all"}}}
    own = {**small, "dataset": dataset, "attributes": "all"}
    planned = Plan(Settings.of(own))
    assert set(TABLES) - set(planned.tables) == {"paper_comparison", "paper_claims"}
    assert not any("paper_c" in file for rule in rules_of(planned).values() for file in rule.files)
    assert set(Plan(Settings.of(small)).tables) == {*TABLES, *TABLES_DOUBT}
    (tmp_path / "mine.py").write_text('"""Mine."""\n', encoding="utf-8")
    mine = {"file": str(tmp_path / "mine.py"), "title": "Mine", "inputs": ["paper_claims"]}
    with pytest.raises(UserError, match=r"tables\.mine\.inputs\[0\]: 'paper_claims' is none of"):
        Settings.of({**own, "tables": {"mine": mine}})
