"""Every figure but that of examples, on made-up tables: drawn whole, legible, the same bytes every time."""

import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.container import BarContainer
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image

import faceflip
from faceflip.analysis import html
from faceflip.analysis.frames import read_csv
from faceflip.analysis.matrices import matrix
from faceflip.analysis.pages import Heat
from faceflip.catalogue import BLACK, COLORS
from faceflip.figures import success as success_figure
from faceflip.figures.heatmaps import ATTACKED, DIMMED, FEW, WATCHED
from faceflip.figures.make import caption, make_figure
from faceflip.figures.style import AS_IT_IS, COLUMN, DARK_PAGE, DPI, MM, NOTE, PAGE, darkened, drawing, save
from faceflip.registry import load
from faceflip.workflow.products import FIGURES
from specimen import EVERY_KIND, specimen

pytestmark = pytest.mark.slow

DRAWN = [name for name in FIGURES if name != "examples"]
IN_COLUMN = ("success_intervals", "pass_distribution", "epsilon_distribution")
SIZES = ("eight", "forty", "six")
SMALLEST_TYPE = 4.5
"""Points: what journals accept, and what a laser printer still prints."""


IN_ANOTHER_PROCESS = """
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib

from faceflip.analysis.run import RunDescription
from faceflip.figures.make import make_figure
from faceflip.workflow.products import FIGURES

matplotlib.rcParams.update({"font.size": 20, "axes.grid": True})
source, target = map(Path, sys.argv[1:3])
run = replace(RunDescription.from_json(source / "run.json"), order="clustered")
for name in sys.argv[3:]:
    inputs = {role: source / f"{role}.csv" for role in FIGURES[name].inputs}
    outputs = {kind: target / f"{name}.{kind}" for kind in ("pdf", "png", "dark", "caption")}
    make_figure(FIGURES[name], inputs, run, outputs)
"""


def draw(name: str, size, **changes):
    made, paths = size
    figure = load(f"{FIGURES[name].module}:draw")(paths, replace(made.run, **changes))
    FigureCanvasAgg(figure)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    return figure


@pytest.fixture(scope="session")
def figures(eight, forty, six) -> dict:
    """Every figure at all sizes, drawn once."""
    sizes = dict(zip(SIZES, (eight, forty, six), strict=True))
    with drawing():
        return {(name, size): draw(name, made) for name in DRAWN for size, made in sizes.items()}


def assert_nothing_is_cut(figure) -> None:
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width + 0.005
    assert box.y1 <= height + 0.005


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", DRAWN)
def test_nothing_is_cut(figures, name, size):
    assert_nothing_is_cut(figures[name, size])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", DRAWN)
def test_size_and_type(figures, name, size):
    figure = figures[name, size]
    in_column = name in IN_COLUMN or (name == "training_curves" and size != "forty")
    assert figure.get_figwidth() == pytest.approx(COLUMN if in_column else PAGE)
    assert figure.get_figheight() < 235 * MM, "higher than a page"
    shown = [text for text in figure.findobj(Text) if text.get_text().strip()]
    assert min(text.get_fontsize() for text in shown) >= (5.5 if in_column else SMALLEST_TYPE)


@pytest.mark.parametrize("size", SIZES)
def test_figures_say_what_they_show(figures, size):
    for axes in figures["success_intervals", size].axes:
        assert axes.get_xlabel() == "adversarial by FFA\nwith line search, %"
    for axes in figures["pass_distribution", size].axes:
        assert [text.get_text() for text in axes.texts] == ["0.9", "0.95", "0.99"], "the dotted lines"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", DRAWN)
def test_labels_of_an_axis_do_not_overlap(figures, name, size):
    for axes in figures[name, size].axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            labels = [tick.label1 for tick in ticks if tick.label1.get_visible() and tick.label1.get_text()]
            boxes = [label.get_window_extent() for label in labels]
            sides = sorted((box.x0, box.x1) if axis is axes.xaxis else (box.y0, box.y1) for box in boxes)
            for (_, end), (start, _) in pairwise(sides):
                # A line's box has room for letters that reach below and above the others; little of that may overlap.
                assert end <= start + 0.016 * DPI, [label.get_text() for label in labels]


