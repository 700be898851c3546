"""A perturbation that is put back changes the crop as it did, and nothing outside of it."""

import numpy as np
import pytest

from faceflip.photo.alignment import FaceAlignment
from faceflip.photo.pasting import Patch, pasted
from photographs import drawn, photograph

SIZE = (44, 54)


def scene(scale=1.5, degrees=-14, size=(700, 640)):
    photo, eyes = photograph((drawn(6), (0.486 * size[0], 0.4545 * size[1]), scale, degrees), size=size)
    return photo, FaceAlignment(tuple(map(tuple, eyes[0].tolist())))


def noise(most=6):
    return np.random.default_rng(3).integers(-most, most + 1, (SIZE[1], SIZE[0], 3)).astype(np.int16)


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5, 3.1])
def test_cropped_again_it_is_the_perturbed_crop_nearly(scale):
    photo, alignment = scene(scale, size=(900, 900) if scale > 2 else (700, 640))
    photo = photo // 2 + 60  # far from 0 and 255
    perturbation = noise()
    wanted = alignment.crop(photo, SIZE).astype(int) + perturbation
    again = alignment.crop(pasted(photo, perturbation, alignment), SIZE).astype(int)
    assert np.abs(again - wanted).mean() < 0.5
    once = Patch.of(perturbation, alignment, photo, rounds=0).on(photo)
    assert np.abs(alignment.crop(once, SIZE).astype(int) - wanted).mean() > 1, "resampling alone blurs it"


def test_a_large_photograph_is_solved_coarsely_first_and_comes_to_the_same():
    photo, alignment = scene(7.5, size=(1900, 2300))
    photo, perturbation = photo // 2 + 60, noise()
    wanted = alignment.crop(photo, SIZE).astype(int) + perturbation
    again = alignment.crop(pasted(photo, perturbation, alignment), SIZE).astype(int)
    assert np.abs(again - wanted).mean() < 0.3


def test_nothing_outside_the_crop_changes():
    photo, alignment = scene()
    whole = pasted(photo, noise(40), alignment)
    y, x = np.mgrid[: photo.shape[0], : photo.shape[1]]
    places = np.stack([x, y, np.ones_like(x)], axis=-1) @ alignment.matrix.T
    outside = ((places < -0.5) | (places > np.array([178, 218]) - 0.5)).any(axis=-1)
    assert 0.3 < outside.mean() < 0.9
    np.testing.assert_array_equal(whole[outside], photo[outside])
    assert (whole != photo).any(axis=-1)[~outside].mean() > 0.9


def test_an_upright_crop_of_whole_pixels_is_changed_by_what_was_found():
    """Where a pixel of the crop is four by four of the photograph, their mean changes by what it was perturbed by."""
    photo = np.full((4 * 218, 4 * 178, 3), 128, np.uint8)
    alignment = FaceAlignment(((4 * 69.5 - 0.5, 4 * 112.5 - 0.5), (4 * 109.5 - 0.5, 4 * 112.5 - 0.5)))
    perturbation = np.zeros((218, 178, 3), np.int16)
    perturbation[40:60, 30:50] = np.random.default_rng(0).integers(-9, 10, (20, 20, 3))
    change = Patch.of(perturbation, alignment, photo).on(photo).astype(int) - 128
    means = change.reshape(218, 4, 178, 4, 3).mean(axis=(1, 3))
    assert np.abs(means - perturbation).mean() < 0.02
    assert np.abs(means - perturbation).max() < 1


def test_no_perturbation_changes_nothing_and_the_photograph_given_is_left_alone():
    photo, alignment = scene()
    before = photo.copy()
    np.testing.assert_array_equal(pasted(photo, np.zeros((54, 44, 3), np.int16), alignment), before)
    pasted(photo, noise(), alignment)
    np.testing.assert_array_equal(photo, before)


def test_sums_are_clipped():
    photo, alignment = scene()
    assert pasted(photo, np.full((54, 44, 3), 255, np.int16), alignment).max() == 255
    assert pasted(photo, np.full((54, 44, 3), -255, np.int16), alignment).min() == 0


def test_a_crop_that_reaches_over_the_border_is_put_back_as_far_as_there_is_a_photograph():
    photo, alignment = scene()
    part = photo[180:, 250:]
    local = alignment.moved(250, 180)
    assert 0.1 < local.outside(part) < 0.6
    whole = pasted(part, noise(), local)
    assert whole.shape == part.shape
    assert (whole != part).any()


def test_a_stronger_patch_changes_more():
    photo, alignment = scene()
    patch = Patch.of(noise(), alignment, photo)
    weak, strong = (np.abs(patch.on(photo, strength).astype(int) - photo).sum() for strength in (1.0, 2.0))
    assert strong == pytest.approx(2 * weak, rel=0.1)
