"""Hair behind the head, on it and over the forehead."""

import numpy as np

from faceflip.data.synthetic import textures
from faceflip.data.synthetic.canvas import Canvas, Mask, between, blob, curve, loop, mirrored, moved, normals, polygon
from faceflip.data.synthetic.face import MIDLINE, SIDES, X0, Face, mix, rgb


def _volume(face: Face) -> float:
    """How far the hair stands off the skull, in pixels."""
    has = face.has
    base = 6.5 + 2.5 * (1 - has["Male"]) + 1.2 * face.who.normal["hair_volume"]
    return base + 3.0 * has["Wavy_Hair"] - 2.0 * has["Straight_Hair"]


def _undulate(line: np.ndarray, face: Face, amplitude: float) -> np.ndarray:
    """Displace a line sideways: even waves for wavy hair, an irregular edge for hair that is neither."""
    has = face.has
    along = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    phase = 6.28 * face.who.uniform["fringe"]
    waves = 3.2 * has["Wavy_Hair"] * np.sin(along * (2 * np.pi / 27) + phase)
    rough = 0.45 * (1 - has["Straight_Hair"]) * np.sin(along * 0.41 + phase) * np.cos(along * 0.17)
    return line + normals(line) * (amplitude * (waves + rough))[:, None]


def _paint(canvas: Canvas, face: Face, mask: Mask, brightness: float, opacity: float = 1.0) -> None:
    """Fill a mask with hair: colour, strands, and a band of light around the crown."""
    has, offset = face.has, face.texture_offset(4)
    straight, wavy = has["Straight_Hair"], has["Wavy_Hair"]
    relief = textures.cut(textures.crop(), mask.box, offset) * (0.12 * (1 - max(straight, wavy)))
    if straight > 0.02:
        relief = relief + textures.cut(textures.strands(), mask.box, offset) * (0.20 * straight)
    if wavy > 0.02:
        relief = relief + textures.cut(textures.waves(), mask.box, offset) * (0.22 * wavy)
    rows = np.arange(mask.box[0].start, mask.box[0].stop, dtype=np.float32)[:, None]
    gloss = (0.16 + 0.20 * straight) * np.exp(-(((rows - 58) / 9) ** 2)) * (1 + 0.8 * relief / 0.2).clip(0, 2)
    light = np.clip(brightness + relief, 0.35, 1.7)
    # Dark hair is matt in its colour but shows light as a grey sheen.
    colour = face.hair[:, None, None] * light + (26 * relief + 60 * gloss)
    canvas.paint(mask, colour, opacity)


def draw_back_hair(canvas: Canvas, face: Face) -> None:
    """Draw what falls behind neck and shoulders."""
    if face.long_hair < 0.15 or face.has["Bald"] > 0.5:
        return
    volume, width = _volume(face), face.half_width
    end, beyond = mix(122, 232, face.long_hair), width + volume
    right = np.array(
        [(0, 40), (0.7 * width, 50), (beyond, 84), (beyond + 3, 125), (beyond + 3, 165), (beyond + 5, end)]
    )
    right[:, 1] = np.minimum(right[:, 1], end)
    outline = mirrored(_undulate(curve(right, 14), face, 1.6)) + MIDLINE
    _paint(canvas, face, polygon(face.place(outline, -0.8), blur=0.4), 0.70)


def _crown(face: Face) -> np.ndarray:
    """Return the outer edge of the hair from the left ear over the top to the right one."""
    width, volume, top = face.half_width, _volume(face), 47 - 1.5 * face.who.normal["skull"]
    right = [
        (width + 0.25 * volume, 120),
        (width + 0.75 * volume, 100),
        (0.97 * width + 0.8 * volume, 80),
        (0.74 * width + 0.4 * volume, top + 10 - 0.7 * volume),
        (0.34 * width, top + 1.0 - volume),
        (0, top - volume),
    ]
    return curve(mirrored(right)[::-1] + MIDLINE, 10)


