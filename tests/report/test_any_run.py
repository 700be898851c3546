"""Every table, figure and page of runs with other networks and attacks than the paper's."""

import json
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from faceflip.analysis.examples import choose_examples
from faceflip.analysis.frames import read_csv
from faceflip.analysis.html import sheets_of
from faceflip.analysis.run import RunAttack
from faceflip.figures.examples import draw_examples
from faceflip.figures.style import drawing
from faceflip.registry import load
from faceflip.report.gallery import choose
from faceflip.report.index import Item, index_page
from faceflip.report.readme import facts, headlines, write_readme
from faceflip.report.runtime import runtime, sheet
from faceflip.workflow.products import FIGURES, TABLES
from specimen import EVERY_KIND, NETWORKS, Specimen, every_attack, make_tables, specimen

pytestmark = pytest.mark.slow

BCE = {"loss": "bce"}
SOFTMAX_ALL = {"loss": "softmax", "per": "all"}
ALL_TRANSFERS = {"analysis": {"transfer": "all"}}
FGS_ON_ALL = {"attacks": {name: {"fgs_scope": "attribute"} for name in ("fgs-line", "fgs-iterative")}}
RUNS = {
    "six": {"networks": EVERY_KIND, "more": ALL_TRANSFERS},
    "one-separate": {"networks": {"mine": BCE}},
    "one-joint": {"networks": {"mine": SOFTMAX_ALL}},
    "own-attack": {"networks": {"mine": BCE}, "attacks": {("mine", "converged"): ("ddn",)}},
    "own-beside": {
        "networks": {"one": BCE, "two": SOFTMAX_ALL},
        "attacks": {("one", "converged"): ("ffa-line", "ddn"), ("two", "converged"): ("ddn", "ddn-iterative")},
    },
    "nothing": {"networks": {"mine": BCE, "moon": NETWORKS["moon"]}, "attacks": {("mine", "converged"): ()}},
    "two-alike": {"networks": {"a": BCE, "b": BCE}, "more": ALL_TRANSFERS},
    "two-epochs": {"attacks": every_attack(NETWORKS, "epoch1", "epoch2")},
    "early-only": {"networks": {"mine": BCE}, "attacks": {("mine", "epoch2"): ("ffa-line",)}},
    "fgs-on-all": {
        "networks": {"mine": SOFTMAX_ALL},
        "attacks": {("mine", "converged"): ("fgs-line", "fgs-iterative", "ffa-line")},
        "more": FGS_ON_ALL,
    },
    "metrics": {"networks": {"mine": BCE}, "more": {"similarity": {"metrics": {"lpips": "lpips:distance"}}}},
}
ATTACKED = ("Male", "Smiling", "Young")
LEARNED = ("Bald", *ATTACKED)
MANIFEST = {"fingerprint": "ab" * 32, "decoder": "libjpeg-turbo"}


