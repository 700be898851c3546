"""Photographs: faces are found, aligned and cropped as CelebA's are, and perturbations put back where they came from.

`crop` turns a photograph into what a network sees, `pasted` takes a perturbation back, `comparison` shows both.
"""

from faceflip.photo.alignment import EYES, FaceAlignment
from faceflip.photo.cropping import Crop, Selection, crop
from faceflip.photo.detection import FoundFace, find_faces
from faceflip.photo.pasting import pasted
from faceflip.photo.picture import comparison

__all__ = ["EYES", "Crop", "FaceAlignment", "FoundFace", "Selection", "comparison", "crop", "find_faces", "pasted"]
