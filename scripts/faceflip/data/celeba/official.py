"""The official download: what to fetch by hand, and whether a file is one of it."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from faceflip.data.celeba import ANNOTATIONS, PARTITION
from faceflip.data.celeba.contents import Place, read_needed, size
from faceflip.errors import UserError

SIZES = {ANNOTATIONS: 26_721_026, PARTITION: 2_836_386, "img_align_celeba.zip": 1_443_490_838}
"""Bytes of the official files."""

MD5 = {
    ANNOTATIONS: "75e246fa4810816ffd6ee81facbd244c",
    PARTITION: "d32c9cbf5e040fd4025c592c306e6668",
    "img_align_celeba.zip": "00d2c5bc6d35e252742224ab0c1e8fcb",
}
"""Their sums, as in torchvision's `CelebA.file_list`, whose import takes seconds."""

FETCH = (
    "Nothing is downloaded for you: CelebA's terms are to be read and accepted by people. Fetch by hand, from the "
    "Google Drive of\nhttps://mmlab.ie.cuhk.edu.hk/projects/CelebA.html (folders Anno, Eval and Img/):\n"
    + "".join(f"  {name:<23}{bytes_:>15,} bytes\n" for name, bytes_ in SIZES.items())
    + "or all of it in one archive, https://www.kaggle.com/datasets/jessicali9530/celeba-dataset. Archives need not be "
    "unpacked.\nThe forms that are understood: docs/guides/celeba.md"
)


class Verdict(NamedTuple):
    """Whether a file is the official one; `expected` is that one's size, None where there is none."""

    name: str
    bytes: int
    official: bool
    expected: int | None

    def warning(self) -> str | None:
        """Return what to say of a file that is not the official one."""
        if self.official:
            return None
        if self.expected is None:
            return f"{self.name} is a derived file: there is no official sum to check it by"
        return (
            f"{self.name} has {self.bytes:,} bytes, the official file {self.expected:,}: it is taken for a subset or "
            "another derived file and cannot be checked by its sum"
        )


def check(places: list[Place]) -> list[Verdict]:
    """Compare files with the official ones of the same name, by size and, where that is equal, by MD5 sum.

    Raises UserError for files that cannot be read, or have the official size and another sum (all are reported).
    """
    sizes = [(place.name, size(place), SIZES.get(place.name)) for place in places]
    verdicts = [Verdict(name, bytes_, bytes_ == expected, expected) for name, bytes_, expected in sizes]
    official = [place for place, verdict in zip(places, verdicts, strict=True) if verdict.official]
    if changed := [place for place in official if not _has_official_sum(place)]:
        raise UserError(
            "the size is that of the official file, but the MD5 sum is not:\n"
            + "".join(f"  {place}\n" for place in changed)
            + "Fetch it again: it was damaged on its way. If it was changed on purpose, append an empty line, so that "
            "it no longer passes for the official file."
        )
    return verdicts


def _has_official_sum(place: Place) -> bool:
    digest = hashlib.md5(usedforsecurity=False)
    if isinstance(place, Path):
        with place.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    else:
        digest.update(read_needed(place, SIZES[place.name]))
    return digest.hexdigest() == MD5[place.name]
