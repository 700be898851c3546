"""A part of CelebA's images with the whole text files: used as it is, or cut to a folder of its own."""

import json
from collections import Counter

import numpy as np
import pytest
from celeba_forms import LAYOUTS, SmallCelebA, archive_in_flat_folder, below, flat, official_archive, put
from typer.testing import CliRunner

from faceflip.cli.app import app
from faceflip.data.celeba import ANNOTATIONS, ATTRIBUTES, IDENTITIES, IMAGES, PARTITION
from faceflip.data.celeba.labels import read_labels
from faceflip.data.celeba.source import CelebA
from faceflip.data.celeba.splits import by_shares
from faceflip.data.packed import open_dataset
from faceflip.data.packing import pack_dataset
from faceflip.errors import UserError
from faceflip.workflow.estimate import Estimate
from faceflip.workflow.settings import DatasetSettings, Settings

FACES = SmallCelebA()
THERE = ("000002.jpg", "000004.jpg", "000007.jpg", "000008.jpg")
SHARES = [0.5, 0.25, 0.25]


@pytest.fixture
def part(tmp_path):
    """Four of nine images, two of them for training, and the whole text files."""
    return put(tmp_path / "part", {**FACES.texts, **below(IMAGES, {name: FACES.jpegs[name] for name in THERE})})


def test_without_the_option_what_is_missing_is_refused_and_the_option_told(part, tmp_path):
    with pytest.raises(UserError, match=r"5 of 9 annotated images are missing .* set dataset\.subset to true"):
        pack_dataset(part, tmp_path / "d.h5")


def test_what_is_there_is_used_and_counted(part, tmp_path):
    manifest = pack_dataset(CelebA(part, subset=True), tmp_path / "d.h5")
    assert manifest["images"] == {"train": 2, "validation": 1, "test": 1}
    assert "a subset: 4 of 9 annotated images are there" in manifest["notes"]
    assert (manifest["subset"], manifest["split_shares"], manifest["left_out"]) == (True, None, {})
    # A second way: as if the others had never been annotated.
    rows = [FACES.names.index(name) for name in THERE]
    few = SmallCelebA(tuple(FACES.splits[row] for row in rows), FACES.labels[rows])
    few.names = list(THERE)
    cut = put(tmp_path / "cut", {**few.texts, **below(IMAGES, {name: FACES.jpegs[name] for name in THERE})})
    assert pack_dataset(cut, tmp_path / "cut.h5")["fingerprint"] == manifest["fingerprint"]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_the_whole_is_its_own_subset(layout, tmp_path):
    whole = CelebA(layout(tmp_path / "data", FACES), subset=True)
    assert whole.table["file_name"].tolist() == FACES.names
    assert not any("a subset: " in note for note in whole.labels.notes)


def test_of_other_peoples_images_none_is_used(tmp_path):
    put(tmp_path, {**FACES.texts, **below(IMAGES, {"me.jpg": FACES.jpegs["000001.jpg"]})})
    with pytest.raises(UserError, match=r"img_align_celeba has none of the images that list_attr_celeba\.txt names"):
        pack_dataset(CelebA(tmp_path, subset=True), tmp_path / "d.h5")


def test_images_of_one_split_alone_can_be_split_anew(tmp_path):
    """The first images of CelebA are all of the training split."""
    training = {name: FACES.jpegs[name] for name in FACES.names[:5]}
    put(tmp_path, {**FACES.texts, **below(IMAGES, training)})
    message = (
        r"no image is of the validation or the test split; .* set dataset\.split_shares, such as \[0\.8, 0\.1, 0\.1\]"
    )
    with pytest.raises(UserError, match=message):
        pack_dataset(CelebA(tmp_path, subset=True), tmp_path / "d.h5")
    manifest = pack_dataset(CelebA(tmp_path, subset=True, split_shares=[0.6, 0.2, 0.2]), tmp_path / "d.h5")
    assert manifest["images"] == {"train": 3, "validation": 1, "test": 1}
    assert manifest["split_shares"] == [0.6, 0.2, 0.2]
    assert "partition_sha256" not in manifest
    told = "the splits were made anew, by the shares 0.6, 0.2, 0.2; nothing says who is on 5 images"
    assert any(told in note for note in manifest["notes"])


def test_new_splits_need_no_partition(tmp_path):
    put(tmp_path, {ANNOTATIONS: FACES.annotations(), **below(IMAGES, FACES.jpegs)})
    with pytest.raises(UserError, match="the partition"):
        CelebA(tmp_path)
    with pytest.raises(UserError, match="the partition"):
        read_labels(tmp_path)
    assert len(CelebA(tmp_path, split_shares=SHARES).table) == 9


def test_each_person_is_in_one_split(tmp_path):
    persons = [f"{name} {number % 4}" for number, name in enumerate(FACES.names)]
    put(tmp_path, {**FACES.texts, f"Anno/{IDENTITIES}": "\n".join(persons), **below(IMAGES, FACES.jpegs)})
    faces = CelebA(tmp_path, split_shares=SHARES)
    splits = faces.table["split"].tolist()
    for person in range(4):
        assert len(set(splits[person::4])) == 1
    assert any("by the persons in Anno/identity_CelebA.txt" in note for note in faces.labels.notes)
    assert "identities_sha256" in faces.origin()
    put(tmp_path, {f"Anno/{IDENTITIES}": "000001.jpg\n000002.jpg 3\n"})
    with pytest.raises(UserError, match=r"identity_CelebA\.txt: 1 bad row, such as line 1; expected a file name and"):
        read_labels(tmp_path, split_shares=SHARES)


