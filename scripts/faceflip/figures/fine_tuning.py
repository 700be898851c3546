"""Error and robustness after fine-tuning: the answer in one picture, for each source and each sample attacked.

A mark is a diet: the further up, the more robust the network has become, the further to the left, the more accurate. Up
stands, in one panel, the share of the correctly classified images that the leading attack flips with a PASS of at least
tau, with few flips above; in the other the median L2 of a flip, where images that are never flipped count as infinitely
far: ∞ says that they are at least half. The cross-hair goes through the control, which was trained on for as many steps
on clean images alone: only what is above it gained from its extra images, and the words in the corners are about it.
(Without a control it goes through the source.) Further down the error is balanced: the mean of the error where the
label is present and of that where it is absent. Plain errors of attributes that few or most images have say little: a
network that gives every image the same answer has small ones, and a balanced error of 50 %. Small dots are seeds, the
mark is their mean, or their median where some are at ∞; lines are 95 % intervals of Student's t over seeds; one that
reaches the edge goes on beyond it. With two or three seeds they are wide, and diets whose lines overlap cannot be told
apart.

Look at images of the test split first, from which no network ever learned; those of the training split took no part in
the fine-tuning, but the source had learned from them. A diet that is above the cross-hair and not to the right of it
costs nothing. It would be surprising if a diet without perturbations (natural) or with shuffled ones (noise) did as
well as those with what attacks found: then the perturbation is not what helps.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from faceflip.analysis.frames import FigureInputs
from faceflip.analysis.names import ordered
from faceflip.analysis.run import RunDescription
from faceflip.analysis.tuned_measures import ERRORS, TEST
from faceflip.analysis.tunings import BEFORE, CONTROL, MEAN, TunedGroup, lead_attack, read_fine_tuning
from faceflip.figures.lettering import POINTS, extent
from faceflip.figures.placing import LINE_FROM, place_labels
from faceflip.figures.style import GREY, MM, PAGE, PAGE_HEIGHT, SMALL, nothing, page
from faceflip.figures.tuned_looks import (
    NO_TUNING,
    attack_name,
    families_of,
    label_of,
    look_of,
    sample_name,
    source_name,
)

FLIPPED, FAR = "flipped", "median_l2_all"
"""The measures of robustness: of the first less is better."""
ERROR_NAMES = dict(zip(ERRORS[:2], ("error", "balanced error"), strict=True))
"""The measures of accuracy, and what axes call them."""
ABOVE, PANEL, LEAST = 12, 72, 44
"""Millimetres: for the legend, and of a panel with its labels where there is room, and at least."""
MARGIN, BEYOND = 0.16, 0.4
"""Of the span of points: what is left free around them, and how far intervals may widen the panel."""
QUADRANT = {"x": 0.24, "y": 0.13}
"""Of the panel: what is on each side of the cross-hair at least."""
MANY_TIMES = 8
"""Medians that differ more are drawn on a logarithmic scale."""
MARK, DOT, WORDS = 1.9, 0.9, SMALL - 0.5
"""Millimetres of a mark and of a seed's dot; type size of the words in the corners, in points."""
THIN = np.array([-0.1, -0.1, 0.1, 0.1])
"""What makes a line a box, in millimetres."""
CROSS_HAIR = {"color": GREY, "linewidth": 0.5, "linestyle": (0, (4, 2)), "zorder": 1}
SEED = {"marker": "o", "markersize": DOT * POINTS, "markeredgewidth": 0, "alpha": 0.45, "linestyle": ""}
INTERVAL = {"linewidth": 0.7, "zorder": 2}
CORNERS = {
    (0, 1): "more robust,\nmore accurate",
    (1, 1): "more robust,\nless accurate",
    (0, 0): "less robust,\nmore accurate",
    (1, 0): "less robust,\nless accurate",
}
"""What the sides of the cross-hair mean, by the corner of the panel."""


