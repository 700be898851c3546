"""The same faces before and after fine-tuning: what perturbation it takes now.

A block is a face and an attribute. Left is the original; then, for the source and for what was first made of it on some
of the diets, the perturbed image and below it the perturbation, ten times as large around grey, with its L2 in pixel
values and PASS. Changes beyond twelve pixel values are cut off. Faces are chosen by rule: among the pairs of attribute
and image that all these networks classify correctly and the leading attack flips, the one nearest to the median L2 of
the source, one an attribute, spread over the attributes; as many as have room. So a network that hardly anything flips
is shown where something still does. The images are of the first sample of the test split that was attacked, else of the
first; of several sources the one is shown of which most was made.

A more robust network needs a larger L2, and a smaller PASS. Compare with the control, which was trained on for as many
steps on clean images. Look at where the perturbation lies: on what belongs to the attribute, or all over the image.
"""

import math
from collections.abc import Mapping, Sequence
from textwrap import wrap

import numpy as np
from matplotlib.figure import Figure

from faceflip.analysis.frames import FigureInputs
from faceflip.analysis.run import RunDescription
from faceflip.analysis.tuned_examples import FaceChoice, FaceExample, choose_faces, networks_shown
from faceflip.analysis.tunings import read_tuned_attempts
from faceflip.attempt import Experiment
from faceflip.figures.by_millimetres import Paper
from faceflip.figures.lettering import IN_COLUMN, short_names
from faceflip.figures.perturbations import read_perturbations
from faceflip.figures.style import DPI, GREY, MM, PAGE, PAGE_HEIGHT, SMALL, note_height, nothing, with_note
from faceflip.figures.tuned_looks import (
    NO_TUNING,
    attack_name,
    families_of,
    lead_attempts,
    sample_name,
    source_name,
)
from faceflip.pixels import GAIN, triptych
from faceflip.wording import similarity

MOST = 6
"""Faces at most."""
LEAST, LARGEST = 13.2, 24.0
"""Millimetres of a picture's width."""
EDGE, GAP, BETWEEN = 1.0, 0.8, 4.0
"""Millimetres at the sides, between pictures, and between blocks."""
TOP, HEAD, FOOT = 6.0, 7.0, 8.5
"""Millimetres above all blocks; of a block's heading, and of the numbers below it."""
NUMBERS, LINE = SMALL - 0.5, 170
"""Type size below pictures, in points; characters of a line at the top."""

Pictures = Mapping[tuple[int, int], tuple[np.ndarray, np.ndarray]]
"""Image (H, W, 3) uint8 and perturbation of whole numbers, by the places of a face and of a network."""


def draw(inputs: FigureInputs, run: RunDescription) -> Figure:
    """Draw what `choose_faces` chooses of the source of which most networks were made and attacked."""
    from faceflip.data.packed import open_dataset

    found = lead_attempts(read_tuned_attempts(inputs["attempts"], run, "l2", "score_before"), run)
    if found is None:
        return nothing(run, NO_TUNING)
    attempts, attack, sample = found
    attacked = set(attempts["network"])
    choices = ([each for each in networks_shown(family) if each[1].name in attacked] for family in families_of(run))
    shown = max((pairs for pairs in choices if pairs and pairs[0][1].tuning is None), key=len, default=[])
    if len(shown) < 2:
        return nothing(run, "This run has no attacks on a network both before and after fine-tuning.")
    groups, networks = zip(*shown, strict=True)
    dataset = open_dataset(inputs["dataset"])
    height, width = dataset.images.shape[1:3]
    chosen = choose_faces(attempts, networks, run, room(len(shown), height / width))
    if not chosen.faces:
        return nothing(run, f"{attack_name(attack, run)} flipped no correctly classified image of the source.")
    pictures = {}
    for place, network in enumerate(networks):
        flipped = [number for number, face in enumerate(chosen.faces) if not math.isnan(face.l2[place])]
        if not flipped:
            continue
        experiment = Experiment(sample, network.name, network.checkpoint, attack)
        pairs = [(chosen.faces[number].attribute, chosen.faces[number].image) for number in flipped]
        for number, perturbation in zip(flipped, read_perturbations(inputs["stores"], experiment, pairs), strict=True):
            pictures[number, place] = dataset.images[chosen.faces[number].image], perturbation
    about = f"{source_name(groups[0], run)}; {attack_name(attack, run)}; {sample_name(sample, run)}"
    return draw_faces(chosen, [group.diet or "source" for group in groups], pictures, about, run)


