"""The parameters of a face: what its attributes, its identity and the moment of the picture come to.

Face coordinates are pixels of the image when the face looks straight ahead: eyes at (69, 111) and (109, 111), where the
alignment of CelebA puts them, nose tip at about (89, 136), mouth at (89, 154), chin at (89, 179). `Face.place` turns
them into image coordinates.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from faceflip.data.celeba import ATTRIBUTES
from faceflip.data.synthetic.canvas import mirrored

CENTRE = np.array([89.0, 111.0])
"""Midpoint of the eyes, about which heads turn."""
X0 = 89.0
"""The midline of a face, x."""
MIDLINE = np.array([X0, 0.0])
"""Added to points whose x is counted from the midline."""
SIDES = (-1, 1)
"""Left and right in the image."""
AMBIGUOUS = 0.2
"""Share of an attribute's rarer class that is drawn less than fully, and as much on the other side."""

_NORMALS = (
    *("roll", "yaw", "pitch", "scale", "shift_x", "shift_y"),
    *("face_width", "jaw", "chin", "skull", "eye_size", "eye_tilt", "brow_height", "brow_tilt", "brow_weight"),
    *("nose_width", "nose_length", "mouth_width", "lip_size", "mouth_height", "tone", "warmth", "hair_light"),
    *("hair_volume", "hair_length", "hairline", "gaze_x", "gaze_y", "ear", "shoulders", "crook"),
    *("exposure", "light_x", "light_y", "tint", "noise"),
)
_UNIFORMS = (
    *("complexion", "hair_hue", "parting", "iris", "lip_hue", "shadow_hue", "hat_hue", "hat_kind", "glasses_kind"),
    *("glasses_hue", "cloth_hue", "cloth_light", "tie_hue", "tie_kind", "collar", "metal", "earring_kind", "bead_kind"),
    *("background_hue", "background_light", "background_other", "background_kind", "focus", "texture_y", "texture_x"),
    *("spots", "teeth", "fringe"),
)


@dataclass(frozen=True)
class Identity:
    """Everything about a picture that is no attribute: named standard normals, and named uniforms on [0, 1)."""

    normal: Mapping[str, float]
    uniform: Mapping[str, float]

    @classmethod
    def random(cls, generator: np.random.Generator) -> "Identity":
        """Draw one."""
        normal = np.clip(generator.standard_normal(len(_NORMALS)), -2.5, 2.5).tolist()
        uniform = generator.random(len(_UNIFORMS)).tolist()
        return cls(dict(zip(_NORMALS, normal, strict=True)), dict(zip(_UNIFORMS, uniform, strict=True)))


def amounts(strength: np.ndarray) -> dict[str, float]:
    """Turn the strengths of the 40 attributes (below 0 absent, above present) into amounts to draw, 0 to 1."""
    return dict(zip(ATTRIBUTES, np.clip(0.5 + strength / (2 * AMBIGUOUS), 0, 1).tolist(), strict=True))


def rgb(*channels: float) -> np.ndarray:
    """Return a colour as a float32 array."""
    return np.array(channels, dtype=np.float32)


