"""Stores of every format version stay readable."""

import io
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from store_builder import Builder

from faceflip.store import open_store, schema
from faceflip.store.check import check

DATA = Path(__file__).parent / "data"
VERSIONS = range(1, schema.VERSION + 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_archived_store(version):
    expected = pd.read_csv(DATA / f"version{version}.csv")
    perturbations = np.load(DATA / f"version{version}.npz")["perturbation"]
    with open_store(DATA / f"version{version}.h5") as store:
        found = pd.read_csv(io.StringIO(store.attempts.to_csv(index=False)))
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
        for row in range(len(store)):
            perturbation = store.perturbation(row)
            np.testing.assert_array_equal(0 if perturbation is None else perturbation, perturbations[row])
        assert store.header.network == "euclidean"
        assert store.header.parameters == {"max_epsilon": 255, "search": "bisect"}
        assert store.image_shape == (12, 10)


@pytest.mark.parametrize("version", VERSIONS)
def test_archived_store_is_sound(version):
    report = check(DATA / f"version{version}.h5", deep=True)
    assert report.faults == []
    assert len(report.checked) == 3


def test_the_archive_is_of_the_version_it_says(tmp_path):
    """A change of what is written without a new version shows here: all but the software must be the same."""
    shutil.copytree(DATA, tmp_path / "data")
    build = Builder(tmp_path)
    new = build.view("version1", count=2, rows=12)
    for old, written in ((DATA / "version1.h5", new), (DATA / "version1/000.h5", tmp_path / "version1/000.h5")):
        with h5py.File(old) as a, h5py.File(written) as b:
            assert list(a) == list(b)
            assert {**a.attrs, "software": ""} == {**b.attrs, "software": ""}
            for name in schema.COLUMNS:
                assert a[name.name].dtype == b[name.name].dtype
                np.testing.assert_array_equal(a[name.name][:], b[name.name][:])
            np.testing.assert_array_equal(a["perturbation"][:], b["perturbation"][:])
            assert a["perturbation"].chunks == b["perturbation"].chunks
            assert a["perturbation"].compression_opts == b["perturbation"].compression_opts
