"""Labels of your own: what tables say, what is wrong with them, and what is packed."""

import csv
import io
import json
import re
import shutil
import zipfile

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strangers import NAMES, SIZE, SPLITS, write_folder

from faceflip.data.packed import open_dataset
from faceflip.data.packing import pack_dataset
from faceflip.data.sample import draw_sample
from faceflip.data.table import LabelTable, first_size, named_files, read_columns
from faceflip.errors import UserError
from faceflip.io.paths import FOLDER_BYTES, folder_of

HEADER = "file,split,Smiling,Male\n"
ROWS = "".join(
    f"{number}.png,{split},{number % 2},{number % 3 % 2}\n"
    for number, split in enumerate(["train"] * 4 + ["validation"] * 2 + ["test"] * 2)
)


def write(folder, text=HEADER + ROWS, name="labels.csv", images=8):
    """Write a table and images of four pixels beside it, and return the table's path."""
    folder.mkdir(exist_ok=True, parents=True)
    for number in range(images):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((2, 2, 3), number, "uint8"))
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def labels_of(table):
    return table.table[list(table.attributes)].to_numpy().tolist()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("1", "0", ""), [1, -1, 0]),
        (("1", "-1", ""), [1, -1, 0]),
        (("true", "False", ""), [1, -1, 0]),
        (("Yes", "no", " "), [1, -1, 0]),
        (("1.0", "0.0", ""), [1, -1, 0]),
        (("+1", "1", "-1"), None),
    ],
)
def test_words_for_labels(tmp_path, words, expected):
    rows = [f"{k}.png,{split},{word},{k % 2}" for k, (split, word) in enumerate(zip(["train"] * 3, words, strict=True))]
    rows += [f"{k},{split},1,{k % 2}" for k, split in ((3, "train"), (4, "validation"), (5, "test"))]
    path = write(tmp_path, HEADER + "train.png,train,0,1\n".replace("0", words[1]) + "\n".join(rows) + "\n")
    if expected is None:
        with pytest.raises(UserError, match=re.escape("column 'Smiling' has '+1' (first in row 2 below the header)")):
            labels_of(LabelTable(path))
    else:
        assert [row[0] for row in labels_of(LabelTable(path))][1:4] == expected


def test_columns_have_roles_by_their_names_in_any_order_and_case(tmp_path):
    path = tmp_path / "labels.tsv"
    path.write_text("Unnamed: 0\tMale\tSplit\tIdentity\tFile\tYoung\n")
    columns = read_columns(str(path))
    assert (columns.file, columns.split, columns.group, columns.attributes) == (
        "File",
        "Split",
        "Identity",
        ("Male", "Young"),
    )
    path = tmp_path / "first.csv"
    path.write_text("picture,Male,split\n")
    assert read_columns(str(path)).file == "picture"
    assert read_columns(str(path), ("Male",)).attributes == ("Male",)


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet"])
def test_the_same_table_in_every_form(tmp_path, kind):
    """Also as pandas writes what has gaps: 1.0, 0.0 and nothing, or nulls; with its index."""
    frame = pd.DataFrame(
        {
            "file": [f"{k}.png" for k in range(8)],
            "split": ["train"] * 4 + ["val"] * 2 + ["test"] * 2,
            "Smiling": [1, 0, None, 1, 0, 1, 0, 1],
            "Male": [True, False, True, True, False, True, False, True],
        }
    )
    path = tmp_path / f"labels.{kind}"
    if kind == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, sep="\t" if kind == "tsv" else ",", index=True)
    write(tmp_path, b"", "unused.txt")
    table = LabelTable(path)
    assert table.attributes == ("Smiling", "Male")
    assert labels_of(table) == [[1, 1], [-1, -1], [0, 1], [1, 1], [-1, -1], [1, 1], [-1, -1], [1, 1]]
    assert table.table["split"].tolist() == ["train"] * 4 + ["validation"] * 2 + ["test"] * 2


