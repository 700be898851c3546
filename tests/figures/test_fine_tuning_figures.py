"""The figures on fine-tuning, on made-up runs: where marks stand, what curves say, which faces; whole and legible."""

import math
from dataclasses import replace
from itertools import combinations
from statistics import median

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from stored import HEIGHT, WIDTH, write_dataset, write_stores
from test_figures import SMALLEST_TYPE, assert_nothing_is_cut, contrast
from tuned_run import ATTACKED, SAMPLES, Tuned, tuned

from faceflip.analysis.run import RunDescription
from faceflip.analysis.tuned_examples import SOME_DO_NOT, choose_faces, networks_shown
from faceflip.catalogue import DIETS
from faceflip.data import packed
from faceflip.figures.curves import curve
from faceflip.figures.fine_tuning_faces import draw_faces, room
from faceflip.figures.make import caption, make_figure
from faceflip.figures.placing import place_labels
from faceflip.figures.style import DARK_PAGE, MM, NOTE, PAGE, darkened, drawing
from faceflip.figures.tuned_looks import LOOKS, families_of, label_of, lead_attempts
from faceflip.registry import load
from faceflip.workflow.products import FIGURES_TUNED

pytestmark = pytest.mark.slow

DRAWN = ("fine_tuning", "fine_tuning_curves")
KINDS = {
    "all": {},
    "one run": {"seeds": (None,), "samples": ("unseen",)},
    "few": {"diets": ("hard", "corrected"), "seeds": (1, 2)},
    "sources": {
        "sources": ("moon", "euclidean"),
        "diets": ("control", "hard", "natural", "pgd"),
        "sources_of_seeds": True,
        "dataset": "celeba",
    },
    "never": {"never": 0.27, "seed": 3},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict:
    """Made-up runs with the paths of what they wrote, by kind."""
    made = {kind: tuned(**options) for kind, options in KINDS.items()}
    return {kind: (each, each.write(tmp_path_factory.mktemp("tuned"))) for kind, each in made.items()}


def draw(name: str, made: Tuned, paths: dict):
    figure = load(f"{FIGURES_TUNED[name].module}:draw")(paths, made.run)
    FigureCanvasAgg(figure)
    if figure.get_layout_engine() is not None:
        figure.get_layout_engine().execute(figure)
    return figure


@pytest.fixture(scope="module")
def figures(runs) -> dict:
    with drawing():
        return {(name, kind): draw(name, *run) for name in DRAWN for kind, run in runs.items()}


def assert_whole(figure) -> None:
    assert_nothing_is_cut(figure)
    assert figure.get_figwidth() == pytest.approx(PAGE)


def words_of(figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DRAWN)
def test_figures_are_whole_and_legible(figures, runs, name, kind):
    figure = figures[name, kind]
    assert_whole(figure)
    assert kind == "sources" or figure.get_figheight() < 235 * MM, "higher than a page"
    assert min(text.get_fontsize() for text in words_of(figure)) >= SMALLEST_TYPE
    noted = NOTE in [text.get_text() for text in figure.texts]
    assert noted == runs[kind][0].run.synthetic
    with darkened(figure):
        assert min(contrast(text.get_color(), DARK_PAGE) for text in words_of(figure)) >= 3
        marks = [line for axes in figure.axes for line in axes.lines if line.get_marker() not in ("", "None", None)]
        assert all(contrast(to_rgb(line.get_markeredgecolor()), DARK_PAGE) >= 2.5 for line in marks)


@pytest.mark.parametrize("name", FIGURES_TUNED)
def test_captions_explain(runs, name):
    made, _ = runs["all"]
    title, how, *_, line = caption(FIGURES_TUNED[name], made.run).strip().split("\n\n")
    assert (title, line) == (FIGURES_TUNED[name].heading, made.run.line)
    assert how.endswith(".")


@pytest.mark.parametrize("name", DRAWN)
def test_files_are_the_same_twice(runs, tmp_path, name):
    made, paths = runs["few"]
    for folder in ("a", "b"):
        outputs = {kind: tmp_path / folder / f"{name}.{kind}" for kind in ("pdf", "png", "dark", "caption")}
        make_figure(FIGURES_TUNED[name], paths, made.run, outputs)
    for kind in outputs:
        assert (tmp_path / "a" / f"{name}.{kind}").read_bytes() == (tmp_path / "b" / f"{name}.{kind}").read_bytes()


def test_diets_can_be_told_apart():
    assert set(LOOKS) == {"", *DIETS}, "every diet has a look"
    assert len({(marker, filled) for _, marker, filled in LOOKS.values()}) == len(LOOKS), "even without colours"
    assert all(contrast(color, "white") >= 2 for color, *_ in LOOKS.values())


# Error and robustness


KINDS_OF_PANELS = [
    ("error", "flipped"), ("error", "median_l2_all"), ("balanced_error", "flipped"), ("balanced_error", "median_l2_all")
]  # fmt: skip


def panel(figure, made: Tuned, source: str, sample: str, kind: tuple[str, str]):
    """Return the axes of a source, sample and measures: panels stand in this order; None where there are none."""
    sources = list(dict.fromkeys(each.source_group for each in made.run.tunings))
    samples = [name for name in SAMPLES if name in set(made.attempts["sample"])]
    kinds = KINDS_OF_PANELS[: 3 if len(samples) > 1 else 4]
    assert len(figure.axes) == len(kinds) * len(sources) * len(samples)
    if kind not in kinds:
        return None
    return figure.axes[(sources.index(source) * len(kinds) + kinds.index(kind)) * len(samples) + samples.index(sample)]


def marks_of(axes) -> dict[str, tuple[float, float]]:
    """Return where the filled and hollow marks of the diets stand, by the shape of the mark."""
    marks = [line for line in axes.lines if line.get_alpha() is None and line.get_marker() != "None"]
    return {line.get_marker(): (line.get_xdata()[0], line.get_ydata()[0]) for line in marks}


@pytest.mark.parametrize("of", KINDS_OF_PANELS, ids="-".join)
@pytest.mark.parametrize("kind", KINDS)
def test_marks_stand_at_the_means_and_dots_at_the_seeds(runs, figures, kind, of):
    made, _ = runs[kind]
    for source in dict.fromkeys(each.source_group for each in made.run.tunings):
        for sample in made.attempts["sample"].unique():
            axes = panel(figures["fine_tuning", kind], made, source, sample, of)
            if axes is None:
                continue
            name = {"error": "error", "balanced_error": "balanced error"}[of[0]]
            assert axes.get_xlabel() == f"{name} on the test split, %  (left: more accurate)"
            found = marks_of(axes)
            of_source = made.table[made.table["source"] == source]
            for diet in of_source["diet"].unique():
                rows = of_source[of_source["diet"] == diet]
                x, y = numbers(rows, made.run, sample, of, "mean")
                if math.isinf(y):
                    y = median(numbers(rows, made.run, sample, of, seed)[1] for seed in set(rows["seed"]) - {"mean"})
                assert found[LOOKS[diet][1]] == pytest.approx((x, shown(axes, y)))
            dots = {
                (round(x, 6), round(y, 4))
                for line in axes.lines
                if line.get_alpha() is not None
                for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
            }
            expected = set()
            for _, rows in of_source.groupby("network"):
                seeds = sorted(set(rows["seed"]) - {"mean"})
                for seed in seeds if len(seeds) > 1 else ():
                    x, y = numbers(rows, made.run, sample, of, seed)
                    expected.add((round(x, 6), round(shown(axes, y), 4)))
            assert dots == expected


def numbers(
    rows: pd.DataFrame, run: RunDescription, sample: str, of: tuple[str, str], seed: str
) -> tuple[float, float]:
    """Return x and y of a network and a seed as the table has them, as percentages."""
    rows = rows[rows["seed"] == seed]
    (error,) = rows.loc[rows["measure"] == of[0], "value"]
    chosen = rows[(rows["measure"] == of[1]) & (rows["sample"] == sample)]
    if of[1] == "flipped":
        (rate,) = chosen.loc[chosen["threshold"] == run.threshold, "value"]
        return 100 * error, 100 * rate
    return 100 * error, chosen["value"].iloc[0]


def shown(axes, y: float) -> float:
    """Return where a value stands: infinity at the last tick."""
    return axes.get_yticks()[-1] if math.isinf(y) else y


def test_up_is_more_robust_and_the_labels_say_so(figures):
    flipped, _, median_l2, _, balanced, _ = figures["fine_tuning", "all"].axes
    assert flipped.get_ylim()[0] > flipped.get_ylim()[1], "few flips are above"
    assert median_l2.get_ylim()[0] < median_l2.get_ylim()[1]
    assert balanced.get_ylim()[0] > balanced.get_ylim()[1]
    for axes in (flipped, median_l2, balanced):
        assert "up: more robust" in axes.get_ylabel()
    assert "left: more accurate" in median_l2.get_xlabel()


def test_a_table_without_intervals_has_none_in_the_figure(runs, figures, tmp_path):
    made, paths = runs["few"]
    table = tmp_path / "fine_tuning.csv"
    made.table.drop(columns=["low", "high"]).to_csv(table, index=False)
    with drawing():
        figure = draw("fine_tuning", made, paths | {"fine_tuning": table})
    keys = [[text.get_text() for text in each.legends[0].texts] for each in (figure, figures["fine_tuning", "few"])]
    assert keys == [["source, before", "a seed"], ["source, before", "a seed", "95 % interval over seeds"]]
    assert marks_of(figure.axes[0]) == marks_of(figures["fine_tuning", "few"].axes[0])


def test_infinity_stands_above_the_scale_and_has_a_tick(figures):
    for axes in figures["fine_tuning", "never"].axes[2:4]:
        assert axes.get_yticklabels()[-1].get_text() == "∞"
        assert axes.get_ylim()[1] > axes.get_yticks()[-1] > max(axes.get_yticks()[:-1])
    for axes in figures["fine_tuning", "all"].axes:
        assert "∞" not in [label.get_text() for label in axes.get_yticklabels()]


@pytest.mark.parametrize(("kind", "diet"), [("all", "control"), ("few", "")])
def test_the_cross_hair_goes_through_the_control_else_the_source(figures, kind, diet):
    for axes in figures["fine_tuning", kind].axes:
        x, y = marks_of(axes)[LOOKS[diet][1]]
        dashed = [line for line in axes.lines if line.get_linestyle() == "--" and len(line.get_xdata()) == 2]
        upright, level = dashed
        assert list(upright.get_xdata()) == [x, x]
        assert list(level.get_ydata()) == [y, y]


def test_corners_say_what_their_side_means(figures):
    """In the order of the axis: with few flips above, as with large medians."""
    for axes in figures["fine_tuning", "all"].axes:
        x, y = axes.transData.transform(marks_of(axes)[LOOKS["control"][1]])
        corners = [text for text in axes.texts if "accurate" in text.get_text()]
        assert len(corners) == 4
        for text in corners:
            box = text.get_window_extent()
            assert ("more robust" in text.get_text()) == (box.y0 > y)
            assert ("more accurate" in text.get_text()) == (box.x1 < x)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_name_every_mark_once_and_do_not_overlap(runs, figures, kind):
    made, _ = runs[kind]
    for axes in figures["fine_tuning", kind].axes:
        texts = [text for text in axes.texts if text.get_text().strip()]
        labels = [text.get_text() for text in texts if "accurate" not in text.get_text()]
        assert sorted(labels) == sorted({"source"} | {each.diet for each in made.run.tunings})
        boxes = [text.get_window_extent() for text in texts]
        for first, second in combinations(boxes, 2):
            across = min(first.x1, second.x1) - max(first.x0, second.x0)
            along = min(first.y1, second.y1) - max(first.y0, second.y0)
            # A line's box has room for letters that reach below and above the others; little of that may overlap.
            assert across <= 2 or along <= 0.35 * min(first.height, second.height), labels
        inside = axes.get_window_extent()
        assert all(inside.x0 - 1 <= box.x0 and box.x1 <= inside.x1 + 1 for box in boxes)


def test_two_networks_of_one_diet_are_told_apart_by_their_names(tmp_path):
    made = tuned(diets=("control", "hard"), seeds=(None,))
    twin = replace(made.run.tunings[1], name="moon-harder", group="moon-harder", share=0.9)
    run = replace(made.run, tunings=(*made.run.tunings, twin))
    groups = families_of(run)[0]
    assert [label_of(group) for group in groups] == ["source", "control", "moon-hard", "moon-harder"]


@pytest.mark.parametrize("name", FIGURES_TUNED)
def test_a_run_without_attacks_says_so(tmp_path, name):
    made = tuned(diets=("control", "hard"), seeds=(None,))
    empty = Tuned(made.run, made.attempts.iloc[:0], made.table[made.table["measure"] == "error"])
    with drawing():
        figure = draw(name, empty, empty.write(tmp_path))
    assert figure.texts[-1].get_text() == "This run has no attacks on fine-tuned networks."


def box_list(low, high):
    return st.lists(st.tuples(*[st.floats(low, high)] * 2), min_size=1, max_size=8)


@settings(max_examples=40)
@given(box_list(15, 85))
def test_labels_are_apart_wherever_their_points_are(points):
    points = np.array(points)
    sizes = np.full((len(points), 2), (8.0, 2.5))
    marks = np.hstack([points - 1, points + 1])
    centres = place_labels(points, sizes, marks, np.ones(len(points)), (100, 100))
    assert ((centres - sizes / 2 >= -1e-9) & (centres + sizes / 2 <= 100 + 1e-9)).all()
    for first, second in combinations(range(len(points)), 2):
        common = np.maximum(sizes[0] - np.abs(centres[first] - centres[second]), 0)
        assert common.prod() < 0.05 * sizes[0].prod(), "no more than their corners touch"
    np.testing.assert_array_equal(centres, place_labels(points, sizes, marks, np.ones(len(points)), (100, 100)))


# Curves


@settings(max_examples=50)
@given(st.lists(st.tuples(st.booleans(), st.floats(0.5, 300)), min_size=1, max_size=30))
def test_a_curve_counts_the_flips_up_to_each_x(rows):
    values = [value if flipped else math.inf for flipped, value in rows]
    grid = np.geomspace(0.5, 300, 7)
    expected = [100 * sum(flipped and value <= x for flipped, value in rows) / len(rows) for x in grid]
    assert curve(values, grid) == pytest.approx(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_curves_are_shares_of_right_images_with_a_line_a_seed(runs, figures, kind):
    made, _ = runs[kind]
    figure = figures["fine_tuning_curves", kind]
    rows = [
        (source, diet)
        for source in dict.fromkeys(each.source_group for each in made.run.tunings)
        for diet in DIETS
        if diet != "control" and diet in {each.diet for each in made.run.tunings}
    ]
    assert len(figure.axes) == 3 * len(rows)
    grid = np.array(figure.axes).reshape(len(rows), 3)
    right = made.attempts[made.attempts["correct"] & (made.attempts["sample"] == "unseen")]
    distance = {"l2": right["l2"], "linf": right["linf"], "pass": 1 - right["pass"]}
    for (source, diet), line in zip(rows, grid, strict=True):
        assert line[0].get_ylabel() == f"{diet}\n% flipped"
        for axes, column in zip(line, distance, strict=True):
            names = [each.name for each in made.run.tunings if (each.source_group, each.diet) == (source, diet)]
            x = axes.lines[-1].get_xdata()
            seeds = []
            for name in names:
                mine = (right["network"] == name).to_numpy()
                values = distance[column][mine & right["flipped"]]
                seeds.append([100 * (values <= each).sum() / mine.sum() for each in x])
            np.testing.assert_allclose(axes.lines[-1].get_ydata(), np.mean(seeds, axis=0))
            colored = [each for each in axes.lines if to_rgb(each.get_color()) == to_rgb(LOOKS[diet][0])]
            assert len(colored) == (len(seeds) + 1 if len(seeds) > 1 else 1)
            if len(seeds) > 1:
                for drawn, expected in zip(colored, seeds, strict=False):
                    np.testing.assert_allclose(drawn.get_ydata(), expected)
            dashed = [each for each in axes.lines if each.get_linestyle() == "--"]
            assert len(dashed) == any(each.diet == "control" for each in made.run.tunings)


# Faces


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A run whose stores tell by a perturbation's first pixel which attempt it is of."""
    made = tuned(diets=("control", "noise", "hard", "pgd"), seeds=(4, 2))
    folder = tmp_path_factory.mktemp("faces")
    stores = []
    chosen = made.attempts[made.attempts["sample"] == "unseen"]
    for (name, checkpoint), part in chosen.groupby(["network", "checkpoint"], sort=False):
        path = folder / name / "ffa-line.h5"
        stores.append(write_stores(path, part, ("unseen", name, checkpoint, "ffa-line"), marker(name)))
    count = int(made.attempts["image"].max()) + 1
    return made, made.write(folder) | {"stores": stores, "dataset": write_dataset(folder / "faces.h5", count)}


def marker(network: str):
    return lambda attribute, image: [ATTACKED.index(attribute) + 5, image % 50 - 25, len(network)]


def test_faces_are_those_nearest_to_the_median_that_all_networks_flip(faces):
    made, _ = faces
    attempts, attack, sample = lead_attempts(made.attempts, made.run)
    assert (attack, sample) == ("ffa-line", "unseen")
    shown = networks_shown(families_of(made.run)[0])
    assert [each.name for _, each in shown] == ["moon", "moon-control-seed4", "moon-hard-seed4", "moon-pgd-seed4"]
    chosen = choose_faces(attempts, [each for _, each in shown], made.run, 4)
    rows = {(row["network"], row["attribute"], row["image"]): row for row in attempts.to_dict("records")}
    hits = {key: row for key, row in rows.items() if row["correct"] and row["flipped"]}
    before = {key[1:]: row["l2"] for key, row in hits.items() if key[0] == "moon"}
    middle = median(before.values())
    assert chosen.median == pytest.approx(middle)
    everywhere = [pair for pair in before if all((each.name, *pair) in hits for _, each in shown)]
    nearest = {}
    for attribute, image in sorted(everywhere, key=lambda pair: abs(before[pair] - middle)):
        nearest.setdefault(attribute, image)
    assert set(nearest) == set(ATTACKED), "the specimen should have a pair of each"
    expected = [ATTACKED[place] for place in (0, 2, 3, 5)]
    assert [(face.attribute, face.image) for face in chosen.faces] == [(name, nearest[name]) for name in expected]
    for face in chosen.faces:
        for place, (_, each) in enumerate(shown):
            row = rows[each.name, face.attribute, face.image]
            assert (face.l2[place], face.similarity[place]) == (row["l2"], row["pass"])
    doubtful = attempts["attribute"].isin(ATTACKED[:3])
    marked = choose_faces(attempts.assign(doubtful=doubtful), [each for _, each in shown], made.run, 4)
    assert marked.faces == tuple(replace(face, doubtful=face.attribute in ATTACKED[:3]) for face in chosen.faces)
    assert {face.doubtful for face in marked.faces} == {True, False}


def test_pictures_are_of_the_chosen_attempts(faces):
    made, paths = faces
    attempts, *_ = lead_attempts(made.attempts, made.run)
    shown = networks_shown(families_of(made.run)[0])
    chosen = choose_faces(attempts, [each for _, each in shown], made.run, room(len(shown), HEIGHT / WIDTH))
    with drawing():
        figure = draw("fine_tuning_faces", made, paths)
    assert_whole(figure)
    assert figure.get_figheight() < 235 * MM
    pictures = iter([axes.images[0].get_array() for axes in figure.axes])
    images = packed.open_dataset(paths["dataset"]).images
    for face in chosen.faces:
        np.testing.assert_array_equal(next(pictures), images[face.image])
        for _, network in shown:
            expected = np.ones((HEIGHT, WIDTH, 3), int)
            expected[0, 0] = marker(network.name)(face.attribute, face.image)
            np.testing.assert_array_equal(next(pictures), images[face.image] + expected)
            np.testing.assert_array_equal(next(pictures), np.clip(128 + 10 * expected, 0, 255))
    assert next(pictures, None) is None
    words = " ".join(text.get_text() for text in figure.texts)
    for face in chosen.faces:
        for value, like in zip(face.l2, face.similarity, strict=True):
            assert f"{value:.0f}\n{like:.4f}"[:-1] in words


def test_where_no_pair_flips_everywhere_those_of_the_source_are_shown(faces):
    made, _ = faces
    attempts, *_ = lead_attempts(made.attempts, made.run)
    firm = attempts["network"] == "moon-pgd-seed4"
    attempts = attempts.assign(flipped=attempts["flipped"] & ~firm)
    shown = networks_shown(families_of(made.run)[0])
    chosen = choose_faces(attempts, [each for _, each in shown], made.run, 6)
    assert chosen.remark == SOME_DO_NOT
    assert len(chosen.faces) == 6
    assert all(math.isnan(face.l2[3]) and not math.isnan(face.l2[0]) for face in chosen.faces)
    picture = np.full((20, 16, 3), 99, np.uint8), np.zeros((20, 16, 3), np.int16)
    pictures = {(number, place): picture for number in range(6) for place in range(3)}
    with drawing():
        names = ["source", "control", "hard", "pgd"]
        figure = draw_faces(chosen, names, pictures, "a source", made.run)
        FigureCanvasAgg(figure)
    assert_whole(figure)
    assert [text.get_text() for text in figure.texts].count("does\nnot flip") == 6


@pytest.mark.parametrize("networks", [2, 3, 5, 7])
@pytest.mark.parametrize("aspect", [218 / 178, 0.6])
def test_blocks_are_apart_and_on_the_page(faces, networks, aspect):
    made, _ = faces
    attempts, *_ = lead_attempts(made.attempts, made.run)
    source = networks_shown(families_of(made.run)[0])[0][1]
    chosen = choose_faces(attempts, [source] * networks, made.run, room(networks, aspect))
    assert chosen.faces
    assert not any(face.doubtful for face in chosen.faces)
    marked = (replace(face, doubtful=number != 1) for number, face in enumerate(chosen.faces))
    chosen = replace(chosen, faces=tuple(marked))
    size = (round(50 * aspect), 50, 3)
    picture = np.full(size, 99, np.uint8), np.zeros(size, np.int16)
    pictures = {(number, place): picture for number in range(len(chosen.faces)) for place in range(networks)}
    with drawing():
        figure = draw_faces(chosen, ["adversarial"] * networks, pictures, "a source", made.run)
        FigureCanvasAgg(figure)
        assert_whole(figure)
        assert figure.get_figheight() < 235 * MM
        boxes = [axes.get_window_extent() for axes in figure.axes]
        boxes += [text.get_window_extent() for text in figure.texts]
    said = [text.get_text() for text in figure.texts].count("label in doubt")
    assert said == len(chosen.faces) - (len(chosen.faces) > 1)
    for first, second in combinations(boxes, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        along = min(first.y1, second.y1) - max(first.y0, second.y0)
        assert across <= 4 or along <= 4
