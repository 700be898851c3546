"""From a face's parameters to pixels, back to front."""

import numpy as np

from faceflip.data.synthetic import beard, eyes, hair, head, nose_mouth, scene, wear
from faceflip.data.synthetic.canvas import Canvas
from faceflip.data.synthetic.face import Face


def draw(face: Face) -> np.ndarray:
    """Draw a face; returns (218, 178, 3) uint8, RGB."""
    canvas = Canvas()
    scene.draw_background(canvas, face)
    hair.draw_back_hair(canvas, face)
    head.draw_ears(canvas, face)
    head.draw_neck(canvas, face)
    wear.draw_clothes(canvas, face)
    wear.draw_necklace(canvas, face)
    cover = head.draw_head(canvas, face)
    head.draw_cheeks(canvas, face)
    head.draw_age(canvas, face)
    beard.draw_beard(canvas, face, cover)
    eyes.draw_eyes(canvas, face)
    nose_mouth.draw_nose(canvas, face)
    nose_mouth.draw_mouth(canvas, face)
    eyes.draw_eyebrows(canvas, face)
    hair.draw_front_hair(canvas, face)
    wear.draw_eyeglasses(canvas, face)
    wear.draw_hat(canvas, face)
    wear.draw_earrings(canvas, face)
    scene.light_scene(canvas, face)
    scene.photograph(canvas, face)
    return canvas.to_uint8()