def draw(inputs: FigureInputs, run: RunDescription) -> Figure:
    """Draw for each source panels of both errors and both measures of robustness, and of each sample attacked.

    Of several samples, side by side, there are none of the balanced error and the median L2.
    """
    table = read_fine_tuning(inputs["fine_tuning"])
    table = table.assign(**{end: np.nan for end in ("low", "high") if end not in table})  # a run without intervals
    attacked = table[table["measure"] == FLIPPED]
    if attacked.empty:
        return nothing(run, NO_TUNING)
    attack = lead_attack(list(attacked["attack"].unique()), run)
    at_tau = np.isclose(table["threshold"].astype(float), run.threshold) & (table["measure"] == FLIPPED)
    errors = table["measure"].isin(ERROR_NAMES) & (table["sample"] == TEST)
    table = table[errors | ((table["attack"] == attack) & (at_tau | (table["measure"] == FAR)))]
    table = table[np.isfinite(table["value"]) | (table["measure"] == FAR)].dropna(subset=["value"])
    samples = ordered(table.loc[table["measure"] == FLIPPED, "sample"].unique(), run.samples)
    families = families_of(run)
    kinds = list(product(ERROR_NAMES, (FLIPPED, FAR)))[: 3 if len(samples) > 1 else 4]
    columns = len(samples) if len(samples) > 1 else 2
    rows = len(kinds) * len(families) * len(samples) // columns
    height = max(min(PANEL, (PAGE_HEIGHT / MM - ABOVE) / rows), LEAST)
    figure = page(run, PAGE, (ABOVE + height * rows) * MM)
    grid = figure.subplots(rows, columns, squeeze=False)
    free, drawn = iter(grid.flat), []
    for family, (error, measure) in product(families, kinds):
        points = {sample: _points(table, family[0], error, measure, sample) for sample in samples}
        scales = _scales(pd.concat(points.values()), family, measure)
        for sample in samples:
            axes = next(free)
            axes.set_title(f"{source_name(family[0], run)}; {sample_name(sample, run)}", loc="left", fontsize=SMALL)
            axes.set_ylabel(_label(measure, attack, run))
            axes.set_xlabel(f"{ERROR_NAMES[error]} on the test split, %  (left: more accurate)")
            _draw(axes, points[sample], family, scales)
            drawn.append((axes, points[sample], family))
    diets = {group.diet for family in families for group in family}
    whole = pd.concat([points for _, points, _ in drawn])
    _legend(figure, diets, (whole["seed"] != MEAN).any(), whole[["x_low", "y_low"]].notna().any(axis=None))
    # Words stand where there is room on the page, so the panels must have their places.
    figure.get_layout_engine().execute(figure)
    for axes, points, family in drawn:
        _write(axes, points, family)
    return figure


def _label(measure: str, attack: str, run: RunDescription) -> str:
    if measure == FLIPPED:
        return f"flipped at PASS ≥ {run.threshold:g}, %\n{attack_name(attack, run)}  (up: more robust)"
    return f"median L2 of a flip, pixel values\n{attack_name(attack, run)}  (up: more robust)"


def _points(table: pd.DataFrame, source: TunedGroup, error: str, measure: str, sample: str) -> pd.DataFrame:
    """Return where the networks of a source stand: network, seed, then x and y with the ends of their intervals.

    A seed that is alone has no row beside its mean.
    """
    of_source = table[(table["source"] == source.source) & (table["checkpoint"] == source.checkpoint)]
    keys, numbers = ["network", "seed"], ["value", "low", "high"]
    errors = of_source[of_source["measure"] == error]
    errors = errors[[*keys, *numbers]].rename(columns={"value": "x", "low": "x_low", "high": "x_high"})
    robust = of_source[(of_source["measure"] == measure) & (of_source["sample"] == sample)]
    robust = robust[[*keys, *numbers]].rename(columns={"value": "y", "low": "y_low", "high": "y_high"})
    points = errors.merge(robust, on=keys, validate="one_to_one")
    columns = [name for name in points if name[0] == "x" or (name[0] == "y" and measure == FLIPPED)]
    points[columns] *= 100
    alone = points["network"].map((points["seed"] != MEAN).groupby(points["network"]).sum()) < 2
    return points[(points["seed"] == MEAN) | ~alone].reset_index(drop=True)


@dataclass(frozen=True)
class Scales:
    """The axes of panels side by side: their ends, where y has ticks, and where infinity stands, if some are as far."""

    x: tuple[float, float]
    y: tuple[float, float]
    infinity: float | None
    logarithmic: bool
    ticks: Sequence[float]


