"""Faces are cut out where CelebA's alignment has them: points by arithmetic, pixels by marks and drawn faces."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceflip.photo.alignment import FaceAlignment
from photographs import CROP_EYES, drawn, photograph

SIZES = [(178, 218), (44, 54), (64, 64), (89, 109)]
numbers = st.floats(-500, 500).map(lambda value: round(value, 3))


def pairs(array):
    return tuple(map(tuple, np.asarray(array).tolist()))


@given(numbers, numbers, st.floats(8, 900), st.floats(-89, 89))
def test_eyes_come_to_celeba_s_places_by_turning_scaling_and_moving(x, y, distance, degrees):
    angle = np.radians(degrees)
    right = (x + distance * np.cos(angle), y + distance * np.sin(angle))
    found = FaceAlignment(((x, y), right))
    a, b = found.matrix[:, :2], found.matrix[:, 2]
    np.testing.assert_allclose(np.array([(x, y), right]) @ a.T + b, CROP_EYES, atol=1e-6)
    np.testing.assert_allclose(a @ a.T, np.eye(2) * (40 / distance) ** 2, atol=1e-9)  # no shear, one scale
    assert np.linalg.det(a) > 0  # and no mirror
    assert found.scale == pytest.approx(distance / 40)
    np.testing.assert_allclose(found.in_photograph(CROP_EYES), [(x, y), right], atol=1e-6)


def centroid(picture, near, reach):
    """Return the centre of the brightness of a picture around a place."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    weight = picture * (np.hypot(x - near[0], y - near[1]) < reach)
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("scale", [0.6, 1.0, 2.3, 7.0])
@pytest.mark.parametrize("degrees", [0, 17, -31])
def test_marks_on_the_eyes_come_to_their_places_within_half_a_pixel(size, scale, degrees):
    """A pixel is one of the crop; a mark is a soft spot."""
    width, height = (round(300 * scale), round(320 * scale))
    angle = np.radians(degrees)
    step = 20 * scale * np.array([np.cos(angle), np.sin(angle)])
    middle = np.array([width, height]) / 2 + (0.3, -0.2)
    eyes = np.array([middle - step, middle + step])
    y, x = np.mgrid[:height, :width]
    spread = 3 * scale * max(1, 178 / size[0] / 2)
    photo = sum(200 * np.exp(-((x - ex) ** 2 + (y - ey) ** 2) / (2 * spread**2)) for ex, ey in eyes)
    photo = np.repeat(photo[..., None], 3, axis=2).clip(0, 255).astype(np.uint8)
    crop = FaceAlignment(pairs(eyes)).crop(photo, size)
    assert crop.shape == (size[1], size[0], 3)
    expected = (CROP_EYES + 0.5) * np.divide(size, (178, 218)) - 0.5  # edges stay edges
    for place in expected:
        found = centroid(crop[..., 1].astype(float), place, 18 * size[0] / 178)
        assert np.hypot(*(found - place)) < 0.5


@pytest.mark.parametrize(("scale", "degrees"), [(1.0, 0), (1.7, -12), (2.6, 33), (0.9, 8)])
def test_a_drawn_face_comes_back(scale, degrees):
    face = drawn(6)
    photo, eyes = photograph((face, (330.4, 270.7), scale, degrees), size=(760, 720))
    back = FaceAlignment(pairs(eyes[0])).crop(photo, (178, 218))
    grey = [cv2.cvtColor(each, cv2.COLOR_RGB2GRAY)[20:200, 20:160].astype(np.float32) for each in (face, back)]
    shift, _ = cv2.phaseCorrelate(*grey, cv2.createHanningWindow(grey[0].shape[::-1], cv2.CV_32F))
    assert np.hypot(*shift) < 0.5
    assert np.corrcoef(grey[0].ravel(), grey[1].ravel())[0, 1] > 0.98


def test_a_crop_is_resized_as_a_dataset_is():
    photo, eyes = photograph((drawn(6), (330, 270), 1.7, 5), size=(760, 720))
    alignment = FaceAlignment(pairs(eyes[0]))
    whole = alignment.crop(photo, (178, 218))
    expected = cv2.resize(whole, (44, 54), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(alignment.crop(photo, (44, 54)), expected)


def test_an_upright_photograph_of_celeba_s_size_is_cut_as_it_is():
    face = drawn(4)
    np.testing.assert_array_equal(FaceAlignment(pairs(CROP_EYES)).crop(face, (178, 218)), face)


def test_fine_patterns_do_not_become_coarse_ones():
    """A board of single pixels, eight to one of the crop, is grey; taking every eighth would give black or white."""
    y, x = np.mgrid[:2200, :2200]
    board = np.repeat(((x + y) % 2 * 255).astype(np.uint8)[..., None], 3, axis=2)
    crop = FaceAlignment(((940.0, 1100.0), (1260.0, 1100.0))).crop(board, (178, 218))
    assert abs(crop.astype(int) - 127).max() < 20


def test_what_lies_outside_is_measured_and_repeats_the_border():
    photo = np.full((218, 178, 3), 50, np.uint8)
    photo[:, 0] = 200
    beside = FaceAlignment(((69.0 - 89, 112.0), (109.0 - 89, 112.0)))  # half a crop too far on the left
    assert beside.outside(photo) == pytest.approx(0.5, abs=0.01)
    crop = beside.crop(photo, (178, 218))
    assert (crop[:, :88] == 200).all()
    assert (crop[:, 91:] == 50).all()
    assert FaceAlignment(pairs(CROP_EYES)).outside(photo) == 0
