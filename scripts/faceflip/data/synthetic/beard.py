"""Beards: five o'clock shadow, sideburns, mustache, goatee, and the full beard of whoever is not beardless."""

import numpy as np

from faceflip.data.synthetic import textures
from faceflip.data.synthetic.canvas import Canvas, Mask, between, curve, loop, mirrored, polygon
from faceflip.data.synthetic.face import MIDLINE, X0, Face, mix, rgb


def _paint(canvas: Canvas, face: Face, mask: Mask, amount: float) -> None:
    """Hair of a beard: a little darker than on the head, with gaps between the hairs."""
    dots = textures.cut(textures.stubble(), mask.box, face.texture_offset(5))
    colour = mix(face.hair * 0.85, rgb(34, 27, 25), 0.30)
    canvas.paint(Mask(mask.box, mask.cover * np.clip(0.45 + 0.8 * dots, 0, 1)), colour, 0.94 * amount)


def draw_beard(canvas: Canvas, face: Face, head: np.ndarray) -> None:
    """Draw every form of beard that the face has, inside the coverage `head` of the head."""
    has = face.has
    shadow, full = has["5_o_Clock_Shadow"], 1 - has["No_Beard"]
    if shadow > 0.02:
        upper, lower = [(-38, 128), (-24, 143), (-10, 143), (0, 141)], [(-46, 118), (-44, 150), (-26, 180), (0, 188)]
        cheeks = between(mirrored(upper), mirrored(lower))
        mask = polygon(face.place(loop(cheeks + MIDLINE, 3), 0.1), blur=2.5).times(head)
        dots = textures.cut(textures.stubble(), mask.box, face.texture_offset(6))
        skin = mix(face.hair * 0.4, rgb(62, 66, 76), 0.7)
        canvas.paint(Mask(mask.box, mask.cover * (0.45 + 0.75 * dots)), skin, 0.50 * shadow)
    if full > 0.02:
        # A band along the jaw from ear to ear.
        half, chin, (upper_jaw, middle_jaw, lower_jaw) = face.half_width, face.chin, face.jaw
        outer = curve([(half, 118), (upper_jaw, 142), (middle_jaw, 159), (lower_jaw, chin - 4), (0, chin + 1)], 4)
        inner = curve([(0, 167), (18, 164), (27, 148), (half - 7, 132), (half - 4.2, 118)], 4)
        band = np.vstack([outer * (-1, 1), outer[::-1], inner[::-1], inner * (-1, 1)]) + MIDLINE
        _paint(canvas, face, polygon(face.place(band), blur=0.9).times(head), full)
    if has["Sideburns"] > 0.02:
        strip = np.array([(0.99, 96), (0.84, 98), (0.80, 118), (0.80, 140), (0.97, 138)]) * (face.half_width, 1)
        _paint(canvas, face, polygon(*face.both(strip), blur=0.7).times(head), has["Sideburns"])
    if has["Goatee"] > 0.02:
        patch = np.array(
            [(-4, 162.5), (4, 162.5), (12, 166), (13.5, 175), (7, 184), (0, 187), (-7, 184), (-13.5, 175), (-12, 166)]
        )
        _paint(canvas, face, polygon(face.place(loop(patch + MIDLINE, 4), 0.4), blur=0.7), has["Goatee"])
    if has["Mustache"] > 0.02:
        x = np.linspace(-1, 1, 13)
        droop = 3.0 * x**2 - 4.2 * has["Smiling"] * x**2
        top = np.column_stack([X0 + 18.5 * x, 143.0 + droop + 1.2 * np.abs(x)])
        base = np.column_stack([X0 + 18.5 * x, 149.5 + 1.3 * droop - 4.0 * x**2 - 0.8 * np.exp(-((x / 0.12) ** 2))])
        base[:, 1] = np.maximum(base[:, 1], top[:, 1] + 1)
        _paint(canvas, face, polygon(face.place(between(top, base), 0.6), blur=0.6), has["Mustache"])
