"""Flips by size of the perturbation: what the curves, bands and keys say, of few and of many attacks and networks."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.text import Text
from test_figures import SMALLEST_TYPE, assert_nothing_is_cut

from faceflip.analysis.frames import shares_by_image
from faceflip.analysis.run import RunAttack
from faceflip.analysis.smallest import SIZES
from faceflip.catalogue import BLACK
from faceflip.figures import curves
from faceflip.figures.lettering import in_lines, plain
from faceflip.figures.make import make_figure
from faceflip.figures.robustness_curves import BEST, NO_ROWS, NONE_RIGHT, draw, looks_of
from faceflip.figures.style import MM, NO_ATTACKS, PAGE, SMALL, drawing
from faceflip.workflow.products import FIGURES
from specimen import specimen

ATTRIBUTES = ("Bald", "Male", "Smiling")
MANY = [("fgs", "line"), ("fgs", "iterative"), ("ffa", "line"), ("ffa", "iterative"), ("ffa-newton", "newton")]
MANY += [("small", "descent")]
MANY += [(name, "reference") for name in ("ddn", "fmn", "alma", "apgd", "deepfool", "brendel-bethge", "bim", "cw")]
MANY += [("ddn", "line"), ("fmn", "line"), ("my$own_<attack>", "reference"), ("$", "reference")]
"""Methods and kinds of searches."""


@pytest.fixture(scope="module")
def made():
    """The paper's three networks and four attacks."""
    return specimen(seed=5, attributes=ATTRIBUTES, moon_attributes=ATTRIBUTES, sample=25, test=10)


def drawn(attempts: pd.DataFrame, run, folder):
    attempts.to_parquet(folder / "attempts.parquet", index=False)
    with drawing(run.attributes):
        figure = draw({"attempts": folder / "attempts.parquet"}, run)
        FigureCanvasAgg(figure)
        if figure.get_layout_engine():
            figure.get_layout_engine().execute(figure)
    return figure


@pytest.fixture(scope="module")
def figure(made, tmp_path_factory):
    return drawn(made.attempts, made.run, tmp_path_factory.mktemp("three"))


def invented(made, attacks: list[RunAttack], networks: dict[str, str]):
    """Return attempts of attacks on networks, by name and what figures call them, and the run."""
    random = np.random.default_rng(0)
    first = made.run.networks[0]
    # Intervals of images that are not repeated are the quickest.
    chosen = "network == @first.name and checkpoint == 'converged' and attack == 'ffa-line' and attribute == 'Male'"
    base = made.attempts.query(chosen)
    parts = []
    for network in networks:
        for attack in attacks:
            factor = random.uniform(0.5, 4)
            flipped = base["flipped"] & (random.random(len(base)) < random.uniform(0.5, 1))
            part = base.assign(network=network, attack=attack.name, flipped=flipped, l2=factor * base["l2"])
            part["pass"] = 1 - factor * (1 - base["pass"])
            part["linf"] = (factor * base["linf"]).round().clip(1, 255).astype("int16")
            parts.append(part)
    run = replace(
        made.run,
        attack_list=tuple(attacks),
        networks=tuple(replace(first, name=name, short=short) for name, short in networks.items()),
    )
    return pd.concat(parts, ignore_index=True), run


def panels(figure, made_run) -> list[tuple[str, str, object]]:
    """Return network, size and axes of each panel."""
    grid = np.array(figure.axes).reshape(-1, len(SIZES))
    names = [each.name for each in made_run.networks]
    return [(name, size, axes) for name, row in zip(names, grid, strict=True) for size, axes in zip(SIZES, row)]  # noqa: B905


def size_of(row, size: str) -> float:
    """Return how large an attempt's flip is, counted here once more."""
    if not row["flipped"]:
        return math.inf
    return 1 - row["pass"] if size == "dissimilarity" else float(row[size])


def counted(attempts: pd.DataFrame, network: str) -> list[dict]:
    """Return the rows that a network's panels are about."""
    return [
        row
        for row in attempts.to_dict("records")
        if row["correct"]
        and row["network"] == network
        and row["checkpoint"] == "converged"
        and row["sample"] == "paper"
    ]


