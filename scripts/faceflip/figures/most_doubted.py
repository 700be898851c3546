"""The most doubted labels, as faces: look whether the label or the doubt is wrong.

A block is an attribute: those that have most labels in doubt, as many as have room. Its faces are those whose label is
most in doubt, most doubted first. Below each stand its annotation, the score (the probability that the attribute is
present, by networks that learned from other images), what puts the label in doubt (names of rules that labels of the
image break, `scores`, `audit`), and the name of the file. Doubt is compared within an attribute alone: networks
are surer of some attributes than of others, so that the same doubt means more of one than of another.

Where no network scored the labels nothing says which is doubted most. Then a block is a rule, or the audit, those with
most images first; its faces are spread evenly over these, and below each stand the labels that it puts in doubt.

A label in doubt is no wrong label. Look at the face first, then at the annotation: where you agree with the annotation
the network is what is wrong, and a block full of such faces says that it does not know its attribute. On drawn faces
the truth is known: ▲ and a frame mark labels that were falsified on purpose, ○ those that were not.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from faceflip.analysis.doubts import read_doubted
from faceflip.analysis.frames import FigureInputs, in_order
from faceflip.analysis.names import ordered, spread
from faceflip.analysis.run import RunDescription
from faceflip.catalogue import VERMILION
from faceflip.data.label_doubt import FALSIFIED, names_in
from faceflip.figures.by_millimetres import Pair, Paper
from faceflip.figures.lettering import IN_COLUMN, in_lines, plain, short_names, told_apart
from faceflip.figures.style import DPI, GREY, MM, PAGE, PAGE_HEIGHT, SMALL, note_height, nothing, with_note
from faceflip.wording import quantity

NO_DOUBT = "No label of this run is in doubt."
ACROSS, MOST_BLOCKS, MOST_LINES = 8, 6, 2
"""Faces side by side; blocks, and lines of faces in a block, at most."""
EDGE, GAP = 1.0, 1.6
"""Millimetres at the sides, and between faces."""
TOP, HEAD, BELOW = 4.5, 4.2, 2.0
"""Millimetres of the line above all blocks, of a block's heading, and below a line of faces."""
TYPE, PITCH = SMALL - 0.5, 2.35
"""Type size below faces in points, and millimetres from one line of it to the next."""
MOST_WORDS, LONGEST_FILE = 6, 16
"""Lines of each thing that is said below a face, and characters of a file's name, at most."""
BOLD = 0.88
"""How wide letters are by the same ones in bold."""
WIDTH = (PAGE / MM - 2 * EDGE + GAP) / ACROSS - GAP
"""Millimetres of a face's width."""
Fit = Callable[[str, float, float], str]
"""Puts a text into lines: of so many millimetres, in a type size."""
Words = Sequence[tuple[str, Mapping[str, Any]]]
"""Lines, each with its look."""
COLUMNS = ("image", "file_name", "attribute", "label", "score", "doubt", "reasons")


@dataclass(frozen=True)
class DoubtedFace:
    """A face and what is said of it.

    Attributes:
        image: Its row in the dataset.
        facts: What stands below it, as `plain` text: annotations; of a single one also its score, and what puts it in
            doubt.
        falsified: Whether a label shown was falsified on purpose, in words; empty where none was, None where nobody
            knows.
    """

    image: int
    file_name: str
    facts: tuple[str, ...]
    falsified: str | None


@dataclass(frozen=True)
class DoubtBlock:
    """Faces below a heading."""

    title: str
    faces: tuple[DoubtedFace, ...]


