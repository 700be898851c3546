"""Training of attribute networks."""

from faceflip.training.loop import EpochRecord, train
from faceflip.training.options import TrainingOptions

__all__ = ["EpochRecord", "TrainingOptions", "train"]