def test_shares_are_met_and_persons_kept_together():
    random = np.random.default_rng(0)
    names = [f"{number:06d}.jpg" for number in range(1, 5001)]
    persons = {name: str(random.integers(300)) for name in names}
    splits = by_shares(names, persons, (0.8, 0.1, 0.1))
    counts = Counter(splits.values())
    assert [counts[split] / 5000 for split in range(3)] == pytest.approx([0.8, 0.1, 0.1], abs=0.01)
    assert len({(persons[name], split) for name, split in splits.items()}) == len(set(persons.values()))
    assert list(splits) != names, "not by number"
    assert by_shares(names[::-1], persons, (0.8, 0.1, 0.1)) == splits, "whatever the order"
    alone = Counter(by_shares(names, {}, (0.5, 0.3, 0.2)).values())
    assert [alone[split] for split in range(3)] == [2500, 1500, 1000]


@pytest.mark.parametrize("images", [5, 9])
def test_a_plan_counts_the_images_that_will_be_used(part, images):
    dataset = {"celeba": str(part)} | ({"subset": True} if images == 5 else {})
    estimate = Estimate.of(Settings(dataset=DatasetSettings(**dataset)))
    assert sum(estimate.images.values()) == (4 if images == 5 else 9)
    shared = Estimate.of(Settings(dataset=DatasetSettings(**dataset, split_shares=SHARES)))
    assert shared.images["train"] == (2 if images == 5 else 4)
    assert estimate.assumed is None


def subset(*arguments):
    return CliRunner().invoke(app, ["subset", *map(str, arguments)])


def test_a_folder_of_its_own_gives_the_same_dataset(part, tmp_path):
    result = subset(part)
    assert result.exit_code == 0, result.output
    assert "Note: a subset: 4 of 9 annotated images are there" in result.stdout
    assert (
        f"{part}-subset: 4 images, 2 train, 1 validation, 1 test; in a configuration: dataset.celeba" in result.stdout
    )
    there = part.with_name("part-subset")
    assert sorted(path.name for path in there.iterdir()) == [IMAGES, ANNOTATIONS, PARTITION]
    lines = (there / ANNOTATIONS).read_bytes().split(b"\r\n")
    assert lines[0] == b"4"
    assert lines[2:-1] == [line.encode() for line in FACES.annotations(tail="").split("\r\n") if line.startswith(THERE)]
    expected = pack_dataset(CelebA(part, subset=True), tmp_path / "1.h5")
    assert pack_dataset(there, tmp_path / "2.h5")["fingerprint"] == expected["fingerprint"]


@pytest.mark.parametrize("layout", [archive_in_flat_folder, official_archive], ids=lambda layout: layout.__name__)
def test_images_in_archives_are_linked(layout, tmp_path):
    result = subset(layout(tmp_path / "data", FACES), "-o", tmp_path / "there")
    assert result.exit_code == 0, result.output
    manifest = pack_dataset(tmp_path / "there", tmp_path / "d.h5")
    assert manifest["images"] == {"train": 5, "validation": 2, "test": 2}


def test_a_folder_with_new_splits(tmp_path):
    put(tmp_path / "part", {**FACES.texts, **below(IMAGES, {name: FACES.jpegs[name] for name in FACES.names[:5]})})
    result = subset(tmp_path / "part")
    assert isinstance(result.exception, UserError)
    told = (
        "of its 5 images none is of the validation or the test split; make the splits anew, such as by --split-shares"
    )
    assert told in str(result.exception)
    result = subset(tmp_path / "part", "--split-shares", 0.6, 0.2, 0.2, "--output", tmp_path / "there")
    assert result.exit_code == 0, result.output
    splits = [line.split()[1] for line in (tmp_path / "there" / PARTITION).read_text().splitlines()]
    assert sorted(splits) == ["0", "0", "0", "1", "2"]
    result = subset(tmp_path / "part", "--split-shares", 0.6, 0.6, 0.2)
    assert str(result.exception) == (
        "--split-shares: expected three shares above 0 that add up to 1, found 0.6, 0.6, 0.2"
    )


def test_nothing_is_written_over(part, tmp_path):
    put(tmp_path / "there", {"mine.txt": "precious"})
    result = subset(part, "-o", tmp_path / "there")
    assert "there is there already; name a new or empty folder with --output" in str(result.exception)
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["mine.txt"]


def test_drawn_faces_stay_known_as_such(tmp_path):
    falsified = "file_name,attribute\n000001.jpg,Bald\n"
    flat(tmp_path / "drawn", FACES)
    put(tmp_path / "drawn", {"synthetic.json": json.dumps({"seed": 1}), "mislabelled.csv": falsified})
    subset(tmp_path / "drawn", "-o", tmp_path / "there")
    manifest = pack_dataset(tmp_path / "there", tmp_path / "d.h5")
    assert (manifest["source"], manifest["provenance"]) == ("synthetic", {"seed": 1})
    falsified = open_dataset(tmp_path / "d.h5").mislabelled
    assert np.argwhere(falsified).tolist() == [[0, ATTRIBUTES.index("Bald")]]