def _hairline(face: Face) -> np.ndarray:
    """Return the inner edge of the hair, from the right ear over the forehead to the left one."""
    width, receding = face.half_width, face.has["Receding_Hairline"]
    base = 1.2 * face.who.normal["hairline"]
    part = (face.who.uniform["parting"] - 0.5) * 26 * (1 - face.has["Male"])
    right = [
        (width - 2.5, 121),
        (width - 5, 104),
        (0.83 * width, mix(88, 80, receding)),
        (0.64 * width, mix(76 + base, 58, receding)),
        (0.42 * width, mix(70 + base, 51, receding)),
        (0.16 * width, mix(68 + base, 62, receding)),
        (0, mix(67 + base, 65, receding)),
    ]
    both = mirrored(right)
    both[:, 0] += X0 + part * np.clip(1 - np.abs(both[:, 0]) / width, 0, 1)
    return curve(both, 4)


def draw_front_hair(canvas: Canvas, face: Face) -> None:
    """Hair on the skull, side locks and bangs; the bald keep a fringe over the ears and a gleam on top."""
    bald = face.has["Bald"]
    if bald < 0.98:
        crown = _undulate(_crown(face), face, 1.0)
        _paint(canvas, face, polygon(face.place(np.vstack([crown, _hairline(face)]), -0.3), blur=0.5), 1.0, 1 - bald)
        if face.long_hair > 0.3:
            _draw_locks(canvas, face, 1 - bald)
    if bald > 0.02:
        patch = np.array([(0.98, 92), (1.07, 100), (1.08, 116), (1.0, 124), (0.94, 112), (0.93, 98)])
        patches = face.both(loop(patch * (face.half_width, 1)), -0.5)
        _paint(canvas, face, polygon(*patches, blur=1.2), 0.9, 0.75 * bald)
        gleam = face.at(-8 * np.sign(face.who.normal["light_x"]), 60, 0.1)
        canvas.paint(blob(gleam, (17, 9)), rgb(255, 252, 246), 0.55 * bald)
    if face.has["Bangs"] > 0.02:
        _draw_bangs(canvas, face, 1 - bald)


def _draw_locks(canvas: Canvas, face: Face, opacity: float) -> None:
    width, volume = face.half_width, _volume(face)
    end, beyond = mix(110, 226, face.long_hair), width + volume
    outer = np.array([(width + 0.6 * volume, 84), (beyond + 2, 120), (beyond + 2, 160), (beyond, end)])
    inner = np.array([(width - 1.0, end), (width - 2, 165), (width - 2.5, 140), (width - 3.5, 112), (width - 7, 88)])
    outer[:, 1], inner[:, 1] = np.minimum(outer[:, 1], end), np.minimum(inner[:, 1], end)
    for side in SIDES:
        edges = [_undulate(curve(edge, 12) * (side, 1) + MIDLINE, face, 1.0) for edge in (outer, inner)]
        _paint(canvas, face, polygon(face.place(np.vstack(edges), -0.3), blur=0.5), 0.92, opacity)


def _draw_bangs(canvas: Canvas, face: Face, opacity: float) -> None:
    width, bangs = 0.86 * face.half_width, face.has["Bangs"]
    tips = np.linspace(-1, 1, 15)
    side_sweep = (face.who.uniform["parting"] - 0.5) * 10 * tips
    bottom = 71 + bangs * (25 + 4.0 * tips**2 + 0.6 * side_sweep)
    bottom[1::2] -= mix(3.2, 1.8, face.has["Straight_Hair"]) * bangs
    top = mirrored([(-0.9, 82), (-0.75, 66), (0, 56)])
    fringe = between(curve(top, 4), np.column_stack([tips, bottom])) * (width, 1) + MIDLINE
    mask = polygon(face.place(fringe, 0.1), blur=0.6)
    shadow = polygon(face.place(moved(fringe, 0, 2.5), 0.1), blur=1.5)
    canvas.shade(shadow, mix(1, 0.78, bangs * opacity))
    _paint(canvas, face, mask, 1.04, min(1.0, 2 * bangs) * opacity)