def room(networks: int, aspect: float) -> int:
    """Return how many faces have room on a page, `MOST` at most; `aspect` is the height of an image by its width."""
    across = _across(networks)
    return min(MOST, across * max(int((_page_height() - TOP) // _block_height(LEAST, aspect)), 1))


def _page_height() -> float:
    return PAGE_HEIGHT / MM


def _across(networks: int) -> int:
    """Return how many blocks have room side by side."""
    return max(int((PAGE / MM - 2 * EDGE + BETWEEN) // ((networks + 1) * (LEAST + GAP) + BETWEEN)), 1)


def _block_height(width: float, aspect: float) -> float:
    return HEAD + 2 * width * aspect + GAP + FOOT


def draw_faces(chosen: FaceChoice, names: Sequence[str], pictures: Pictures, about: str, run: RunDescription) -> Figure:
    """Draw a block for each face, with a column for each network of these names; `about` is said at the top."""
    count = len(chosen.faces)
    aspect = next((image.shape[0] / image.shape[1] for image, _ in pictures.values()), 1.0)
    across = min(_across(len(names)), count)
    rows = -(-count // across)
    block = (PAGE / MM - 2 * EDGE + BETWEEN) / across - BETWEEN
    tallest = ((_page_height() - TOP) / rows - HEAD - GAP - FOOT) / 2 / aspect
    width = min(block / (len(names) + 1) - GAP, max(tallest, LEAST), LARGEST)
    whole = TOP + rows * _block_height(width, aspect)
    figure = with_note(Figure((PAGE, whole * MM + note_height(run)), DPI), run)
    paper = Paper.of(figure)
    remark = f" ({chosen.remark})" if chosen.remark else ""
    title = f"{about}; median L2 of the source {chosen.median:.0f}{remark}"
    paper.write("\n".join(wrap(title, LINE)), (EDGE, 1))
    for number, face in enumerate(chosen.faces):
        left = EDGE + (number % across) * (block + BETWEEN)
        top = TOP + (number // across) * _block_height(width, aspect)
        of_face = {place: pictures[at, place] for at, place in pictures if at == number}
        _draw_block(paper, (left, top), (width, width * aspect), face, names, of_face, run)
    return figure


def _draw_block(
    paper: Paper,
    corner: tuple[float, float],
    picture: tuple[float, float],
    face: FaceExample,
    names: Sequence[str],
    pictures: Mapping[int, tuple[np.ndarray, np.ndarray]],
    run: RunDescription,
) -> None:
    """Draw a block from its upper left corner; lengths are in millimetres, `picture` is width and height."""
    (left, top), (width, height) = corner, picture
    state = ("present", "absent") if face.present else ("absent", "present")
    name = short_names(run.attributes, IN_COLUMN)[face.attribute]
    paper.write(f"{name}: {state[0]} → {state[1]}", corner, fontsize=SMALL + 0.5)
    first, second = top + HEAD, top + HEAD + height + GAP
    original = next(iter(pictures.values()))[0]
    paper.show(original, (left, first), picture)
    paper.write("original", (left, top + HEAD - 2.8), color=GREY)
    words = f"perturbation\n× {GAIN}"
    paper.write(words, (left + width / 2, second + height / 2), ha="center", va="center", color=GREY)
    paper.write("L2\nPASS", (left, second + height + 0.6), fontsize=NUMBERS, color=GREY)
    if face.doubtful:
        paper.write("label in doubt", (left, second + height + 5.4), fontsize=NUMBERS)
    for place, name in enumerate(names):
        x = left + (place + 1) * (width + GAP)
        paper.write(name, (x, top + HEAD - 2.8))
        if place not in pictures:
            spot = x + width / 2, first + height / 2
            paper.write("does\nnot flip", spot, ha="center", va="center", color=GREY)
            continue
        _, magnified, sum_ = triptych(*pictures[place])
        paper.show(sum_, (x, first), picture)
        paper.show(magnified, (x, second), picture)
        numbers = f"{face.l2[place]:.0f}\n{similarity(face.similarity[place])}"
        paper.write(numbers, (x, second + height + 0.6), fontsize=NUMBERS)