def test_sizes_are_those_of_the_tables():
    assert list(curves.SIZES) == list(SIZES)


def test_curves_are_shares_of_the_right_attempts_and_the_best_is_their_smallest(made, figure):
    for network, size, axes in panels(figure, made.run):
        rows = counted(made.attempts, network)
        lines = {line.get_label(): line for line in axes.lines}
        attacks = {row["attack"] for row in rows}
        assert attacks | {BEST["label"]} == {name for name in lines if not name.startswith("_")}
        smallest = {}
        for row in rows:
            pair = row["attribute"], row["image"]
            smallest[pair] = min(smallest.get(pair, math.inf), size_of(row, size))
        values = {name: [size_of(row, size) for row in rows if row["attack"] == name] for name in attacks}
        values[BEST["label"]] = list(smallest.values())
        for name, of in values.items():
            x = lines[name].get_xdata()[::37]
            expected = [100 * sum(value <= each for value in of) / len(of) for each in x]
            assert list(lines[name].get_ydata()[::37]) == pytest.approx(expected)
        tops = [lines[name].get_ydata() for name in attacks]
        assert (lines[BEST["label"]].get_ydata() >= np.max(tops, axis=0)).all()
        assert all(line.get_drawstyle() == "steps-post" for name, line in lines.items() if not name.startswith("_"))


def test_curves_end_where_all_flips_are_counted(made, figure):
    for network, _, axes in panels(figure, made.run):
        rows = counted(made.attempts, network)
        for line in (each for each in axes.lines if each.get_label() in {row["attack"] for row in rows}):
            flipped = [row["flipped"] for row in rows if row["attack"] == line.get_label()]
            assert line.get_ydata()[-1] == pytest.approx(100 * np.mean(flipped))


def test_bands_are_the_intervals_of_shares_of_repeated_images(made):
    """As tables have them: each threshold a share of its own."""
    attempts = made.attempts.query(
        "network == 'moon' and attack == 'ffa-line' and checkpoint == 'converged' and correct"
    )
    values = attempts["l2"].where(attempts["flipped"], np.inf)
    grid = np.geomspace(values.min() * 0.5, values[values < np.inf].max(), 40)
    low, high = curves.band(values, attempts["image"], grid)
    shares = curves.curve(values, grid)
    for place in (0, 3, 11, 20, 39):
        hits = attempts.assign(hit=values <= grid[place], one="all")
        (row,) = shares_by_image(hits, ["one"]).to_dict("records")
        assert (shares[place], low[place], high[place]) == pytest.approx(
            (100 * row["rate"], 100 * row["low"], 100 * row["high"])
        )
    assert low[0] == 0 < high[0], "Wilson's where nothing flips"
    assert (low <= shares).all()
    assert (shares <= high).all()


def test_bands_stand_around_their_curves(made, figure):
    for _, _, axes in panels(figure, made.run):
        lines = [line for line in axes.lines if not line.get_label().startswith("_") and line.get_color() != BLACK]
        assert len(axes.collections) == len(lines)
        for line, around in zip(lines, axes.collections, strict=True):
            assert to_hex(around.get_facecolor()[0]) == to_hex(line.get_color())
            corners = around.get_paths()[0].vertices
            assert corners[:, 1].max() >= line.get_ydata().max()
            assert corners[:, 1].min() <= line.get_ydata().min()