def draw(inputs: FigureInputs, run: RunDescription) -> Figure:
    """Draw what `choose_blocks` chooses."""
    from faceflip.data.packed import open_dataset

    doubted = read_doubted(inputs["doubts"], *COLUMNS)
    if doubted.empty:
        return nothing(run, NO_DOUBT)
    images = open_dataset(inputs["dataset"]).images
    aspect = images.shape[1] / images.shape[2]
    fit: Fit = cache(in_lines)  # measuring is slow, and many faces have the same words
    for lines in range(MOST_BLOCKS, 0, -1):
        blocks, about = choose_blocks(doubted, run, lines)
        if TOP + sum(_heights(blocks, aspect, fit)) <= PAGE_HEIGHT / MM:
            break
    return draw_blocks(blocks, about, images, run, fit)


def choose_blocks(doubted: pd.DataFrame, run: RunDescription, lines: int) -> tuple[list[DoubtBlock], str]:
    """Return blocks for so many lines of faces, and what to say above them.

    `doubted` are labels in doubt with the columns `COLUMNS`, and `falsified` where the truth is known. With numbers of
    doubt a block is an attribute, else what puts labels in doubt: those with most first, of equals those first in the
    order of attributes or of the alphabet.
    """
    texts = {name: doubted[name].astype(str) for name in ("file_name", "attribute", "reasons")}
    doubted = doubted.assign(**texts)
    if scored := doubted["doubt"].notna().any():
        counts = doubted["attribute"].value_counts()
        names = sorted(ordered(counts.index, run.attributes), key=lambda name: -counts[name])
        what = "attribute", "have labels in doubt"
    else:
        doubted = doubted.assign(reason=doubted["reasons"].map(names_in)).explode("reason", ignore_index=True)
        doubted = in_order(doubted, {"attribute": run.attributes})
        counts = doubted.groupby("reason")["image"].nunique()
        names = sorted(counts.index, key=lambda name: (-counts[name], name))
        what = "reason", "put labels in doubt"
    shown = names[:lines]
    make, column = (_of_attribute, "attribute") if scored else (_of_reason, "reason")
    each, more = divmod(lines, len(shown))
    blocks = [
        make(name, doubted[doubted[column] == name], run, ACROSS * min(each + (place < more), MOST_LINES))
        for place, name in enumerate(shown)
    ]
    order = "most doubted first" if scored else "no network scored the labels: examples of each reason"
    few = f"; {len(shown)} of {quantity(len(names), what[0])} that {what[1]}, those with most"
    return blocks, order + few * (len(shown) < len(names))


def _of_attribute(name: str, doubted: pd.DataFrame, run: RunDescription, most: int) -> DoubtBlock:
    """Return the faces whose label of an attribute is doubted most; of equals the first."""
    chosen = doubted.sort_values(["doubt", "image"], ascending=[False, True])[:most]
    faces = []
    for row in chosen.to_dict("records"):
        score = "no score" if pd.isna(row["score"]) else f"score {row['score']:.2f}"
        facts = (f"annotated {_state(row)}", score)
        truth = ("falsified" if row[FALSIFIED] else "") if FALSIFIED in row else None
        faces.append(_face(row, (*facts, f"doubt by {plain(row['reasons'])}"), truth))
    title = f"{short_names(run.attributes, IN_COLUMN)[name]}: {quantity(len(doubted), 'label')} in doubt"
    if FALSIFIED in doubted:
        title += f", {int(doubted[FALSIFIED].sum()):,} falsified on purpose"
    return DoubtBlock(title, tuple(faces))


def _of_reason(name: str, doubted: pd.DataFrame, run: RunDescription, most: int) -> DoubtBlock:
    """Return faces whose labels something puts in doubt, evenly spread over them."""
    short = short_names(run.attributes, IN_COLUMN)
    every = sorted(doubted["image"].unique())
    faces = []
    for image in spread(every, most):
        rows = doubted[doubted["image"] == image].to_dict("records")
        labels = [f"{short[row['attribute']]}: {_state(row)}" for row in rows]
        wrong = ", ".join(short[row["attribute"]] for row in rows if row.get(FALSIFIED))
        truth = (f"falsified: {wrong}" if wrong else "") if FALSIFIED in doubted else None
        faces.append(_face(rows[0], labels, truth))
    return DoubtBlock(f"{plain(name)}: {quantity(len(every), 'image')}", tuple(faces))


