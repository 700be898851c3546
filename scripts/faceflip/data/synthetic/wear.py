"""What people wear: clothes, necktie, necklace, earrings, eyeglasses, hat."""

import numpy as np

from faceflip.data.synthetic import textures
from faceflip.data.synthetic.canvas import Canvas, between, blob, curve, ellipse, loop, mirrored, moved, polygon, ribbon
from faceflip.data.synthetic.face import MIDLINE, SIDES, X0, Face, hue, mix, rgb


def draw_clothes(canvas: Canvas, face: Face) -> None:
    """Shoulders with a round or pointed neckline; with a necktie it is a jacket over a white shirt."""
    dice, tie, male = face.who.uniform, face.has["Wearing_Necktie"], face.has["Male"]
    slope = 196 - 5 * male + 1.5 * face.who.normal["shoulders"]
    shoulder = np.array([(33, slope - 2), (50, slope + 3), (78, 208), (100, 224), (100, 240)])
    colour = hue(dice["cloth_hue"], 0.55 * dice["cloth_light"] + 0.1, 0.15 + 0.7 * (dice["cloth_light"] * 5 % 1))
    colour = mix(colour, rgb(38, 42, 54), 0.85 * tie)
    depth = 205 + 10 * dice["collar"]
    neckline = curve(mirrored([(30, slope - 3), (22, depth - 4), (0, depth)]), 4)
    cloth = np.vstack([shoulder[::-1] * (-1, 1), neckline[::-1], shoulder]) + MIDLINE
    mask = polygon(face.place(cloth, -0.7))
    weave = 1 + 0.025 * textures.cut(textures.mottle(), mask.box, face.texture_offset(7))
    canvas.paint(mask, colour[:, None, None] * weave)
    if tie > 0.02:
        shirt = np.array([(-27, 190), (27, 190), (32, 232), (-32, 232)]) + MIDLINE
        canvas.paint(polygon(face.place(shirt, -0.7)), rgb(240, 241, 246), tie)
        wing = np.array([(28, 186), (2, 197), (13, 209), (30, 198)])
        canvas.paint(polygon(*face.both(wing, -0.6)), rgb(252, 252, 255), tie)
        canvas.shade(polygon(*face.both(ribbon(wing[1:4], 1.6), -0.6), blur=0.5), mix(1, 0.7, tie))
        silk = hue(dice["tie_hue"], 0.8, 0.55 + 0.3 * dice["tie_kind"])
        knot = np.array([(-7.5, 195), (7.5, 195), (5, 204), (12, 232), (-12, 232), (-5, 204)]) + MIDLINE
        body = polygon(face.place(knot, -0.6))
        canvas.paint(body, silk, tie)
        fold = ribbon(np.array([(X0 - 6, 204), (X0 + 6, 204)]), 2.2)
        canvas.shade(polygon(face.place(fold, -0.6), blur=0.5), mix(1, 0.6, tie))
        if dice["tie_kind"] > 0.5:
            stripes = [ribbon(np.array([(X0 - 9, y + 4), (X0 + 9, y - 3)]), 2.6, taper=False) for y in (209, 216)]
            mask = polygon(*(face.place(stripe, -0.6) for stripe in stripes)).times(body.field())
            canvas.paint(mask, rgb(245, 240, 225), 0.8 * tie)


def _metal(face: Face) -> np.ndarray:
    return rgb(246, 208, 92) if face.who.uniform["metal"] < 0.6 else rgb(224, 230, 240)


def draw_necklace(canvas: Canvas, face: Face) -> None:
    """Pearls, or a chain with a pendant."""
    amount, metal = face.has["Wearing_Necklace"], _metal(face)
    if amount < 0.02:
        return
    x = np.linspace(-1, 1, 15)
    line = np.column_stack([X0 + 27 * x, 207 - 13 * x**2])
    if face.who.uniform["bead_kind"] < 0.5:
        colour = mix(metal, rgb(252, 248, 240), 0.6)
        centres = face.place(line, -0.5)
        shadows = [ellipse(centre, (3.0, 3.0), 10) for centre in moved(centres, 0.5, 1.2)]
        canvas.shade(polygon(*shadows, blur=0.6), mix(1, 0.6, amount))
        canvas.paint(polygon(*(ellipse(centre, (2.5, 2.5), 10) for centre in centres)), colour, amount)
    else:
        chain = curve(line, 2)
        shadow = ribbon(moved(chain, 0, 1.6), 3.4, taper=False)
        canvas.shade(polygon(face.place(shadow, -0.5), blur=0.6), mix(1, 0.55, amount))
        stone = hue(face.who.uniform["tie_hue"], 0.75, 0.85)
        setting, gem = (ellipse((X0, 211), radii) for radii in ((4, 5), (2.6, 3.4)))
        for part, colour in ((ribbon(chain, 2.8, taper=False), metal), (setting, metal), (gem, stone)):
            canvas.paint(polygon(face.place(part, -0.5)), colour, amount)


