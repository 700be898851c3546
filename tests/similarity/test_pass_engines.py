"""Scores depend on the pair alone: not on threads, batches, order, engine, or what else is asked for."""

import platform
import subprocess
from dataclasses import fields

import numpy as np
import pytest
from pass_pairs import face

from faceflip.runtime.elsewhere import python
from faceflip.similarity import Alignment, PassScores, pass_scores, score_table


@pytest.fixture(scope="module")
def mixed(small_pairs):
    """Originals, perturbed images and index: 124 pairs of 2 originals, shuffled, one of them identical."""
    originals = np.unique(np.concatenate([pair[0] for pair in small_pairs.values()]), axis=0)
    perturbed = np.concatenate([pair[1] for pair in small_pairs.values()])
    owners = np.concatenate([pair[0] for pair in small_pairs.values()])
    index = np.array([int((owner == originals[1]).all()) for owner in owners])
    perturbed[7] = originals[index[7]]
    order = np.random.default_rng(0).permutation(len(perturbed))
    assert len(originals) == 2
    return originals, perturbed[order], index[order]


def assert_equal(first: PassScores, second: PassScores) -> None:
    for field in fields(PassScores):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(second, field.name), err_msg=field.name)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads(mixed, threads):
    originals, perturbed, index = mixed
    whole = pass_scores(originals, perturbed, original_index=index, threads=3)
    assert_equal(whole, pass_scores(originals, perturbed, original_index=index, threads=threads))


def test_index_and_order(mixed):
    originals, perturbed, index = mixed
    whole = pass_scores(originals, perturbed, original_index=index)
    assert_equal(whole, pass_scores(originals[index], perturbed))
    part = np.array([100, 3, 57])
    assert_equal(whole[part], pass_scores(originals, perturbed[part], original_index=index[part]))
    assert_equal(whole[5:6], pass_scores(originals[index[5:6]], perturbed[5:6]))


def test_one_original_for_all(mixed):
    originals, perturbed, _ = mixed
    repeated = pass_scores(np.repeat(originals[:1], 4, 0), perturbed[:4])
    assert_equal(repeated, pass_scores(originals[:1], perturbed[:4]))


@pytest.mark.parametrize("color", ["rgb", "gray"])
def test_color_alone(mixed, color):
    originals, perturbed, index = mixed
    both = pass_scores(originals, perturbed, original_index=index)
    alone = pass_scores(originals, perturbed, original_index=index, color=color)
    asked, left_out = (("pass_", "ssim"), ("pass_gray", "ssim_gray"))[:: 1 if color == "rgb" else -1]
    for name in asked:
        np.testing.assert_allclose(getattr(alone, name), getattr(both, name), atol=1e-7)
    for name in left_out:
        assert np.isnan(getattr(alone, name)).all()
    np.testing.assert_array_equal(alone.warp, both.warp)


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_without_alignment(mixed, engine):
    originals, perturbed, index = mixed
    aligned = pass_scores(originals, perturbed, original_index=index)
    plain = pass_scores(originals, perturbed, original_index=index, align=False, engine=engine)
    np.testing.assert_allclose(plain.ssim, aligned.ssim, atol=1e-6)
    np.testing.assert_allclose(plain.ssim_gray, aligned.ssim_gray, atol=1e-6)
    assert np.isnan(plain.pass_).all()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_alignment_alone(mixed, engine):
    originals, perturbed, index = mixed
    both = pass_scores(originals, perturbed, original_index=index, engine=engine)
    alone = pass_scores(originals, perturbed, original_index=index, engine=engine, unaligned=False)
    np.testing.assert_array_equal(alone.pass_, both.pass_)
    np.testing.assert_array_equal(alone.pass_gray, both.pass_gray)
    assert np.isnan(alone.ssim).all()
    assert np.isnan(alone.ssim_gray).all()


@pytest.mark.slow
def test_torch_engine_agrees(mixed, full_size_pairs, device):
    originals, perturbed, index = mixed
    big = [np.concatenate([pair[side][::7] for pair in full_size_pairs.values()]) for side in (0, 1)]
    # A GPU adds up in another order, which may make a pair settle a step sooner or later, or just not.
    tolerance, agreeing = (1e-5, 1.0) if device == "cpu" else (1e-4, 0.98)
    for arguments in ((originals, perturbed, index), (*big, None)):
        cpu = pass_scores(*arguments[:2], original_index=arguments[2])
        torch = pass_scores(*arguments[:2], original_index=arguments[2], engine="torch", device=device)
        assert (cpu.status == torch.status).mean() >= agreeing
        settled = (cpu.status <= 1) & (torch.status <= 1)
        assert settled.sum() > 50
        for name in ("pass_", "ssim", "pass_gray", "ssim_gray"):
            np.testing.assert_allclose(getattr(torch, name)[settled], getattr(cpu, name)[settled], atol=tolerance)
        np.testing.assert_allclose(torch.ecc[settled], cpu.ecc[settled], atol=tolerance)


