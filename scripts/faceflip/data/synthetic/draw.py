"""From a face's parameters to pixels, back to front: background, person, and what the camera adds."""

import cv2
import numpy as np

from faceflip.data.celeba import HEIGHT, WIDTH
from faceflip.data.synthetic import beard, eyes, hair, head, nose_mouth, textures, wear
from faceflip.data.synthetic.canvas import Canvas, blob, polygon, soften
from faceflip.data.synthetic.face import Face, hue, mix

_Y = np.linspace(-1, 1, HEIGHT, dtype=np.float32)[:, None]
_X = np.linspace(-1, 1, WIDTH, dtype=np.float32)[None, :]


def draw(face: Face) -> np.ndarray:
    """Draw a face; returns (218, 178, 3) uint8, RGB."""
    canvas = Canvas()
    _draw_background(canvas, face)
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
    _light_scene(canvas, face)
    _photograph(canvas, face)
    return canvas.to_uint8()


def _draw_background(canvas: Canvas, face: Face) -> None:
    """Paint two colours that run into each other, with soft blotches, or lights or stripes out of focus."""
    dice = face.who.uniform
    one = hue(dice["background_hue"], 0.10 + 0.22 * dice["background_other"], 0.35 + 0.5 * dice["background_light"])
    other = hue(dice["background_hue"] + 0.3 * dice["background_other"], 0.22, 0.3 + 0.5 * dice["background_other"])
    fade = 0.5 + 0.5 * (np.cos(7 * dice["background_other"]) * _X + np.sin(7 * dice["background_other"]) * _Y)
    blotches = textures.cut(textures.mottle(), (slice(0, 14), slice(0, 12)), face.texture_offset(1))
    fade = fade + 0.25 * cv2.resize(blotches, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    canvas.pixels[:] = one[:, None, None] + (other - one)[:, None, None] * np.clip(fade, 0, 1)
    if dice["background_kind"] < 0.25:
        for spot in range(6):
            centre = np.array(
                [(dice["texture_x"] * 997 + 61 * spot) % WIDTH, (dice["texture_y"] * 991 + 83 * spot) % 150]
            )
            canvas.paint(blob(centre, (16 + 3 * spot, 16 + 3 * spot)), mix(one, hue(0.12, 0.2, 1.0), 0.7), 0.6)
    elif dice["background_kind"] < 0.45:
        for stripe in range(3):
            left = (dice["texture_x"] * 600 + 75 * stripe) % (WIDTH + 40) - 20
            edge = np.array([(left, -5), (left + 22, -5), (left + 30, 230), (left + 4, 230)])
            canvas.paint(polygon(edge, blur=3), mix(one, other * 0.5, dice["background_light"]), 0.6)


def _light_scene(canvas: Canvas, face: Face) -> None:
    """Add light from a side, exposure and white balance."""
    normal = face.who.normal
    light = 1 + 0.05 * normal["exposure"] + 0.045 * normal["light_x"] * _X - 0.035 * normal["light_y"] * _Y
    tint = 1 + 0.012 * normal["tint"] * np.array([1, 0, -1], dtype=np.float32)
    canvas.pixels *= light.astype(np.float32)
    canvas.pixels *= tint[:, None, None]


def _photograph(canvas: Canvas, face: Face) -> None:
    """Focus (an amount of `Blurry` blurs up to 3.4 pixels) and grain."""
    blur = 0.45 * face.who.uniform["focus"] + 3.0 * face.has["Blurry"]
    if blur > 0.25:
        for plane in canvas.pixels:
            plane[:] = soften(plane, blur)
    box = slice(0, HEIGHT), slice(0, WIDTH)
    grain = textures.cut(textures.grain(), box, face.texture_offset(2))
    canvas.pixels += grain * np.float32(2.4 + 0.7 * face.who.normal["noise"])