def test_parquet_of_every_type(tmp_path):
    """Categories with gaps, as pandas keeps yes and no, and columns of anything beside those that are chosen."""
    frame = pd.DataFrame(
        {
            "file": pd.Categorical([f"{k}.png" for k in range(6)]),
            "split": pd.Categorical(["train", "train", "train", "val", "test", "test"]),
            "Smiling": pd.Categorical(["yes", "no", None, "yes", "no", "yes"]),
            "Male": pd.array([True, False, None, True, True, False], dtype="boolean"),
            "boxes": [[1, 2]] * 6,
            "bytes": [b"\xff"] * 6,
        }
    )
    frame.to_parquet(tmp_path / "labels.parquet")
    table = LabelTable(tmp_path / "labels.parquet", columns=["Smiling", "Male"])
    assert labels_of(table) == [[1, 1], [-1, -1], [0, 0], [1, 1], [-1, 1], [1, -1]]
    assert named_files(str(tmp_path / "labels.parquet"), ["Male"]) == [f"{k}.png" for k in range(6)]
    with pytest.raises(UserError, match="cannot be read as a table"):
        labels_of(LabelTable(tmp_path / "labels.parquet"))


def test_shares_are_of_the_images_that_are_there(tmp_path):
    rows = [f"{k}.png,{k % 2},{k % 3 % 2}\n" for k in range(300)]
    path = write(tmp_path, "file,Smiling,Male\n" + "".join(rows), images=30)
    table = LabelTable(path, split_shares=[0.6, 0.2, 0.2], subset=True).table
    assert table["split"].value_counts().to_dict() == {"train": 18, "validation": 6, "test": 6}


