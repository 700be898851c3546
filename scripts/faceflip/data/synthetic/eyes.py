"""Eyes, what is around them, and eyebrows."""

import numpy as np

from faceflip.data.synthetic.canvas import Canvas, between, blob, curve, ellipse, moved, polygon, ribbon
from faceflip.data.synthetic.face import CENTRE, SIDES, X0, Face, hue, mix, rgb

_IRISES = [(92, 58, 34), (70, 44, 28), (86, 124, 158), (96, 128, 84), (120, 92, 52)]
_HALF = 9.6  # half the width of an eye
_ACROSS = np.linspace(-1, 1, 9)  # from the inner to the outer corner
_BOW = 1 - _ACROSS**2


def _lids(face: Face, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges of the upper and lower lid from the inner to the outer corner, in face coordinates."""
    normal, narrow = face.who.normal, face.has["Narrow_Eyes"]
    size = 0.96 + 0.04 * normal["eye_size"] + 0.10 * face.beauty
    crook = 1 + 0.18 * side * normal["crook"] * (1 - face.beauty)
    open_above = mix(6.2, 2.1, narrow) * size * crook - 0.6 * face.has["Smiling"]
    open_below = mix(3.6, 1.3, narrow) * size
    tilt = 0.9 + 0.5 * normal["eye_tilt"]
    centre = np.array([X0 + side * 20, CENTRE[1]])
    across, lift = side * _ACROSS * _HALF * size, -tilt * _ACROSS
    upper = np.column_stack([across, lift - open_above * _BOW**0.8]) + centre
    lower = np.column_stack([across, lift + open_below * _BOW**0.9]) + centre
    return upper, lower


def _below(line: np.ndarray, distance: np.ndarray) -> np.ndarray:
    return line + distance[:, None] * (0, 1)


def draw_eyes(canvas: Canvas, face: Face) -> None:
    """Sockets, bags, eye shadow, both eyes with lids and lashes."""
    makeup, bags = face.has["Heavy_Makeup"], face.has["Bags_Under_Eyes"]
    for side in SIDES:
        canvas.shade(blob(face.at(17 * side, 106, -0.1), (17, 11)), rgb(0.86, 0.82, 0.82))
    uppers, lowers = zip(*(_lids(face, side) for side in SIDES), strict=True)
    if bags > 0.02:
        edges = [_below(lower, 4.5 + 3.5 * _BOW) for lower in lowers]
        pouches = [between(moved(lower, 0, 2), edge) for lower, edge in zip(lowers, edges, strict=True)]
        canvas.shade(polygon(*map(face.place, pouches), blur=1.3), mix(rgb(1, 1, 1), rgb(0.66, 0.60, 0.68), bags))
        rims = [face.place(ribbon(curve(edge, 2), 2.2)) for edge in edges]
        canvas.shade(polygon(*rims, blur=0.6), mix(1, 0.66, bags))
    if makeup > 0.02:
        colour = hue(0.72 + 0.36 * face.who.uniform["shadow_hue"], 0.55, 0.40)
        rims = [_below(upper, -6.5 * np.sin(np.linspace(2.6, 0.35, len(upper)))) for upper in uppers]
        rims = [moved(rim, 1.5 * side, 0) for side, rim in zip(SIDES, rims, strict=True)]
        lids = [face.place(between(moved(upper, 0, 1), rim)) for upper, rim in zip(uppers, rims, strict=True)]
        canvas.paint(polygon(*lids, blur=1.4), colour, 0.85 * makeup)
        below = [face.place(ribbon(moved(lower, 0, 0.8), 2.2)) for lower in lowers]
        canvas.paint(polygon(*below, blur=0.8), colour, 0.6 * makeup)
    opened = polygon(*map(face.place, map(between, uppers, lowers)))
    canvas.paint(opened, rgb(240, 234, 230))
    inside = opened.field()
    _draw_irises(canvas, face, inside)
    shades = [face.place(ribbon(moved(upper, 0, 1.2), 2.6)) for upper in uppers]
    canvas.shade(polygon(*shades, blur=0.7).times(inside), 0.62)
    _draw_lashes(canvas, face, uppers, lowers)


def _draw_irises(canvas: Canvas, face: Face, inside: np.ndarray) -> None:
    """Irises with rim, pupil and a reflection, inside the coverage `inside` of the open eyes."""
    normal = face.who.normal
    iris = rgb(*_IRISES[int(face.who.uniform["iris"] * len(_IRISES))])
    gaze = CENTRE + np.array([1.3 * normal["gaze_x"], 0.5 * normal["gaze_y"] - 0.8])
    middles = face.place(np.stack([moved(gaze, -20, 0), moved(gaze, 20, 0)]))
    for radius, colour in ((4.9, iris * 0.55), (4.1, iris), (2.0, rgb(12, 10, 12))):
        canvas.paint(polygon(*(ellipse(middle, (radius, radius), 20) for middle in middles)).times(inside), colour)
    glints = [ellipse(middle, (1.1, 1.1), 8) for middle in moved(middles, 1.5, -1.6)]
    canvas.paint(polygon(*glints).times(inside), rgb(255, 255, 255))


def _draw_lashes(canvas: Canvas, face: Face, uppers: tuple[np.ndarray, ...], lowers: tuple[np.ndarray, ...]) -> None:
    """Lashes, longer and with a wing of eyeliner with heavy make-up, and the crease of the lid."""
    makeup = face.has["Heavy_Makeup"]
    colour = mix(rgb(58, 38, 32), rgb(12, 8, 10), makeup)
    lines = uppers
    if makeup > 0.5:
        wings = [moved(upper[-1], 3.2 * side, -1.6) for side, upper in zip(SIDES, uppers, strict=True)]
        lines = list(map(np.vstack, zip(uppers, wings, strict=True)))
    width = 1.7 + 0.5 * (1 - face.has["Male"]) + 1.6 * makeup
    canvas.paint(polygon(*(face.place(ribbon(curve(line, 2), width)) for line in lines)), colour)
    width = 0.9 + 0.9 * makeup
    canvas.paint(polygon(*(face.place(ribbon(curve(line, 2), width)) for line in lowers)), colour, 0.45 + 0.4 * makeup)
    creases = [face.place(ribbon(curve(moved(upper, 0, -3.2), 2), 1.4)) for upper in uppers]
    canvas.shade(polygon(*creases, blur=0.5), 0.72)


def draw_eyebrows(canvas: Canvas, face: Face) -> None:
    """Eyebrows: how high they arch, how thick and dark they are."""
    has, normal = face.has, face.who.normal
    arch, bushy = has["Arched_Eyebrows"], has["Bushy_Eyebrows"]
    colour = mix(face.hair * 0.62, rgb(38, 28, 26), 0.30 + 0.35 * bushy)
    width = mix(3.0, 7.0, bushy) + 0.5 * has["Male"] + 0.3 * normal["brow_weight"]
    x = np.linspace(0, 1, 7)
    strokes = []
    for side in SIDES:
        crook = 1.6 * side * normal["crook"] * (1 - face.beauty)
        y = 97.5 + 0.8 * normal["brow_height"] + crook - 2.0 * arch
        # Straight brows sink a little outwards; arched ones peak at two thirds.
        bow = mix(-1.0 * np.sin(np.pi * x) + 1.2 * x, -9.0 * np.exp(-(((x - 0.62) / 0.30) ** 2)) + 4.0 * x, arch)
        line = np.column_stack([X0 + side * (8.5 + 23 * x), y + bow + 0.8 * normal["brow_tilt"] * (x - 0.5)])
        thickness = width * np.interp(np.linspace(0, 1, 19), [0, 0.15, 0.55, 1], [0.75, 1.0, 0.85, 0.25])
        strokes.append(face.place(ribbon(curve(line, 3), thickness, taper=False), 0.1))
    canvas.paint(polygon(*strokes, blur=0.5), colour, 0.78 + 0.2 * bushy)
