"""Writing a part of CelebA as a folder of its own: the text files cut to the images that there are."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from faceflip.data.celeba import ANNOTATIONS, ATTRIBUTES, IMAGES, PARTITION, SPLITS
from faceflip.data.celeba.contents import read_needed
from faceflip.data.celeba.finding import IMAGE_ARCHIVE
from faceflip.data.celeba.labels import TEXT_LIMIT, Labels
from faceflip.data.celeba.source import CelebA
from faceflip.data.celeba.texts import annotations_text, partition_text
from faceflip.errors import UserError
from faceflip.io.files import name_beside, telling_disk_errors


def write_subset(root: Path | str, output: Path, split_shares: Sequence[float] | None = None) -> Labels:
    """Write annotations and partition of the images that `root` has, and a link to these, into a folder of its own.

    The folder appears whole or not at all, and may exist where it is empty. With `split_shares` the splits are made
    anew: see `faceflip.data.celeba.labels.read_labels`. Raises UserError where there is no CelebA, a split would be
    empty, or the folder holds something.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError(f"{output} is there already; name a new or empty folder with --output")
    faces = CelebA(root, subset=True, split_shares=split_shares)
    table, layout = faces.labels.table, faces.layout
    if empty := [split for split in SPLITS if not (table["split"] == split).any()]:
        raise UserError(
            f"{faces.name}: of its {len(table):,} images none is of the {' or the '.join(empty)} split; make the "
            "splits anew, such as by --split-shares 0.8 0.1 0.1"
        )
    names, splits = table["file_name"].tolist(), table["split"].map(SPLITS.index)
    contents = {
        ANNOTATIONS: annotations_text(names, table[list(ATTRIBUTES)].to_numpy()).encode(),
        PARTITION: partition_text(names, splits).encode(),
    }
    # What was drawn must not pass for CelebA.
    drawn = [place for place in (layout.provenance, layout.mislabelled) if place is not None]
    contents |= {place.name: read_needed(place, TEXT_LIMIT) for place in drawn}
    beside = name_beside(output)
    with telling_disk_errors(output):
        beside.mkdir(parents=True)
        try:
            for name, content in contents.items():
                (beside / name).write_bytes(content)
            if isinstance(layout.images, Path):
                (beside / IMAGES).symlink_to(layout.images.resolve())
            else:
                (beside / IMAGE_ARCHIVE).symlink_to(Path(layout.images.root.filename).resolve())
            beside.replace(output)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return faces.labels
