"""Stores of every format version stay readable."""

import hashlib
import io
import json
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from store_builder import STEM, Builder

from faceflip.errors import UserError
from faceflip.store import open_store, schema, write_joined_view
from faceflip.store.check import check
from faceflip.store.header import canonical_json
from faceflip.store.scores import scores_path
from faceflip.store.seal import write_seal

DATA = Path(__file__).parent / "data"
HEADERS = {
    1: {
        "sample": "paper",
        "network": "euclidean",
        "checkpoint": "converged",
        "attack": "ffa-line",
        "parameters": {"max_epsilon": 255, "search": "bisect"},
    },
    2: {
        "sample": "second",
        "network": "moon",
        "checkpoint": "epoch2",
        "attack": "ffa-iterative",
        "parameters": {"max_steps": 100},
        "checkpoint_sha256": {"all": "0a" * 32},
    },
}
"""What the archived stores say of themselves, apart from what all stores of `Builder` do."""
MARGINS = {2: {"margins": {"all": 1.25e-5}}}
OLD_STEM = STEM.replace("paper/", "")
"""Where faceflip 0.1 kept what is now the paper's sample."""


def unpacked(version, folder):
    """Put the archive of a version into a folder and return the path of its files without their suffixes."""
    if version == 1:
        shutil.copytree(DATA, folder, dirs_exist_ok=True)
    else:
        with zipfile.ZipFile(DATA / f"version{version}.zip") as archive:
            archive.extractall(folder)
    return folder / f"version{version}"


@pytest.fixture(params=range(1, schema.VERSION + 1))
def version(request):
    return request.param


@pytest.fixture
def archived(version, tmp_path):
    return unpacked(version, tmp_path / "archive")


def test_archived_store(archived, version):
    expected = pd.read_csv(archived.with_suffix(".csv"))
    perturbations = np.load(archived.with_suffix(".npz"))["perturbation"]
    with open_store(archived.with_suffix(".h5")) as store:
        found = pd.read_csv(io.StringIO(store.attempts.to_csv(index=False)))
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
        for row in range(len(store)):
            perturbation = store.perturbation(row)
            np.testing.assert_array_equal(0 if perturbation is None else perturbation, perturbations[row])
        assert store.version == version
        assert store.header == Builder.header(None, 0, **HEADERS[version])
        assert store.image_shape == (12, 10)
        for number, shard in enumerate(store.shards()):
            header = Builder.header(number, 12 * number, **HEADERS[version], **MARGINS.get(version, {}))
            assert (shard.version, shard.header) == (version, header)


def test_archived_store_is_sound(archived):
    report = check(archived.with_suffix(".h5"), deep=True)
    assert report.faults == []
    assert len(report.checked) == 3
    report = check(archived.parent, deep=True)
    assert report.faults == []


def test_the_archive_is_of_the_version_it_says(archived, version, build):
    """A change of what is written without a new version shows here: all but the software must be the same.

    What an old version lacks is the sample and nothing else.
    """
    new = build.view(f"version{version}", count=2, rows=12, **HEADERS[version], **MARGINS.get(version, {}))
    lacking = {"software": "", **({"version": 1, "sample": "paper"} if version == 1 else {})}
    pairs = ((archived.with_suffix(".h5"), new), (archived / "000.h5", new.with_suffix("") / "000.h5"))
    for old, written in pairs:
        with h5py.File(old) as a, h5py.File(written) as b:
            assert list(a) == list(b)
            assert {**a.attrs, **lacking} == {**b.attrs, **lacking}
            for column in schema.COLUMNS:
                if column.dtype is schema.OUTCOME:  # outcomes may be added, and none changes its number
                    names, more = (h5py.check_enum_dtype(file[column.name].dtype) for file in (a, b))
                    assert more.items() >= names.items()
                else:
                    assert a[column.name].id.get_type().equal(b[column.name].id.get_type())
                np.testing.assert_array_equal(a[column.name][:], b[column.name][:])
                np.testing.assert_array_equal(a[column.name].fillvalue, b[column.name].fillvalue)
                if version == schema.VERSION:  # the words that describe the columns of version 1 got better
                    assert dict(a[column.name].attrs) == dict(b[column.name].attrs)
            np.testing.assert_array_equal(a["perturbation"][:], b["perturbation"][:])
            assert a["perturbation"].chunks == b["perturbation"].chunks
            assert a["perturbation"].compression_opts == b["perturbation"].compression_opts


def test_the_archive_is_small():
    assert (DATA / "version2.zip").stat().st_size < 30_000


