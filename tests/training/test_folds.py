"""Out-of-fold scores: nobody judges an image that it learned from, and every image is judged once."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from faceflip.data.packed import Dataset
from faceflip.io.tables import read_table
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.stages.folds import folds_of, score_fold
from faceflip.training.resuming import Unfinished
from faceflip.workflow.doubt_settings import FoldTraining

CPU = torch.device("cpu")
NAMES = ("light", "dark")
SMALL = ArchitectureOptions(name="small_resnet18", width=1 / 16, input_scale=1 / 64, initialisation="msra")
OPTIONS = FoldTraining(max_epochs=5, batch_size=8, gamma=0.0, mirror=False)


def made(count=120, wrong=(), gaps=()):
    """Images that are light where the first attribute is present, and dark where the second one is."""
    rng = np.random.default_rng(0)
    labels = np.where(rng.random(count) < 0.5, 1, -1)[:, None] * np.array([1, -1])
    images = (rng.integers(0, 120, (count, 36, 32, 3)) + 100 * (labels[:, 0] > 0)[:, None, None, None]).astype("uint8")
    labels[list(wrong)] *= -1
    labels[list(gaps), 0] = 0
    split = np.repeat(np.array([0, 1, 2], "uint8"), [count - 40, 20, 20])
    manifest = {"fingerprint": "0" * 64, "attributes": list(NAMES)}
    return Dataset(images, labels.astype("int8"), split, np.arange(count).astype(str), manifest)


def scored(data, fold, folder, folds=3, options=OPTIONS, **more):
    output = folder / f"{fold}.parquet"
    score_fold(data, fold, folds, SMALL, options, 1, CPU, output, batch_size=16, **more)
    return read_table(output)


@pytest.mark.parametrize(("images", "folds"), [(10, 3), (3, 3), (101, 4), (2, 5)])
def test_folds_are_of_equal_size_and_of_the_seed(images, folds):
    found = folds_of(images, folds, 7)
    sizes = np.bincount(found, minlength=folds)
    assert sizes.sum() == images
    assert sizes.max() - sizes.min() <= 1
    assert (found == folds_of(images, folds, 7)).all()
    if images > 9:
        assert (found != folds_of(images, folds, 8)).any()


@pytest.mark.slow
def test_every_known_label_has_one_score_of_a_network_that_did_not_see_it(tmp_path):
    data = made(gaps=(3, 50))
    parts = [scored(data, fold, tmp_path) for fold in range(3)]
    folds = folds_of(120, 3, 1)
    for fold, part in enumerate(parts):
        assert set(part["image"]) == set(np.flatnonzero(folds == fold))
    pairs = [pair for part in parts for pair in zip(part["image"], part["attribute"], strict=True)]
    assert len(pairs) == len(set(pairs)) == 238
    assert {(3, "light"), (50, "light")}.isdisjoint(pairs)
    right = [((part["score"] > 0.5) == (data.labels[part["image"], part["attribute"].cat.codes] > 0)) for part in parts]
    assert np.concatenate(right).mean() > 0.9
    assert {path.name for path in tmp_path.iterdir()} == {f"{fold}.parquet" for fold in range(3)}


@pytest.mark.slow
def test_labels_of_the_fold_have_no_say_in_its_scores(tmp_path):
    data, folds = made(), folds_of(120, 3, 1)
    first = scored(data, 0, tmp_path)
    own, other = (np.flatnonzero(which)[:10] for which in (folds == 0, folds != 0))
    # Also not by the error on them, which decides elsewhere when a training ends.
    same = scored(made(wrong=own), 0, tmp_path)
    assert (same["score"] == first["score"]).all()
    changed = scored(made(wrong=other), 0, tmp_path)
    assert (changed["score"] != first["score"]).any()


@pytest.mark.slow
def test_a_fold_that_was_killed_is_taken_up_again(tmp_path, monkeypatch):
    data = made()
    whole = scored(data, 0, tmp_path)

    def after_two(self, state, checkpoints, save=Unfinished.save):
        save(self, state, checkpoints)
        if len(state["history"]) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Unfinished, "save", after_two)
        with pytest.raises(KeyboardInterrupt):
            scored(data, 0, tmp_path, save_every=0)
    began = []
    again = scored(data, 0, tmp_path, progress=lambda done: began.append(done) or (lambda *_: None))
    assert began == [2 * 80 // 8 * 8]
    assert (again["score"] == whole["score"]).all()
    other = replace(data, manifest={**data.manifest, "fingerprint": "1" * 64})
    assert (scored(other, 0, tmp_path)["score"] == whole["score"]).all()


def test_mirrored_images_are_judged_both_ways_round(tmp_path):
    """So an image and its mirror image have the same score, whichever of them is learned from."""
    options, data = OPTIONS.model_copy(update={"mirror": True, "max_epochs": 1}), made()
    plain = scored(data, 0, tmp_path, options=options)
    turned = data.images.copy()
    held_out = folds_of(120, 3, 1) == 0
    turned[held_out] = turned[held_out][:, :, ::-1]
    same = scored(replace(data, images=turned), 0, tmp_path, options=options)
    np.testing.assert_allclose(same["score"], plain["score"], atol=1e-6)
    other = scored(replace(data, images=turned), 0, tmp_path, options=OPTIONS.model_copy(update={"max_epochs": 1}))
    assert np.abs(other["score"] - plain["score"]).max() > 1e-3