@dataclass(frozen=True)
class Made:
    """A specimen with all its tables."""

    name: str
    specimen: Specimen
    paths: dict
    tables: dict[str, dict[str, Path]]

    @property
    def run(self):
        return self.specimen.run

    def table(self, name: str) -> pd.DataFrame:
        return read_csv(self.tables[name]["csv"])

    def page(self, name: str) -> str:
        return self.tables[name]["md"].read_text(encoding="utf-8")

    def figure(self, name: str):
        """Draw a figure and return it with the texts in it."""
        choices = choose_examples(self.specimen.attempts, self.specimen.transfers, self.run)
        if name == "examples" and choices:
            figure = self._examples(choices)
        else:
            figure = load(f"{FIGURES[name].module}:draw")(self.paths, self.run)
        FigureCanvasAgg(figure)
        if figure.get_layout_engine():
            figure.get_layout_engine().execute(figure)
        return figure, [text.get_text() for text in figure.findobj(Text) if text.get_text().strip()]

    def _examples(self, choices):
        picture = np.full((218, 178, 3), 99, np.uint8), np.ones((218, 178, 3), np.int16)
        shown = {example: picture for choice in choices for example in choice.examples if example}
        return draw_examples(choices, shown, self.run)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A function that makes a run of `RUNS` once."""
    kept = {}

    def make(name: str) -> Made:
        if name not in kept:
            folder = tmp_path_factory.mktemp(name)
            made = specimen(seed=3, attributes=ATTACKED, moon_attributes=LEARNED, sample=20, test=20, **RUNS[name])
            paths = made.write(folder)
            tables = make_tables(TABLES, paths, made.run, folder)
            paths |= {name: files["csv"] for name, files in tables.items()}
            kept[name] = Made(name, made, paths, tables)
        return kept[name]

    return make


@pytest.fixture(autouse=True)
def type_of_the_project():
    with drawing():
        yield


@pytest.fixture(params=RUNS)
def made(request, runs) -> Made:
    return runs(request.param)


def test_every_table_is_made_and_says_so_where_it_has_no_rows(made):
    for name in TABLES:
        sheets = made.page(name).split("\n## ")[1:]
        assert sheets, name
        for each in sheets:
            rows = [line for line in each.splitlines() if line.startswith("|")]
            assert len(rows) > 2 or "This run" in each or "No line search" in each, (name, each)
        assert "nan" not in made.page(name).lower().replace("lnets+anet", ""), name
        assert made.tables[name]["html"].read_text(encoding="utf-8").startswith("<!doctype html>")


def test_every_figure_is_drawn_and_nothing_is_cut(made):
    for name in FIGURES:
        figure, texts = made.figure(name)
        assert figure.axes or texts[-1].startswith("This run"), name
        box = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        assert box.x0 >= 0, name
        assert box.y0 >= 0, name
        assert box.x1 <= width + 0.005, name
        assert box.y1 <= height + 0.005, name


def test_the_pages_are_written(made, tmp_path):
    run, attempts = made.run, made.specimen.attempts
    said = headlines(run, made.table("classification_error"), attempts)
    told = facts(run, MANIFEST)
    for network in run.networks:
        assert any(line.lower().startswith(network.title.lower() + ":") for line in said)
        assert any(line.startswith(f"Network {network.name}: {network.title}, ") for line in told)
        (line,) = [line for line in said if line.lower().startswith(network.title.lower() + ":")]
        errors = made.table("classification_error").query("method == @network.name and images > 0")
        means = [errors[rate].mean() for rate in ("balanced_error", "false_negative_rate", "false_positive_rate")]
        shown = ["none" if math.isnan(rate) else f"{rate:.1%}" for rate in means]
        assert re.findall(r"classes: (\S+) \(wrong are (\S+) of .* and (\S+) of those", line) == [tuple(shown)]
    assert ("attempts, of which" in said[-1]) == (len(attempts) > 0)
    items = [
        Item(name, product, sheets_of(made.tables[name]["html"].read_text(encoding="utf-8")))
        for name, product in TABLES.items()
    ]
    pictures = choose(attempts, run)
    figures = [Item(name, product) for name, product in FIGURES.items()]
    html = index_page(run, told, said, items, figures, pictures, sheet(runtime(tmp_path)))
    assert html.count('<figure class="picture"') == len(pictures)
    assert ("No attempt of this run flipped a decision." in html) == (not pictures)
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST), encoding="utf-8")
    files = (
        tmp_path / "manifest.json",
        *(made.paths[name] for name in ("classification_error", "attempts", "warnings")),
    )
    write_readme(tmp_path / "README.md", run, TABLES, FIGURES, *files)
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert said[-1] in page
    for text in made.table("warnings")["text"]:
        assert f"- Warning: {text}" in page


@pytest.mark.parametrize("name", ["classification_error", "flippability", "success", "overview", "line_search"])
def test_six_kinds_stand_in_the_tables(runs, name):
    six = runs("six")
    methods = name == "classification_error"
    column = six.table(name)["method" if methods else "network"]
    assert set(EVERY_KIND) <= set(column)
    for network in six.run.networks:
        assert (network.short if methods else network.title) in six.page(name)


def test_six_kinds_stand_in_the_tables_of_transfers_and_of_training(runs):
    six = runs("six")
    separate, joint = (
        {name for name, each in EVERY_KIND.items() if ("per" in each) == joint} for joint in (False, True)
    )
    assert set(six.table("transferability")["network"]) == separate == set(six.table("checkpoint_overlap")["network"])
    assert set(six.table("correlation")["network"]) == joint
    for network in six.run.networks:
        for table in ("correlation",) if network.joint else ("transferability", "checkpoint_overlap"):
            name = network.title if table == "checkpoint_overlap" else network.short
            assert name in six.page(table)
    statistics = six.table("statistics")
    assert statistics["id"].is_unique
    assert not statistics.duplicated(["quantity", "unit"]).any(), "quantities tell apart what ids do"
    for name in EVERY_KIND:
        transfer = f"correlation_{name}_line" if name in joint else f"portability_{name}_converged"
        of_paper = transfer.replace("_moon", "").replace("_euclidean", "")
        wanted = {f"error_{name}", f"error_{name}_epoch2", f"adversarial_{name}_converged_ffa-line"}
        wanted |= {f"improvement_{name}_over_trivial_train", f"{of_paper}_diagonal"}
        wanted |= set() if name in joint else {f"overlap_{name}_ffa", f"portability_{name}_epoch2_others"}
        wanted -= {"portability_euclidean_epoch2_others"}
        assert wanted <= set(statistics["id"])


def test_figures_name_all_six_kinds(runs):
    six = runs("six")
    for name in FIGURES:
        _, texts = six.figure(name)
        shown = [each for each in six.run.networks if name not in ("transferability", "correlation", "examples")]
        shown += [each for each in six.run.networks if name == ("correlation" if each.joint else "transferability")]
        for network in shown:
            titled = name in ("classification_error", "balanced_error") and network.joint
            label = network.title if titled else network.short
            assert any(label in text for text in texts), (name, label)


def test_networks_that_are_alike_are_told_apart(runs):
    a, b = runs("two-alike").run.networks
    assert len({a.title, b.title}) == len({a.short, b.short}) == len({a.color, b.color}) == 2
    for name in ("flippability", "success", "overview", "checkpoint_overlap"):
        assert {a.title, b.title} <= {title for title in (a.title, b.title) if title in runs("two-alike").page(name)}
    for name in ("success", "success_intervals", "training_curves", "transferability", "classification_error"):
        _, texts = runs("two-alike").figure(name)
        for network in (a, b):
            assert any(network.short in text for text in texts), (name, network.short)


def test_every_early_checkpoint_is_compared_with_the_converged_one(runs):
    made = runs("two-epochs")
    table = made.table("checkpoint_overlap")
    assert list(dict.fromkeys(table["checkpoint"])) == ["epoch1", "epoch2"]
    assert all(f"| {word} |" in made.page("checkpoint_overlap") for word in ("epoch 1", "epoch 2"))
    assert {"euclidean_epoch1", "euclidean_epoch2", "moon_epoch1"} <= set(made.table("classification_error")["method"])
    assert "MOON, epoch 1" in made.page("classification_error")
    statistics = made.table("statistics").set_index("id")
    assert not statistics.reset_index().duplicated(["quantity", "unit"]).any()
    table = table.query("network == 'euclidean' and method == 'ffa' and sign == '-'")
    for checkpoint, of_epoch in (("epoch1", "_epoch1"), ("epoch2", "")):
        row = table[table["checkpoint"] == checkpoint]
        lost = statistics.loc[f"natural_lost_euclidean_ffa{of_epoch}"]
        assert lost["value"] == (row["early"] - row["overlap"]).item()
        assert checkpoint.replace("h", "h ") in lost["quantity"]
        assert f"ttest_images_euclidean_{checkpoint}_vs_euclidean_p" in statistics.index
    assert statistics.loc["error_euclidean_epoch1", "quantity"] == "mean error, Euclidean, epoch 1"
    assert list(made.table("transferability")["checkpoint"].unique()) == ["converged", "epoch1", "epoch2"]


def test_notes_stand_below_every_table(runs):
    made = runs("fgs-on-all")
    assert len(made.run.notes) == 2
    for name in TABLES:
        sheets = made.page(name).split("\n## ")[1:]
        assert all(note in each for note in made.run.notes for each in sheets), name
        assert made.run.notes[0] in made.tables[name]["html"].read_text(encoding="utf-8")
        assert runs("one-joint").run.notes == []


def test_other_similarities_stand_in_the_overview(runs):
    made = runs("metrics")
    assert made.run.metrics == ("lpips",)
    table = made.table("overview")
    medians = made.specimen.attempts.groupby(["checkpoint", "attack"])["lpips"].median()
    for row in table.to_dict("records"):
        assert row["lpips"] == pytest.approx(medians[row["checkpoint"], row["attack"]])
    assert "median of flipped, lpips" in made.page("overview")


def test_an_attack_of_ones_own_is_called_by_its_name(runs):
    made = runs("own-attack")
    assert set(zip(made.table("flippability")["method"], made.table("flippability")["search"], strict=True)) == {
        ("ddn", "line")
    }
    assert "DDN+" in made.page("flippability")
    assert "separate networks, BCE loss" in made.page("success")
    assert "adversarial by DDN\nwith line search, %" in made.figure("success_intervals")[1]
    assert any("DDN" in text for text in made.figure("success")[1])
    assert any("DDN, line search, separate network" in text for text in made.figure("examples")[1])
    beside = runs("own-beside")
    assert "MDDN+" in beside.page("flippability")
    assert {"BCE, FFA", "softmax, joint, DDN"} <= set(beside.figure("success_intervals")[1])


def test_a_search_of_ones_own_is_a_kind_of_its_own(runs, tmp_path):
    """Such as ``search: mine.py:Zigzag``, whose kind is called by the class."""
    made = runs("own-attack").specimen
    attacks = tuple(
        replace(each, search="Zigzag", epsilon="steps") if each.name == "ddn" else each for each in made.run.attack_list
    )
    run = replace(made.run, attack_list=(*attacks, RunAttack("more", "more", "Zigzag")))
    tables = make_tables(TABLES, made.write(tmp_path), run, tmp_path)
    assert set(read_csv(tables["flippability"]["csv"])["search"]) == {"Zigzag"}
    assert "Zigzag, τ = 0.95" in tables["flippability"]["md"].read_text(encoding="utf-8")
    paths = made.write(tmp_path) | {name: files["csv"] for name, files in tables.items()}
    for name in FIGURES:
        _, texts = Made(name, replace(made, run=run), paths, tables).figure(name)
        if name in ("success", "robustness_curves", "pass_distribution", "epsilon_distribution", "examples"):
            assert any("Zigzag" in text for text in texts), name
        if name == "success_intervals":
            assert texts[-1] == "This run has no line search on converged networks."
