"""The packed dataset: decoded images, labels and splits of a CelebA in one HDF5 file.

The images are one contiguous array of the file, so that they can be memory-mapped: reading images in random order this
way is hundreds of times faster than through chunks.
"""

from faceflip.dataset.packed import FORMAT, VERSION, Dataset, count_labels, draw_sample, open_dataset
from faceflip.dataset.packing import pack_dataset, write_manifest

__all__ = [
    "FORMAT",
    "VERSION",
    "Dataset",
    "count_labels",
    "draw_sample",
    "open_dataset",
    "pack_dataset",
    "write_manifest",
]
