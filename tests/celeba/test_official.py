import subprocess
import zipfile
from pathlib import Path

import pytest

from faceflip.data.celeba import ANNOTATIONS, ATTRIBUTES, PARTITION, official
from faceflip.data.synthetic.folder import partition_text
from faceflip.errors import UserError
from faceflip.runtime.elsewhere import python

POSITIVES_OF_FIRST = 22_516
"""Images with the first attribute, whose +1 is written without padding in the official file."""


@pytest.fixture
def partition(tmp_path):
    """The official partition file: it can be written from the sizes of the splits."""
    path = tmp_path / PARTITION
    path.write_text(partition_text({"train": 162_770, "validation": 19_867, "test": 19_962}), newline="")
    return path


def test_sizes_follow_from_the_format():
    images, row = 202_599, len("000001.jpg") + 40 * 3 + len("\r\n")
    header = len(f"{images}\r\n") + sum(len(name) + 1 for name in ATTRIBUTES) + len("\r\n")
    assert official.SIZES[ANNOTATIONS] == header + images * row - POSITIVES_OF_FIRST
    assert official.SIZES[PARTITION] == images * len("000001.jpg 0\r\n")


def test_the_sums_are_those_of_torchvisions_table():
    from torchvision.datasets import CelebA

    sums = {name: md5 for _, md5, name in CelebA.file_list}
    assert {name: sums[name] for name in official.SIZES} == official.MD5


def test_a_sum_needs_no_more_than_the_standard_library(partition):
    code = (
        "import sys; from pathlib import Path; from faceflip.data.celeba import official; "
        "assert official.check([Path(sys.argv[1])])[0].official; "
        "assert not {'torch', 'torchvision', 'numpy', 'pandas'} & set(sys.modules)"
    )
    subprocess.run(**python(code, partition), check=True)


def test_the_official_file_is_recognised(partition):
    (verdict,) = official.check([partition])
    assert verdict.official
    assert verdict.warning() is None


def test_a_damaged_official_file_is_refused(partition):
    data = bytearray(partition.read_bytes())
    data[-3] = ord("1")
    partition.write_bytes(data)
    with pytest.raises(UserError, match=r"the MD5 sum is not:\n  .*list_eval_partition\.txt\nFetch it again"):
        official.check([partition])


@pytest.fixture
def packed(tmp_path):
    """A function that puts a partition file into an archive and returns the place of it there."""

    def pack(data):
        with zipfile.ZipFile(tmp_path / "celeba.zip", "w") as archive:
            archive.writestr(f"celeba/{PARTITION}", data)
        return zipfile.Path(tmp_path / "celeba.zip", f"celeba/{PARTITION}")

    return pack


def test_the_official_file_is_recognised_in_an_archive(partition, packed):
    (verdict,) = official.check([packed(partition.read_bytes())])
    assert verdict.official
    assert verdict.warning() is None


def test_a_damaged_official_file_is_refused_in_an_archive(partition, packed):
    data = bytearray(partition.read_bytes())
    data[-3] = ord("1")
    with pytest.raises(UserError, match=r"the MD5 sum is not:\n  .*celeba\.zip.*list_eval_partition\.txt\nFetch it"):
        official.check([packed(bytes(data))])


def test_a_file_that_was_damaged_within_the_archive_is_refused(partition, packed):
    place = packed(partition.read_bytes())
    with Path(place.root.filename).open("r+b") as file:
        file.seek(5000)
        file.write(b"x")
    with pytest.raises(UserError, match=r"list_eval_partition\.txt is damaged in the archive"):
        official.check([place])


def test_a_file_of_another_size_is_a_derived_one(partition):
    partition.write_bytes(partition.read_bytes()[: 14 * 1000])
    (verdict,) = official.check([partition])
    assert not verdict.official
    assert "has 14,000 bytes, the official file 2,836,386: it is taken for a subset" in verdict.warning()


def test_a_csv_file_has_no_official_sum(tmp_path):
    path = tmp_path / "list_eval_partition.csv"
    path.write_text("image_id,partition\n")
    (verdict,) = official.check([path])
    assert verdict.warning() == "list_eval_partition.csv is a derived file: there is no official sum to check it by"
