"""A sheet of pictures: original, perturbation and adversarial image of chosen attempts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from faceflip import wording
from faceflip.errors import UserError
from faceflip.pixels import enlarged, enlargement, magnified
from faceflip.store.reader import Store
from faceflip.store.scores import read_scores

if TYPE_CHECKING:
    from PIL import Image

MARGIN, CAPTION_HEIGHT, FONT_SIZE = 6, 18, 12
LEAST_PANEL_WIDTH = 170
"""Smaller images are enlarged by a whole number, pixel by pixel."""


def best_rows(store: Store, count: int, attribute: str | Sequence[str] | None = None) -> np.ndarray:
    """Return the flipped attempts with the highest PASS, or without scores those with the smallest epsilon.

    Raises UserError where no attempt (on the attributes) flipped.
    """
    attempts = store.attempts.iloc[store.select(attribute=attribute, outcome="flipped")]
    if attempts.empty:
        named = attribute if isinstance(attribute, str) else ", ".join(attribute or ())
        raise UserError(f"{store.path}: no attempt flipped" + (f" on {named}" if named else ""))
    scores = read_scores(store)
    if scores is None:
        return attempts.sort_values(["epsilon", "row"])["row"].to_numpy()[:count]
    ranked = attempts.merge(scores[["row", "pass"]], on="row", how="left")
    return ranked.sort_values(["pass", "epsilon", "row"], ascending=[False, True, True])["row"].to_numpy()[:count]


def draw_sheet(store: Store, rows: Sequence[int] | np.ndarray, images: Any) -> "Image.Image":
    """Return a picture with one line per attempt: original, perturbation, adversarial image, and a caption.

    `rows` are flipped attempts, `images` all images of the dataset, (N, height, width, 3) uint8.
    """
    from PIL import Image, ImageDraw, ImageFont

    height, width = store.image_shape
    zoom = enlargement(width, LEAST_PANEL_WIDTH)
    line_height = height * zoom + CAPTION_HEIGHT + MARGIN
    sheet = Image.new("RGB", (3 * (width * zoom + MARGIN) + MARGIN, len(rows) * line_height + MARGIN), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_SIZE)
    scores = read_scores(store)
    passes = {} if scores is None else dict(zip(scores["row"], scores["pass"], strict=True))
    for line, row in enumerate(rows):
        perturbation = store.perturbation(row)
        if perturbation is None:
            raise UserError(f"{store.path}: attempt {row} did not flip, there is nothing to show")
        adversarial = store.applied(row, perturbation, images)
        attempt = store.attempts.iloc[row]
        top = MARGIN + line * line_height
        for number, panel in enumerate((images[attempt["image"]], magnified(perturbation), adversarial)):
            picture = Image.fromarray(enlarged(panel, LEAST_PANEL_WIDTH))
            sheet.paste(picture, (MARGIN + number * (width * zoom + MARGIN), top))
        caption = _caption(attempt, passes.get(row), store.header.iterative)
        pen.text((MARGIN, top + height * zoom + 2), caption, fill="black", font=font)
    return sheet


def _caption(attempt: Any, similarity: float | None, iterative: bool) -> str:
    parts = [
        f"{attempt['row']}: {attempt['file_name']}",
        f"{attempt['attribute']} {attempt['score_before']:+.3g} to {attempt['score_after']:+.3g}",
        f"{attempt['epsilon']:.0f} steps" if iterative else f"eps {attempt['epsilon']:.4g}",
    ]
    if similarity is not None:
        parts.append(f"PASS {wording.similarity(similarity)}")
    return "   ".join(parts)
