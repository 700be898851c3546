"""The scores of a shard: the same whatever the engine, and however many pairs the engine is handed at a time."""

import numpy as np
import pandas as pd
import pytest
from store_builder import FINGERPRINT

from faceflip.data.packed import Dataset
from faceflip.similarity import pairs_a_call
from faceflip.similarity.batched import BATCH_ACCELERATOR
from faceflip.stages import score as scores
from faceflip.stages.score import score_shard

SIZE = (36, 32)


@pytest.mark.parametrize(
    ("engine", "place", "expected"),
    [
        ("auto", None, 256),
        ("torch", None, 256),
        ("torch", "cpu", 256),
        ("cpu", "cuda:0", 256),
        ("auto", "cuda:0", BATCH_ACCELERATOR),
        ("torch", "cuda", BATCH_ACCELERATOR),
    ],
)
def test_an_accelerator_is_handed_a_full_batch(engine, place, expected):
    assert pairs_a_call(engine, place) == expected


def test_scores_depend_on_neither_blocks_nor_engine(build, device, monkeypatch):
    images = build.images(40, *SIZE)
    names = np.array([f"{number + 1:06d}.jpg" for number in range(len(images))])
    dataset = Dataset(images, np.ones((40, 40), np.int8), np.zeros(40, np.uint8), names, {"fingerprint": FINGERPRINT})
    path = build.shard("000.h5", rows=40, size=SIZE)

    expected = score_shard(path, dataset, color="rgb", engine="cpu")
    assert expected["pass"].notna().sum() == 30
    for size in (7, 1024):
        monkeypatch.setattr(scores, "pairs_a_call", lambda *_, size=size: size)
        pd.testing.assert_frame_equal(score_shard(path, dataset, color="rgb", engine="cpu"), expected)

    found = score_shard(path, dataset, color="rgb", engine="torch", device=device)
    settled = expected["alignment"].isin(["identical", "converged"]) & (found["alignment"] == expected["alignment"])
    assert settled.sum() >= 15, "in noise, some alignments never settle"
    columns = ["pass", "ssim", "pass_gray", "ssim_gray"]
    np.testing.assert_allclose(found.loc[settled, columns], expected.loc[settled, columns], atol=1e-4)
