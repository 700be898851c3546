import os
import subprocess
import time
import zipfile

import pytest
from celeba_forms import LAYOUTS, TEXTS, SmallCelebA, below, flat, kaggle_archive, pack, put

from faceflip.data.celeba import ANNOTATIONS, ATTRIBUTES, IMAGES, PARTITION, SPLITS
from faceflip.data.celeba.finding import find, input_files
from faceflip.data.celeba.labels import read_labels
from faceflip.data.packing import pack_dataset
from faceflip.errors import UserError
from faceflip.runtime.elsewhere import python
from faceflip.workflow.estimate import Estimate
from faceflip.workflow.settings import DatasetSettings, Settings

FACES = SmallCelebA()


@pytest.fixture(scope="module")
def fingerprint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    return pack_dataset(flat(folder / "celeba", FACES), folder / "d.h5")["fingerprint"]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_every_layout_gives_the_same_dataset(layout, tmp_path, fingerprint):
    manifest = pack_dataset(layout(tmp_path / "data", FACES), tmp_path / "d.h5", threads=2)
    assert manifest["fingerprint"] == fingerprint
    assert manifest["images"] == {"train": 5, "validation": 2, "test": 2}
    assert manifest["left_out"] == {}


@pytest.mark.parametrize("form", TEXTS)
def test_every_form_of_the_text_files_gives_the_same_labels(form, tmp_path):
    table = read_labels(put(tmp_path, TEXTS[form](FACES))).table
    assert table["file_name"].tolist() == FACES.names
    assert table["split"].tolist() == [SPLITS[split] for split in FACES.splits]
    assert table[list(ATTRIBUTES)].to_numpy().tolist() == FACES.labels.tolist()


def test_official_files_come_before_csv_files(tmp_path):
    put(tmp_path, {**FACES.csvs, **FACES.texts})
    layout = find(tmp_path)
    assert (layout.annotations.name, layout.partition.name) == (ANNOTATIONS, PARTITION)


def test_the_folder_of_images_comes_before_their_archive(tmp_path):
    flat(tmp_path, FACES)
    pack(tmp_path / f"{IMAGES}.zip", {"000001.jpg": b"other"})
    assert find(tmp_path).images == tmp_path / IMAGES


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_a_workflow_depends_on_labels_and_images(layout, tmp_path):
    given = layout(tmp_path / "data", FACES)
    inputs = input_files(given)
    assert all(path.exists() for path in inputs)
    found = find(given)
    for place in (found.annotations, found.partition, found.images):
        on_disk = place if not isinstance(place, zipfile.Path) else type(tmp_path)(place.root.filename)
        assert on_disk.absolute() in [path.absolute() for path in inputs]


def test_a_workflow_is_planned_without_data(tmp_path):
    assert input_files(tmp_path / "nothing") == []
    assert input_files(tmp_path) == []


def test_finding_files_is_quick_and_opens_no_archive(tmp_path):
    given = kaggle_archive(tmp_path, FACES)
    given.write_bytes(b"not an archive")
    start = time.monotonic()
    code = "import sys; from faceflip.data.celeba.finding import input_files; print(input_files(sys.argv[1])); print("
    code += "sorted({'torch', 'torchvision', 'numpy', 'pandas', 'cv2', 'h5py'} & set(sys.modules)))"
    output = subprocess.run(**python(code, given), capture_output=True, text=True, check=True).stdout
    assert output.splitlines() == [repr([given]), "[]"]
    assert time.monotonic() - start < 10


def images_of_plan(celeba):
    return Estimate.of(Settings(dataset=DatasetSettings(celeba=str(celeba)))).images


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_the_images_of_a_plan_are_counted_in_every_layout(layout, tmp_path):
    assert images_of_plan(layout(tmp_path / "data", FACES)) == {"train": 5, "validation": 2, "test": 2}


@pytest.mark.parametrize(
    "images", [b"", b"<!DOCTYPE html><html><head><title>Quota exceeded</title>", b"PK\x03\x04 broken off"]
)
def test_labels_need_no_images_however_broken_their_archive(images, tmp_path):
    put(tmp_path, {**FACES.texts, f"Img/{IMAGES}.zip": images})
    assert len(read_labels(tmp_path).table) == 9
    assert images_of_plan(tmp_path) == {"train": 5, "validation": 2, "test": 2}
    with pytest.raises(UserError, match=rf"{IMAGES}\.zip: "):
        find(tmp_path)


def test_a_subset_is_made_by_cutting_the_annotations(tmp_path):
    few = SmallCelebA(FACES.splits[:8], FACES.labels[:8])
    put(tmp_path, {ANNOTATIONS: few.annotations(), PARTITION: FACES.partition(), **below(IMAGES, FACES.jpegs)})
    manifest = pack_dataset(tmp_path, tmp_path / "d.h5")
    assert manifest["images"] == {"train": 5, "validation": 2, "test": 1}
    notes = "\n".join(manifest["notes"])
    assert f"one image of {tmp_path / PARTITION} is not in {tmp_path / ANNOTATIONS}: 000009.jpg" in notes
    assert "one image has no annotation and is left out: 000009.jpg" in notes


