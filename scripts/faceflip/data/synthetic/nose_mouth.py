"""Nose and mouth."""

import numpy as np

from faceflip.data.synthetic.canvas import Canvas, between, blob, curve, ellipse, moved, polygon, ribbon
from faceflip.data.synthetic.face import SIDES, X0, Face, hue, mix, rgb

_ACROSS = -np.cos(np.linspace(0, np.pi, 19))  # closer together at the corners of the mouth


def draw_nose(canvas: Canvas, face: Face) -> None:
    """Draw ridge, wings and nostrils; a big nose is wide, a pointy one narrow with a long sharp tip."""
    has, normal = face.has, face.who.normal
    big, pointy = has["Big_Nose"], has["Pointy_Nose"]
    half = 8.6 + 5.2 * big - 2.6 * pointy + 0.5 * normal["nose_width"] + 0.6 * has["Male"]
    tip = 136.5 + 0.9 * normal["nose_length"] + 2.2 * big + 2.6 * pointy
    lit = 1 if normal["light_x"] < 0 else -1
    bridge = mix(3.6, 2.2, pointy) + 1.2 * big

    flank = [(bridge, 104), (bridge + 0.8, 118), (half * 0.7, tip - 8), (half, tip - 1)]
    for side, line in zip(SIDES, face.both(flank, 0.6), strict=True):
        canvas.shade(polygon(ribbon(curve(line), 4.5), blur=1.5), 0.80 if side == lit else 0.90)
    wing = ribbon(curve([(half * 0.85, tip - 7.5), (half + 1, tip - 2.5), (half * 0.75, tip + 1.8)]), 2.4)
    canvas.shade(polygon(*face.both(wing, 0.8), blur=0.6), mix(0.68, 0.58, big))
    nostril = ellipse((half * 0.45, tip + 0.8), (2.2 + 1.3 * big - 0.7 * pointy, 1.5 + 0.5 * big), 14)
    canvas.shade(polygon(*face.both(nostril, 1.0), blur=0.6), rgb(0.36, 0.28, 0.28))
    canvas.shade(blob(face.at(0, tip + 3.5, 0.8), (half + 1, 3.2)), 0.80)
    ridge = ribbon(np.array([(X0 - lit * 0.6, 106), (X0, 118), (X0, tip - 5)]), mix(3.6, 2.0, pointy))
    gleam = mix(face.skin, rgb(255, 250, 242), 0.6)
    canvas.paint(polygon(face.place(ridge, 0.8), blur=0.9), gleam, 0.30 + 0.35 * pointy)
    ball = face.at(0, tip - 3.5, 1.0)
    if big > 0.02:
        canvas.shade(blob(ball, (half * 0.95, 7)), mix(rgb(1, 1, 1), rgb(1.02, 0.90, 0.88), big))
        fold = ribbon(curve([(X0 - 5, tip), (X0, tip + 2), (X0 + 5, tip)]), 2)
        canvas.shade(polygon(face.place(fold, 1.0), blur=0.7), mix(1, 0.7, big))
    if pointy > 0.02:
        point = np.array([(X0 - 4.2, tip - 1), (X0, tip + 4.2), (X0 + 4.2, tip - 1)])
        canvas.shade(polygon(face.place(ribbon(point, 1.8), 1.0), blur=0.5), mix(1, 0.58, pointy))
    radii = mix(3.6, 1.8, pointy), mix(3.2, 3.6, pointy)
    canvas.paint(blob(moved(ball, 0, -1), radii), rgb(255, 252, 248), 0.40)


def draw_mouth(canvas: Canvas, face: Face) -> None:
    """Lips, their colour, the gap between them with teeth, and the smile that lifts the corners."""
    has, normal, dice = face.has, face.who.normal, face.who.uniform
    smile, opened, big, lipstick = has["Smiling"], has["Mouth_Slightly_Open"], has["Big_Lips"], has["Wearing_Lipstick"]
    half = 15.0 + 0.6 * normal["mouth_width"] + 3.8 * smile + 1.0 * has["Male"] - 1.5 * opened * (1 - smile)
    size = (1 + 0.07 * normal["lip_size"]) * mix(0.85, 1.6, big) * mix(1.0, 0.85, has["Male"] * (1 - big))
    y0 = 153.5 + 0.5 * normal["mouth_height"]
    gap = opened * mix(7.5, 9.0, smile)
    lift = mix(-0.4, 5.8, smile)
    crook = 1.8 * normal["crook"] * (1 - face.beauty)
    x = _ACROSS
    bow = np.sqrt(1 - x**2)
    round_bow = bow**1.6
    middle = y0 + lift * (0.5 - x**2) + crook * x
    top = middle - 0.25 * gap * round_bow
    bottom = middle + 0.75 * gap * round_bow
    cupid = 1 - 0.34 * np.exp(-((x / 0.14) ** 2)) + 0.10 * np.exp(-(((np.abs(x) - 0.27) / 0.16) ** 2))
    upper = top - 4.2 * size * round_bow * cupid
    lower = bottom + 5.4 * size * bow**1.8

    def edge(y: np.ndarray) -> np.ndarray:
        return np.column_stack([X0 + half * x, y])

    natural = mix(face.skin * rgb(0.86, 0.62, 0.60), rgb(190, 105, 100), 0.25)
    painted = hue(0.93 + 0.09 * dice["lip_hue"], 0.82, 0.56 + 0.28 * (dice["lip_hue"] * 7 % 1))
    colour = mix(natural, painted, lipstick)
    lips = polygon(face.place(between(edge(upper), edge(lower)), 0.5), blur=mix(0.7, 0.35, lipstick))
    canvas.paint(lips, colour * 0.92, mix(0.86, 1.0, lipstick))
    canvas.paint(polygon(face.place(between(edge(bottom), edge(lower)), 0.5), blur=0.5), colour * 1.06, 0.7)
    shine = face.at(-3, (bottom[9] + lower[9]) / 2, 0.5)
    canvas.paint(blob(shine, (7, 1.8 * size)), rgb(255, 240, 238), 0.22 + 0.25 * lipstick)
    if gap > 0.4:
        top, bottom = edge(top)[2:-2], edge(bottom)[2:-2]
        canvas.paint(polygon(face.place(between(top, bottom), 0.5), blur=0.35), rgb(66, 18, 22))
        # A smile shows the whole upper row of teeth, an open mouth only its edge.
        rim = mix(top, bottom, mix(0.34, 0.74, smile))
        teeth = polygon(face.place(between(top, rim), 0.5), blur=0.4)
        canvas.paint(teeth, rgb(246, 242, 234) - 14 * dice["teeth"], 0.95)
    else:
        canvas.shade(polygon(face.place(ribbon(edge(middle), 1.7), 0.5), blur=0.4), rgb(0.42, 0.36, 0.38))
    for side in SIDES:
        corner = face.at(side * (half + 0.8), middle[0 if side < 0 else -1], 0.4)
        canvas.shade(blob(corner, (3.2, 3.0)), mix(0.82, 0.66, smile))
    if smile > 0.02:
        dimple = ribbon(curve([(half + 2, 142), (half + 4.8, 149), (half + 3.6, 156)]), 2.2)
        canvas.shade(polygon(*face.both(dimple, 0.3), blur=0.8), mix(1, 0.74, smile))
    canvas.shade(blob(face.at(0, lower[9] + 3.5, 0.4), (9, 3)), 0.86)
