"""Figures of a run in which labels are in doubt: panels of the parts, and the rest as it is without."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.container import ErrorbarContainer

from faceflip.analysis.frames import read_csv
from faceflip.analysis.names import SIGN_NAMES, SIGNS, SPLIT_SIGNS
from faceflip.figures.make import caption, make_figure
from faceflip.figures.style import COLUMN, PAGE, drawing
from faceflip.figures.success_intervals import draw
from faceflip.workflow.products import FIGURES, TABLES
from specimen import make_tables, specimen

EIGHT = ("Bald", "Bangs", "Big_Nose", "Eyeglasses", "Goatee", "Male", "Smiling", "Young")


@pytest.fixture(scope="module")
def doubted(tmp_path_factory):
    """A specimen with doubts, and the paths by role."""
    folder = tmp_path_factory.mktemp("doubted")
    made = specimen(seed=7, attributes=EIGHT, moon_attributes=EIGHT, sample=20, test=6, doubt=("rules",))
    paths = made.write(folder)
    tables = make_tables({"success": TABLES["success"]}, paths, made.run, folder)
    return made, paths | {"success": tables["success"]["csv"]}


def test_intervals_have_a_panel_for_each_part(doubted):
    made, paths = doubted
    success = read_csv(paths["success"])
    success = success[(success["search"] == "line") & (success["method"] == "ffa")]
    with drawing():
        figure = draw(paths, made.run)
        plain = draw(paths, replace(made.run, doubt=()))
        figure.get_layout_engine().execute(figure)
        box = figure.get_tightbbox()
    assert (figure.get_figwidth(), plain.get_figwidth()) == pytest.approx((PAGE, COLUMN))
    assert min(box.x0, box.y0) >= 0
    assert box.x1 <= figure.get_figwidth() + 0.005
    assert len(plain.axes) == 2
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [SIGN_NAMES[sign] for sign in (*SIGNS, *SPLIT_SIGNS)]
    assert len(set(titles)) == 4
    for axes, sign in zip(figure.axes, (*SIGNS, *SPLIT_SIGNS), strict=True):
        lines = [each for each in axes.containers if isinstance(each, ErrorbarContainer)]
        shown = np.concatenate([np.asarray(each.lines[0].get_xdata(), float) for each in lines])
        expected = 100 * success.loc[success["sign"] == sign, "rate"]
        assert sorted(shown[~np.isnan(shown)]) == pytest.approx(sorted(expected.dropna()))
        assert expected.notna().any()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["success", "pass_distribution"])
def test_figures_of_whole_minus_rows_are_as_without_doubt(doubted, tmp_path, name):
    made, paths = doubted
    attempts, success = tmp_path / "attempts.parquet", tmp_path / "success.csv"
    made.attempts.drop(columns="doubtful").to_parquet(attempts, index=False)
    table = pd.read_csv(paths["success"])
    table[table["sign"].isin(SIGNS)].to_csv(success, index=False)
    plain = {"attempts": attempts, "success": success}
    drawn = []
    for inputs, run in ((paths, made.run), (plain, replace(made.run, doubt=()))):
        outputs = {kind: tmp_path / f"{len(drawn)}.{kind}" for kind in ("pdf", "png", "dark", "caption")}
        make_figure(FIGURES[name], {role: inputs[role] for role in FIGURES[name].inputs}, run, outputs)
        drawn.append([path.read_bytes() for path in outputs.values()])
    assert drawn[0] == drawn[1]


def test_the_caption_tells_of_the_panels_where_they_are(doubted):
    run = doubted[0].run
    assert "label is in doubt" in caption(FIGURES["success_intervals"], run)
    assert "doubt" not in caption(FIGURES["success_intervals"], replace(run, doubt=()))


def test_no_empty_panels_where_no_misclassified_image_has_a_label_in_doubt(doubted, tmp_path):
    made, paths = doubted
    success = pd.read_csv(paths["success"])
    success.loc[success["sign"] == "- doubtful", "total"] = 0
    success.to_csv(tmp_path / "success.csv", index=False)
    with drawing():
        figure = draw(paths | {"success": tmp_path / "success.csv"}, made.run)
        assert len(figure.axes) == 2
        assert figure.get_size_inches()[0] == pytest.approx(COLUMN)
