import fcntl
import hashlib
import json
import signal
import subprocess
from collections import namedtuple

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from faceflip.catalogue import READERS
from faceflip.data import celeba, packing
from faceflip.data.celeba.contents import UnreadableError
from faceflip.data.celeba.labels import count_labels, read_labels
from faceflip.data.packed import open_dataset
from faceflip.data.packing import pack_dataset
from faceflip.data.sample import draw_sample, read_sample, write_sample
from faceflip.errors import UserError
from faceflip.registry import load
from faceflip.runtime.elsewhere import python
from faceflip.seeds import derive

COUNT = 9


@pytest.fixture
def folder(tmp_path):
    """A CelebA folder of nine noise images: five for training, two for validation, two for testing."""
    random = np.random.default_rng(0)
    path = tmp_path / "celeba"
    (path / celeba.IMAGES).mkdir(parents=True)
    lines, partition = [str(COUNT), " ".join(celeba.ATTRIBUTES)], []
    for number in range(COUNT):
        name = f"{number + 1:06d}.jpg"
        lines.append(" ".join([name, *map(str, random.choice([-1, 1], 40))]))
        partition.append(f"{name} {(0, 0, 0, 0, 0, 1, 1, 2, 2)[number]}")
        small = random.integers(0, 256, (14, 12, 3), dtype=np.uint8)
        cv2.imwrite(str(path / celeba.IMAGES / name), cv2.resize(small, (celeba.WIDTH, celeba.HEIGHT)))
    (path / celeba.ANNOTATIONS).write_text("\n".join(lines) + "\n")
    (path / celeba.PARTITION).write_text("\n".join(partition) + "\n")
    return path


def read_rgb(path):
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def test_pixels_labels_and_splits(folder, tmp_path):
    manifest = pack_dataset(folder, tmp_path / "d.h5", threads=2)
    dataset = open_dataset(tmp_path / "d.h5")
    table = read_labels(folder).table
    assert dataset.manifest == manifest
    assert manifest["images"] == {"train": 5, "validation": 2, "test": 2}
    # Their names are numbers of the training split in CelebA.
    assert manifest["official"] == {"train": 5, "validation": 0, "test": 0}
    assert dataset.image_size == (178, 218)
    assert isinstance(dataset.images, np.memmap)
    for row, name in enumerate(dataset.file_names):
        np.testing.assert_array_equal(dataset.images[row], read_rgb(folder / celeba.IMAGES / name))
    assert manifest["pixel_sha256"] == hashlib.sha256(np.asarray(dataset.images).tobytes()).hexdigest()
    np.testing.assert_array_equal(dataset.labels, table[list(celeba.ATTRIBUTES)].to_numpy())
    assert dataset.rows("validation").tolist() == [5, 6]
    np.testing.assert_array_equal(dataset.labels_of(("Young", "Bald")), table[["Young", "Bald"]].to_numpy())


def test_names_outside_ascii(folder, tmp_path):
    names = {f"{number:06d}.jpg": f"ü-Ж-{number}.jpg" for number in range(1, COUNT + 1)}
    for file in (celeba.ANNOTATIONS, celeba.PARTITION):
        text = (folder / file).read_text(encoding="utf-8")
        for old, new in names.items():
            text = text.replace(old, new)
        (folder / file).write_text(text, encoding="utf-8")
    for old, new in names.items():
        (folder / celeba.IMAGES / old).rename(folder / celeba.IMAGES / new)
    pack_dataset(folder, tmp_path / "d.h5")
    assert open_dataset(tmp_path / "d.h5").file_names.tolist() == list(names.values())


def test_resizing(folder, tmp_path):
    manifest = pack_dataset(folder, tmp_path / "d.h5", image_size=(44, 54))
    image = open_dataset(tmp_path / "d.h5").images[3]
    expected = cv2.resize(read_rgb(folder / celeba.IMAGES / "000004.jpg"), (44, 54), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(image, expected)
    assert manifest["resized"]


def test_same_bytes_whatever_the_threads(folder, tmp_path):
    for threads in (1, 3):
        pack_dataset(folder, tmp_path / f"{threads}.h5", threads=threads)
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "3.h5").read_bytes()