def _scales(points: pd.DataFrame, family: Sequence[TunedGroup], measure: str) -> Scales | None:
    """Return the axes on which all of some points have room; None where there are none."""
    if points.empty:
        return None
    middle = _middle(points, family)
    finite = points["y"][np.isfinite(points["y"])]
    positive = finite[finite > 0]
    logarithmic = measure == FAR and len(positive) > 0 and positive.max() > MANY_TIMES * positive.min()
    if logarithmic:
        low, high = positive.min() / 1.5, positive.max() * 1.5
    else:
        whole = (0.0, 100.0) if measure == FLIPPED else (0.0, np.inf)
        low, high = _limits(points, "y", middle, whole)
    ticks = (LogLocator(subs=(1, 2, 5)) if logarithmic else MaxNLocator(6, steps=[1, 2, 5, 10])).tick_values(low, high)
    ticks = [tick for tick in ticks if low <= tick <= high]
    infinity = None
    if np.isinf(points["y"]).any():
        # The scale ends beyond it, so that marks there stay off the title.
        infinity, high = (
            high * (high / low) ** far if logarithmic else high + far * (high - low) for far in (0.15, 0.22)
        )
    x = _limits(points, "x", middle, (0.0, 100.0))
    return Scales(x, (high, low) if measure == FLIPPED else (low, high), infinity, logarithmic, ticks)


def _limits(points: pd.DataFrame, name: str, middle: pd.Series | None, whole: tuple) -> tuple[float, float]:
    """Return the ends of an axis: room for all points, for intervals that are not too wide, and around the cross."""
    values = points[name][np.isfinite(points[name])]
    if values.empty:
        return 0.0, 1.0
    ends = points[[f"{name}_low", f"{name}_high"]].to_numpy(float)
    ends = np.append(ends[np.isfinite(ends)], values)
    span = max(values.max() - values.min(), 0.02 * abs(values.max()), 1e-3)
    low = max(ends.min(), values.min() - BEYOND * span) - MARGIN * span
    high = min(ends.max(), values.max() + BEYOND * span) + MARGIN * span
    if middle is not None and np.isfinite(middle[name]):
        room = QUADRANT[name] / (1 - QUADRANT[name])
        low = min(low, middle[name] - room * (high - middle[name]))
        high = max(high, middle[name] + room * (middle[name] - low))
    # Marks at the ends of the whole scale are drawn over its edge.
    return max(low, whole[0]), min(high, whole[1])


def _draw(axes: Axes, points: pd.DataFrame, family: Sequence[TunedGroup], scales: Scales | None) -> None:
    """Draw the marks, dots, intervals and the cross-hair; `points` gets the column `shown`, y with infinity in it."""
    points["shown"] = points["y"]
    if scales is None or points.empty:
        axes.text(0.5, 0.5, "not attacked", transform=axes.transAxes, ha="center", va="center", color=GREY)
        return
    if scales.logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set(xlim=scales.x, ylim=scales.y)
    axes.set_yticks(scales.ticks, [f"{tick:g}" for tick in scales.ticks])
    if scales.infinity is not None:
        axes.set_yticks([*scales.ticks, scales.infinity], [*(f"{tick:g}" for tick in scales.ticks), "∞"])
        points["shown"] = points["y"].where(np.isfinite(points["y"]), scales.infinity)
    middle = _middle(points, family)
    if middle is not None:
        axes.axvline(middle["x"], **CROSS_HAIR)
        axes.axhline(middle["shown"], **CROSS_HAIR)
    for group in family:
        color, look = look_of(group.diet)
        mine = points[points["network"] == group.name]
        seeds = mine[mine["seed"] != MEAN]
        if len(seeds):  # nothing, unclipped, would count as a mark in the corner of the page
            axes.plot(seeds["x"], seeds["shown"], color=color, clip_on=False, zorder=2, **SEED)
        for _, row in mine[mine["seed"] == MEAN].iterrows():
            axes.plot([row["x_low"], row["x_high"]], [row["shown"]] * 2, color=color, **INTERVAL)
            axes.plot([row["x"]] * 2, [row["y_low"], row["y_high"]], color=color, **INTERVAL)
            axes.plot(row["x"], row["shown"], linestyle="", clip_on=False, zorder=3, **look)


def _middle(points: pd.DataFrame, family: Sequence[TunedGroup]) -> pd.Series | None:
    """Return the point of the control, where there is none that of the source."""
    for diet in (CONTROL, BEFORE):
        names = [group.name for group in family if group.diet == diet]
        found = points[(points["seed"] == MEAN) & points["network"].isin(names)]
        if len(found):
            return found.iloc[0]
    return None


def _legend(figure: Figure, diets: Collection[str], seeds: bool, intervals: bool) -> None:
    handles = [Line2D([], [], linestyle="", label="source, before", **look_of(BEFORE)[1])]
    if CONTROL in diets:
        look = CROSS_HAIR | look_of(CONTROL)[1]
        handles.append(Line2D([], [], label="control: as many steps on clean images", **look))
    if seeds:
        handles.append(Line2D([], [], color=GREY, label="a seed", **SEED))
    if intervals:
        handles.append(Line2D([], [], color=GREY, label="95 % interval over seeds", **INTERVAL))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))