@pytest.mark.parametrize("name", FIGURES)
def test_captions_begin_with_the_title_and_end_with_what_was_run(eight, name):
    made, _ = eight
    title, how, *_, line = caption(FIGURES[name], made.run).strip().split("\n\n")
    assert (title, line) == (FIGURES[name].heading, made.run.line)
    assert how.endswith(".")


@pytest.mark.parametrize("name", DRAWN)
def test_drawn_faces_are_noted(figures, name):
    assert NOTE in [text.get_text() for text in figures[name, "eight"].texts]
    assert NOTE not in [text.get_text() for text in figures[name, "forty"].texts]


@pytest.mark.parametrize("name", DRAWN)
def test_files(figures, tmp_path, name):
    outputs = _outputs(tmp_path, name)
    figure = figures[name, "eight"]
    with drawing():
        save(figure, outputs)
    with Image.open(outputs["png"]) as image:
        assert image.width == pytest.approx(figure.get_figwidth() * DPI, abs=1)
        assert image.info["dpi"] == pytest.approx((DPI, DPI), abs=0.1)
        assert np.asarray(image.convert("L")).std() > 5
    with Image.open(outputs["png"]) as light, Image.open(outputs["dark"]) as dark:
        assert dark.size == light.size
        corners = [image.convert("RGB").getpixel((0, 0)) for image in (light, dark)]
    assert corners == [(255, 255, 255), (0x17, 0x19, 0x1C)]
    pdf = outputs["pdf"].read_bytes()
    assert pdf.startswith(b"%PDF")
    box = [float(value) for value in re.search(rb"/MediaBox \[ ([\d. ]+) \]", pdf)[1].split()]
    assert box[2] == pytest.approx(figure.get_figwidth() * 72, abs=0.1)
    for date in (b"CreationDate", b"ModDate", b"Producer", b"matplotlib"):
        assert date not in pdf


def test_same_bytes_in_another_process(eight, tmp_path):
    made, paths = eight
    names = ["success", "transferability"]
    run = replace(made.run, order="clustered")
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
    for name in names:
        make_figure(FIGURES[name], paths, run, _outputs(tmp_path / "here", name))
    scripts = Path(__file__).parents[2] / "scripts"
    arguments = [str(paths["success"].parent), str(tmp_path / "there"), *names]
    environment = {"PYTHONHASHSEED": "7", "SOURCE_DATE_EPOCH": "1", "TZ": "Asia/Tokyo"}
    subprocess.run([sys.executable, "-c", IN_ANOTHER_PROCESS, *arguments], cwd=scripts, check=True, env=environment)
    for name in names:
        for kind, path in _outputs(tmp_path / "here", name).items():
            assert path.read_bytes() == _outputs(tmp_path / "there", name)[kind].read_bytes(), (name, kind)


def _outputs(folder: Path, name: str) -> dict[str, Path]:
    return {kind: folder / f"{name}.{kind}" for kind in ("pdf", "png", "dark", "caption")}


def test_empty_columns_are_hatched(eight, figures):
    rates = read_csv(eight[1]["transferability"])
    empty = rates.drop_duplicates(["checkpoint", "source"]).query("images == 0").groupby("checkpoint").size()
    assert empty.sum() > 0, "the specimen should have an empty column"
    for axes, checkpoint in zip(figures["transferability", "eight"].axes, ("converged", "epoch2"), strict=False):
        hatched = [patch for patch in axes.findobj(Rectangle) if patch.get_hatch()]
        assert len(hatched) == empty.get(checkpoint, 0)


def test_columns_of_few_images_are_dimmed(eight, figures):
    """An independent count: of the adversarial images in the attempts of the specimen."""
    attempts = eight[0].attempts.query("network == 'euclidean' and attack == 'ffa-line' and flipped and `pass` >= 0.95")
    dimmed = 0
    for axes, checkpoint in zip(figures["transferability", "eight"].axes, ("converged", "epoch2"), strict=False):
        counts = attempts[attempts["checkpoint"] == checkpoint]["attribute"].value_counts()
        few = sum(0 < counts.get(attribute, 0) < FEW for attribute in eight[0].run.attacked)
        fogs = [patch for patch in axes.patches if patch.get_facecolor() == DIMMED["facecolor"]]
        assert len(fogs) == few
        dimmed += few
    assert dimmed > 0, "the specimen should have such a column"