def test_the_fingerprint_follows_the_content(folder, tmp_path):
    first = pack_dataset(folder, tmp_path / "1.h5")["fingerprint"]
    partition = folder / celeba.PARTITION
    partition.write_text(partition.read_text().replace("000009.jpg 2", "000009.jpg 1"))
    assert pack_dataset(folder, tmp_path / "2.h5")["fingerprint"] != first


def test_drawn_faces_are_known_as_such(folder, tmp_path):
    assert pack_dataset(folder, tmp_path / "1.h5")["source"] == "celeba"
    (folder / "synthetic.json").write_text(json.dumps({"seed": 1}))
    manifest = pack_dataset(folder, tmp_path / "2.h5")
    assert manifest["source"] == "synthetic"
    assert manifest["provenance"] == {"seed": 1}


def test_labels_that_were_falsified_are_known(folder, tmp_path):
    assert pack_dataset(folder, tmp_path / "1.h5")
    assert open_dataset(tmp_path / "1.h5").mislabelled is None
    (folder / "synthetic.json").write_text("{}")
    (folder / "mislabelled.csv").write_text("file_name,attribute\n000002.jpg,Bald\n000009.jpg,Young\n000010.jpg,Bald\n")
    pack_dataset(folder, tmp_path / "2.h5")
    dataset = open_dataset(tmp_path / "2.h5")
    found = [(dataset.file_names[row], celeba.ATTRIBUTES[column]) for row, column in np.argwhere(dataset.mislabelled)]
    assert found == [("000002.jpg", "Bald"), ("000009.jpg", "Young")]
    assert dataset.fingerprint == open_dataset(tmp_path / "1.h5").fingerprint
    (folder / "mislabelled.csv").write_text("file_name,attribute\n000002.jpg,Bold\n")
    with pytest.raises(UserError, match=r"mislabelled\.csv: expected rows of file_name,attribute; it comes with drawn"):
        pack_dataset(folder, tmp_path / "3.h5")


def shrink(folder, *names, size=(89, 109)):
    """Give images another size, all unless they are named."""
    for path in sorted((folder / celeba.IMAGES).iterdir()):
        if not names or path.name in names:
            cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), size))


def test_images_of_one_other_size_are_told_in_one_line(folder, tmp_path, capsys):
    shrink(folder)
    with pytest.raises(UserError) as error:
        pack_dataset(folder, tmp_path / "d.h5")
    assert str(error.value) == (
        f"{folder}: the images have 89 x 109 pixels, CelebA's aligned ones 178 x 218 pixels; set dataset.image_size to "
        "the size that networks are to see"
    )
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("stored", "size", "stretched"),
    [
        ((89, 109), (44, 54), False),
        ((128, 128), (44, 54), True),
        ((44, 54), (44, 54), False),
        ((44, 54), (178, 218), False),
    ],
)
def test_images_of_one_other_size_will_do_where_they_are_resized(folder, tmp_path, stored, size, stretched):
    shrink(folder, size=stored)
    manifest = pack_dataset(folder, tmp_path / "d.h5", image_size=size, threads=2)
    images = open_dataset(tmp_path / "d.h5").images
    source = read_rgb(folder / celeba.IMAGES / "000004.jpg")
    np.testing.assert_array_equal(images[3], cv2.resize(source, size, interpolation=cv2.INTER_AREA))
    assert manifest["resized"] == (stored != size)
    assert (manifest["stored_width"], manifest["stored_height"]) == stored
    (note,) = (note for note in manifest["notes"] if "CelebA's aligned ones" in note)
    assert f"the images have {stored[0]} x {stored[1]} pixels" in note
    assert ("changes their proportions" in note) == stretched


