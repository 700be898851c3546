"""The folder is CelebA's, byte by byte."""

import hashlib
import json
import os
import re
import subprocess
import time

import cv2
import numpy as np
import psutil
import pytest

from faceflip.data.celeba import ATTRIBUTES
from faceflip.data.synthetic import folder as layout
from faceflip.data.synthetic import painters, write_celeba
from faceflip.data.synthetic.image import encode
from faceflip.data.synthetic.label_model import real_statistics
from faceflip.errors import UserError
from faceflip.runtime.elsewhere import python
from faceflip.runtime.processes import lives

SIZES = {"train": 20, "validation": 6, "test": 4}


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn") / "celeba"
    write_celeba(folder, **SIZES, seed=5)
    return folder


def test_files_and_names_are_the_official_ones(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "img_align_celeba",
        "list_attr_celeba.txt",
        "list_eval_partition.txt",
        "mislabelled.csv",
        "synthetic.json",
    ]
    names = sorted(path.name for path in (folder / "img_align_celeba").iterdir())
    assert names == [f"{number:06d}.jpg" for number in range(1, 31)]
    assert list(folder.parent.iterdir()) == [folder]


def test_annotations_are_padded_and_end_in_crlf(folder):
    lines = (folder / "list_attr_celeba.txt").read_bytes().split(b"\r\n")
    assert lines[0] == b"30"
    assert lines[1] == " ".join(ATTRIBUTES).encode() + b" "
    assert lines[-1] == b""
    assert len(lines) == 33
    for number, line in enumerate(lines[2:-1], 1):
        assert re.fullmatch(rb"%06d\.jpg(?: -1|  1){40}" % number, line)


def test_partition_ends_in_crlf_and_follows_the_splits(folder):
    expected = [f"{number:06d}.jpg {0 if number <= 20 else 1 if number <= 26 else 2}\r\n" for number in range(1, 31)]
    assert (folder / "list_eval_partition.txt").read_bytes() == "".join(expected).encode()


def test_partition_of_celebas_size_is_the_official_file():
    text = layout.partition_text({"train": 162_770, "validation": 19_867, "test": 19_962})
    assert hashlib.md5(text.encode()).hexdigest() == "d32c9cbf5e040fd4025c592c306e6668"


def test_an_official_line_is_written_as_officially():
    # The first image of the real CelebA.
    line = "-1  1  1 -1 -1 -1 -1 -1 -1 -1 -1  1 -1 -1 -1 -1 -1 -1  1  1 "
    line += "-1  1 -1 -1  1 -1 -1  1 -1 -1 -1  1  1 -1  1 -1  1 -1 -1  1"
    text = layout.attribute_text(np.array([line.split()], dtype=np.int8))
    assert text.splitlines(keepends=True)[2] == f"000001.jpg {line}\r\n"


def test_images_are_jpegs_of_the_official_size(folder):
    for path in (folder / "img_align_celeba").iterdir():
        data = path.read_bytes()
        assert data.startswith(b"\xff\xd8\xff")
        assert data.endswith(b"\xff\xd9")
        assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED).shape == (218, 178, 3)


def test_colours_are_not_swapped():
    red = np.zeros((218, 178, 3), np.uint8)
    red[:, :, 0] = 200
    blue, green, back = cv2.imdecode(np.frombuffer(encode(red), np.uint8), cv2.IMREAD_COLOR)[100, 90]
    assert back > 190
    assert max(blue, green) < 10


def test_provenance_says_that_the_faces_are_drawn(folder):
    provenance = json.loads((folder / "synthetic.json").read_text())
    assert provenance["format"] == "faceflip-synthetic"
    assert (provenance["version"], provenance["seed"], provenance["images"]) == (1, 5, SIZES)
    assert set(provenance["mislabelled_annotations"]) == set(ATTRIBUTES)


def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(painters, "WORTH_A_PROCESS", 1)
    write_celeba(tmp_path / "two", **SIZES, seed=5, workers=2)
    assert contents(tmp_path / "two") == contents(folder)
    write_celeba(tmp_path / "other", **SIZES, seed=6)
    other, first = contents(tmp_path / "other"), contents(folder)
    same = [name for name in first if first[name] == other[name]]
    assert same == ["list_eval_partition.txt"]