def test_tau_and_budgets_are_dotted(made, figure):
    for network, size, axes in panels(figure, made.run):
        dotted = [
            line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":" and len(line.get_xdata()) == 2
        ]
        expected = {"l2": [], "linf": list(made.run.budgets), "dissimilarity": [1 - made.run.threshold]}
        assert dotted == expected[size]
        words = [text.get_text() for text in axes.texts]
        first = network == made.run.networks[0].name
        assert words == (["τ = 0.95"] if size == "dissimilarity" and first else [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("budgets", "expected"),
    [((1, 2, 4, 8), [1, 2, 4, 8]), ((0.5, 3), [3]), ((2, 3, 4, 5, 6, 7), [2, 4, 7]), ((4_000,), [])],
)
def test_budgets_have_ticks_where_their_labels_have_room(made, tmp_path, budgets, expected):
    figure = drawn(made.attempts, replace(made.run, budgets=budgets), tmp_path)
    axes = figure.axes[1]
    ticks = list(axes.get_xticks())
    assert ticks[: len(expected)] == expected
    assert max(ticks) <= axes.get_xlim()[1]
    assert all(second >= 1.6 * first for first, second in pairwise(ticks))
    labels = [label for label in figure.axes[-2].get_xticklabels() if label.get_text()]
    boxes = [label.get_window_extent() for label in labels]
    assert len(boxes) == len(ticks)
    assert all(first.x1 <= second.x0 for first, second in pairwise(boxes))


def test_other_checkpoints_samples_and_wrong_images_change_nothing(made, figure, tmp_path):
    rows = made.attempts
    more = [rows.assign(sample="other"), rows[rows["checkpoint"] == "epoch2"].assign(l2=1.0, linf=1, flipped=True)]
    more[1]["pass"] = 1.0
    wrong = rows[~rows["correct"]].assign(l2=0.5, linf=1, flipped=True)
    wrong["pass"] = 1.0
    kept = rows[rows["correct"] & (rows["checkpoint"] == "converged")]
    again = drawn(pd.concat([kept, wrong, *more], ignore_index=True), made.run, tmp_path)
    for first, second in zip(figure.axes, again.axes, strict=True):
        for one, other in zip(first.lines, second.lines, strict=True):
            np.testing.assert_array_equal(one.get_xydata(), other.get_xydata())


# Keys


def words_of_legend(figure) -> list[str]:
    return [text.get_text().replace(r"\$", "$") for text in figure.legends[0].texts]


def test_legend_names_every_attack_and_what_all_panels_have(made, figure):
    expected = ["FGS, line search", "FGS, iterative", "FFA, line search", "FFA, iterative"]
    assert words_of_legend(figure) == [*expected, "smallest that is known", "95 % interval"]
    assert figure.legends[0].get_title().get_text() == (
        "attempts on the correctly classified of 25 training images, all attributes together"
    )


def many() -> list[RunAttack]:
    return [RunAttack(f"{method}-{kind}", method, kind) for method, kind in MANY]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 3, 10])
def test_many_attacks_are_named_told_apart_and_whole(made, tmp_path, count):
    networks = {f"n{each}": f"VGG <{each}> of $seeds_{each}$, joint" for each in range(count)}
    attempts, run = invented(made, many(), networks)
    figure = drawn(attempts, run, tmp_path)
    assert_nothing_is_cut(figure)
    assert figure.get_figwidth() == pytest.approx(PAGE)
    assert figure.get_figheight() < 235 * MM
    texts = [text for text in figure.findobj(Text) if text.get_text().strip()]
    assert min(text.get_fontsize() for text in texts) >= SMALLEST_TYPE
    assert words_of_legend(figure)[: len(MANY)] == [run.attack(each.name).words for each in run.attack_list]
    seen = {(line.get_color(), line.get_marker(), str(line.get_linestyle())) for line in figure.legends[0].get_lines()}
    assert len(seen) == len(MANY) + 1, "all look different, the best, too"
    assert all(line.get_color() != BLACK for line in figure.legends[0].get_lines()[:-1])
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.legends[0].texts]
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    labels = [axes.get_ylabel() for axes in figure.axes[::3]]
    assert [" ".join(label.split("\n")[:-1]).replace(r"\$", "$") for label in labels] == list(networks.values())
    extents = [axes.yaxis.label.get_window_extent() for axes in figure.axes[::3]]
    assert all(below.y1 <= above.y0 for above, below in pairwise(extents))


@pytest.mark.slow
def test_more_networks_than_a_page_holds_go_on_below(made, tmp_path):
    attempts, run = invented(made, many()[:2], {f"n{each}": f"seed {each}" for each in range(14)})
    figure = drawn(attempts, run, tmp_path)
    assert figure.get_figheight() > 235 * MM
    assert len(figure.axes) == 3 * 14
    assert_nothing_is_cut(figure)


