"""Adversarial images, chosen by rule and not by hand (Fig. 1).

Each panel shows an image, its perturbation and their sum. The perturbation is ten times as large as it was, around
grey, so that grey is no change; changes beyond twelve pixel values are cut off. Left a network of one attribute, whose
mistake the perturbation corrects (a natural adversarial image); right a network of all attributes (MOON in the paper),
with the other attributes that change along; above FFA with line search, below iterative FFA on the same image. Among
all images that qualify it is the one with the median PASS, so a typical one. It would be surprising to see a change in
the perturbed image: at this PASS the difference should escape the eye.
"""

from collections.abc import Sequence
from itertools import chain
from string import ascii_lowercase
from textwrap import wrap

import numpy as np
from matplotlib.figure import Figure, SubFigure

from faceflip.analysis.examples import Choice, Example, choose_examples
from faceflip.analysis.frames import FigureInputs, read_attempts, read_parquet
from faceflip.analysis.matrices import TRANSFERS
from faceflip.analysis.names import method_name, search_name
from faceflip.analysis.run import RunDescription
from faceflip.attempt import Experiment
from faceflip.figures.lettering import short_names
from faceflip.figures.perturbations import read_perturbations
from faceflip.figures.style import GREY, MM, NO_ATTACKS, PAGE, SMALL, nothing, page
from faceflip.pixels import GAIN, triptych
from faceflip.wording import similarity

OTHERS_SHOWN, LINE = 5, 74
"""Other attributes that a caption names, and characters of its lines."""


def draw(inputs: FigureInputs, run: RunDescription) -> Figure:
    """Draw the examples that `choose_examples` chooses."""
    from faceflip.data.packed import open_dataset

    attempts = read_attempts(inputs["attempts"], run, "file_name", "score_before")
    transfers = read_parquet(inputs["transfers"], [*TRANSFERS, "score_after"])
    choices = choose_examples(attempts, transfers, run)
    if not choices:
        return nothing(run, NO_ATTACKS)
    images = open_dataset(inputs["dataset"]).images
    pictures = {}
    for example in filter(None, chain.from_iterable(choice.examples for choice in choices)):
        wanted = Experiment(run.sample["name"], example.network, run.network(example.network).final, example.attack)
        (perturbation,) = read_perturbations(inputs["stores"], wanted, [(example.attribute, example.image)])
        pictures[example] = images[example.image], perturbation
    return draw_examples(choices, pictures, run)


def draw_examples(
    choices: Sequence[Choice], pictures: dict[Example, tuple[np.ndarray, np.ndarray]], run: RunDescription
) -> Figure:
    """Draw a panel for each example, those of a choice below each other.

    `pictures` are image (H, W, 3) uint8 and perturbation (H, W, 3) of whole numbers of each example.
    """
    aspect = max((image.shape[0] / image.shape[1] for image, _ in pictures.values()), default=218 / 178)
    rows = max(len(choice.examples) for choice in choices)
    figure = page(run, PAGE, (rows * (27.2 * aspect + 21.5)) * MM)
    panels = figure.subfigures(rows, max(len(choices), 2), wspace=0.03, squeeze=False)
    for column, choice in enumerate(choices):
        for row in range(len(choice.examples)):
            letter = ascii_lowercase[row * len(choices) + column]
            _draw_panel(panels[row][column], letter, choice, row, pictures, run.threshold)
    return figure


def _draw_panel(panel: SubFigure, letter: str, choice: Choice, row: int, pictures: dict, threshold: float) -> None:
    example, network = choice.examples[row], choice.network
    search = search_name(choice.searches[row])
    kind = network.short if network.joint else f"separate network, {network.short}"
    title = f"({letter})  {method_name(choice.method)}, {search}, {kind}"
    panel.suptitle(title, x=0.01, ha="left", fontsize=SMALL + 1)
    if example is None:
        unflipped = f"{search} {method_name(choice.method)} does not flip this image"
        reason = unflipped if any(choice.examples) else choice.remark
        panel.text(0.5, 0.5, reason, ha="center", va="center", color=GREY, wrap=True)
        return
    image, perturbation = pictures[example]
    axes = panel.subplots(1, 3)
    names = ("original", f"perturbation × {GAIN}", "perturbed")
    for each, picture, name in zip(axes, triptych(image, perturbation), names, strict=True):
        each.imshow(picture, interpolation="nearest")
        each.set_xticks([])
        each.set_yticks([])
        each.spines[:].set_visible(False)
        each.set_title(name, fontsize=SMALL - 0.5, color=GREY, pad=2)
    words = caption(example, threshold, network.joint, "" if row else choice.remark)
    panel.supxlabel(words, x=0.01, ha="left", fontsize=SMALL)


def caption(example: Example, threshold: float, joint: bool = False, remark: str = "") -> str:
    """Return what happened in an example, in four lines; `threshold` is the PASS from which it is adversarial."""
    state = {True: "present", False: "absent"}
    verdict, kind = ("right", "adversarial") if example.correct else ("wrong", "natural adversarial")
    verdict += ", label in doubt" if example.doubtful else ""
    kind = kind if example.similarity >= threshold else f"below {threshold:g}, so not {kind}"
    names = short_names([example.attribute, *(name for name, _ in example.others)])
    lines = [
        f"{names[example.attribute]}: {state[example.present]} ({verdict}) → {state[not example.present]}.",
        f"PASS {similarity(example.similarity)}, {kind}.",
    ]
    if example.others:
        changed = [f"{names[name]} → {state[present]}" for name, present in example.others[:OTHERS_SHOWN]]
        more = len(example.others) - OTHERS_SHOWN
        changed += [f"{more} more"] * (more > 0)
        lines += wrap(f"Also: {', '.join(changed)}.", LINE)
    elif joint:
        lines.append("No other attribute changes.")
    if remark:
        lines.append(f"({remark})")
    return "\n".join([*lines, "", ""][: max(4, len(lines))])
