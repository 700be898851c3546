"""Perturbations: added to images without a wrong pixel, and shown."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from faceflip.pixels import GAIN, GREY, enlarged, enlargement, magnified, perturbed, triptych

WIDE_ENOUGH = st.sampled_from([np.int16, np.int32, np.int64])
SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5).map(lambda shape: (*shape, 3))
IMAGES = SHAPES.flatmap(lambda shape: hnp.arrays(np.uint8, shape))
PICTURES = st.tuples(st.integers(1, 6), st.integers(1, 9)).flatmap(lambda size: hnp.arrays(np.uint8, (*size, 3)))


@given(st.data(), IMAGES, WIDE_ENOUGH)
def test_a_difference_of_two_images_leads_from_the_one_to_the_other(data, image, dtype):
    other = data.draw(hnp.arrays(np.uint8, image.shape))
    before = image.copy()
    found = perturbed(image, other.astype(dtype) - image)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, other)
    np.testing.assert_array_equal(image, before)


@given(st.data(), WIDE_ENOUGH)
def test_one_pixel_beyond_the_range_is_told_however_far_it_is(data, dtype):
    """Also where the sum leaves the type: nothing wraps around into the range."""
    image = data.draw(hnp.arrays(np.uint8, (2, 2, 3)))
    change = np.zeros(image.shape, dtype)
    value = int(image[1, 0, 2])
    far = st.integers(np.iinfo(dtype).min, -value - 1) | st.integers(256 - value, np.iinfo(dtype).max)
    change[1, 0, 2] = data.draw(far)
    with pytest.raises(ValueError, match=r"pixels leave 0\.\.255"):
        perturbed(image, change)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint16, np.uint32, bool])
def test_any_type_of_whole_numbers_will_do(dtype):
    image = np.full((1, 2, 3), 100, np.uint8)
    np.testing.assert_array_equal(perturbed(image, np.ones((1, 2, 3), dtype)), image + 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fractions_are_refused(dtype):
    with pytest.raises(TypeError, match="whole numbers"):
        perturbed(np.zeros((1, 1, 3), np.uint8), np.full((1, 1, 3), 0.5, dtype))


@given(hnp.arrays(np.int16, (2, 3, 3), elements=st.integers(-255, 255)))
def test_perturbations_are_shown_ten_times_as_large_around_grey(perturbation):
    shown = magnified(perturbation)
    assert shown.dtype == np.uint8
    np.testing.assert_array_equal(shown, np.clip(GREY + GAIN * perturbation.astype(int), 0, 255))
    np.testing.assert_array_equal(shown > GREY, perturbation > 0)
    np.testing.assert_array_equal(shown < GREY, perturbation < 0)


def test_magnifying_never_wraps():
    extreme = np.array([[[np.iinfo(np.int16).min, 0, np.iinfo(np.int16).max]]], np.int16)
    assert magnified(extreme).ravel().tolist() == [0, GREY, 255]


@given(st.data(), PICTURES)
def test_a_triptych_is_original_perturbation_and_sum(data, image):
    other = data.draw(hnp.arrays(np.uint8, image.shape))
    perturbation = other.astype(np.int16) - image
    original, middle, changed = triptych(image, perturbation)
    np.testing.assert_array_equal(original, image)
    np.testing.assert_array_equal(middle, magnified(perturbation))
    np.testing.assert_array_equal(changed, other)


@given(PICTURES, st.integers(0, 60))
def test_pictures_are_enlarged_by_the_least_whole_number(picture, width):
    large = enlarged(picture, width)
    height, narrow = picture.shape[:2]
    zoom = large.shape[1] // narrow
    assert large.shape == (zoom * height, zoom * narrow, 3)
    assert large.shape[1] >= width
    assert zoom == 1 or (zoom - 1) * narrow < width
    assert zoom == enlargement(narrow, width)
    for row in range(zoom):
        for column in range(zoom):
            np.testing.assert_array_equal(large[row::zoom, column::zoom], picture)