def test_a_few_images_of_another_size_are_refused_by_name(folder, tmp_path):
    shrink(folder, "000002.jpg", "000005.jpg")
    with pytest.raises(
        UserError, match=r"2 of 9 images cannot be used; (.|\n)*000002.jpg, 000005.jpg: each has 89 x 109"
    ):
        pack_dataset(folder, tmp_path / "d.h5", image_size=(44, 54))
    shrink(folder, "000001.jpg", "000003.jpg", "000004.jpg", "000006.jpg", "000007.jpg", "000008.jpg")
    with pytest.raises(
        UserError, match=r"1 of 9 images cannot be used; (.|\n)*000009.jpg has 178 x 218 pixels instead"
    ):
        pack_dataset(folder, tmp_path / "d.h5", image_size=(44, 54))


def test_images_of_all_sizes_are_not_aligned(folder, tmp_path):
    for number in range(1, 10):
        shrink(folder, f"00000{number}.jpg", size=(100 + number, 120))
    with pytest.raises(
        UserError, match=r"9 of 9 images cannot be used(.|\n)*000001.jpg has 101 x 120 pixels instead of 178"
    ):
        pack_dataset(folder, tmp_path / "d.h5", image_size=(44, 54))


def test_one_fault_of_many_images_is_told_once(folder, tmp_path):
    for path in (folder / celeba.IMAGES).iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError) as error:
        pack_dataset(folder, tmp_path / "d.h5")
    assert "\n  9 images, such as 000001.jpg, 000002.jpg, 000003.jpg: each is empty\n" in str(error.value)
    assert "The log lists all 9 of them." in str(error.value)


def test_a_turned_image_is_packed_upright(folder, tmp_path):
    path = folder / celeba.IMAGES / "000004.jpg"
    exif = Image.Exif()
    exif[274] = 6
    turned = Image.open(path).transpose(Image.Transpose.ROTATE_90)
    turned.save(path, quality=95, exif=exif)
    pack_dataset(folder, tmp_path / "d.h5")
    np.testing.assert_array_equal(open_dataset(tmp_path / "d.h5").images[3], read_rgb(path))


def damage(folder):
    """Make three of the nine images unusable, each in its own way."""
    images = folder / celeba.IMAGES
    (images / "000002.jpg").write_bytes(b"<html>quota exceeded</html>")
    truncated = images / "000004.jpg"
    truncated.write_bytes(truncated.read_bytes()[:-200])
    cv2.imwrite(str(images / "000007.jpg"), np.zeros((100, 50, 3), np.uint8))
    return {"000002.jpg": "is a web page", "000004.jpg": "cannot be decoded", "000007.jpg": "has 50 x 100 pixels"}