def mix(one: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """Blend two colours or numbers; `share` 1 is `other`."""
    return one + (other - one) * share


def hue(turn: float, saturation: float, value: float) -> np.ndarray:
    """Return the colour of a hue (in turns, red is 0), saturation and value (0 to 1), RGB on 0-255."""
    wheel = np.clip(np.abs((turn * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    return (255 * value * (1 - saturation * (1 - wheel))).astype(np.float32)


_HAIR = {
    "Black_Hair": rgb(30, 26, 27),
    "Blond_Hair": rgb(228, 192, 122),
    "Brown_Hair": rgb(98, 66, 44),
    "Gray_Hair": rgb(184, 184, 188),
}
_COMPLEXIONS = np.array([[238, 202, 176], [226, 184, 152], [206, 158, 122], [164, 114, 82], [112, 76, 56]], np.float32)


@dataclass(frozen=True)
class Face:
    """A face ready to be drawn; it `has` of each attribute an amount, 0 (clearly absent) to 1 (clearly present)."""

    has: Mapping[str, float]
    who: Identity

    @cached_property
    def skin(self) -> np.ndarray:
        """Colour of the skin in even light."""
        who = self.who
        # The power makes light complexions frequent, as they are in CelebA.
        position = 0.35 + 3.5 * who.uniform["complexion"] ** 2.2
        step = min(int(position), len(_COMPLEXIONS) - 2)
        colour = mix(_COMPLEXIONS[step], _COMPLEXIONS[step + 1], position - step)
        colour = colour + rgb(1.5, 0, -2.5) * who.normal["warmth"] + 4 * who.normal["tone"]
        colour = mix(colour, colour * rgb(0.94, 0.95, 0.97), self.age)
        colour = colour * mix(rgb(0.93, 0.92, 0.88), rgb(1.02, 1.01, 1.0), self.beauty)
        return mix(colour, rgb(249, 230, 220), 0.92 * self.has["Pale_Skin"])

    @cached_property
    def hair(self) -> np.ndarray:
        """Colour of the hair in even light: a blend of the named ones; hair that has none is red, on the bald dull."""
        other = mix(rgb(172, 86, 46), rgb(126, 40, 44), self.who.uniform["hair_hue"])
        other = mix(other, rgb(116, 104, 98), 0.8 * self.has["Bald"])
        weights = [self.has[name] ** 2 for name in _HAIR]
        rest = max(0.0, 1 - sum(weights)) + 1e-3
        colour = sum(weight * shade for weight, shade in zip(weights, _HAIR.values(), strict=True)) + rest * other
        return colour / (sum(weights) + rest) * (1 + 0.07 * self.who.normal["hair_light"])

    @cached_property
    def half_width(self) -> float:
        """Half the width of the face at the eyes."""
        has = self.has
        return 43.5 + 1.2 * self.who.normal["face_width"] + 2.5 * has["Chubby"] + 1.5 * has["Male"] - has["Oval_Face"]

    @cached_property
    def chin(self) -> float:
        """Height of the chin, y."""
        return 176.5 + 1.2 * self.who.normal["chin"] + 3.5 * self.has["Oval_Face"] + 1.5 * self.has["Male"]

    @cached_property
    def jaw(self) -> tuple[float, float, float]:
        """Half widths of the face at y of 142, at y of 159 and beside the chin."""
        male, oval, chubby = self.has["Male"], self.has["Oval_Face"], self.has["Chubby"]
        form = 0.012 * self.who.normal["jaw"]
        shares = ((0.94, 0.02, 0.10, 0.11), (0.74, 0.07, 0.16, 0.17), (0.41, 0.07, 0.12, 0.12))
        return tuple(self.half_width * (a + b * male - c * oval + d * chubby + form) for a, b, c, d in shares)

    @cached_property
    def long_hair(self) -> float:
        """Length of the hair, 0 (cropped) to 1 (over the shoulders)."""
        return min(1.0, max(0.0, 1.0 - 1.02 * self.has["Male"] + 0.12 * self.who.normal["hair_length"]))

    @property
    def beauty(self) -> float:
        """Evenness of skin and features, 0 to 1."""
        return self.has["Attractive"]

    @property
    def age(self) -> float:
        """0 (young) to 1 (old)."""
        return 1 - self.has["Young"]

    def place(self, points: ArrayLike, depth: float = 0.0) -> np.ndarray:
        """Turn face coordinates (n, 2) into image coordinates.

        `depth` is how far in front of the eyes a thing lies, in about the depth of the nose: what lies in front moves
        with a turn of the head, what lies behind moves the other way.
        """
        turn_x, turn_y, matrix, centre = self.pose
        return (points - (CENTRE[0] - turn_x * depth, CENTRE[1] - turn_y * depth)) @ matrix + centre

    def at(self, x: float, y: float, depth: float = 0.0) -> np.ndarray:
        """Place one point (2,), whose x is counted from the midline."""
        return self.place(np.array([(X0 + x, y)]), depth)[0]

    def both(self, points: ArrayLike, depth: float = 0.0) -> list[np.ndarray]:
        """Place a thing that there is on both sides; its x is counted from the midline outwards."""
        return [self.place(np.multiply(points, (side, 1)) + MIDLINE, depth) for side in SIDES]

    @cached_property
    def pose(self) -> tuple[float, float, np.ndarray, np.ndarray]:
        """Pixels that a turn of the head moves the nose, right and down; the head's rotation; where its centre is."""
        normal = self.who.normal
        angle, scale = math.radians(2.2 * normal["roll"]), 1 + 0.015 * normal["scale"]
        cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
        centre = CENTRE + 0.8 * np.array([normal["shift_x"], normal["shift_y"]])
        return 2.2 * normal["yaw"], 1.2 * normal["pitch"], np.array([[cosine, sine], [-sine, cosine]]), centre

    def texture_offset(self, shift: int = 0) -> tuple[int, int]:
        """Return where this face cuts into the textures; other shifts give other places."""
        uniform = self.who.uniform
        return int(256 * uniform["texture_y"]) + 37 * shift, int(256 * uniform["texture_x"]) + 71 * shift

    @property
    def outline(self) -> np.ndarray:
        """Control points of the face and skull, clockwise from the top, in face coordinates."""
        width, chin, skull = self.half_width, self.chin, 47 - 1.5 * self.who.normal["skull"]
        upper, middle, lower = self.jaw
        right = [(0, skull), (0.30 * width, skull + 1.5), (0.70 * width, skull + 10), (0.95 * width, 78), (width, 98)]
        right += [(0.985 * width, 122), (upper, 142), (middle, 159), (lower, chin - 5), (0.15 * width, chin - 0.5)]
        return mirrored([*right, (0, chin)])[:-1] + MIDLINE
