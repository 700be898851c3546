import pytest

from faceflip.celeba import ANNOTATIONS, ATTRIBUTES, PARTITION
from faceflip.celeba.labels import read_labels
from faceflip.errors import UserError


def annotation_text(rows=3, names=ATTRIBUTES, count=None, value=lambda row, column: -1 if (row + column) % 3 else 1):
    lines = [str(rows if count is None else count), " ".join(names) + " "]
    lines += [
        f"{row + 1:06d}.jpg " + " ".join(f"{value(row, column):>2}" for column in range(len(names)))
        for row in range(rows)
    ]
    return "\r\n".join(lines) + "\r\n"


def write(folder, annotations=None, partition="000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n"):
    (folder / ANNOTATIONS).write_bytes((annotation_text() if annotations is None else annotations).encode())
    (folder / PARTITION).write_bytes(partition.encode())
    return folder


def test_official_files(tmp_path):
    table = read_labels(write(tmp_path)).table
    assert table["file_name"].tolist() == ["000001.jpg", "000002.jpg", "000003.jpg"]
    assert table["split"].tolist() == ["train", "validation", "test"]
    for row in range(3):
        assert table.loc[row, list(ATTRIBUTES)].tolist() == [-1 if (row + column) % 3 else 1 for column in range(40)]


def test_columns_go_by_name_and_rows_by_file_name(tmp_path):
    swapped = (ATTRIBUTES[1], ATTRIBUTES[0], *ATTRIBUTES[2:])
    text = annotation_text(names=swapped, value=lambda row, column: 1 if column == 0 else -1)
    table = read_labels(write(tmp_path, text, "000003.jpg 2\n000001.jpg 0\n000002.jpg 1")).table
    assert table["Arched_Eyebrows"].tolist() == [1, 1, 1]
    assert table["5_o_Clock_Shadow"].tolist() == [-1, -1, -1]
    assert table["split"].tolist() == ["train", "validation", "test"]


@pytest.mark.parametrize(
    ("annotations", "messages"),
    [
        (annotation_text(count=4), ["announces 4 images, but 3 follow"]),
        (annotation_text().replace("3\r\n", "three\r\n", 1), ["line 1", "number of images", "'three'"]),
        (annotation_text().replace("Smiling", "Smilling"), ["missing: Smiling", "unknown: Smilling"]),
        (annotation_text().replace("000002.jpg", "000001.jpg"), ["000001.jpg occurs more than once"]),
        (annotation_text(value=lambda row, column: 0), ["3 bad rows", "line 3: '0'", "line 5: '0'"]),
        (annotation_text()[:-8], ["1 bad rows", "line 5: 39 values instead of 41"]),
        ("", ["is empty"]),
    ],
)
def test_malformed_annotations(tmp_path, annotations, messages):
    with pytest.raises(UserError) as error:
        read_labels(write(tmp_path, annotations))
    for message in (ANNOTATIONS, *messages):
        assert message in str(error.value)


@pytest.mark.parametrize(
    ("partition", "messages"),
    [
        ("000001.jpg 0\n000002.jpg 3\n000003.jpg 2\n", ["line 2: '3'", "out of 0, 1, 2"]),
        ("000001.jpg\n000002.jpg 1\n000003.jpg 2\n", ["line 1: 1 values instead of 2"]),
        (
            "000001.jpg 0\n000004.jpg 1\n",
            ["2 images are in list_attr_celeba.txt but not in", "1 images are in list_eval_partition.txt but not in"],
        ),
    ],
)
def test_malformed_partition(tmp_path, partition, messages):
    with pytest.raises(UserError) as error:
        read_labels(write(tmp_path, partition=partition))
    for message in messages:
        assert message in str(error.value)


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_labels(tmp_path)
    write(tmp_path)
    (tmp_path / ANNOTATIONS).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not a text file"):
        read_labels(tmp_path)