def test_commands_read_old_stores(call, archived, version, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    view = archived.with_suffix(".h5")
    assert f"version {version}" in call("inspect", view)[1]
    (summary,) = json.loads(call("inspect", "--json", view)[1])
    assert (summary["version"], summary["header"]["sample"]) == (version, HEADERS[version]["sample"])
    assert call("check", view, "--deep") == (0, "3 stores checked, no faults\n")
    assert call("diff", view, view)[0] == 0
    for kind in ("csv", "npz", "parquet"):
        assert call("export", view, "--to", kind, "-o", f"out.{kind}")[0] == 0
    pd.testing.assert_frame_equal(
        pd.read_csv("out.csv"), pd.read_csv(archived.with_suffix(".csv")), check_exact=True, check_dtype=False
    )
    with np.load("out.npz") as exported, open_store(view) as store:
        assert json.loads(str(exported["header"]))["sample"] == HEADERS[version]["sample"]
        assert len(exported["perturbation"]) == store.column("flipped").sum()


def as_version_1(path, monkeypatch, **attributes):
    """Turn a shard into one as faceflip 0.1 would have written it, with other attributes."""
    with open_store(path) as store:
        structure_bytes = store.seal.structure_bytes
    with h5py.File(path, "r+", locking=False) as file:
        del file.attrs["sample"]
        file.attrs.modify("version", np.int64(1))
        for name, value in attributes.items():
            file.attrs.modify(name, value)
    with monkeypatch.context() as patch:
        patch.setattr("faceflip.store.seal.VERSION", 1)
        write_seal(path, structure_bytes)
    return path


def test_shards_of_version_1_can_be_joined(tmp_path):
    shards = [unpacked(1, tmp_path / "archive") / f"{number:03d}.h5" for number in range(2)]
    write_joined_view(tmp_path / "view.h5", shards)
    assert check(tmp_path / "view.h5", deep=True).faults == []
    with open_store(tmp_path / "view.h5") as view:
        assert view.version == schema.VERSION
        assert view.header == Builder.header(None, 0, **HEADERS[1])
        assert len(view.attempts) == 24


def test_shards_of_different_versions_are_not_joined(build, tmp_path):
    old = unpacked(1, tmp_path / "archive") / "000.h5"
    new = [build.shard(f"new/{number:03d}.h5", number, 12 * number, 12, **HEADERS[1]) for number in (1, 2)]
    message = r"000\.h5: is of another run: format version is 1, in .*001\.h5 it is 2; delete"
    with pytest.raises(UserError, match=message):
        write_joined_view(tmp_path / "view.h5", [old, *new])
    shutil.copyfile(old, build.folder / "new/000.h5")
    messages = [fault.message for fault in check(build.folder / "new").faults if not fault.note]
    assert len(messages) == 1
    assert "000.h5: is of another run: format version is 1" in messages[0]


def test_scores_lie_where_the_version_has_them(call, build, tmp_path):
    """A run of faceflip 0.1 had no folders of samples."""
    old = build.folder / f"{OLD_STEM}/000.h5"
    old.parent.mkdir(parents=True)
    shutil.copyfile(unpacked(1, tmp_path / "archive") / "000.h5", old)
    assert build.scores(old) == build.folder / f"{OLD_STEM}/000.parquet".replace("attacks", "scores")
    (summary,) = json.loads(call("inspect", "--json", old)[1])
    assert summary["scored"] == summary["flipped"]
    misplaced = build.folder / f"{STEM}/000.h5"
    misplaced.parent.mkdir(parents=True)
    shutil.copyfile(old, misplaced)
    with open_store(misplaced) as shard:
        assert scores_path(shard) is None


def test_checkpoints_of_version_1(build, tmp_path, monkeypatch):
    """MOON's had no folder of members; where they are not there, only a run of faceflip 0.1 can give them."""
    networks = tmp_path / "results/networks"
    (networks / "moon").mkdir(parents=True)
    (networks / "moon/converged.pt").write_bytes(b"moon")
    digest = hashlib.sha256(b"moon").hexdigest()
    path = as_version_1(
        build.shard("m.h5", network="moon"), monkeypatch, checkpoint_sha256=canonical_json({"moon": digest})
    )
    assert check(path, networks=networks).faults == []
    (networks / "moon/converged.pt").write_bytes(b"another")
    (fault,) = check(path, networks=networks).faults
    assert "the converged checkpoint of moon is not the one that was attacked" in fault.message
    (networks / "moon/converged.pt").unlink()
    (fault,) = check(path, networks=networks).faults
    assert fault.message.endswith(
        f"names moon, of which there is no checkpoint in {networks}; "
        "give the networks that were attacked by --networks, those of the run of faceflip 0.1"
    )
    for separate in check(unpacked(1, tmp_path / "archive") / "000.h5", networks=networks).faults:
        assert "of which there is no checkpoint" in separate.message
        assert "snakemake" not in separate.message