BAD = {
    "no such file": (None, {}, "labels.csv: no such file"),
    "empty": ("", {}, "the first line is empty"),
    "a header alone": (HEADER, {}, "no rows below the header"),
    "no attribute": ("file,split\n0.png,train\n", {}, "has no column of an attribute"),
    "a column twice": ("file,split,Male,Male\n", {}, "has 2 columns 'Male'"),
    "names that collide": ("file,split,a/b,a?b\n", {}, "has columns 'a/b', 'a?b', whose folders would all be a_b"),
    "names that differ in case": ("file,split,male,Male\n", {}, "has columns 'male', 'Male'"),
    "a reserved name": ("file,split,all\n", {}, "has a column 'all', which no attribute may be called"),
    "the name of a row": ("file,split,Mean\n", {}, "has a column 'Mean', which no attribute may be called"),
    "a name with a tab": ('file,split,"a\tb"\n', {}, "the name of an attribute is printable text"),
    "a long name": (f"file,split,{'x' * 300}\n", {}, "at most 200 bytes"),
    "too many": ("file,split," + ",".join(f"a{k}" for k in range(1001)) + "\n", {}, "1,001 columns of attributes"),
    "a column that is not there": (HEADER + ROWS, {"columns": ["smiling"]}, "has no column 'smiling'"),
    "a ragged row": (HEADER + ROWS + "8.png,test,1\n", {}, "1 row with another number of values than the header's 4"),
    "text": (HEADER + ROWS.replace("0.png,train,0", "0.png,train,White"), {}, "column 'Smiling' has 'white'"),
    "an age": (HEADER + ROWS.replace("1.png,train,1", "1.png,train,27"), {}, "column 'Smiling' has '27'"),
    "0 and -1": (HEADER + ROWS.replace("2.png,train,0", "2.png,train,-1"), {}, "has both -1 and 0"),
    "a typo in a split": (HEADER + ROWS.replace("4.png,validation", "4.png,validatoin"), {}, "'validatoin' (1 row)"),
    "no split": ("file,Smiling\n0.png,1\n", {}, "has no column 'split'"),
    "a file twice": (HEADER + ROWS + "0.png,test,1,1\n", {}, "1 file named more than once: 0.png"),
    "no file": (HEADER + ROWS + ",test,1,1\n", {}, "1 row without a file, such as row 9"),
    "a file elsewhere": (HEADER + ROWS + "../x.png,test,1,1\n", {}, "1 file outside of the images' folder"),
    "an absolute file": (HEADER + ROWS + "/etc/passwd,test,1,1\n", {}, "1 file outside of the images' folder"),
    "an attribute nobody knows": (
        HEADER + re.sub(r",\d,(\d)$", r",,\1", ROWS, flags=re.MULTILINE),
        {},
        "attribute 'Smiling' is unknown on all images of the train and the validation and the test split",
    ),
    "an attribute all have": (
        HEADER + re.sub(r",\d,(\d)$", r",1,\1", ROWS, flags=re.MULTILINE),
        {},
        "attribute 'Smiling' is present on all images of the train split",
    ),
    "a column chosen twice": (HEADER + ROWS, {"columns": ["Male", "Male"]}, "is to have 'Male' 2 times"),
    "two groups": ("file,split,identity,group,Male\n", {}, "has columns 'identity', 'group' for one thing"),
    "splits without files": (HEADER + ROWS, {"splits": "alone.csv"}, "has the column 'split' alone"),
    "no table": (b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe", {}, "cannot be read as a table"),
    "no images": (HEADER + ROWS, {"images": "nowhere"}, "nowhere does not exist; expected a folder or zip archive"),
    "images that are none": (HEADER + ROWS, {"images": "labels.csv"}, "not a zip archive"),
    "a split file that knows less": (HEADER + ROWS, {"splits": "splits.csv"}, "7 images not in"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables(tmp_path, case, monkeypatch):
    """One clear message, when the table is read."""
    text, options, message = BAD[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "splits.csv").write_text("file,split\n0.png,train\n")
    (tmp_path / "alone.csv").write_text("split\ntrain\n")
    if text is not None:
        write(tmp_path, text)
    with pytest.raises(UserError) as error:
        labels_of(LabelTable("labels.csv", **options))
    assert message in str(error.value), str(error.value)
    assert len(str(error.value)) < 600


def test_all_faults_are_told_at_once(tmp_path):
    text = HEADER + ROWS.replace("0.png,train,0", "0.png,trian,maybe") + "1.png,test,1,1\n"
    with pytest.raises(UserError) as error:
        labels_of(LabelTable(write(tmp_path, text)))
    for part in ("'maybe'", "'trian'", "named more than once: 1.png"):
        assert part in str(error.value)


NUMBERS = (0, 0, 0, 1, 1, 2, 2, 0, 1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("splits.csv", "file,split\n" + "".join(f"{k}.png,{NUMBERS[k]}\n" for k in range(9))),
        ("list_eval_partition.txt", "".join(f"{k}.png {NUMBERS[k]}\n" for k in range(9))),
        ("list_eval_partition.csv", "image_id,partition\n" + "".join(f"{k}.png,{NUMBERS[k]}\n" for k in range(9))),
    ],
)
def test_splits_of_another_file(tmp_path, name, text):
    path = write(tmp_path, HEADER.replace("split,", "") + re.sub(r"(png),\w+,", r"\1,", ROWS))
    (tmp_path / name).write_text(text)
    table = LabelTable(path, splits=tmp_path / name).table
    assert table["split"].tolist() == [[*SPLITS][number] for number in NUMBERS[:8]]


def test_shares_keep_groups_together_and_follow_the_seed(tmp_path):
    rows = [f"{k}.png,{k // 4},{k % 2},{k % 3 % 2}\n" for k in range(400)]
    path = write(tmp_path, "file,group,Smiling,Male\n" + "".join(rows), images=0)

    def splits(seed):
        return LabelTable(path, split_shares=[0.6, 0.2, 0.2], split_seed=seed).table["split"]

    first = splits(None)
    assert first.tolist() == splits(None).tolist() != splits(1).tolist()
    for made in (first, splits(1)):
        assert made.groupby(np.arange(400) // 4).nunique().max() == 1
        assert made.value_counts().to_dict() == {"train": 240, "validation": 80, "test": 80}


@pytest.mark.slow
@given(st.lists(st.text(min_size=1, max_size=300), min_size=1, max_size=5))
def test_names_of_folders(names):
    """Any name gives one that a folder can have, and the same one every time."""
    for name in names:
        folder = folder_of(name)
        assert folder == folder_of(name)
        assert folder
        assert not folder.startswith((".", "-"))
        assert not re.search(r"[\s/\0]", folder)
        assert folder.isprintable()
        assert len(folder.encode("utf-8", "surrogatepass")) <= FOLDER_BYTES
    for name in ("Smiling", "5_o_Clock_Shadow", "No_Beard"):
        assert folder_of(name) == name


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stranger")
    return folder, write_folder(folder)


@pytest.mark.parametrize("kind", ["folder", "archive", "archive of a folder"])
def test_packing(stranger, tmp_path, kind):
    """Pixels and labels are those of the files, by another reader."""
    folder, labels = stranger
    images = folder / "faces"
    if kind != "folder":
        within = "faces" if kind == "archive of a folder" else "."
        images = shutil.make_archive(tmp_path / "faces", "zip", folder if within == "faces" else images, within)
    output = tmp_path / "faces.h5"
    manifest = pack_dataset(LabelTable(folder / "labels.csv", images), output)
    dataset = open_dataset(output)
    assert dataset.attributes == tuple(NAMES.values()) == tuple(manifest["attributes"])
    assert np.array_equal(dataset.labels, labels)
    assert dataset.image_size == SIZE == first_size(folder / "labels.csv", images)
    assert {split: len(dataset.rows(split)) for split in SPLITS} == SPLITS == manifest["images"]
    for row in (0, 7, 339):
        read = cv2.imread(str(folder / "faces" / dataset.file_names[row]))[:, :, ::-1]
        assert np.array_equal(dataset.images[row], read)
    unknown = int((labels == 0).sum())
    assert manifest["notes"] == [
        f"{unknown:,} of 1,020 labels are unknown: such an image takes no part in that attribute"
    ]
    assert manifest["source"] == "table"
    with pytest.raises(UserError, match="the dataset has no attribute Smiling"):
        dataset.labels_of(("Smiling",))
    assert set(draw_sample(dataset, "paper", "test", 5, 1)["image"]) <= {*dataset.rows("test")}


def test_other_names_of_attributes_are_another_dataset(stranger, tmp_path):
    folder, _ = stranger
    renamed = folder / "renamed.csv"
    renamed.write_text((folder / "labels.csv").read_text().replace("eyeglasses", "glasses", 1))
    prints = {
        pack_dataset(LabelTable(path, folder / "faces"), tmp_path / f"{path.stem}.h5")["fingerprint"]
        for path in (folder / "labels.csv", renamed)
    }
    assert len(prints) == 2


def test_images_of_several_sizes(tmp_path):
    """They are resized where a size is given, each by itself; else all that differ are named."""
    path = write(tmp_path, images=0)
    rng = np.random.default_rng(1)
    pictures = [rng.integers(0, 255, (40 + 4 * (k % 3), 36 + k % 2, 3), "uint8") for k in range(8)]
    for k, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / f"{k}.png"), picture)
    with pytest.raises(UserError, match="images cannot be used"):
        pack_dataset(LabelTable(path), tmp_path / "one.h5")
    pack_dataset(LabelTable(path), tmp_path / "two.h5", image_size=(33, 37), threads=2)
    expected = [cv2.resize(each[:, :, ::-1], (33, 37), interpolation=cv2.INTER_AREA) for each in pictures]
    assert np.array_equal(open_dataset(tmp_path / "two.h5").images, expected)


def test_missing_images_and_a_subset(stranger, tmp_path):
    folder, labels = stranger
    shutil.copytree(folder, tmp_path / "part")
    for number in (3, 5):
        (tmp_path / f"part/faces/{number:04d}.png").unlink()
    place = (tmp_path / "part/labels.csv", tmp_path / "part/faces")
    with pytest.raises(UserError, match=r"2 of 340 annotated images are missing in .*faces, such as 0003.png, 0005"):
        pack_dataset(LabelTable(*place), tmp_path / "whole.h5")
    manifest = pack_dataset(LabelTable(*place, subset=True), tmp_path / "part.h5")
    assert np.array_equal(open_dataset(tmp_path / "part.h5").labels, np.delete(labels, [2, 4], axis=0))
    assert "a subset: 2 images of the table are not there" in manifest["notes"]


def test_an_archive_with_damaged_images(stranger, tmp_path):
    folder, _ = stranger
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for path in sorted((folder / "faces").iterdir()):
            archive.writestr(path.name, path.read_bytes()[: 200 if path.stem == "0002" else None])
    (tmp_path / "faces.zip").write_bytes(memory.getvalue())
    with pytest.raises(UserError, match=r"1 of 340 images cannot be used.*\n.*0002.png cannot be decoded"):
        pack_dataset(LabelTable(folder / "labels.csv", tmp_path / "faces.zip"), tmp_path / "faces.h5")


def test_a_thousand_attributes(tmp_path):
    """Each has its labels; the manifest of so many long names is whole."""
    names = [f"{'long name ' * 15}{k}" for k in range(1000)]
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, (12, 1000))
    labels[:2] = [[0], [1]]
    path = write(tmp_path, b"", images=12)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "split", *names])
        for k, values in enumerate(labels):
            rows.writerow([f"{k}.png", ("train", "train", "train", "val", "test")[k % 5 if k > 1 else 0], *values])
    pack_dataset(LabelTable(path), tmp_path / "faces.h5")
    dataset = open_dataset(tmp_path / "faces.h5")
    assert dataset.attributes == tuple(names)
    assert np.array_equal(dataset.labels, labels * 2 - 1)
    assert json.loads(json.dumps(dataset.manifest))["attributes"] == names
