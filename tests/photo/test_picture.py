"""Before, perturbation and after: the panels pixel by pixel, and labels that are neither cut nor over them."""

import numpy as np
import pytest

from faceflip.photo.picture import LABELS, LINE, MARGIN, comparison

RNG = np.random.default_rng(5)


def panels(sheet, shape, zoom, top):
    height, width = shape[0] * zoom, shape[1] * zoom
    lefts = [MARGIN + k * (width + MARGIN) for k in range(3)]
    return [sheet[top : top + height, left : left + width][::zoom, ::zoom] for left in lefts]


@pytest.mark.parametrize(("shape", "zoom"), [((54, 44), 6), ((218, 178), 2), ((300, 240), 1)])
def test_the_panels_are_before_perturbation_and_after(shape, zoom):
    image = RNG.integers(40, 200, (*shape, 3), dtype=np.uint8)
    perturbation = RNG.integers(-20, 21, (*shape, 3)).astype(np.int16)
    sheet = np.asarray(comparison(image, perturbation))
    before, between, after = panels(sheet, shape, zoom, MARGIN)
    np.testing.assert_array_equal(before, image)
    np.testing.assert_array_equal(between, (128 + 10 * perturbation.astype(int)).clip(0, 255))
    np.testing.assert_array_equal(after, image + perturbation)


@pytest.mark.parametrize(
    "title",
    [
        ["short"],
        ["a line that is long " * 12, "and a word that is: " + "x" * 300],
        ["größer, Ωραίος, улыбка", ""],
    ],
)
def test_nothing_is_written_over_the_border_or_the_panels(title):
    image = np.full((54, 44, 3), 128, np.uint8)
    sheet = np.asarray(comparison(image, np.zeros((54, 44, 3), np.int16), title))
    assert (sheet[:, :MARGIN] == 255).all()
    assert (sheet[:, -MARGIN:] == 255).all()
    assert (sheet[: MARGIN // 2] == 255).all()
    assert (sheet[-MARGIN // 2 :] == 255).all()
    top = len(sheet) - MARGIN - LINE - 54 * 6
    for panel in panels(sheet, (54, 44), 6, top):
        assert (panel == 128).all()
    assert (sheet[top - MARGIN // 2 : top] == 255).all(), "a gap between the text and the panels"
    assert (sheet[:top] < 128).any(), "there is text"


def test_each_label_is_below_its_panel():
    sheet = np.asarray(comparison(np.full((54, 44, 3), 128, np.uint8), np.zeros((54, 44, 3), np.int16)))
    below = sheet[MARGIN + 54 * 6 :, :, 0] < 128
    width = 44 * 6
    assert len(LABELS) == 3
    for k in range(3):
        left = MARGIN + k * (width + MARGIN)
        assert below[:, left : left + width].any()
        assert not below[:, left + width : left + width + MARGIN].any()
