import pytest

from faceflip.celeba import ANNOTATIONS, ATTRIBUTES, PARTITION, official
from faceflip.errors import UserError
from faceflip.synthetic.layout import partition_text

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


def test_every_size_has_a_sum_in_torchvisions_table():
    from torchvision.datasets import CelebA

    assert set(official.SIZES) <= {name for _, _, name in CelebA.file_list}


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