def test_balanced_errors_lie_between_those_of_their_classes(eight, figures):
    axes = figures["balanced_error", "eight"].axes[0]
    errors = read_csv(eight[1]["classification_error"])
    for network in eight[0].run.networks:
        own = errors[errors["method"] == network.name]
        label = network.title if network.joint else f"separate networks, {network.short}"
        (line,) = [each for each in axes.lines if each.get_label() == label]
        shown = np.asarray(line.get_ydata(), float)
        assert sorted(shown[~np.isnan(shown)]) == pytest.approx(sorted(100 * own["balanced_error"].dropna()))
    segments = [ends[:, 1] for each in axes.collections for ends in each.get_segments() if len(ends) == 2]
    rates = (
        100
        * errors.loc[errors["method"].isin(eight[0].run.network_names), ["false_positive_rate", "false_negative_rate"]]
    )
    assert len(segments) > 40
    assert sorted(tuple(ends.round(9)) for ends in segments) == sorted(map(tuple, rates.dropna().to_numpy().round(9)))


def test_axes_of_matrices_have_titles(figures):
    for name in ("transferability", "correlation"):
        words = [text.get_text() for text in figures[name, "eight"].texts]
        assert words.count(ATTACKED) == 2
        assert words.count(WATCHED) == 1


@pytest.mark.parametrize("count", [1, 3])
def test_matrices_of_few_attributes_leave_no_third_empty(prepared, tmp_path, count):
    some = ("Bald", "Male", "Mouth_Slightly_Open")[:count]
    made = prepared(specimen(seed=3, attributes=some, moon_attributes=some, sample=10, test=12), tmp_path)
    with drawing():
        figure = draw("transferability", made)
    cells = [axes.get_position() for axes in figure.axes[:2]]
    assert cells[-1].x1 - cells[0].x0 > 0.6
    assert cells[-1].x1 > 0.9
    first, second = (text.get_window_extent() for text in figure.texts if "to converged" in text.get_text())
    assert first.x1 < second.x0, "titles have room"
    box = figure.get_tightbbox()
    assert min(box.x0, box.y0) >= 0
    assert box.x1 <= figure.get_figwidth() + 0.005
    assert box.y1 <= figure.get_figheight() + 0.005


def test_success_names_tau_and_its_axis_beside_the_panels(eight, figures):
    figure = figures["success", "eight"]
    assert not figure.get_supylabel()
    for axes in figure.axes:
        assert axes.get_title(loc="left").endswith(f"PASS ≥ τ = {eight[0].run.threshold:g}")
        assert axes.get_ylabel().startswith("adversarial, %\n")