def _write(axes: Axes, points: pd.DataFrame, family: Sequence[TunedGroup]) -> None:
    """Write the names of the diets beside their marks, and what the sides of the cross-hair mean, where there is room.

    All lengths are in millimetres from the panel's lower left corner.
    """
    labels = {group.name: (label_of(group), look_of(group.diet)[0]) for group in family}
    means = points[(points["seed"] == MEAN) & points["network"].isin(labels)]
    if means.empty:
        return
    mm = 25.4 / axes.figure.dpi
    size = np.array(axes.bbox.size) * mm

    def placed(frame: pd.DataFrame, x: str, y: str) -> np.ndarray:
        return (axes.transData.transform(frame[[x, y]].to_numpy(float)) - axes.bbox.min) * mm

    marks, dots = placed(means, "x", "shown"), placed(points[points["seed"] != MEAN], "x", "shown")
    lines = [(placed(means, f"x_{end}", "shown"), placed(means, "x", f"y_{end}")) for end in ("low", "high")]
    lines = [np.hstack([np.minimum(*pair), np.maximum(*pair)]) + THIN for pair in zip(*lines, strict=True)]
    middle = _middle(points, family)
    if middle is not None:
        ((x, y),) = placed(middle.to_frame().T, "x", "shown")
        lines.append(np.array([[x, 0, x, size[1]], [0, y, size[0], y]]) + THIN)
    things = [(np.hstack([marks - MARK / 2, marks + MARK / 2]), 1.0), (np.hstack([dots, dots]) + 4 * THIN, 0.3)]
    things += [(boxes, 0.4) for boxes in lines]
    boxes = np.concatenate([boxes for boxes, _ in things])
    weights = np.concatenate([np.full(len(boxes), weight) for boxes, weight in things])
    seen = np.isfinite(boxes).all(axis=1)
    boxes, weights = boxes[seen], weights[seen]
    texts = [labels[name][0] for name in means["network"]]
    sizes = np.array([[SMALL * extent(text) + 0.4, 1.05 * SMALL / POINTS] for text in texts])
    centres = place_labels(marks, sizes, boxes, weights, tuple(size))
    for name, text, mark, centre, whole in zip(means["network"], texts, marks, centres, sizes, strict=True):
        near = np.clip(mark, centre - whole / 2, centre + whole / 2)
        gap = near - mark
        if np.hypot(*gap) > LINE_FROM:
            start, end = (mark + gap * MARK / 2 / np.hypot(*gap)) / size, near / size
            line = {"color": labels[name][1], "linewidth": 0.4, "clip_on": False, "transform": axes.transAxes}
            axes.plot(*zip(start, end, strict=True), scalex=False, scaley=False, **line).pop().set_in_layout(False)
        written = axes.text(*(centre / size), text, ha="center", va="center", transform=axes.transAxes)
        written.set_in_layout(False)
    if middle is not None:
        boxes = np.concatenate([boxes, np.hstack([centres - sizes / 2, centres + sizes / 2])])
        _write_corners(axes, boxes, np.array([x, y]), size)


def _write_corners(axes: Axes, taken: np.ndarray, middle: np.ndarray, size: np.ndarray) -> None:
    """Write what each side of the cross-hair means: into its corner, or beside the cross-hair, where that is free."""
    for (right, up), words in CORNERS.items():
        lines = words.splitlines()
        whole = np.array([max(WORDS * extent(line) for line in lines), 1.2 * len(lines) * WORDS / POINTS])
        signs = np.array([1 if right else -1, 1 if up else -1])
        corner = np.where(signs > 0, size - 1, 1) - signs * whole / 2
        inner = middle + signs * (whole / 2 + 1)
        for centre in (corner, (inner[0], corner[1]), (corner[0], inner[1])):
            low, high = centre - whole / 2, centre + whole / 2
            free = ((taken[:, :2] > high) | (taken[:, 2:] < low)).any(axis=1).all()
            if free and (low > 0).all() and (high < size).all() and (signs * (centre - middle) > 0).all():
                place = {"ha": "right" if right else "left", "va": "center", "multialignment": "left"}
                spot = ((high if right else low)[0] / size[0], centre[1] / size[1])
                text = axes.text(*spot, words, color=GREY, fontsize=WORDS, transform=axes.transAxes, **place)
                text.set_in_layout(False)
                break
