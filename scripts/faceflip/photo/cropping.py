"""From a photograph to what a network sees: which face, by which eyes, or the image as it is."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from faceflip.data.celeba import HEIGHT, WIDTH
from faceflip.errors import UserError
from faceflip.photo.alignment import EYES, FACE, FaceAlignment
from faceflip.photo.detection import FoundFace, find_faces

Points = tuple[tuple[float, float], tuple[float, float]]

LEAST_DISTANCE = 8
"""Eyes that are nearer to each other, in pixels, leave too little of a face."""
SMALL_DISTANCE = 20
"""Eyes that are nearer give a blurred crop, which is reported: it has 40 pixels between them."""
LEAST_SHARE_OF_FACE = 0.3
"""Eyes that are found nearer to each other, in widths of the face, are those of a face seen from the side or turned."""
MOST_FACE_OUTSIDE = 0.05
"""A face of which a larger share lies outside the photograph is cut."""
TOLD_OUTSIDE = 0.01
"""That a larger share of the crop repeats the photograph's border is reported."""

BY_HAND = "give the eyes by --eyes x1,y1,x2,y2"


@dataclass(frozen=True)
class Selection:
    """What is said about a photograph; nothing by default, so that the face in it is looked for.

    Attributes:
        eyes: x and y of the eyes in pixels, first the one on the left.
        face: Which of the faces that are found, from left to right, counted from 1.
        as_is: Whether the image is a crop already.
        resize: Whether a crop of another size is resized to the network's.
    """

    eyes: Points | None = None
    face: int | None = None
    as_is: bool = False
    resize: bool = False


@dataclass(frozen=True)
class Crop:
    """What a network sees of a photograph.

    Attributes:
        pixels: (height, width, 3) uint8.
        alignment: How it was cut out, None if it is the image as it is.
        found: How the face was found, for people.
        notes: What is to be known of its quality.
    """

    pixels: np.ndarray
    alignment: FaceAlignment | None
    found: str
    notes: tuple[str, ...] = ()


def crop(
    photo: np.ndarray,
    size: tuple[int, int],
    choice: Selection | None = None,
    find: Callable[[np.ndarray], list[FoundFace]] | None = None,
) -> Crop:
    """Cut the face of a photograph, (H, W, 3) uint8 RGB and upright, out of it, as a network of `size` sees it.

    An image of the size of the network (width, height) or of CelebA's aligned ones, 178 x 218, is taken as it is,
    unless a face or eyes are named. In any other the one face is looked for, by `find` or `find_faces`.

    Raises:
        UserError: There is no face, or there are several and none is named; the face is cut by the border, or too
            small; the eyes are no eyes of an upright face; the crop has another size and is not to be resized.
    """
    choice = choice or Selection()
    named = choice.eyes is not None or choice.face is not None
    whole = photo.shape[1::-1] in (tuple(size), (WIDTH, HEIGHT))
    if choice.as_is or choice.resize or (whole and not named):
        return _as_it_is(photo, size, choice.resize)
    if choice.eyes is not None:
        _require_eyes(photo, choice.eyes)
        return _aligned(photo, size, choice.eyes, "by the eyes given")
    faces = (find or find_faces)(photo)
    number = _chosen(photo, faces, choice.face)
    face = faces[number - 1]
    notes = []
    if math.dist(*face.eyes) < LEAST_SHARE_OF_FACE * face.box[2]:
        notes.append(f"the face is seen from the side, or it is not upright: look at the crop; {BY_HAND} or turn it")
    return _aligned(photo, size, face.eyes, f"face {number} of {len(faces)} found", notes)


def listed(faces: list[FoundFace]) -> str:
    """Return the faces by number, with their boxes, a line each."""
    return "\n".join(
        f"  face {number}: x {left:.0f} to {left + width:.0f}, y {top:.0f} to {top + height:.0f}"
        for number, (left, top, width, height) in enumerate((face.box for face in faces), 1)
    )


def _as_it_is(photo: np.ndarray, size: tuple[int, int], resize: bool) -> Crop:
    import cv2

    seen = photo.shape[1::-1]
    if seen != tuple(size) and not resize and seen != (WIDTH, HEIGHT):
        raise UserError(
            f"{seen[0]} x {seen[1]} pixels, the network sees {size[0]} x {size[1]}; crop it like the network's own "
            "images and resize it, or give --resize; of a whole photograph leave --as-is out"
        )
    if seen == tuple(size):
        return Crop(photo, None, "as it is")
    return Crop(cv2.resize(photo, tuple(size), interpolation=cv2.INTER_AREA), None, "as it is, resized")


def _require_eyes(photo: np.ndarray, eyes: Points) -> None:
    height, width = photo.shape[:2]
    told = "--eyes " + ",".join(f"{value:g}" for point in eyes for value in point)
    form = "x1,y1,x2,y2 are pixels of the upright photograph from its upper left corner"
    if outside := [f"({x:g}, {y:g})" for x, y in eyes if not (0 <= x <= width - 1 and 0 <= y <= height - 1)]:
        raise UserError(f"{told}: {' and '.join(outside)} outside the photograph of {width} x {height} pixels; {form}")
    if eyes[0] == eyes[1]:
        raise UserError(f"{told}: both eyes are at one place; {form}")
    if eyes[0][0] >= eyes[1][0]:
        raise UserError(
            f"{told}: the first eye must be the one on the left of the photograph; swap them, or turn a photograph "
            "in which the face is not upright"
        )


def _chosen(photo: np.ndarray, faces: list[FoundFace], wanted: int | None) -> int:
    """Return the number of the face to take."""
    if not faces:
        raise UserError(
            f"no face is found in {photo.shape[1]} x {photo.shape[0]} pixels; {BY_HAND}, or --as-is if the image is "
            "an aligned crop"
        )
    if wanted is None and len(faces) == 1:
        return 1
    if wanted is None:
        raise UserError(f"{len(faces)} faces are found; pick one by --face:\n{listed(faces)}")
    if not 1 <= wanted <= len(faces):
        there = "there is one face" if len(faces) == 1 else f"there are {len(faces)} faces"
        raise UserError(f"--face {wanted}: {there}, counted from 1 on the left:\n{listed(faces)}")
    return wanted


def _aligned(photo: np.ndarray, size: tuple[int, int], eyes: Points, found: str, notes: Sequence[str] = ()) -> Crop:
    distance = math.dist(*eyes)
    if distance < LEAST_DISTANCE:
        raise UserError(
            f"the eyes are {distance:.1f} pixels apart, at least {LEAST_DISTANCE} are expected; use a larger photograph"
        )
    alignment = FaceAlignment(eyes)
    if (cut := alignment.outside(photo, FACE)) > MOST_FACE_OUTSIDE:
        raise UserError(
            f"the face is cut by the border: {cut:.0%} of it lies outside the photograph; use one that shows it whole"
        )
    notes = list(notes)
    if (outside := alignment.outside(photo)) > TOLD_OUTSIDE:
        notes.append(f"{outside:.0%} of the crop lies outside the photograph and repeats its border")
    if distance < SMALL_DISTANCE:
        between = math.dist(*EYES)
        notes.append(f"the eyes are {distance:.0f} pixels apart, in CelebA's images {between:.0f}: the crop is blurred")
    return Crop(alignment.crop(photo, size), alignment, found, tuple(notes))