def test_methods_have_colors_and_kinds_have_dashes(made):
    run = replace(made.run, attack_list=tuple(many()))
    looks = looks_of([each.name for each in run.attack_list], run)
    for one in run.attack_list:
        for other in run.attack_list:
            face, dashes = (
                {name: looks[each.name][name] for name in names}
                for each, names in ((one, ("color", "marker")), (one, ("linestyle",)))
            )
            assert (face == {name: looks[other.name][name] for name in face}) == (one.method == other.method)
            assert (dashes == {name: looks[other.name][name] for name in dashes}) == (one.search == other.search)


def test_attacks_of_one_name_in_words_have_their_own_beside_it(made, tmp_path):
    attacks = [
        RunAttack("mine", "mine", "line"),
        RunAttack("mine-line", "mine", "line"),
        RunAttack("x" * 60, "x" * 60, "line"),
    ]
    figure = drawn(*invented(made, attacks, {"n": "n"}), tmp_path)
    words = words_of_legend(figure)
    assert words[:2] == ["MINE, line search (mine)", "MINE, line search (mine-line)"]
    assert words[2].startswith("xxxx")
    assert words[2].endswith("ine search")
    assert len(words[2]) <= 32


@pytest.mark.parametrize("width", range(6, 40, 3))
def test_lines_do_not_break_what_stands_for_a_dollar(width):
    text = in_lines(plain("a$b" * 9), width, SMALL)
    assert not any(line.endswith("\\") for line in text.split("\n"))
    assert text.replace("\n", "").replace(r"\$", "$") == "a$b" * 9


# What there is not


def test_an_attack_without_flips_stays_at_zero(made, tmp_path):
    attempts, run = invented(made, many()[:3], {"n": "n"})
    attempts.loc[attempts["attack"] == "fgs-line", "flipped"] = False
    for axes in drawn(attempts, run, tmp_path).axes:
        (line,) = [line for line in axes.lines if line.get_label() == "fgs-line"]
        assert not line.get_ydata().any()


def test_a_run_in_which_nothing_flipped(made, tmp_path):
    figure = drawn(made.attempts.assign(flipped=False), made.run, tmp_path)
    assert_nothing_is_cut(figure)
    for _, _, axes in panels(figure, made.run):
        assert not any(line.get_ydata().any() for line in axes.lines if not line.get_label().startswith("_"))


def test_a_network_that_is_always_wrong_keeps_its_row(made, tmp_path):
    attempts = made.attempts.copy()
    attempts.loc[attempts["network"] == "softmax", "correct"] = False
    figure = drawn(attempts, made.run, tmp_path)
    for network, _, axes in panels(figure, made.run):
        said = NONE_RIGHT in [text.get_text() for text in axes.texts]
        assert said == (network == "softmax")
        assert said == (not axes.collections)


def test_one_attack_has_no_best_beside_it(made, tmp_path):
    figure = drawn(*invented(made, many()[:1], {"n": "n"}), tmp_path)
    assert words_of_legend(figure) == ["FGS, line search", "95 % interval"]
    assert [line.get_label() for line in figure.axes[0].lines] == ["fgs-line"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda attempts: attempts[:0], NO_ATTACKS),
        (lambda attempts: attempts[attempts["checkpoint"] == "epoch2"], NO_ATTACKS),
        (lambda attempts: attempts[~attempts["correct"]], NO_ROWS),
    ],
)
def test_runs_without_such_attempts_say_so(made, tmp_path, change, why):
    figure = drawn(change(made.attempts), made.run, tmp_path)
    assert not figure.axes
    assert figure.texts[-1].get_text() == why


@pytest.mark.slow
def test_files_are_the_same_twice_and_the_caption_says_what_is_counted(made, tmp_path):
    paths = made.write(tmp_path)
    made.attempts.query("attribute == 'Male'").to_parquet(paths["attempts"])
    for folder in ("a", "b"):
        outputs = {kind: tmp_path / folder / f"curves.{kind}" for kind in ("pdf", "png", "dark", "caption")}
        make_figure(FIGURES["robustness_curves"], paths, made.run, outputs)
    for path in outputs.values():
        assert path.read_bytes() == (tmp_path / "a" / path.name).read_bytes(), path.name
    caption = outputs["caption"].read_text(encoding="utf-8")
    assert "share of the correctly classified images" in caption
    assert "Misclassified images are left out" in caption
