"""The workflow on a CelebA of the user's: what it depends on, what it does with bad images."""

import csv
import json
import zipfile

import pytest
from running import TINY, Workflow

from faceflip.data.celeba import ANNOTATIONS, IMAGES, PARTITION
from faceflip.data.synthetic import write_celeba

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

DATASET = "results/dataset/faces.h5"


@pytest.fixture
def drawn(tmp_path):
    write_celeba(tmp_path / "drawn", train=3, validation=1, test=1, seed=1)
    return tmp_path / "drawn"


def as_kaggles_archive(drawn, path):
    """Pack a drawn CelebA as Kaggle does: CSV files, and the images in a folder within a folder."""
    labels = [line.split() for line in (drawn / ANNOTATIONS).read_text().splitlines()[1:]]
    splits = [line.split() for line in (drawn / PARTITION).read_text().splitlines()]
    tables = {
        ANNOTATIONS: [["image_id", *labels[0]], *labels[1:]],
        PARTITION: [["image_id", "partition"], *splits],
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, rows in tables.items():
            with (drawn / "table.csv").open("w", newline="") as file:
                csv.writer(file).writerows(rows)
            archive.write(drawn / "table.csv", name.replace(".txt", ".csv"))
        for image in sorted((drawn / IMAGES).iterdir()):
            archive.write(image, f"{IMAGES}/{IMAGES}/{image.name}")


def run_on(celeba, directory, **dataset):
    overlay = directory / "overlay.yaml"
    overlay.write_text(json.dumps({"dataset": {"celeba": str(celeba), **dataset}}))
    return Workflow(directory, [TINY, overlay])


def test_an_archive_is_packed_once_and_again_when_it_changes(drawn, tmp_path):
    archive = tmp_path / "archive.zip"
    as_kaggles_archive(drawn, archive)
    workflow = run_on(archive, tmp_path)
    workflow(DATASET, "--cores", 1)
    manifest = json.loads((tmp_path / "results/dataset/manifest.json").read_text())
    assert manifest["images"] == {"train": 3, "validation": 1, "test": 1}
    assert manifest["source"] == "celeba"
    assert manifest["files"][0]["name"] == "archive.zip/list_attr_celeba.csv"
    assert "is a derived file" in (tmp_path / "logs/pack_dataset.log").read_text()
    assert workflow.planned(DATASET) == {}
    (drawn / IMAGES / "000002.jpg").write_bytes((drawn / IMAGES / "000001.jpg").read_bytes())
    as_kaggles_archive(drawn, archive)
    assert workflow.planned(DATASET) == {"pack_dataset": 1}


def test_a_part_of_the_images_with_splits_of_its_own(drawn, tmp_path):
    (drawn / IMAGES / "000004.jpg").unlink()
    (drawn / IMAGES / "000005.jpg").unlink()
    said = run_on(drawn, tmp_path).said(DATASET, "--cores", 1, check=False)
    assert "2 of 5 annotated images are missing" in said
    assert "set dataset.subset to true" in said
    workflow = run_on(drawn, tmp_path, subset=True, split_shares=[0.4, 0.3, 0.3])
    workflow(DATASET, "--cores", 1)
    manifest = json.loads((tmp_path / "results/dataset/manifest.json").read_text())
    assert manifest["images"] == {"train": 1, "validation": 1, "test": 1}
    assert "Note: a subset: 3 of 5 annotated images are there" in (tmp_path / "logs/pack_dataset.log").read_text()
    assert workflow.planned(DATASET) == {}
    assert run_on(drawn, tmp_path, subset=True, split_shares=[0.3, 0.4, 0.3]).planned(DATASET) == {"pack_dataset": 1}


def test_a_celeba_that_was_moved(drawn, tmp_path):
    """It is the same one."""
    run_on(drawn, tmp_path)(DATASET, "--cores", 1)
    packed = (tmp_path / DATASET).read_bytes()
    drawn.rename(tmp_path / "elsewhere")
    moved = run_on(tmp_path / "elsewhere", tmp_path)
    assert moved.planned(DATASET) == {}
    assert (tmp_path / DATASET).read_bytes() == packed


def test_bad_images_stop_the_job_or_are_left_out(drawn, tmp_path):
    (drawn / "synthetic.json").unlink()
    (drawn / IMAGES / "000002.jpg").write_bytes(b"")
    said = run_on(drawn, tmp_path).said(DATASET, "--cores", 1, check=False)
    assert "1 of 5 images cannot be used; fetch them again:\n  000002.jpg is empty" in said
    assert "set dataset.leave_out_bad_images to true" in said
    assert not list(tmp_path.glob("results/dataset/*"))
    run_on(drawn, tmp_path, leave_out_bad_images=True)(DATASET, "--cores", 1)
    manifest = json.loads((tmp_path / "results/dataset/manifest.json").read_text())
    assert manifest["left_out"] == {"is empty": ["000002.jpg"]}
