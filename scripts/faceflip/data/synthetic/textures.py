"""Tileable noise that is made once and cut into at other places for every face."""

from functools import cache

import cv2
import numpy as np

SIZE = 512
"""Height and width of every texture; all of them repeat seamlessly."""


def _noise(key: int, *shape: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key)).standard_normal(shape or (SIZE, SIZE)).astype(np.float32)


def _blurred(noise: np.ndarray, across: float, down: float) -> np.ndarray:
    """Blur around the edges, then scale to a standard deviation of 1."""
    margin = 64
    padded = np.pad(noise, margin, mode="wrap")
    smooth = cv2.GaussianBlur(padded, (0, 0), across, sigmaY=down)[margin:-margin, margin:-margin]
    return (smooth - smooth.mean()) / smooth.std()


@cache
def grain() -> np.ndarray:
    """Camera noise of three channels (3, SIZE, SIZE), standard deviation 1, nearly white."""
    return np.stack([_blurred(_noise(key), 0.5, 0.5) for key in (1, 2, 3)])


@cache
def mottle() -> np.ndarray:
    """Blotches of a few pixels (SIZE, SIZE), for skin and cloth."""
    return _blurred(_noise(4), 2.2, 2.2)


@cache
def strands() -> np.ndarray:
    """Hair that falls straight (SIZE, SIZE): fine across, long down, with broader locks between."""
    texture = _blurred(_noise(5), 0.7, 24) + 0.8 * _blurred(_noise(6), 2.5, 32)
    return texture / texture.std()


@cache
def waves() -> np.ndarray:
    """Wavy hair (SIZE, SIZE): the strands, displaced sideways by a sine, with light on every crest."""
    turns = 2 * np.pi * np.arange(SIZE) / 32
    shifted = np.stack([np.roll(line, round(5 * np.sin(turn))) for line, turn in zip(strands(), turns, strict=True)])
    crest = np.cos(turns[:, None] + 2 * np.sin(turns / 2))
    texture = (0.9 * shifted + 0.8 * crest).astype(np.float32)
    return texture / texture.std()


@cache
def crop() -> np.ndarray:
    """Short or plain hair (SIZE, SIZE): small tufts without a direction."""
    texture = _blurred(_noise(7), 0.7, 3.5) + 0.7 * _blurred(_noise(8), 5, 9)
    return texture / texture.std()


@cache
def stubble() -> np.ndarray:
    """Dots (SIZE, SIZE) between 0 and 1, for beards."""
    return np.clip(0.6 + 0.32 * _blurred(_noise(9), 0.55, 1.0), 0, 1)


def cut(texture: np.ndarray, box: tuple[slice, slice], offset: tuple[int, int]) -> np.ndarray:
    """Return the part of a texture that lies under a box of the canvas when shifted by `offset` (down, right)."""
    rows, columns = box
    top, left = rows.start + offset[0] % 256, columns.start + offset[1] % 256
    return texture[..., top : top + rows.stop - rows.start, left : left + columns.stop - columns.start]