def test_another_process_gives_the_same_bytes(folder, tmp_path):
    code = (
        "import sys; from faceflip.data.synthetic import write_celeba; "
        f"write_celeba({str(tmp_path / 'there')!r}, train=20, validation=6, test=4, seed=5); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run(**python(code), check=True)
    assert contents(tmp_path / "there") == contents(folder)


def test_importing_the_package_is_light():
    code = (
        "import sys, faceflip.data.synthetic as s; assert s.MISLABELLED; "
        "assert not {'torch', 'cv2', 'numpy'} & set(sys.modules)"
    )
    subprocess.run(**python(code), check=True)


def test_more_images_leave_the_earlier_ones_as_they_are(folder, tmp_path):
    write_celeba(tmp_path / "more", train=22, validation=0, test=0, seed=5)
    first, more = contents(folder), contents(tmp_path / "more")
    for number in range(1, 21):
        name = f"img_align_celeba/{number:06d}.jpg"
        assert first[name] == more[name]
    assert first["list_attr_celeba.txt"].split(b"\r\n")[2:22] == more["list_attr_celeba.txt"].split(b"\r\n")[2:22]


def test_mislabelled_is_counted(tmp_path):
    seen = []
    write_celeba(
        tmp_path / "all",
        train=12,
        validation=0,
        test=0,
        seed=1,
        mislabelled=0.5,
        progress=lambda *now: seen.append(now),
    )
    counts = json.loads((tmp_path / "all" / "synthetic.json").read_text())["mislabelled_annotations"]
    share = real_statistics().prevalence["train"]
    assert sum(counts.values()) == pytest.approx(12 * np.minimum(share, 1 - share).sum(), rel=0.5)
    assert seen == [(number, 12) for number in range(1, 13)]


def test_which_labels_were_falsified_is_recorded(folder):
    header, *rows = (folder / "mislabelled.csv").read_text().splitlines()
    assert header == "file_name,attribute"
    counts = json.loads((folder / "synthetic.json").read_text())["mislabelled_annotations"]
    falsified = [row.split(",") for row in rows]
    assert {name: sum(each == name for _, each in falsified) for name in ATTRIBUTES} == counts
    # A second way: what a face is drawn by has the other sign.
    true = layout.annotations(*layout.annotation_numbers(5, range(1, 21)), "train", 0.04)
    expected = {
        (f"{row + 1:06d}.jpg", ATTRIBUTES[column]) for row, column in np.argwhere(true.labels * true.strength < 0)
    }
    assert expected == {tuple(row) for row in falsified if row[0] <= "000020.jpg"}
    assert expected


def test_an_earlier_look_alike_is_replaced_and_anything_else_is_left_alone(tmp_path):
    target = tmp_path / "celeba"
    (target / "img_align_celeba").mkdir(parents=True)
    write_celeba(target, train=3, validation=0, test=0, seed=1)
    write_celeba(target, train=2, validation=0, test=0, seed=1)
    assert len(list((target / "img_align_celeba").iterdir())) == 2

    real = tmp_path / "real"
    (real / "img_align_celeba").mkdir(parents=True)
    (real / "img_align_celeba" / "000001.jpg").write_bytes(b"a real face")
    with pytest.raises(UserError, match=r"holds files and no synthetic\.json"):
        write_celeba(real, train=2, validation=0, test=0, seed=1)
    assert contents(real) == {"img_align_celeba/000001.jpg": b"a real face"}

    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        write_celeba(tmp_path / "file", train=2, validation=0, test=0, seed=1)


def test_a_fault_while_drawing_leaves_nothing(tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(painters, "encode", fail)
    threads = cv2.getNumThreads()
    with pytest.raises(OSError, match="disk full"):
        write_celeba(tmp_path / "celeba", train=50, validation=0, test=0, seed=1)
    assert list(tmp_path.iterdir()) == []
    assert cv2.getNumThreads() == threads


def test_faults_of_other_processes_are_raised_here(tmp_path, capfd):
    taken = tmp_path / os.fsdecode(b"taken \xff") / "000002.jpg"
    taken.mkdir(parents=True)
    with pytest.raises(UserError, match=rf"^{re.escape(str(taken))}: .* nothing was written under this name"):
        list(painters.painted(taken.parent, 1, np.ones((100, 40)), 2))
    with pytest.raises(RuntimeError, match=r"before it had drawn all .* FileNotFoundError: .*000001\.jpg"):
        list(painters.painted(tmp_path / "no such folder", 1, np.ones((100, 40)), 2))
    assert re.search(r"Traceback .*FileNotFoundError: .*000001\.jpg", capfd.readouterr().err, re.DOTALL)
    before = psutil.Process().children()
    drawing = painters.painted(tmp_path, 1, np.ones((200, 40)), 2)
    next(drawing)
    for child in set(psutil.Process().children()) - set(before):
        child.kill()
    with pytest.raises(RuntimeError, match="has ended before it had drawn all of its share"):
        list(drawing)


def test_no_process_draws_on_for_one_that_was_killed(tmp_path):
    code = (
        "import os, pathlib, psutil; import numpy as np; from faceflip.data.synthetic.painters import painted\n"
        f"for _ in painted(pathlib.Path({str(tmp_path)!r}), 1, np.ones((100_000, 40)), 2):\n"
        "    print(*(child.pid for child in psutil.Process().children()), flush=True)\n"
        "    os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run(**python(code), stdout=subprocess.PIPE)
    assert killed.returncode == -9
    painters_left, deadline = list(map(int, killed.stdout.split())), time.monotonic() + 30
    assert len(painters_left) == 2
    while any(lives(number, None) for number in painters_left):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"train": 0}, "train must be a whole number of 1 or more, not 0"),
        ({"validation": -1}, "validation must be a whole number of 0 or more"),
        ({"test": 2.5}, "test must be a whole number of 0 or more, not 2.5"),
        ({"seed": -3}, "seed must be"),
        ({"seed": True}, "seed must be"),
        ({"workers": 0}, "workers must be a whole number of 1 or more"),
        ({"mislabelled": 0.7}, "mislabelled must be between 0 and 0.5, not 0.7"),
        ({"mislabelled": float("nan")}, "mislabelled must be between"),
        ({"train": 999_999}, "at most 999999"),
    ],
)
def test_wrong_arguments_are_told(tmp_path, change, told):
    arguments = {"train": 2, "validation": 1, "test": 1, "seed": 1} | change
    with pytest.raises(UserError, match=re.escape(told)):
        write_celeba(tmp_path / "celeba", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_several_wrong_arguments_are_told_together(tmp_path):
    with pytest.raises(UserError, match=r"train must.*seed must.*mislabelled must"):
        write_celeba(tmp_path / "celeba", train=-1, validation=1, test=1, seed=-1, mislabelled=2)
