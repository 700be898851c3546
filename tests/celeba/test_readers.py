import pytest
from celeba_forms import CSV_ANNOTATIONS, CSV_PARTITION, SmallCelebA, put

from faceflip.data.celeba import ANNOTATIONS, ATTRIBUTES, PARTITION
from faceflip.data.celeba.labels import read_labels
from faceflip.errors import UserError

FACES = SmallCelebA((0, 1, 2), SmallCelebA().labels[:3])
TEXT, CSV = FACES.annotations(), FACES.csv_annotations()


def told(folder, files):
    with pytest.raises(UserError) as error:
        read_labels(put(folder, files))
    return str(error.value)


def test_columns_go_by_name_and_rows_by_file_name(tmp_path):
    header, *rows = CSV.splitlines()
    first, second, *others = header.split(",")[1:]
    swapped = ",".join(["image_id", second, first, *others])
    partition = "000003.jpg 2\n000001.jpg 0\n000002.jpg 1"
    table = read_labels(put(tmp_path, {CSV_ANNOTATIONS: "\n".join([swapped, *rows]), PARTITION: partition})).table
    assert table[second].tolist() == FACES.labels[:, 0].tolist()
    assert table[first].tolist() == FACES.labels[:, 1].tolist()
    assert table["split"].tolist() == ["train", "validation", "test"]
    assert list(table.columns) == ["file_name", "split", *ATTRIBUTES]


@pytest.mark.parametrize(
    ("annotations", "messages"),
    [
        (TEXT.replace("3\r\n", "4\r\n", 1), ["announces 4 images, but 3 follow; is the file whole?"]),
        (TEXT.replace("3\r\n", "three\r\n", 1), ["line 1", "unknown: three", "missing: 5_o_Clock_Shadow"]),
        (TEXT.replace("Smiling", "Smilling"), ["line 2", "missing: Smiling", "unknown: Smilling"]),
        (TEXT.replace("Smiling", "Male"), ["missing: Smiling", "more than once: Male"]),
        (TEXT.replace(" Young", ""), ["line 2", "missing: Young; unknown: none"]),
        (TEXT.replace("000002.jpg", "000001.jpg"), ["1 bad row;", "000001.jpg occurs more than once"]),
        (TEXT.replace("-1", "-2"), ["3 bad rows;", "line 3: '-2'", "line 5: '-2'", "-1, 0, 1"]),
        (TEXT.replace(" -1", "  0", 1), ["but both -1", "and 0 (1 times) occur"]),
        (TEXT[:-8], ["1 bad row;", "line 5: 39 values instead of 41"]),
        ("3\r\n", ["line 2", "missing: 5_o_Clock_Shadow"]),
        (TEXT.splitlines()[1], ["names no images"]),
        ("", ["is empty"]),
        (" \r\n\r\n", ["is empty"]),
        (b"\xff\xfe\x00", ["is not a text file"]),
    ],
)
def test_malformed_annotations(tmp_path, annotations, messages):
    message = told(tmp_path, {ANNOTATIONS: annotations, PARTITION: FACES.partition()})
    for part in (ANNOTATIONS, *messages):
        assert part in message


@pytest.mark.parametrize(
    ("annotations", "messages"),
    [
        (CSV.replace("image_id", "file"), ["line 1: expected image_id or nothing in the first cell, found 'file'"]),
        (CSV.replace(",Bald", ""), ["line 1", "missing: Bald"]),
        (CSV.replace(",-1", ",?", 1), ["1 bad row;", "line 2: '?'"]),
        (CSV.replace(",", ";"), ["line 1", "first cell"]),
        (CSV.replace(",-1", ",0", 1), ["but both -1", "and 0 (1 times) occur"]),
        (TEXT, ["line 1"]),
        (
            CSV.replace("Young\n", "Young,\n"),
            ["line 1", "missing: none; unknown: none;", "without a name: column 42. The line ends in a comma: take it"],
        ),
        (CSV.replace(",Bald,", ",,"), ["missing: Bald;", "without a name: column 6"]),
        (CSV.replace("image_id", "number,image_id", 1), ["line 1: expected image_id or nothing", "found 'number'"]),
    ],
)
def test_malformed_csv_annotations(tmp_path, annotations, messages):
    message = told(tmp_path, {CSV_ANNOTATIONS: annotations, CSV_PARTITION: FACES.csv_partition()})
    for part in (CSV_ANNOTATIONS, *messages):
        assert part in message


@pytest.mark.parametrize(
    ("name", "partition", "messages"),
    [
        (PARTITION, "000001.jpg 0\n000002.jpg 3\n000003.jpg 2\n", ["line 2: '3'", "out of 0, 1, 2"]),
        (PARTITION, "000001.jpg\n000002.jpg 1\n000003.jpg 2\n", ["line 1: 1 values instead of 2"]),
        (
            PARTITION,
            "000001.jpg 0\n000004.jpg 1\n",
            ["2 images of ", "are not in", "000002.jpg, 000003.jpg; every annotated image needs a split"],
        ),
        (CSV_PARTITION, FACES.csv_partition().replace("partition", "split"), ["line 1: expected image_id,partition"]),
        (CSV_PARTITION, FACES.csv_partition().replace(",2", ",-1"), ["line 4: '-1'"]),
        (CSV_PARTITION, "", ["is empty"]),
    ],
)
def test_malformed_partition(tmp_path, name, partition, messages):
    message = told(tmp_path, {ANNOTATIONS: TEXT, name: partition})
    for part in (name, *messages):
        assert part in message


def test_faults_of_both_files_are_told_together(tmp_path):
    message = told(tmp_path, {ANNOTATIONS: TEXT.replace("Male", "Man"), PARTITION: "000001.jpg 9"})
    assert "missing: Male; unknown: Man" in message
    assert "line 1: '9'" in message


def test_many_faults_are_counted_and_the_first_shown(tmp_path):
    rows = [f"{number:06d}.jpg x" for number in range(200)]
    message = told(tmp_path, {ANNOTATIONS: TEXT, PARTITION: "\n".join(rows)})
    assert "200 bad rows" in message
    assert "line 10: 'x'\n  ..." in message
    assert "line 11" not in message


@pytest.mark.parametrize("ending", [",\n", "\n"])
def test_a_header_that_ends_in_a_comma_is_named_in_a_text_file_too(tmp_path, ending):
    rows = CSV.replace("\n", ending).replace("Young" + ending, "Young,\n")
    message = told(tmp_path, {ANNOTATIONS: rows, PARTITION: FACES.partition()})
    assert "line 1: expected the names of the 40 attributes; missing: none; unknown: none" in message
    assert message.endswith("The line ends in a comma: take it away, here and from all lines")


def test_a_cell_that_never_ends(tmp_path):
    message = told(tmp_path, {CSV_ANNOTATIONS: CSV + "9" * 200_000, PARTITION: FACES.partition()})
    assert "line 5: cannot be read as CSV" in message
