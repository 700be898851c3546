"""Figure 1: adversarial images, chosen by rule and not by hand.

Each panel shows an image, its perturbation and their sum. The perturbation is ten times as large as it was, around
grey, so that grey is no change; changes beyond twelve pixel values are cut off. Left a separate network, whose mistake
the perturbation corrects; right MOON, with the other attributes that change along; above FFA with line search, below
iterative FFA on the same image. Among all images that qualify it is the one with the median PASS, so a typical one. It
would be surprising to see a change in the perturbed image: at this PASS the difference should escape the eye.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure, SubFigure

from faceflip.analysis.examples import Choice, Example, choose_examples
from faceflip.analysis.frames import read_attempts, read_parquet
from faceflip.analysis.matrices import TRANSFERS
from faceflip.analysis.names import SEARCH_NAMES, display_name
from faceflip.analysis.run import RunDescription
from faceflip.figures.options import FigureInputs, Options
from faceflip.figures.style import GREY, MM, PAGE, SMALL, page
from faceflip.store.panels import GAIN, visible

TITLES = {"euclidean": "separate network", "moon": "MOON"}
OTHERS_SHOWN = 5


def draw(inputs: FigureInputs, run: RunDescription, options: Options) -> Figure:
    """Draw the examples that `choose_examples` chooses."""
    from faceflip.data.packed import open_dataset

    attempts = read_attempts(inputs["attempts"], "file_name", "score_before")
    transfers = read_parquet(inputs["transfers"], [*TRANSFERS, "score_after"])
    choices = choose_examples(attempts, transfers, run.threshold)
    images = open_dataset(inputs["dataset"]).images
    pictures = {
        example: (images[example.image], _perturbation(inputs["stores"], example))
        for choice in choices
        for example in choice.examples
        if example
    }
    return draw_examples(choices, pictures, run)


def _perturbation(stores: Sequence[Path], example: Example) -> np.ndarray:
    """Return the perturbation of an example, shape (H, W, 3), from the store of its attack."""
    from faceflip.store import open_store

    name = ("converged", f"ffa-{example.search}.h5")
    path = next(path for path in map(Path, stores) if path.parts[-3:] == (example.network, *name))
    with open_store(path) as store:
        of_image = store.column("image") == example.image
        of_attribute = store.column("attribute") == example.attribute.encode()
        return store.perturbation(int(np.flatnonzero(of_image & of_attribute)[0]))


def draw_examples(
    choices: Sequence[Choice], pictures: dict[Example, tuple[np.ndarray, np.ndarray]], run: RunDescription
) -> Figure:
    """Draw a panel for each example.

    Args:
        choices: A column of panels each.
        pictures: Image (H, W, 3) uint8 and perturbation (H, W, 3) of whole numbers of each example.
        run: What was run.
    """
    aspect = max((image.shape[0] / image.shape[1] for image, _ in pictures.values()), default=218 / 178)
    figure = page(run, PAGE, (2 * (27.2 * aspect + 19)) * MM)
    panels = figure.subfigures(2, len(choices), wspace=0.03)
    for row in range(2):
        for column, choice in enumerate(choices):
            letter = "abcd"[row * len(choices) + column]
            _draw_panel(panels[row][column], letter, choice, choice.examples[row], pictures)
    return figure


def _draw_panel(panel: SubFigure, letter: str, choice: Choice, example: Example | None, pictures: dict) -> None:
    search = ("line", "iterative")[letter in "cd"]
    title = f"({letter})  FFA, {SEARCH_NAMES[search]}, {TITLES[choice.network]}"
    panel.suptitle(title, x=0.01, ha="left", fontsize=SMALL + 1)
    if example is None:
        reason = choice.remark if not any(choice.examples) else f"{SEARCH_NAMES[search]} FFA does not flip this image"
        panel.text(0.5, 0.5, reason, ha="center", va="center", color=GREY, wrap=True)
        return
    image, perturbation = pictures[example]
    changed = (image + perturbation.astype(np.int32)).astype(np.uint8)
    axes = panel.subplots(1, 3)
    names = ("original", f"perturbation × {GAIN}", "perturbed")
    for each, picture, name in zip(axes, (image, visible(perturbation), changed), names, strict=True):
        each.imshow(picture, interpolation="nearest")
        each.set_xticks([])
        each.set_yticks([])
        each.spines[:].set_visible(False)
        each.set_title(name, fontsize=SMALL - 0.5, color=GREY, pad=2)
    panel.supxlabel(caption(example, choice.remark if letter in "ab" else ""), x=0.01, ha="left", fontsize=SMALL)


def caption(example: Example, remark: str = "") -> str:
    """Return what happened in an example, in three lines."""
    state = {True: "present", False: "absent"}
    verdict = "right" if example.correct else "wrong"
    first = (
        f"{display_name(example.attribute)}: {state[example.present]} ({verdict}) "
        f"→ {state[not example.present]}.   PASS {_not_quite_one(example.similarity)}"
    )
    lines = [first]
    if example.others:
        names = [f"{display_name(name)} → {state[present]}" for name, present in example.others[:OTHERS_SHOWN]]
        more = len(example.others) - OTHERS_SHOWN
        names += [f"{more} more"] * (more > 0)
        lines += _wrapped("Also: " + ", ".join(names) + ".")
    elif example.network == "moon":
        lines.append("No other attribute changes.")
    if remark:
        lines.append(f"({remark})")
    return "\n".join([*lines, "", ""][: max(3, len(lines))])


def _not_quite_one(similarity: float) -> str:
    """Return PASS with four digits, or as many as tell it from 1."""
    digits = next((digits for digits in range(4, 8) if round(similarity, digits) < 1), 4)
    return f"{similarity:.{digits}f}"


def _wrapped(text: str, width: int = 74) -> list[str]:
    from textwrap import wrap

    return wrap(text, width)
