"""Other programs read the stores: the tools of HDF5 1.10, R, and bare h5py."""

import re
import shutil
import subprocess

import h5py
import numpy as np
import pytest

from faceflip.store.schema import USER_BLOCK


@pytest.fixture(params=["shard", "view"])
def path(request, build, monkeypatch):
    """A store, seen from another folder."""
    monkeypatch.chdir("/")
    return build.view(count=3, rows=8) if request.param == "view" else build.shard("a.h5", rows=24)


def output_of(*command):
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_h5ls(path):
    listing = output_of("h5ls", "-r", path)
    assert re.search(r"^/perturbation +Dataset \{24, 12, 10, 3\}$", listing, re.MULTILINE)
    assert re.search(r"^/outcome +Dataset \{24\}$", listing, re.MULTILINE)


def test_h5stat(path):
    assert "File information" in output_of("h5stat", path)


def test_h5dump(path, build):
    content = build.content(0, 24)
    dump = output_of("h5dump", "-d", "/perturbation", "-s", "17,0,0,0", "-c", "1,12,10,3", "-y", "-w", "100000", path)
    numbers = re.findall(r"-?\d+", dump.partition("DATA {")[2].partition("}")[0])
    np.testing.assert_array_equal(np.array(numbers, int), content.perturbation[17].ravel())
    outcomes = output_of("h5dump", "-d", "/outcome", "-y", path).partition("DATA {")[2]
    assert len(re.findall("FLIPPED", outcomes)) == content.flipped.sum()
    names = output_of("h5dump", "-d", "/file_name", "-y", path)
    assert '"000001.jpg", "000002.jpg"' in names
    assert '"euclidean"' in output_of("h5dump", "-a", "/network", path)


def test_r(path, build):
    code = (
        "suppressMessages(library(rhdf5)); p <- h5read(path, 'perturbation'); cat(dim(p), p[,,,18], '\\n');"
        "cat(h5read(path, 'epsilon')[1:3], '\\n'); cat(as.character(h5read(path, 'outcome')[1:4]), '\\n');"
        "cat(h5read(path, 'attribute')[24], h5readAttributes(path, '/')$network, '\\n')"
    )
    if (
        shutil.which("Rscript") is None
        or subprocess.run(["Rscript", "-e", "library(rhdf5)"], capture_output=True).returncode
    ):
        pytest.skip("R with rhdf5 is not installed")
    lines = output_of("Rscript", "-e", f"path <- '{path}'; {code}").splitlines()
    content = build.content(0, 24)
    numbers = np.array(lines[0].split(), int)
    assert numbers[:4].tolist() == [3, 10, 12, 24]
    np.testing.assert_array_equal(numbers[4:], content.perturbation[17].ravel())
    assert lines[1].split() == ["0.5", "0.625", "0.75"]
    assert lines[2].split() == ["FLIPPED", "FLIPPED", "FLIPPED", "MAX_EPSILON"]
    assert lines[3].split() == ["Smiling", "euclidean"]


def test_bare_h5py(path, build):
    content = build.content(0, 24)
    with h5py.File(path) as file:
        flipped = content.flipped[:, None, None, None]
        np.testing.assert_array_equal(file["perturbation"][:], content.perturbation * flipped)
        assert file["attribute"].asstr()[:].tolist() == content.attribute
        assert h5py.check_enum_dtype(file["outcome"].dtype)["FLIPPED"] == 0
        assert file.attrs["complete"] == 1
        assert all(file[name].attrs["description"] for name in file if isinstance(file[name], h5py.Dataset))


def test_the_superblock_is_one_that_hdf5_1_10_reads(path):
    """Version 3 came with 1.10, and older tools refuse it; joined views need no more than shards."""
    superblock = path.read_bytes()[USER_BLOCK:]
    assert superblock.startswith(b"\x89HDF\r\n\x1a\n")
    assert superblock[8] == 0


def test_seal_as_a_shell_reads_it(build):
    """The digests can be had without this program."""
    path = build.shard("a.h5")
    script = 'head -c 512 "$1" | tr -d "\\0"; tail -c +513 "$1" | sha256sum'
    seal, digest = output_of("sh", "-c", script, "sh", path).splitlines()
    assert f'"sha256": "{digest.split()[0]}"' in seal
    size = int(re.search(r'"structure_bytes": (\d+)', seal)[1])
    digest = output_of("sh", "-c", f'head -c {size} "$1" | tail -c +513 | sha256sum', "sh", path).split()[0]
    assert f'"structure_sha256": "{digest}"' in seal