def test_bad_images_are_told_together_and_nothing_is_left(folder, tmp_path):
    reasons = damage(folder)
    with pytest.raises(UserError) as error:
        pack_dataset(folder, tmp_path / "out" / "d.h5")
    for message in (
        "3 of 9 images cannot be used",
        *(f"\n  {name} {reason}" for name, reason in reasons.items()),
        "set dataset.leave_out_bad_images to true",
    ):
        assert message in str(error.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_missing_images(folder, tmp_path):
    for name in ("000001.jpg", "000003.jpg"):
        (folder / celeba.IMAGES / name).unlink()
    message = r"2 of 9 annotated images are missing in img_align_celeba, such as 000001.jpg, 000003.jpg"
    with pytest.raises(UserError, match=message):
        pack_dataset(folder, tmp_path / "d.h5")


@pytest.mark.parametrize("leave_out", [False, True])
def test_missing_and_bad_images_are_told_together_and_all_in_the_log(folder, tmp_path, monkeypatch, capsys, leave_out):
    monkeypatch.setattr(packing, "SHOWN", 1)
    monkeypatch.setattr(packing, "MOST_LEFT_OUT", 1)
    reasons = damage(folder)
    for name in ("000001.jpg", "000009.jpg"):
        (folder / celeba.IMAGES / name).unlink()
        reasons[name] = "is missing"
    with pytest.raises(UserError) as error:
        pack_dataset(folder, tmp_path / "out" / "d.h5", leave_out_bad_images=leave_out, threads=2)
    message = str(error.value)
    assert "2 of 9 annotated images are missing in img_align_celeba, such as 000001.jpg, 000009.jpg" in message
    assert "3 of 9 images cannot be used; fetch them again:\n  000002.jpg is a web page" in message
    assert "The log lists all 5 of them." in message
    assert "000004.jpg" not in message
    listed = dict(line.split(" ", 1) for line in capsys.readouterr().out.splitlines())
    assert sorted(listed) == sorted(reasons)
    assert all(listed[name].startswith(reason) for name, reason in reasons.items())
    assert list((tmp_path / "out").iterdir()) == []


def without(path, names):
    """Cut lines of a text file that are about some images, and lower its count if there is one."""
    lines = [line for line in path.read_text().splitlines() if line.split()[0] not in names]
    lines[0] = str(len(lines) - 2) if lines[0].isdigit() else lines[0]
    path.write_text("\n".join(lines) + "\n")


def test_bad_images_are_left_out_by_name(folder, tmp_path):
    reasons = damage(folder)
    (folder / celeba.IMAGES / "000009.jpg").unlink()
    manifest = pack_dataset(folder, tmp_path / "1.h5", leave_out_bad_images=True, threads=2)
    assert manifest["images"] == {"train": 3, "validation": 1, "test": 1}
    left_out = {name: reason for reason, names in manifest["left_out"].items() for name in names}
    assert set(left_out) == {*reasons, "000009.jpg"}
    assert left_out.pop("000009.jpg") == "is missing"
    assert all(left_out[name].startswith(reason) for name, reason in reasons.items())
    dataset = open_dataset(tmp_path / "1.h5")
    assert dataset.manifest == manifest
    assert dataset.file_names.tolist() == ["000001.jpg", "000003.jpg", "000005.jpg", "000006.jpg", "000008.jpg"]
    for name in (celeba.ANNOTATIONS, celeba.PARTITION):
        without(folder / name, {*reasons, "000009.jpg"})
    assert pack_dataset(folder, tmp_path / "2.h5")["fingerprint"] == manifest["fingerprint"], "as if never annotated"


def test_good_images_leave_nobody_out(folder, tmp_path):
    manifest = pack_dataset(folder, tmp_path / "1.h5", leave_out_bad_images=True)
    assert manifest["left_out"] == {}
    assert manifest == pack_dataset(folder, tmp_path / "2.h5")


def test_too_many_bad_images_are_not_left_out(folder, tmp_path, monkeypatch):
    damage(folder)
    monkeypatch.setattr(packing, "MOST_LEFT_OUT", 2)
    with pytest.raises(UserError, match=r"3 of 9 images (.|\n)*More than 2 images, or all, are not left out"):
        pack_dataset(folder, tmp_path / "d.h5", leave_out_bad_images=True)


def test_portions_of_any_size_give_the_same(folder, tmp_path, monkeypatch):
    whole = pack_dataset(folder, tmp_path / "1.h5")
    monkeypatch.setattr(packing, "PORTION", 2)
    monkeypatch.setattr(packing, "WAITING", 1)
    seen = []
    parts = pack_dataset(folder, tmp_path / "2.h5", threads=3, progress=lambda done, total: seen.append((done, total)))
    assert parts == whole
    assert seen == [(2, 9), (4, 9), (6, 9), (8, 9), (9, 9)]


def test_what_the_manifest_tells(folder, tmp_path):
    manifest = pack_dataset(folder, tmp_path / "d.h5")
    assert [file["name"] for file in manifest["files"]] == [celeba.ANNOTATIONS, celeba.PARTITION]
    assert not any(file["official"] for file in manifest["files"])
    assert manifest["images_from"] == celeba.IMAGES
    assert manifest["decoder"].startswith("simplejpeg ")
    assert manifest["resizer"] is None
    assert len(manifest["notes"]) == 2
    assert "list_attr_celeba.txt has" in manifest["notes"][0]


def test_too_small_a_disk_is_told_before_the_work(folder, tmp_path, monkeypatch):
    usage = namedtuple("usage", ["total", "used", "free"])
    monkeypatch.setattr(packing.shutil, "disk_usage", lambda _: usage(2_000_000, 1_000_000, 1_000_000))
    with pytest.raises(UserError, match=r"no space left .* for 9 images of 178 x 218 pixels, which need 0\.0 GB"):
        pack_dataset(folder, tmp_path / "d.h5")


def test_a_killed_run_leaves_nothing_that_looks_finished(folder, tmp_path):
    code = (
        "import os, signal, sys; from faceflip.data import packing; packing.PORTION = 4; "
        "packing.pack_dataset(sys.argv[1], __import__('pathlib').Path(sys.argv[2]), "
        "progress=lambda done, total: os.kill(os.getpid(), signal.SIGKILL))"
    )
    output = tmp_path / "out" / "d.h5"
    killed = subprocess.run(**python(code, folder, output))
    assert killed.returncode == -signal.SIGKILL
    assert all(path.name.startswith(".") for path in output.parent.iterdir())
    pack_dataset(folder, output)
    assert open_dataset(output).images.shape == (9, 218, 178, 3)


def test_files_that_are_no_dataset(tmp_path):
    path = tmp_path / "x.h5"
    with pytest.raises(UserError, match="does not exist"):
        open_dataset(path)
    path.write_bytes(b"no HDF5")
    with pytest.raises(UserError, match="cannot be opened"):
        open_dataset(path)
    with h5py.File(path, "w") as file:
        file["images"] = 1
    with pytest.raises(UserError, match="not a packed dataset"):
        open_dataset(path)


def test_works_without_file_locks(folder, tmp_path, monkeypatch):
    """Where locks are broken every attempt to take one fails; a dataset takes none, whatever the environment says."""
    monkeypatch.setenv("HDF5_USE_FILE_LOCKING", "TRUE")
    pack_dataset(folder, tmp_path / "a.h5")
    with (tmp_path / "a.h5").open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="lock"):
            h5py.File(tmp_path / "a.h5", "r", locking=True)
        assert open_dataset(tmp_path / "a.h5").images.any()


