"""Every attribute can be seen, where it should be."""

import numpy as np
import pytest

from faceflip.data.celeba import ATTRIBUTES
from faceflip.data.synthetic import folder as layout
from faceflip.data.synthetic.canvas import blob, curve, ellipse, loop, polygon, ribbon
from faceflip.data.synthetic.draw import draw
from faceflip.data.synthetic.face import Face, Identity, amounts, hue
from faceflip.data.synthetic.image import draw_image
from faceflip.data.synthetic.label_model import annotations

PLAIN = dict.fromkeys(ATTRIBUTES, 0.0) | dict.fromkeys(("Young", "No_Beard", "Attractive", "Brown_Hair"), 1.0)

# Rows and columns of the image in which an attribute shows most.
FOREHEAD, EYES, BROWS = (48, 92, 55, 123), (102, 124, 50, 128), (84, 106, 50, 128)
NOSE, MOUTH, CHEEKS, CHIN = (104, 144, 72, 106), (140, 172, 64, 114), (118, 156, 42, 136), (158, 196, 56, 122)
HAIR, NECK, FACE, EVERYWHERE = (20, 90, 25, 153), (184, 218, 50, 128), (60, 182, 44, 134), (0, 218, 0, 178)
WHERE = {
    "5_o_Clock_Shadow": (138, 182, 50, 128),
    "Arched_Eyebrows": BROWS,
    "Attractive": FACE,
    "Bags_Under_Eyes": (110, 128, 50, 128),
    "Bald": HAIR,
    "Bangs": (66, 104, 48, 130),
    "Big_Lips": MOUTH,
    "Big_Nose": NOSE,
    "Black_Hair": HAIR,
    "Blond_Hair": HAIR,
    "Blurry": EVERYWHERE,
    "Brown_Hair": HAIR,
    "Bushy_Eyebrows": BROWS,
    "Chubby": (100, 190, 30, 148),
    "Double_Chin": CHIN,
    "Eyeglasses": (94, 130, 40, 138),
    "Goatee": CHIN,
    "Gray_Hair": HAIR,
    "Heavy_Makeup": (94, 124, 50, 128),
    "High_Cheekbones": CHEEKS,
    "Male": EVERYWHERE,
    "Mouth_Slightly_Open": MOUTH,
    "Mustache": (138, 156, 64, 114),
    "Narrow_Eyes": EYES,
    "No_Beard": (120, 185, 40, 138),
    "Oval_Face": (100, 190, 30, 148),
    "Pale_Skin": FACE,
    "Pointy_Nose": NOSE,
    "Receding_Hairline": FOREHEAD,
    "Rosy_Cheeks": CHEEKS,
    "Sideburns": (92, 146, 36, 142),
    "Smiling": (136, 172, 56, 122),
    "Straight_Hair": EVERYWHERE,
    "Wavy_Hair": EVERYWHERE,
    "Wearing_Earrings": (122, 154, 28, 150),
    "Wearing_Hat": (10, 100, 20, 158),
    "Wearing_Lipstick": MOUTH,
    "Wearing_Necklace": NECK,
    "Wearing_Necktie": (184, 218, 10, 168),
    "Young": FACE,
}
# Shown on men: what only men have, and what would reach beyond its region in long hair.
BEARDS = {"5_o_Clock_Shadow", "Goatee", "Mustache", "No_Beard", "Sideburns"}
MEN = BEARDS | {"Bald", "Receding_Hairline", "Wearing_Necktie", "Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair"}


def still(seed):
    """An identity that looks straight ahead, so that the regions above hold."""
    who = Identity.random(np.random.Generator(np.random.Philox(seed)))
    pose = dict.fromkeys(("roll", "yaw", "pitch", "scale", "shift_x", "shift_y"), 0.0)
    return Identity({**who.normal, **pose}, who.uniform)


@pytest.mark.slow
@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_every_attribute_changes_its_region_of_the_same_face(attribute):
    base = PLAIN | {"Male": float(attribute in MEN)}
    top, bottom, left, right = WHERE[attribute]
    inside_mask = np.zeros((218, 178), dtype=bool)
    inside_mask[top:bottom, left:right] = True
    for seed in range(3):
        who = still(seed)
        absent, present = (draw(Face(base | {attribute: amount}, who)).astype(int) for amount in (0.0, 1.0))
        change = np.abs(present - absent).max(axis=2)
        changed = change > 12
        # Big enough to survive the reduction to a third of the size: about six of its pixels.
        assert (changed & inside_mask).sum() >= 60, f"{attribute} hardly changes its region"
        assert change[inside_mask].sum() >= 0.55 * change.sum(), f"{attribute} mostly changes something else"