def _face(row: dict, facts: Sequence[str], falsified: str | None) -> DoubtedFace:
    return DoubtedFace(int(row["image"]), row["file_name"], tuple(facts), falsified)


def _state(row: dict) -> str:
    return "present" if row["label"] > 0 else "absent"


def draw_blocks(
    blocks: Sequence[DoubtBlock], about: str, images: np.ndarray, run: RunDescription, fit: Fit = in_lines
) -> Figure:
    """Draw blocks below each other; `images` (N, H, W, 3) uint8 are those of the dataset."""
    height = WIDTH * images.shape[1] / images.shape[2]
    heights = _heights(blocks, images.shape[1] / images.shape[2], fit)
    whole = (TOP + sum(heights)) * MM + note_height(run)
    paper = Paper.of(with_note(Figure((PAGE, whole), DPI), run))
    paper.write(about, (EDGE, 1), color=GREY)
    top = TOP
    for (title, line), taken in zip(_lines_of(blocks), heights, strict=True):
        if title:
            paper.write(title, (EDGE, top + 0.4), fontsize=SMALL + 0.5)
        for place, face in enumerate(line):
            left = EDGE + place * (WIDTH + GAP)
            _draw_face(paper, (left, top + HEAD * bool(title)), height, face, images[face.image], _words(face, fit))
        top += taken
    return paper.figure


def _lines_of(blocks: Sequence[DoubtBlock]) -> list[tuple[str, tuple[DoubtedFace, ...]]]:
    """Return lines of faces, each with the heading above it, which is empty within a block."""
    return [
        (block.title * (first == 0), block.faces[first : first + ACROSS])
        for block in blocks
        for first in range(0, len(block.faces), ACROSS)
    ]


def _heights(blocks: Sequence[DoubtBlock], aspect: float, fit: Fit) -> list[float]:
    """Return the millimetres of each line of faces with its heading and what stands below."""
    words = ((title, max(len(_words(face, fit)) for face in line)) for title, line in _lines_of(blocks))
    return [HEAD * bool(title) + WIDTH * aspect + most * PITCH + BELOW for title, most in words]


def _draw_face(paper: Paper, corner: Pair, height: float, face: DoubtedFace, image: np.ndarray, words: Words) -> None:
    axes = paper.show(image, corner, (WIDTH, height))
    if face.falsified:
        frame = {"fill": False, "edgecolor": VERMILION, "linewidth": 1.6, "transform": axes.transAxes}
        axes.add_patch(Rectangle((0, 0), 1, 1, clip_on=False, **frame))
    left, spot = corner[0], corner[1] + height + 0.7
    for text, look in words:
        paper.write(text, (left, spot), fontsize=TYPE, **look)
        spot += PITCH


def _words(face: DoubtedFace, fit: Fit) -> Words:
    """Return the lines below a face, each with its look."""
    truth, look = [], {}
    if face.falsified is not None:
        truth, look = ([f"▲ {face.falsified}"], {"weight": "bold"}) if face.falsified else (["○ not falsified"], {})
    parts = [(_in_room(truth, WIDTH * BOLD, fit), look), (_in_room(face.facts, WIDTH, fit), {})]
    parts.append(([told_apart({0: face.file_name}, LONGEST_FILE)[0]], {"color": GREY}))
    return [(line, look) for lines, look in parts for line in lines]


def _in_room(texts: Iterable[str], width: float, fit: Fit) -> list[str]:
    """Return texts in lines that are so many millimetres wide, and not too many of them."""
    lines = [line for text in texts for line in fit(text, width, TYPE).splitlines()]
    return lines if len(lines) <= MOST_WORDS else [*lines[: MOST_WORDS - 1], "…"]