def test_a_subset_needs_images_of_each_split(tmp_path):
    few = SmallCelebA(FACES.splits[:5], FACES.labels[:5])
    put(tmp_path, {ANNOTATIONS: few.annotations(), PARTITION: FACES.partition(), **below(IMAGES, FACES.jpegs)})
    with pytest.raises(UserError, match="no image is of the validation or the test split"):
        pack_dataset(tmp_path, tmp_path / "d.h5")
    assert not (tmp_path / "d.h5").exists()


# What is missing


@pytest.mark.parametrize(
    ("left", "missing"),
    [
        ((), ("the annotations, list_attr_celeba.txt or list_attr_celeba.csv", "the partition, ", "the images, ")),
        ((ANNOTATIONS,), ("the partition, ", "the images, ")),
        ((ANNOTATIONS, PARTITION), ("the images, img_align_celeba/ or img_align_celeba.zip",)),
    ],
)
def test_what_is_missing_is_told_together_with_where_to_fetch_it(left, missing, tmp_path):
    put(tmp_path, {name: FACES.texts[name] for name in left})
    with pytest.raises(UserError) as error:
        pack_dataset(tmp_path, tmp_path / "d.h5")
    message = str(error.value)
    assert message.count("\n  the ") == len(missing)
    for part in (*missing, "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html", "1,443,490,838 bytes", "26,721,026"):
        assert part in message


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"nothing does not exist; expected a folder or zip archive of CelebA"):
        find(tmp_path / "nothing")


@pytest.mark.parametrize("name", [ANNOTATIONS, f"Anno/{ANNOTATIONS}", "list_attr_celeba.csv"])
def test_a_text_file_instead_of_its_folder(tmp_path, name):
    put(tmp_path / "my data", {name: FACES.annotations()})
    with pytest.raises(UserError, match=r"is a text file; name the folder or zip archive of CelebA: '.*/my data'$"):
        find(tmp_path / "my data" / name)


def test_what_lies_there_is_told(tmp_path):
    put(tmp_path, {**FACES.texts, "archive.zip": b"", **{f"notes{number}/read.me": "" for number in range(8)}})
    with pytest.raises(UserError) as error:
        find(tmp_path).require()
    lies = f"There lie archive.zip, {ANNOTATIONS}, {PARTITION}, notes0, notes1, notes2, notes3, notes4 and 3 more.\n"
    assert lies + "If archive.zip has it all, name that.\n" in str(error.value)


def test_an_archive_within_an_archive_is_told(tmp_path):
    inner = pack(tmp_path / "inner.zip", below(IMAGES, FACES.jpegs)).read_bytes()
    whole = pack(tmp_path / "celeba.zip", {**FACES.texts, f"{IMAGES}.zip": inner})
    message = rf"An archive within an archive, such as {IMAGES}\.zip, is not read: unpack {whole} and name the folder"
    with pytest.raises(UserError, match=message):
        pack_dataset(whole, tmp_path / "d.h5")


def test_which_of_several_folders_is_meant_is_not_guessed(tmp_path):
    put(tmp_path / "two", {**FACES.texts, **below("one", FACES.jpegs), **below("other", FACES.jpegs)})
    with pytest.raises(UserError, match=r"the images, (.|\n)*There lie list_attr_celeba\.txt, .*, one, other"):
        find(tmp_path / "two").require()
    put(tmp_path / "twice/one", {**FACES.texts, **below(IMAGES, FACES.jpegs)})
    put(tmp_path / "twice/other", {**FACES.texts, **below(IMAGES, FACES.jpegs)})
    with pytest.raises(UserError, match=r"the annotations, (.|\n)*There lie one, other"):
        find(tmp_path / "twice").require()


def test_folders_that_may_not_be_read(tmp_path, monkeypatch):
    """A disk of your own has lost+found."""
    flat(tmp_path / "CelebA", FACES)
    flat(tmp_path / "lost+found", FACES)
    may = os.access
    closed = "lost+found"
    monkeypatch.setattr(os, "access", lambda path, mode: closed not in str(path) and may(path, mode))
    assert find(tmp_path).images == tmp_path / "CelebA" / IMAGES
    with pytest.raises(
        UserError, match=r"lost\+found may not be read; make it readable, with the folders and files in"
    ):
        find(tmp_path / closed)
    assert input_files(tmp_path / closed) == []


# Archives that cannot be trusted

WEB_PAGE = b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (WEB_PAGE, "a web page, not the file itself: Google Drive"),
        (b"\r\n <HTML>virus scan warning", "a web page"),
        (b"PK\x03\x04" + bytes(100), "an incomplete zip archive: the download broke off"),
        (b"7z\xbc\xaf\x27\x1c", "not a zip archive (6 bytes), but one of 7-Zip: unpack it, and name the folder"),
        (b"\x1f\x8b\x08", "not a zip archive (3 bytes), but one of gzip"),
        (b"", "not a zip archive (0 bytes)"),
    ],
)
@pytest.mark.parametrize("itself", [True, False])
def test_files_that_are_no_archive(content, message, itself, tmp_path):
    archive = put(tmp_path, FACES.texts) / f"{IMAGES}.zip"
    archive.write_bytes(content)
    with pytest.raises(UserError) as error:
        pack_dataset(archive if itself else tmp_path, tmp_path / "d.h5")
    assert f"{archive}: " in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize("name", [ANNOTATIONS, PARTITION])