@pytest.mark.parametrize("attribute", ["Smiling", "Eyeglasses", "Blond_Hair", "Young", "Wearing_Hat"])
def test_amounts_between_absent_and_present_draw_faces_between(attribute):
    who = still(5)
    absent, middle, present = (draw(Face(PLAIN | {attribute: amount}, who)).astype(float) for amount in (0.0, 0.5, 1.0))
    whole = np.abs(present - absent).mean()
    assert 0.1 * whole < np.abs(middle - absent).mean() < whole
    assert 0.1 * whole < np.abs(middle - present).mean() < whole


def test_amounts_saturate_and_are_even_at_the_border():
    strength = np.zeros(40)
    strength[:4] = [-5, -0.1, 0.1, 5]
    found = list(amounts(strength).values())
    assert found[:5] == pytest.approx([0, 0.25, 0.75, 1, 0.5])


def test_faces_vary_in_everything_that_is_no_attribute():
    faces = [draw(Face(PLAIN, Identity.random(np.random.Generator(np.random.Philox(seed))))) for seed in range(6)]
    for first in range(6):
        for second in range(first):
            assert np.abs(faces[first].astype(int) - faces[second]).mean() > 8


def test_a_drawing_is_a_colour_image_of_celebas_size():
    image = draw(Face(PLAIN, still(1)))
    assert (image.shape, image.dtype) == ((218, 178, 3), np.uint8)


def test_extreme_faces_can_be_drawn():
    for sign in (-2.5, 2.5):
        who = still(2)
        extreme = Identity(dict.fromkeys(who.normal, sign), dict.fromkeys(who.uniform, 0.999 if sign > 0 else 0.0))
        for amount in (0.0, 0.5, 1.0):
            assert draw(Face(dict.fromkeys(ATTRIBUTES, amount), extreme)).std() > 10


def test_an_image_depends_on_seed_and_number():
    strength = annotations(*layout.annotation_numbers(1, range(1, 4)), "train", 0.0).strength
    image = draw_image(1, 2, strength[1])
    np.testing.assert_array_equal(image, draw_image(1, 2, strength[1]))
    assert (image != draw_image(2, 2, strength[1])).mean() > 0.5
    assert (image != draw_image(1, 3, strength[1])).mean() > 0.5
    # Numbers of an image do not depend on which others are made with it.
    np.testing.assert_array_equal(
        layout.annotation_numbers(1, range(2, 3))[0], layout.annotation_numbers(1, range(1, 4))[0][1:2]
    )


def test_smooth_curves_go_through_their_points():
    points = np.array([(0, 0), (10, 4), (20, -3), (31, 8)])
    np.testing.assert_allclose(curve(points, 5)[::5], points, atol=1e-9)
    np.testing.assert_allclose(loop(points, 5)[::5], points, atol=1e-9)


def test_masks_cover_what_they_should_and_are_cut_at_the_border():
    disc = polygon(ellipse((80, 100), (10, 10), 60))
    assert disc.cover.sum() == pytest.approx(np.pi * 100, rel=0.15)
    assert disc.field()[100, 80] == 1
    assert disc.field()[100, 95] == 0
    line = polygon(ribbon(np.array([(20.0, 50.0), (60.0, 50.0)]), 4, taper=False)).field()
    assert line[50, 25:55].min() == 1
    assert line[:46].max() == 0
    assert polygon(ellipse((-50, -50), (10, 10))).cover.size == 0
    assert polygon(ellipse((177, 217), (10, 10))).field()[217, 177] == 1
    assert blob(np.array([300.0, 300.0]), (4, 4)).cover.size == 0
    assert blob(np.array([40.0, 40.0]), (6, 3), 0.5).field()[40, 40] == 1


def test_hues_are_rgb():
    np.testing.assert_allclose(hue(0, 1, 1), [255, 0, 0], atol=1e-3)
    np.testing.assert_allclose(hue(1 / 3, 1, 1), [0, 255, 0], atol=1e-3)
    np.testing.assert_allclose(hue(2 / 3, 0.5, 1), [127.5, 127.5, 255], atol=1e-3)
