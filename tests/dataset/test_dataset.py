import json

import cv2
import h5py
import numpy as np
import pytest

from faceflip import celeba
from faceflip.celeba.labels import read_labels
from faceflip.dataset import count_labels, draw_sample, open_dataset, pack_dataset
from faceflip.errors import UserError

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
    assert dataset.image_size == (178, 218)
    assert isinstance(dataset.images, np.memmap)
    for row, name in enumerate(dataset.file_names):
        np.testing.assert_array_equal(dataset.images[row], read_rgb(folder / celeba.IMAGES / name))
    np.testing.assert_array_equal(dataset.labels, table[list(celeba.ATTRIBUTES)].to_numpy())
    assert dataset.rows("validation").tolist() == [5, 6]
    np.testing.assert_array_equal(dataset.labels_of(("Young", "Bald")), table[["Young", "Bald"]].to_numpy())


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


def test_bad_images_are_told_together_and_nothing_is_left(folder, tmp_path):
    images = folder / celeba.IMAGES
    (images / "000002.jpg").write_bytes(b"<html>quota exceeded</html>")
    cv2.imwrite(str(images / "000007.jpg"), np.zeros((100, 50, 3), np.uint8))
    with pytest.raises(UserError) as error:
        pack_dataset(folder, tmp_path / "out" / "d.h5")
    for message in ("2 images", "000002.jpg: cannot be decoded", "000007.jpg: 50 x 100 pixels instead of 178 x 218"):
        assert message in str(error.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_missing_images(folder, tmp_path):
    for name in ("000001.jpg", "000003.jpg"):
        (folder / celeba.IMAGES / name).unlink()
    with pytest.raises(UserError, match=r"2 of 9 images are missing, such as 000001.jpg, 000003.jpg"):
        pack_dataset(folder, tmp_path / "d.h5")


def test_files_that_are_no_dataset(tmp_path):
    path = tmp_path / "x.h5"
    with pytest.raises(UserError, match="cannot be opened"):
        open_dataset(path)
    path.write_bytes(b"no HDF5")
    with pytest.raises(UserError, match="cannot be opened"):
        open_dataset(path)
    with h5py.File(path, "w") as file:
        file["images"] = 1
    with pytest.raises(UserError, match="not a packed dataset"):
        open_dataset(path)


def test_the_sample(folder, tmp_path):
    pack_dataset(folder, tmp_path / "d.h5")
    dataset = open_dataset(tmp_path / "d.h5")
    sample = draw_sample(dataset, 4, seed=1)
    assert len(set(sample["image"])) == 4
    assert set(sample["image"]) <= set(dataset.rows("train"))
    assert sample["file_name"].tolist() == [f"{row + 1:06d}.jpg" for row in sample["image"]]
    assert draw_sample(dataset, 4, seed=1).equals(sample)
    assert not draw_sample(dataset, 4, seed=2).equals(sample)
    with pytest.raises(UserError, match=r"sample\.images is 6, but the training split has 5"):
        draw_sample(dataset, 6, seed=1)


def test_label_counts(folder, tmp_path):
    pack_dataset(folder, tmp_path / "d.h5")
    counts = count_labels(open_dataset(tmp_path / "d.h5")).set_index(["attribute", "split"])
    table = read_labels(folder).table
    for attribute in celeba.ATTRIBUTES:
        test = table.loc[table["split"] == "test", attribute]
        assert counts.loc[(attribute, "test")].tolist() == [len(test), (test == 1).sum()]