def draw_earrings(canvas: Canvas, face: Face) -> None:
    """Hoops or drops, in front of the hair."""
    amount = face.has["Wearing_Earrings"]
    if amount < 0.02:
        return
    x, colour = face.half_width + 3, _metal(face)
    if face.who.uniform["earring_kind"] < 0.5:
        circle = ellipse((x, 138), (5.5, 8.0))
        shape = ribbon(np.vstack([circle, circle[:1]]), 3.0, taper=False)
    else:
        shape = loop([(x, 129), (x + 3.2, 141), (x + 2.8, 147), (x, 149), (x - 2.8, 147), (x - 3.2, 141)], 3)
        colour = mix(colour, hue(face.who.uniform["tie_hue"], 0.6, 0.95), 0.5)
    places = face.both(shape, -0.5)
    canvas.shade(polygon(*(moved(place, 1, 1.2) for place in places), blur=0.8), mix(1, 0.6, amount))
    canvas.paint(polygon(*places), colour, amount)
    for side in SIDES:
        canvas.paint(blob(face.at(side * (x + 1), 143, -0.5), (1.8, 3)), rgb(255, 255, 255), 0.8 * amount)


def draw_eyeglasses(canvas: Canvas, face: Face) -> None:
    """Frames, round or angular, thin or thick, with a faint reflection."""
    amount, dice = face.has["Eyeglasses"], face.who.uniform
    if amount < 0.02:
        return
    dark = rgb(24, 20, 22)
    frame = dark if dice["glasses_hue"] < 0.6 else hue(dice["glasses_hue"] * 7, 0.6, 0.45)
    # Hardly visible ones are thin, not transparent.
    thick = (2.2 + 2.0 * (dice["glasses_kind"] * 3 % 1)) * mix(0.4, 1.0, amount)
    solid = min(1.0, 2 * amount)
    if dice["glasses_kind"] < 0.4:
        rim = ellipse((20.5, 113), (15, 13.5), 28)
    else:
        corners = [(-15.5, -9.5), (0, -11), (15.5, -10), (15, 4), (9, 11.5), (-9, 11.5), (-15, 4)]
        rim = loop(moved(np.array(corners), 20.5, 113), 4)
    canvas.paint(polygon(*face.both(rim, 0.4)), rgb(214, 226, 238), 0.14 * amount)
    glare = np.array([(-9, 4), (-2, -8), (2, -8), (-5, 5)])
    glares = [face.place(moved(glare, X0 + 20.5 * side, 113), 0.4) for side in SIDES]
    canvas.paint(polygon(*glares, blur=1), rgb(255, 255, 255), 0.30 * amount)
    frames = face.both(ribbon(np.vstack([rim, rim[:1]]), thick, taper=False), 0.4)
    arm = np.array([(35.5, 108), (face.half_width + 2, 109)])
    frames += face.both(ribbon(arm, thick, taper=False))
    bridge = curve([(X0 - 6.5, 110), (X0, 107.5), (X0 + 6.5, 110)])
    frames.append(face.place(ribbon(bridge, thick, taper=False), 0.5))
    canvas.paint(polygon(*frames), frame, solid)


def draw_hat(canvas: Canvas, face: Face) -> None:
    """Draw a knitted cap with a turned-up edge, a cap with a peak, or a hat with a brim."""
    amount, dice, width = face.has["Wearing_Hat"], face.who.uniform, face.half_width
    if amount < 0.02:
        return
    colour = hue(dice["hat_hue"], 0.75 * (dice["hat_hue"] * 13 % 1) + 0.1, 0.25 + 0.6 * (dice["hat_hue"] * 29 % 1))
    # A hat that is hardly one sits on top of the head.
    edge, solid = mix(50, 80, amount), min(1.0, 4 * amount)
    crown = mirrored([(-width - 9, edge + 6), (-width - 8, edge - 20), (-width * 0.7, 30), (0, 18)])
    dome = np.vstack([crown, [(width * 0.5, edge - 1), (0, edge - 3), (-width * 0.5, edge - 1)]])
    mask = polygon(loop(face.place(dome + MIDLINE, -0.2), 5))
    columns = np.arange(mask.box[1].start, mask.box[1].stop, dtype=np.float32)[None, :]
    round_light = 1.08 - 0.35 * ((columns - X0) / (width + 9)) ** 2
    weave = round_light + 0.035 * textures.cut(textures.mottle(), mask.box, face.texture_offset(8))
    if dice["hat_kind"] < 0.4:
        weave = weave + 0.08 * np.sin(columns * 1.3)
    canvas.paint(mask, colour[:, None, None] * weave, solid)
    if dice["hat_kind"] < 0.75:
        turned_up, peak = ((width + 10, -8, -16), (width + 10, 8, 1)), ((width * 0.85, -2, -8), (width * 0.95, 6, 11))
        arcs, depth, share = (turned_up, -0.1, 0.8) if dice["hat_kind"] < 0.4 else (peak, 0.6, 0.62)
        upper, lower = (curve(mirrored([(-half, edge + end), (0, edge + middle)])) for half, end, middle in arcs)
        canvas.paint(polygon(face.place(between(upper, lower) + MIDLINE, depth)), colour * share, solid)
    else:
        rim = polygon(loop(face.place(ellipse((X0, edge - 2), (width + 30, 9)), 0.0), 2))
        canvas.paint(rim, colour * 0.82, solid)
        band = np.array([(-width - 6, edge - 9), (width + 6, edge - 9)]) + MIDLINE
        canvas.paint(polygon(face.place(ribbon(band, 9, taper=False), -0.1)), colour * 0.35, solid)
    shadow = ellipse((X0, edge + 9), (width * 0.92, 7))
    canvas.shade(polygon(face.place(shadow), blur=3), mix(1, 0.72, amount))