def test_images_wider_than_a_piece():
    """Rows of more than 1024 pixels are worked on in pieces."""
    original = np.concatenate([face(seed, 178, 60) for seed in range(13)], 1)
    noise = np.random.default_rng(1).integers(-4, 5, original.shape)
    perturbed = np.clip(np.roll(original, 1, 0) + noise, 0, 255).astype(np.uint8)
    cpu, torch = (pass_scores(original[None], perturbed[None], engine=engine) for engine in ("cpu", "torch"))
    assert original.shape[1] > 2048
    assert cpu.alignment == torch.alignment == ["converged"]
    np.testing.assert_allclose(torch.pass_, cpu.pass_, atol=1e-5)
    assert cpu.pass_[0] > cpu.ssim[0] + 0.05


def test_torch_batches(mixed):
    from faceflip.similarity import batched

    originals, perturbed, index = (part[:40] for part in mixed)
    scores = [
        batched.score(originals, perturbed, index, channels=4, align=True, unaligned=True, device="cpu", batch=batch)
        for batch in (1, 7, 40)
    ]
    for other in scores[1:]:
        settled = scores[0].status <= 1
        np.testing.assert_allclose(other.pass_[settled], scores[0].pass_[settled], atol=1e-7)
        np.testing.assert_array_equal(other.status, scores[0].status)


def test_tensors_and_views(mixed):
    torch = pytest.importorskip("torch")
    originals, perturbed, index = mixed
    whole = pass_scores(originals[index[:6]], perturbed[:6])
    assert_equal(whole, pass_scores(torch.from_numpy(originals[index[:6]]), torch.from_numpy(perturbed[:6])))
    flipped = [np.ascontiguousarray(images[:, ::-1])[:, ::-1] for images in (originals[index[:6]], perturbed[:6])]
    assert_equal(whole, pass_scores(*flipped))


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_progress(mixed, engine):
    originals, perturbed, index = mixed
    steps = []
    pass_scores(originals, perturbed, original_index=index, engine=engine, progress=steps.append)
    assert sum(steps) == len(perturbed)
    assert len(steps) > 2


def test_progress_that_raises_ends_the_work(mixed):
    originals, perturbed, index = mixed

    def stop(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pass_scores(originals, perturbed, original_index=index, progress=stop)


def test_table(mixed):
    originals, perturbed, index = mixed
    table = score_table(originals, perturbed, original_index=index)
    assert list(table) == ["pass", "ssim", "pass_gray", "ssim_gray", "ecc", "iterations", "alignment"]
    assert len(table) == len(perturbed)
    assert set(table["alignment"]) <= {"identical", "converged", "not_converged", "failed", "implausible"}
    assert (table.loc[table["alignment"] == "identical", "pass"] == 1).all()
    assert str(table["iterations"].dtype) == "int32"


def scored(pairs):
    originals, perturbed, index = pairs
    return pass_scores(originals, perturbed, original_index=index, engine="cpu")


def compiled_otherwise(pairs, folder, before="pass", environment=None):
    """Score pairs in another process that compiles the kernels for itself, after some code and with a variable set."""
    np.savez(folder / "pairs.npz", **dict(zip(("originals", "perturbed", "original_index"), pairs, strict=True)))
    code = (
        "import numpy as np; from faceflip.similarity import cpu, kernels, pass_scores; pairs = np.load('pairs.npz');"
        f"{before}; cpu.compiled.load = lambda name: kernels;"
        "np.savez('scores.npz', **vars(pass_scores(**pairs, engine='cpu')))"
    )
    command = python(code, **(environment or {}), NUMBA_CACHE_DIR=folder / "compiled")
    subprocess.run(**command, cwd=folder, check=True)
    return np.load(folder / "scores.npz")


@pytest.mark.slow
def test_on_the_plainest_processor(mixed, tmp_path):
    """Compiled for x86-64 as it was in 2003, without fused or wide operations: the scores of settled pairs stay."""
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("for processors of the x86-64 kind")
    plainest = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""}
    there, here = compiled_otherwise(mixed, tmp_path, environment=plainest), scored(mixed)
    np.testing.assert_array_equal(there["status"], here.status)
    settled = here.status == Alignment.CONVERGED
    assert settled.sum() > 80
    for name in ("pass_", "ssim", "pass_gray", "ssim_gray", "ecc"):
        np.testing.assert_allclose(there[name][settled], getattr(here, name)[settled], atol=1e-6, err_msg=name)
    np.testing.assert_allclose(there["ssim"], here.ssim, atol=1e-6)
    assert any(not np.array_equal(there[name], getattr(here, name)) for name in ("pass_", "ecc")), "compiled the same"


@pytest.mark.slow
def test_searches_that_go_in_circles_end_where_they_would_have(mixed, tmp_path):
    """Every step made, and none foreseen: the same scores to the digits of the definition."""
    there = compiled_otherwise(mixed, tmp_path, "kernels._SAME_PLACE = 0.0")
    here = scored(mixed)
    for name in ("status", "iterations"):
        np.testing.assert_array_equal(there[name], getattr(here, name), err_msg=name)
    for name in ("pass_", "ssim", "pass_gray", "ssim_gray", "ecc"):
        np.testing.assert_allclose(there[name], getattr(here, name), rtol=0, atol=1e-6, err_msg=name)
    moving = here.status == Alignment.NOT_CONVERGED
    foreseen = (there["warp"] != here.warp).any((1, 2))
    assert foreseen.sum() >= 2, "the pairs have searches that go in circles"
    assert not foreseen[~moving].any()