def test_a_web_page_saved_under_a_text_files_name(name, tmp_path):
    put(tmp_path, {**FACES.texts, name: WEB_PAGE})
    with pytest.raises(UserError, match=r"a web page, not the file itself: Google Drive sends one when"):
        read_labels(tmp_path)


def faulty_archive(tmp_path, members, change=None):
    put(tmp_path, FACES.texts)
    path = pack(tmp_path / f"{IMAGES}.zip", {**below(IMAGES, FACES.jpegs), **members})
    if change:
        data = bytearray(path.read_bytes())
        change(data)
        path.write_bytes(data)
    return tmp_path


def told(folder):
    with pytest.raises(UserError) as error:
        pack_dataset(folder, folder / "out/d.h5")
    assert list((folder / "out").iterdir()) == []
    return str(error.value)


def test_an_image_that_swells_is_not_unpacked(tmp_path):
    folder = faulty_archive(tmp_path, {f"{IMAGES}/000003.jpg": bytes(1 << 25)})
    assert "000003.jpg would unpack to 33,554,432 bytes, where at most 16,777,216 are expected" in told(folder)


def test_an_image_that_lies_about_its_size_is_not_unpacked(tmp_path):
    def lie(data):
        at = data.rindex(b"000003.jpg") - len(IMAGES) - 1 - 46  # its entry in the archive's directory
        data[at + 24 : at + 28] = (100).to_bytes(4, "little")

    folder = faulty_archive(tmp_path, {f"{IMAGES}/000003.jpg": bytes(1 << 25)}, lie)
    assert "1 of 9 images cannot be used" in told(folder)
    assert "000003.jpg" in told(folder)


def test_encrypted_images(tmp_path):
    def encrypt(data):
        for kind, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
            at = -1
            while (at := data.find(kind, at + 1)) >= 0:
                data[at + flags] |= 1

    message = told(faulty_archive(tmp_path, {}, encrypt))
    assert "9 images, such as 000001.jpg, 000002.jpg, 000003.jpg: each is encrypted in the archive; make one" in message


def test_an_unusual_method_of_packing(tmp_path):
    put(tmp_path, FACES.texts)
    pack(tmp_path / f"{IMAGES}.zip", below(IMAGES, FACES.jpegs), zipfile.ZIP_BZIP2)
    assert "000001.jpg, 000002.jpg, 000003.jpg: each is packed by method 12, which is not read" in told(tmp_path)


def test_a_file_that_is_too_large(tmp_path):
    flat(tmp_path, FACES)
    with (tmp_path / IMAGES / "000005.jpg").open("wb") as file:
        file.truncate((1 << 24) + 1)
    assert "000005.jpg is larger than the 16,777,216 bytes that are expected at most" in told(tmp_path)


def test_a_damaged_image_in_an_archive(tmp_path):
    put(tmp_path, FACES.texts)
    path = pack(tmp_path / f"{IMAGES}.zip", below(IMAGES, FACES.jpegs), zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[data.index(FACES.jpegs["000004.jpg"]) + 1000] ^= 0xFF
    path.write_bytes(data)
    assert "000004.jpg is damaged in the archive (Bad CRC-32" in told(tmp_path)


def test_names_that_lead_out_of_the_archive_lead_nowhere(tmp_path):
    put(tmp_path, {"secret.jpg": FACES.jpegs["000001.jpg"]})
    names = ("../secret.jpg", "/secret.jpg", f"{IMAGES}/../../secret.jpg")
    folder = faulty_archive(tmp_path / "data", dict.fromkeys(names, b"harm"))
    before = sorted(path for path in tmp_path.rglob("*"))
    manifest = pack_dataset(folder, tmp_path / "d.h5")
    assert manifest["images"] == {"train": 5, "validation": 2, "test": 2}
    assert sorted(path for path in tmp_path.rglob("*")) == sorted([*before, tmp_path / "d.h5"])


def test_names_with_dots_in_an_archive(tmp_path):
    put(tmp_path, FACES.texts)
    pack(tmp_path / f"{IMAGES}.zip", below(f"{IMAGES}/.", FACES.jpegs) | {f"{IMAGES}/000001.jpg": b""})
    with pytest.raises(UserError):
        pack_dataset(tmp_path, tmp_path / "d.h5")


def test_an_annotated_name_that_leads_out_of_the_folder_is_missing(tmp_path):
    files = {name: text.replace("000009.jpg", "../secret.jpg") for name, text in FACES.texts.items()}
    put(tmp_path, {**files, "secret.jpg": FACES.jpegs["000001.jpg"], **below(IMAGES, FACES.jpegs)})
    with pytest.raises(UserError, match=r"1 of 9 annotated images are missing in img_align_celeba, such as \.\./"):
        pack_dataset(tmp_path, tmp_path / "d.h5")
