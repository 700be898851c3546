"""The figure of the most doubted labels: which faces it shows, what it says of them, and that all of it has room."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from PIL import Image
from stored import write_dataset

from faceflip.catalogue import VERMILION
from faceflip.data import packed
from faceflip.data.celeba import ATTRIBUTES
from faceflip.figures.make import make_figure
from faceflip.figures.most_doubted import ACROSS, MOST_BLOCKS, NO_DOUBT, choose_blocks, draw, draw_blocks
from faceflip.figures.style import DARK_PAGE, MM, PAGE, PAGE_HEIGHT, darkened, drawing
from faceflip.io.tables import write_table
from faceflip.workflow.products import FIGURES_DOUBT
from specimen import label_doubts

FEW = ("Bald", "5_o_Clock_Shadow", "Male")
IMAGES = 90


@pytest.fixture(scope="module")
def run(eight):
    return replace(eight[0].run, doubt=("rules", "scores", "audit"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("doubted") / "faces.h5", IMAGES)


@pytest.fixture
def drawn(run, dataset, tmp_path):
    """A function that draws the figure of a table of labels."""

    def draw_(labels: pd.DataFrame):
        write_table(tmp_path / "label_doubt.parquet", labels)
        with drawing():
            figure = draw({"doubts": tmp_path / "label_doubt.parquet", "dataset": dataset}, run)
            FigureCanvasAgg(figure)
        return figure

    return draw_


def words(figure) -> list[str]:
    return [text.get_text() for text in figure.texts if text.get_text().strip()]


def order_of(labels: pd.DataFrame) -> list[str]:
    """Return the attributes by how many labels are in doubt."""
    counts = {name: 0 for name in ATTRIBUTES if name in set(labels["attribute"])}
    for row in labels.to_dict("records"):
        counts[row["attribute"]] += row["doubtful"]
    return sorted(counts, key=lambda name: -counts[name])


def test_faces_are_the_most_doubted_ones_of_each_attribute(drawn, dataset):
    labels = label_doubts(FEW, IMAGES)
    figure = drawn(labels)
    images = packed.open_dataset(dataset).images
    shown = [axes.images[0].get_array() for axes in figure.axes]
    expected = []
    # Five lines have room: two for the first attributes.
    for name, lines in zip(order_of(labels), (2, 2, 1), strict=True):
        rows = [row for row in labels.to_dict("records") if row["attribute"] == name and row["doubtful"]]
        assert len(rows) >= lines * ACROSS
        expected += sorted(rows, key=lambda row: (-row["doubt"], row["image"]))[: lines * ACROSS]
    assert len(shown) == len(expected)
    for picture, row in zip(shown, expected, strict=True):
        np.testing.assert_array_equal(picture, images[row["image"]])


def test_words_below_a_face(run):
    row = {"image": 3, "file_name": "000004.jpg", "attribute": "Male", "label": -1, "score": 0.934, "doubt": 0.9}
    row |= {"reasons": "facial hair but not male; scores", "falsified": True}
    other = row | {"image": 5, "label": 1, "score": np.nan, "doubt": np.nan, "reasons": "audit", "falsified": False}
    (block,), about = choose_blocks(pd.DataFrame([other, row]), run, 5)
    assert (block.title, about) == ("Male: 2 labels in doubt, 1 falsified on purpose", "most doubted first")
    first, second = block.faces
    assert first.facts == ("annotated absent", "score 0.93", "doubt by facial hair but not male; scores")
    assert (first.image, first.file_name, first.falsified) == (3, "000004.jpg", "falsified")
    assert second.facts == ("annotated present", "no score", "doubt by audit"), "without a doubt it comes last"
    assert second.falsified == ""
    (block,), _ = choose_blocks(pd.DataFrame([row]).drop(columns="falsified"), run, 5)
    assert block.title == "Male: 1 label in doubt"
    assert block.faces[0].falsified is None


def test_falsified_faces_are_told_by_words_and_shape(drawn):
    labels = label_doubts(FEW, IMAGES)
    figure = drawn(labels)
    said = [text for text in words(figure) if text[0] in "▲○"]
    framed = [any(isinstance(each, Rectangle) for each in axes.patches) for axes in figure.axes]
    assert len(said) == len(figure.axes)
    assert said == ["▲ falsified" if frame else "○ not falsified" for frame in framed]
    assert 0 < sum(framed) < len(framed)
    frames = [each for axes in figure.axes for each in axes.patches]
    assert {to_hex(each.get_edgecolor()).upper() for each in frames} == {VERMILION}


def test_other_faces_say_nothing_of_truth(drawn):
    figure = drawn(label_doubts(FEW, IMAGES, drawn=False))
    assert not any(sign in text for text in words(figure) for sign in "▲○")
    assert not any("falsified" in text for text in words(figure))
    assert not any(axes.patches for axes in figure.axes)


def test_of_many_attributes_those_with_most_doubts_are_shown(drawn):
    labels = label_doubts(ATTRIBUTES, IMAGES)
    figure = drawn(labels)
    headings = [text.split(":")[0] for text in words(figure) if " labels in doubt, " in text and ":" in text]
    chosen = [name.replace("_o_Clock", "_o'Clock").replace("_", " ") for name in order_of(labels)]
    assert headings == chosen[: len(headings)]
    assert 3 <= len(headings) <= MOST_BLOCKS
    assert f"{len(headings)} of 40 attributes" in words(figure)[1]
    assert len(figure.axes) == ACROSS * len(headings)


def test_without_scores_each_reason_has_examples(drawn, run, dataset):
    labels = label_doubts(FEW, IMAGES, scored=False)
    figure = drawn(labels)
    by_reason = {}
    for row in labels.to_dict("records"):
        for name in filter(None, row["reasons"].split("; ")):
            by_reason.setdefault(name, {}).setdefault(row["image"], []).append(row)
    order = sorted(by_reason, key=lambda name: (-len(by_reason[name]), name))
    headings = [f"{name}: {len(by_reason[name])} images".replace("$", r"\$") for name in order]
    assert [text for text in words(figure) if text.endswith(" images")] == headings
    assert "no network scored the labels" in words(figure)[1]
    doubted = labels[labels["doubtful"]]
    blocks, _ = choose_blocks(doubted, run, len(order))
    for name, block in zip(order, blocks, strict=True):
        images = sorted(by_reason[name])
        spread = [images[round(place * (len(images) - 1) / 7)] for place in range(ACROSS)]
        assert [face.image for face in block.faces] == (spread if len(images) > ACROSS else images)
        for face in block.faces:
            rows = by_reason[name][face.image]
            assert len(face.facts) == len(rows)
            assert bool(face.falsified) == any(row["falsified"] for row in rows)


@pytest.mark.parametrize("scored", [True, False])
def test_order_of_the_rows_does_not_matter(run, scored):
    labels = label_doubts(FEW, IMAGES, scored=scored)
    doubted = labels[labels["doubtful"]]
    again = choose_blocks(doubted.sample(frac=1, random_state=2), run, 4)
    assert again == choose_blocks(doubted, run, 4)


def test_a_run_without_a_doubt_says_so(drawn):
    labels = label_doubts(FEW, IMAGES).assign(doubtful=False, reasons="")
    figure = drawn(labels)
    assert not figure.axes
    assert NO_DOUBT in words(figure)


@pytest.mark.slow
@pytest.mark.parametrize("aspect", [218 / 178, 1.0, 3.0])
@pytest.mark.parametrize("scored", [True, False])
def test_nothing_is_cut_and_nothing_overlaps(run, scored, aspect):
    """With long names of rules, attributes and files."""
    labels = label_doubts(ATTRIBUTES, IMAGES, scored=scored)
    long = {
        "one rule": "bald with black, blond, brown or grey hair although there is none",
        "another, of $5 or $6": "$$",
    }
    doubted = labels[labels["doubtful"]].astype({"reasons": "str", "file_name": "str"})
    for short, name in long.items():
        doubted["reasons"] = doubted["reasons"].str.replace(short, name, regex=False)
    doubted["file_name"] = "a-very-long-folder/of-images/" + doubted["file_name"]
    images = np.zeros((IMAGES, round(20 * aspect), 20, 3), np.uint8)
    with drawing():
        blocks, about = choose_blocks(doubted, run, 3)
        figure = draw_blocks(blocks, about, images, run)
        FigureCanvasAgg(figure)
    box = figure.get_tightbbox()
    assert min(box.x0, box.y0) >= 0
    assert box.x1 <= figure.get_figwidth() + 0.005
    assert box.y1 <= figure.get_figheight() + 0.005
    boxes = [text.get_window_extent() for text in figure.texts if text.get_text().strip()]
    boxes += [axes.get_window_extent() for axes in figure.axes]
    corners = np.array([(each.x0, each.y0, each.x1, each.y1) for each in boxes])
    for number, (left, bottom, right, top) in enumerate(corners):
        others = np.delete(corners, number, axis=0)
        wide = np.minimum(right, others[:, 2]) - np.maximum(left, others[:, 0])
        high = np.minimum(top, others[:, 3]) - np.maximum(bottom, others[:, 1])
        # A line's box has room for letters that reach below and above the others; little of that may overlap.
        assert not ((wide > 1) & (high > 6)).any(), figure.texts[number].get_text()


@pytest.mark.slow
@pytest.mark.parametrize("aspect", [218 / 178, 1.0, 3.0])
def test_size_and_type(run, dataset, tmp_path, monkeypatch, aspect):
    write_table(tmp_path / "label_doubt.parquet", label_doubts(ATTRIBUTES, IMAGES))
    opened = replace(packed.open_dataset(dataset), images=np.zeros((IMAGES, round(20 * aspect), 20, 3), np.uint8))
    monkeypatch.setattr(packed, "open_dataset", lambda _: opened)
    with drawing():
        figure = draw({"doubts": tmp_path / "label_doubt.parquet", "dataset": dataset}, run)
    assert figure.get_figwidth() == pytest.approx(PAGE)
    assert PAGE_HEIGHT / 2 < figure.get_figheight() < 235 * MM, "a page is filled, and not left"
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip()) >= 5.5


@pytest.mark.slow
def test_files_are_the_same_twice(run, dataset, tmp_path):
    write_table(tmp_path / "label_doubt.parquet", label_doubts(FEW, IMAGES))
    inputs = {"doubts": tmp_path / "label_doubt.parquet", "dataset": dataset}
    for folder in ("a", "b"):
        outputs = {kind: tmp_path / folder / f"most_doubted.{kind}" for kind in ("pdf", "png", "dark", "caption")}
        make_figure(FIGURES_DOUBT["most_doubted"], inputs, run, outputs)
    for kind in outputs:
        first, second = ((tmp_path / folder / f"most_doubted.{kind}").read_bytes() for folder in ("a", "b"))
        assert first == second
    with Image.open(tmp_path / "a/most_doubted.dark") as dark:
        assert to_hex(np.array(dark.convert("RGB").getpixel((0, 0))) / 255) == DARK_PAGE.lower()


def test_pictures_stay_as_they_are_on_dark_screens(drawn):
    figure = drawn(label_doubts(FEW, IMAGES))
    before = [axes.images[0].get_array().copy() for axes in figure.axes]
    with darkened(figure):
        for axes, picture in zip(figure.axes, before, strict=True):
            np.testing.assert_array_equal(axes.images[0].get_array(), picture)