@pytest.fixture
def dataset(folder, tmp_path):
    pack_dataset(folder, tmp_path / "d.h5")
    return open_dataset(tmp_path / "d.h5")


def test_a_sample(dataset):
    sample = draw_sample(dataset, "paper", "train", 4, seed=1)
    assert len(set(sample["image"])) == 4
    assert set(sample["image"]) <= set(dataset.rows("train"))
    assert sample["file_name"].tolist() == [f"{row + 1:06d}.jpg" for row in sample["image"]]
    assert draw_sample(dataset, "paper", "train", 4, seed=1).equals(sample)
    assert not draw_sample(dataset, "paper", "train", 4, seed=2).equals(sample)
    with pytest.raises(UserError, match=r"samples\.paper\.images is 6, but the train split has 5 images"):
        draw_sample(dataset, "paper", "train", 6, seed=1)


def test_samples_of_other_names_and_splits_are_other_draws(dataset):
    seeds = range(20)
    first, second = (
        [draw_sample(dataset, name, "train", 5, seed)["image"].tolist() for seed in seeds] for name in ("one", "two")
    )
    assert sum(a == b for a, b in zip(first, second, strict=True)) < 5
    assert set(draw_sample(dataset, "one", "validation", 2, seed=1)["image"]) == set(dataset.rows("validation"))
    with pytest.raises(UserError, match=r"samples\.one\.images is 3, but the test split has 2 images"):
        draw_sample(dataset, "one", "test", 3, seed=1)


def test_the_papers_sample_is_the_one_that_faceflip_0_1_drew(dataset):
    drawn = np.random.default_rng(derive(2018, "sample")).permutation(dataset.rows("train"))[:3]
    assert draw_sample(dataset, "paper", "train", 3, seed=2018)["image"].tolist() == drawn.tolist()


