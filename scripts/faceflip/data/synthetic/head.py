"""Neck, ears, the head with its soft shading, and everything that lies flat on the skin."""

import numpy as np

from faceflip.data.synthetic import textures
from faceflip.data.synthetic.canvas import Canvas, blob, curve, ellipse, loop, mirrored, moved, polygon, ribbon, soften
from faceflip.data.synthetic.face import MIDLINE, SIDES, X0, Face, mix, rgb


def draw_neck(canvas: Canvas, face: Face) -> None:
    """Draw the neck, in the shadow of the head; a double chin makes it wider and puts a fold under the chin."""
    male, chubby, double = face.has["Male"], face.has["Chubby"], face.has["Double_Chin"]
    half = 23 + 4.5 * male + 3 * chubby + 3 * double
    outline = mirrored([(-half, 145), (-half, 190), (-half - 9, 206), (-half - 16, 230)]) + MIDLINE
    canvas.paint(polygon(face.place(outline, -0.6)), face.skin * 0.86)
    shadow = ellipse((X0, face.chin + 1), (half + 4, 16))
    canvas.shade(polygon(face.place(shadow, -0.6), blur=4), 0.74)
    if double > 0.02:
        lobe = ellipse((X0, face.chin - 1), (face.jaw[2] + 5 * double, 5 + 9 * double))
        canvas.paint(polygon(face.place(lobe), blur=0.8), face.skin * 0.93, min(1.0, 2 * double))
        x = np.linspace(-1, 1, 9)
        crease = np.column_stack([X0 + x * (face.jaw[2] + 6), face.chin + 3 + 8 * double - 6 * x**2])
        canvas.shade(polygon(face.place(ribbon(curve(crease, 3), 4.0)), blur=1.2), mix(1, 0.62, double))


def draw_ears(canvas: Canvas, face: Face) -> None:
    """Both ears."""
    size = 1 + 0.08 * face.who.normal["ear"]
    ears = face.both(ellipse((face.half_width + 1.5, 119), (6.5 * size, 11 * size)), -0.8)
    canvas.paint(polygon(*ears), face.skin * 0.9)
    for side in SIDES:
        canvas.shade(blob(face.at(side * (face.half_width + 2.5), 119, -0.8), (4, 7)), 0.72)


def draw_head(canvas: Canvas, face: Face) -> np.ndarray:
    """Draw the head with light from above and one side; return its coverage as a field of the canvas's size."""
    mask = polygon(loop(face.place(face.outline, -0.25)))
    cover = mask.field()
    # A blurred silhouette is a cheap height field: flat inside, falling towards the edge.
    small = soften(np.ascontiguousarray(cover[::2, ::2]), 5.0)
    height = soften(np.repeat(np.repeat(small, 2, axis=0), 2, axis=1), 1.5)[mask.box]
    slope_y, slope_x = np.gradient(height)
    light = face.who.normal["light_x"]
    shading = 0.70 + 0.32 * height + (4.0 * light * slope_x).astype(np.float32) + 2.5 * slope_y
    skin = face.skin[:, None, None] * np.clip(shading, 0.5, 1.12)
    # Shadows on skin are warmer than its lit side.
    skin[1:] *= 1 - 0.10 * (1 - np.clip(height, 0, 1))
    roughness = 0.008 + 0.022 * (1 - face.beauty) + 0.02 * face.age
    skin *= 1 + roughness * textures.cut(textures.mottle(), mask.box, face.texture_offset(3))
    canvas.paint(mask, skin)
    return cover


def draw_cheeks(canvas: Canvas, face: Face) -> None:
    """Cheekbones (light above, hollow below), roundness of the chubby, blush, and make-up on the cheeks."""
    has = face.has
    high, rosy, makeup, chubby = has["High_Cheekbones"], has["Rosy_Cheeks"], has["Heavy_Makeup"], has["Chubby"]
    lit = mix(face.skin, rgb(255, 250, 244), 0.75)
    for side in SIDES:
        apple = face.at(side * 27, 131, 0.3)
        if high > 0.02:
            canvas.paint(blob(moved(apple, side * 2, -4), (13, 7), -0.35 * side), lit, 0.62 * high)
            shadow = rgb(*(mix(1, value, high) for value in (0.74, 0.68, 0.66)))
            canvas.shade(blob(face.at(side * 32, 145), (15, 7), -0.75 * side), shadow)
        if chubby > 0.02:
            canvas.shade(blob(moved(apple, side * 4, 13), (15, 15)), 1 + 0.08 * chubby)
            fold = curve(np.array([(15, 142), (21, 149), (23, 158)]) * (side, 1) + MIDLINE)
            canvas.shade(polygon(face.place(ribbon(fold, 2.6)), blur=1), mix(1, 0.78, chubby))
        if rosy > 0.02:
            canvas.paint(blob(moved(apple, side * 1, 2), (14, 12)), rgb(236, 74, 88), 0.62 * rosy)
        if makeup > 0.02:
            canvas.paint(blob(moved(apple, side * 6, 1), (14, 7), -0.5 * side), rgb(206, 96, 96), 0.24 * makeup)


def draw_age(canvas: Canvas, face: Face) -> None:
    """Lines of the forehead, crow's feet, folds from nose to mouth; spots and uneven skin of the less attractive."""
    if face.age > 0.02:
        x = np.linspace(-1, 1, 7)
        forehead = [
            np.column_stack([X0 + half * x, y + 1.6 * np.cos(3 * x + row)])
            for row, (y, half) in enumerate([(72, 20), (79, 25), (86, 23)])
        ]
        lines = [face.place(ribbon(curve(line, 3), 2.0), 0.2) for line in forehead]
        canvas.shade(polygon(*lines, blur=0.6), mix(1, 0.70, face.age))
        fold = ribbon(curve([(10, 137), (16, 144), (20, 153), (20, 160)]), 2.8)
        canvas.shade(polygon(*face.both(fold, 0.3), blur=0.8), mix(1, 0.64, face.age))
        lines = [curve([(33, 111 + 0.5 * rise), (37, 111 + rise), (41, 111 + 1.6 * rise)]) for rise in (-4, 0, 4)]
        feet = (foot for line in lines for foot in face.both(ribbon(line, 1.6)))
        canvas.shade(polygon(*feet, blur=0.5), mix(1, 0.70, face.age))
        for side in SIDES:
            canvas.shade(blob(face.at(side * 22, 165), (7, 8)), mix(1, 0.86, face.age))
    plain = 1 - face.beauty
    if plain > 0.02:
        generator = np.random.Generator(np.random.Philox(int(face.who.uniform["spots"] * 2**32)))
        places = generator.uniform((-34, 64), (34, 170), (10, 2)) + MIDLINE
        for place, size in zip(face.place(places), generator.uniform(1.4, 3.2, 10), strict=True):
            canvas.shade(blob(place, (size, size)), mix(rgb(1, 1, 1), rgb(0.84, 0.64, 0.62), plain))
