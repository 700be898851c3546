"""Photographs that a user names, and the faces in them."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from faceflip.cli.images import read_image
from faceflip.errors import UserError
from faceflip.wording import quantity

if TYPE_CHECKING:
    import numpy as np

    from faceflip.photo import Crop, Selection

Value = TypeVar("Value")


def selections(images: int, eyes: Sequence[str], faces: Sequence[int], as_is: bool, resize: bool) -> "list[Selection]":
    """Return what the options say about each of so many images."""
    from faceflip.photo import Selection

    ways = {"--eyes": bool(eyes), "--face": bool(faces), "--as-is or --resize": as_is or resize}
    if len(given := [way for way, wanted in ways.items() if wanted]) > 1:
        raise UserError(f"{' and '.join(given)}: each says another way to come to a crop; give one of them")
    points = _for_each(images, [_eyes(text) for text in eyes], "--eyes")
    numbers = _for_each(images, list(faces), "--face", share=True)
    return [Selection(*each, as_is, resize) for each in zip(points, numbers, strict=True)]


def read_photos(
    paths: Sequence[Path], size: tuple[int, int], wanted: "Sequence[Selection]"
) -> "tuple[list[np.ndarray], list[Crop]]":
    """Return the photographs and what a network of this size (width, height) sees of them.

    Raises UserError that names everything that cannot be used.
    """
    from faceflip.photo import crop

    photos, crops, faults = [], [], []
    for path, selection in zip(paths, wanted, strict=True):
        try:
            photo = read_image(path)
        except UserError as fault:
            faults.append(str(fault))
            continue
        try:
            crops.append(crop(photo, size, selection))
            photos.append(photo)
        except UserError as fault:
            faults.append(f"{path}: {fault}")
    if faults:
        raise UserError("\n".join(faults))
    return photos, crops


def _eyes(text: str) -> tuple[tuple[float, float], tuple[float, float]]:
    try:
        x1, y1, x2, y2 = map(float, text.split(","))
    except ValueError:
        x1 = y1 = x2 = y2 = math.nan
    if not all(map(math.isfinite, (x1, y1, x2, y2))):
        raise UserError(f"--eyes {text}: expected four numbers, x1,y1,x2,y2, such as 812,640,1010,655")
    return (x1, y1), (x2, y2)


def _for_each(images: int, values: list[Value], option: str, share: bool = False) -> "list[Value] | list[None]":
    """Return the values of an option that is given never, for each image, or, if it may be shared, once for all."""
    if not values:
        return [None] * images
    if len(values) == images:
        return values
    if share and len(values) == 1:
        return values * images
    expected = f"once for all, or {images} times" if share else f"{images} times"
    times = "once" if len(values) == 1 else f"{len(values)} times"
    raise UserError(f"{option} is given {times} for {quantity(images, 'image')}: expected {expected}")