def test_a_sample_is_read_back_and_belongs_to_its_dataset(dataset, tmp_path):
    path = tmp_path / "samples" / "paper.csv"
    sample = draw_sample(dataset, "paper", "train", 4, seed=1)
    write_sample(path, sample)
    assert read_sample(path, dataset).tolist() == sample["image"].tolist()
    message = r"paper\.csv: expected columns image and file_name, .* draw the sample anew"
    for text in ("", "image,file_name\n0,000002.jpg\n", "image,file_name\n99,000001.jpg\n", "image\n0\n"):
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            read_sample(path, dataset)


class OwnFaces:
    """A reader of other faces, with attributes and splits of its own."""

    name = "my faces"
    attributes = ("Happy", "Tired")
    splits = ("test", "train")

    def __init__(self, folder, broken=()):
        self.folder = folder
        self.broken = broken
        names = [f"face{number}" for number in range(4)]
        self.files = {name: f"{number + 1:06d}.jpg" for number, name in enumerate(names)}
        self.table = pd.DataFrame({"file_name": names, "split": ["train", "train", "test", "train"]})
        self.table = self.table.assign(Happy=np.int8([1, -1, 1, 1]), Tired=np.int8([-1, -1, 1, -1]))

    def read(self, file):
        if file in self.broken:
            raise UnreadableError("is out of reach")
        return (self.folder / celeba.IMAGES / file).read_bytes()

    def origin(self):
        return {"source": "mine", "images_from": "a drawer", "notes": ["drawn by hand"], "drawer": 3}


def test_a_reader_of_ones_own(folder, tmp_path):
    manifest = pack_dataset(OwnFaces(folder), tmp_path / "d.h5", threads=2)
    assert manifest["images"] == {"test": 1, "train": 3}
    assert (manifest["source"], manifest["notes"], manifest["drawer"]) == ("mine", ["drawn by hand"], 3)
    with h5py.File(tmp_path / "d.h5") as file:
        assert file["labels"][:].tolist() == [[1, -1], [-1, -1], [1, 1], [1, -1]]
        assert file["split"][:].tolist() == [1, 1, 0, 1]
        assert file["file_name"][:].tolist() == [b"face0", b"face1", b"face2", b"face3"]
        np.testing.assert_array_equal(file["images"][2], read_rgb(folder / celeba.IMAGES / "000003.jpg"))


def test_faults_in_a_place_of_ones_own_name_it(folder, tmp_path):
    reader = OwnFaces(folder, broken=("000002.jpg",))
    reader.files["face3"] = None
    message = r"^my faces: 1 of 4 annotated images are missing in a drawer, such as face3; (.|\n)*face1 is out of reach"
    with pytest.raises(UserError, match=message):
        pack_dataset(reader, tmp_path / "d.h5")
    reader.table["split"] = "train"
    with pytest.raises(UserError, match=r"^my faces: no image is of the test split"):
        pack_dataset(reader, tmp_path / "d.h5", leave_out_bad_images=True)


def test_a_folder_is_read_by_the_registered_reader(folder, tmp_path):
    reader = load(READERS["celeba"])(folder)
    assert pack_dataset(reader, tmp_path / "1.h5") == pack_dataset(str(folder), tmp_path / "2.h5")
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "2.h5").read_bytes()
    assert (reader.attributes, reader.splits) == (celeba.ATTRIBUTES, celeba.SPLITS)


def test_label_counts(folder, tmp_path):
    pack_dataset(folder, tmp_path / "d.h5")
    dataset = open_dataset(tmp_path / "d.h5")
    counts = count_labels(dataset.labels, dataset.split).set_index(["attribute", "split"])
    table = read_labels(folder).table
    for attribute in celeba.ATTRIBUTES:
        test = table.loc[table["split"] == "test", attribute]
        assert counts.loc[(attribute, "test")].tolist() == [len(test), (test == 1).sum()]
