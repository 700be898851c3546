"""The figure of examples, from the stores and the dataset that the workflow writes."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image
from stored import HEIGHT, WIDTH, write_dataset, write_stores

from faceflip.analysis.examples import Choice, Example, choose_examples
from faceflip.data import packed
from faceflip.data.celeba import ATTRIBUTES
from faceflip.figures.examples import caption, draw, draw_examples
from faceflip.figures.make import make_figure
from faceflip.figures.style import drawing
from faceflip.workflow.products import FIGURES


@pytest.fixture(scope="module")
def inputs(eight, tmp_path_factory):
    """The specimen's attempts as stores; every perturbation tells by its first pixel which attempt it is of."""
    made, paths = eight
    folder = tmp_path_factory.mktemp("examples")
    dataset = write_dataset(folder / "faces.h5", sum(made.run.images.values()))
    stores = []
    for network in ("euclidean", "moon"):
        for attack in ("ffa-line", "ffa-iterative"):
            chosen = made.attempts.query("network == @network and checkpoint == 'converged' and attack == @attack")
            experiment = ("paper", network, "converged", attack)
            stores.append(write_stores(folder / network / f"{attack}.h5", chosen, experiment, mark))
    return paths | {"dataset": dataset, "stores": stores[::-1]}


def mark(attribute: str, image: int) -> list[int]:
    return [ATTRIBUTES.index(attribute) - 20, image % 50 - 25, image // 50]


def test_panels_show_the_chosen_attempts(eight, inputs):
    made, _ = eight
    choices = choose_examples(made.attempts, made.transfers, made.run)
    with drawing():
        figure = draw(inputs, made.run)
    by_letter = sorted(figure.subfigs, key=lambda panel: panel.get_suptitle())
    panels = [axes.images[0].get_array() for panel in by_letter for axes in panel.axes]
    examples = [choice.examples[row] for row in range(2) for choice in choices]
    assert all(examples), "the specimen should have all four"
    assert len(panels) == 12
    images = packed.open_dataset(inputs["dataset"]).images
    for example, (original, perturbation, sum_) in zip(examples, zip(*[iter(panels)] * 3, strict=True), strict=True):
        np.testing.assert_array_equal(original, images[example.image])
        expected = np.ones((HEIGHT, WIDTH, 3), int)
        expected[0, 0] = mark(example.attribute, example.image)
        np.testing.assert_array_equal(perturbation, np.clip(128 + 10 * expected, 0, 255))
        np.testing.assert_array_equal(sum_, images[example.image] + expected)


@pytest.mark.slow
def test_files_are_the_same_twice(eight, inputs, tmp_path):
    for folder in ("a", "b"):
        outputs = {kind: tmp_path / folder / f"examples.{kind}" for kind in ("pdf", "png", "dark", "caption")}
        make_figure(FIGURES["examples"], inputs, eight[0].run, outputs)
    for kind in outputs:
        assert (tmp_path / "a" / f"examples.{kind}").read_bytes() == (tmp_path / "b" / f"examples.{kind}").read_bytes()
    assert Image.open(tmp_path / "a" / "examples.png").width > 2000


def example(**changes) -> Example:
    fields = {
        "network": "moon",
        "attack": "ffa-line",
        "search": "line",
        "attribute": "Male",
        "image": 3,
        "file_name": "000004.jpg",
    }
    fields |= {"present": True, "correct": True, "similarity": 0.98765, "others": ()}
    return Example(**(fields | changes))


def test_captions():
    assert caption(example(), 0.95, joint=True).splitlines()[:3] == [
        "Male: present (right) → absent.",
        "PASS 0.9877, adversarial.",
        "No other attribute changes.",
    ]
    many = tuple((name, number % 2 == 0) for number, name in enumerate(ATTRIBUTES[:7]))
    text = " ".join(caption(example(others=many), 0.95, joint=True).split())
    assert "Also: 5 o'Clock Shadow → present, Arched Eyebrows → absent" in text
    assert text.endswith("Bald → present, 2 more.")
    natural = caption(example(network="euclidean", present=False, correct=False), 0.95, remark="a remark")
    assert natural.splitlines()[:3] == [
        "Male: absent (wrong) → present.",
        "PASS 0.9877, natural adversarial.",
        "(a remark)",
    ]
    doubtful = caption(example(network="euclidean", present=False, correct=False, doubtful=True), 0.95)
    assert doubtful.splitlines()[0] == "Male: absent (wrong, label in doubt) → present."
    assert caption(example(), 0.99).splitlines()[1] == "PASS 0.9877, below 0.99, so not adversarial."


def test_pass_near_one_tells_images_apart():
    values = (-0.05, 0.95, 0.999853, 0.999949, 0.9999996, 1.0)
    shown = [caption(example(similarity=value), 0.95).splitlines()[1].split()[1] for value in values]
    assert shown == ["-0.0500,", "0.9500,", "0.999853,", "0.9999490,", "0.99999960,", "1.0000,"]


def test_what_is_missing_is_said_and_nothing_is_cut(eight):
    """The longest captions, an example that only one search found, and a network without any."""
    long = example(network="euclidean", doubtful=True, others=tuple((name, True) for name in ATTRIBUTES[18:26]))
    remark = "no misclassified image is adversarial by both searches"
    separate, joint = (eight[0].run.network(name) for name in ("euclidean", "moon"))
    searches = ("line", "iterative")
    none = Choice(joint, "ffa", searches, (None, None), "FFA with line search flipped no image of this network")
    choices = (Choice(separate, "ffa", searches, (long, None), remark), none)
    pictures = {long: (np.full((218, 178, 3), 99, np.uint8), np.zeros((218, 178, 3), np.int16))}
    with drawing():
        figure = draw_examples(choices, pictures, eight[0].run)
        FigureCanvasAgg(figure)
        figure.get_layout_engine().execute(figure)
        box = figure.get_tightbbox()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.get_figwidth()
    assert box.y1 <= figure.get_figheight()
    for column, panel in enumerate(figure.subfigs):
        edge = (column % 2 + 1) * figure.bbox.width / 2
        assert max(text.get_window_extent().x1 for text in panel.findobj(Text)) <= edge, "into the next panel"
    words = " ".join(text.get_text() for panel in figure.subfigs for text in panel.texts)
    assert "iterative FFA does not flip this image" in words
    assert "flipped no image of this network" in words
