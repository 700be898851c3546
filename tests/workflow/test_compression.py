"""A run whose stores are compressed by Blosc holds the same attempts as one whose stores any HDF5 tool reads."""

import numpy as np
import pandas as pd
import pytest
from running import copy_of

from faceflip.store import open_store

VIEW = "results/attacks/paper/euclidean/converged/ffa-line.h5"


@pytest.mark.slow
@pytest.mark.workflow
def test_blosc(tiny, tmp_path):
    pytest.importorskip("hdf5plugin")
    run = copy_of(tiny, tmp_path).with_overlay(store={"compression": "blosc"})
    run("--cores", 1, VIEW)
    with open_store(tiny.directory / VIEW) as plain, open_store(tmp_path / VIEW) as packed:
        assert [store.shard(0).compression for store in (plain, packed)] == ["gzip", "blosc"]
        pd.testing.assert_frame_equal(packed.attempts, plain.attempts)
        rows = np.flatnonzero(plain.column("flipped"))
        assert len(rows) > 0
        for row in rows:
            np.testing.assert_array_equal(packed.perturbation(row), plain.perturbation(row))