def contrast(first, second) -> float:
    """Return the contrast of two colours as WCAG 2 defines it."""

    def luminance(color):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
        return np.dot(linear, (0.2126, 0.7152, 0.0722))

    low, high = sorted(map(luminance, (first, second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", DRAWN)
def test_type_can_be_read_on_dark_screens(figures, name):
    figure = figures[name, "eight"]
    shown = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_gid() != AS_IT_IS]
    colors = [text.get_color() for text in shown]
    with darkened(figure):
        assert figure.get_facecolor()[:3] == pytest.approx(to_rgb(DARK_PAGE))
        assert min(contrast(text.get_color(), DARK_PAGE) for text in shown) >= 3
    assert [text.get_color() for text in shown] == colors, "the colours of paper come back"


def test_colors_of_networks_can_be_told_from_both_pages():
    assert all(contrast(color, DARK_PAGE) >= 3 for color in COLORS if color != BLACK)
    assert all(contrast(color, "white") >= 2 for color in COLORS)


def test_type_in_heat_maps_can_be_read():
    """On pages, where both halves of the scale are used up to `WHITE_BELOW`, which figures use as well."""
    for share in np.linspace(0, 1, 511):
        back, front = re.fullmatch(r"background:(\S+);color:(\S+)", html.style_of(Heat("", share, ""))).groups()
        assert contrast(back, front) >= 4.5, share


def test_pages_and_figures_have_the_same_dark_background():
    style = (Path(faceflip.__file__).parent / "templates/style.css").read_text(encoding="utf-8")
    assert f"--page: {DARK_PAGE.lower()};" in style


def test_matrices_show_their_rates(eight, figures):
    rates = read_csv(eight[1]["transferability"])
    expected = matrix(rates[rates["checkpoint"] == "converged"]).to_numpy(float)
    axes = figures["transferability", "eight"].axes[0]
    shown = np.ma.filled(axes.collections[0].get_array().astype(float), np.nan).reshape(expected.shape)
    np.testing.assert_array_equal(shown, expected)


def test_orders_of_matrices(forty, figures):
    with drawing():
        clustered = draw("correlation", forty, order="clustered")
    rows = [
        [text.get_text() for text in figure.axes[0].get_yticklabels()]
        for figure in (figures["correlation", "forty"], clustered)
    ]
    assert rows[0][0] == "5 o'Clock Shadow"
    assert rows[0] != rows[1]
    assert sorted(rows[0]) == sorted(rows[1])


def test_bars_are_the_success_rates(eight, figures):
    success = read_csv(eight[1]["success"])
    success = success[(success["search"] == "line") & success["network"].isin(["euclidean", "moon"])]
    axes = figures["success", "eight"].axes[0]
    heights = sorted(round(bar.get_height(), 6) for bars in axes.containers if hasattr(bars, "patches") for bar in bars)
    signed = success["rate"].fillna(0) * 100 * success["sign"].map({"+": 1, "-": -1})
    assert heights == pytest.approx(sorted(signed), abs=1e-5)


def test_what_no_page_holds_goes_on_below(prepared, tmp_path):
    """Six matrices of forty attributes are not legible on one page."""
    more = {"analysis": {"transfer": "all"}}
    size = prepared(specimen(seed=9, sample=3, test=4, networks=EVERY_KIND, more=more), tmp_path)
    with drawing():
        figure = draw("correlation", size)
    assert figure.get_figheight() > 235 * MM
    shown = [text for text in figure.findobj(Text) if text.get_text().strip()]
    assert min(text.get_fontsize() for text in shown) >= SMALLEST_TYPE
    assert len([text for text in figure.texts if "FFA" in text.get_text()]) == 6


def test_bars_side_by_side_have_colors_of_their_own(figures):
    for size in SIZES:
        for axes in figures["success", size].axes:
            colors = [bars[0].get_edgecolor() for bars in axes.containers if isinstance(bars, BarContainer)]
            assert len(set(colors)) == len(colors) / 2 == 3, "both signs of an attack have one color"


@pytest.mark.parametrize(
    "experiments",
    [
        {("softmax", "epoch2"): ("ffa-line",)},
        {("euclidean", "converged"): ("fgs-iterative",)},
        {("moon", "converged"): ("ffa-line",)},
    ],
    ids=lambda experiments: "-".join(next(iter(experiments))),
)
def test_parts_of_the_experiments_are_enough(prepared, tmp_path, experiments):
    options = {"attributes": ("Male",), "moon_attributes": ("Male", "Young"), "sample": 10, "test": 12}
    run = prepared(specimen(seed=2, attacks=experiments, **options), tmp_path)
    with drawing():
        for name in DRAWN:
            figure = draw(name, run)
            assert figure.axes or "This run has no" in figure.texts[-1].get_text()


def test_success_gives_each_method_of_many_a_colour_of_its_own(eight):
    made, _ = eight
    methods = ["fgs", "ffa", "ddn", "deepfool", "fmn", "similar", "ffa-newton", "ffa-descent"]
    pairs = [(network, method) for network in ("euclidean", "moon") for method in methods]
    colors = success_figure._colors(pd.DataFrame(pairs, columns=["network", "method"]), made.run)
    assert len(set(colors.values())) == len(pairs)
