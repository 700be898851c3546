"""The packed dataset: decoded images, labels and splits of a CelebA in one HDF5 file.

The images are one contiguous array of the file, so that they can be memory-mapped: reading images in random order this
way is hundreds of times faster than through chunks.
"""

from faceflip.dataset.packed import FORMAT, VERSION, Dataset, count_labels, open_dataset
from faceflip.dataset.packing import pack_dataset, write_manifest
from faceflip.dataset.sample import draw_sample, read_sample, write_sample

__all__ = [
    "FORMAT",
    "VERSION",
    "Dataset",
    "count_labels",
    "draw_sample",
    "open_dataset",
    "pack_dataset",
    "read_sample",
    "write_manifest",
    "write_sample",
]
