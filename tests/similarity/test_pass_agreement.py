"""The CPU engine against the oracle, against a rebuilt definition, and against other libraries' SSIM."""

import cv2
import numpy as np
import pass_oracle
import pass_plain
import pytest
from pass_pairs import photographs

from faceflip.similarity import Alignment, pass_scores

THRESHOLDS = (0.9, 0.95, 0.99)


@pytest.mark.slow
@pytest.mark.skipif(int(cv2.__version__.split(".")[0]) < 5, reason="the oracle is the alignment of OpenCV 5")
def test_oracle(full_size_pairs):
    ours, theirs, plain = [], [], []
    for originals, perturbed in full_size_pairs.values():
        scores = pass_scores(originals, perturbed, color="rgb")
        ours.append(scores.pass_)
        theirs.append([pass_oracle.score(a, b)[0] for a, b in zip(originals, perturbed, strict=True)])
        plain.append(scores.ssim[0] - pass_oracle.ssim(originals[0], perturbed[0]))
    ours, theirs = np.concatenate(ours), np.concatenate(theirs)
    assert len(full_size_pairs) >= 12
    assert len(ours) >= 300
    difference = np.abs(ours - theirs)
    assert np.median(difference) <= 1e-6
    assert np.quantile(difference, 0.99) <= 1e-3
    for threshold in THRESHOLDS:
        clear = np.abs(theirs - threshold) > 2e-3
        assert clear.sum() > 250
        np.testing.assert_array_equal((ours >= threshold)[clear], (theirs >= threshold)[clear])
    assert np.abs(plain).max() < 1e-6


def test_rebuilt_from_the_page(small_pairs):
    settled = 0
    for kind, (originals, perturbed) in small_pairs.items():
        scores = pass_scores(originals, perturbed)
        for k in range(0, len(originals), 3):
            *expected, label = pass_plain.score(originals[k], perturbed[k])
            found = [getattr(scores, name)[k] for name in ("pass_", "ssim", "pass_gray", "ssim_gray")]
            assert scores.alignment[k] == label, (kind, k)
            if label == "converged":
                settled += 1
                np.testing.assert_allclose(found, expected, atol=2e-6, err_msg=f"{kind} {k}")
            else:
                np.testing.assert_allclose(found[1::2], expected[1::2], atol=2e-6, err_msg=f"{kind} {k}")
    assert settled > 25


def test_alignment_undoes_a_translation():
    picture = np.pad(photographs()[1], ((8, 8), (8, 8), (0, 0)), mode="reflect")
    original, moved = picture[8:-8, 8:-8], picture[6:-10, 11:-5]
    scores = pass_scores(original[None], moved[None])
    assert scores.status[0] == Alignment.CONVERGED
    # What is at (x, y) in the original is at (x - 3, y + 2) in the other; the middle is where the border pulls least.
    place = scores.warp[0] @ (89, 109, 1)
    np.testing.assert_allclose(place[:2] / place[2], (86, 111), atol=0.1)
    assert scores.pass_[0] > scores.ssim[0] + 0.3


@pytest.mark.slow
@pytest.mark.peers
def test_other_libraries(small_pairs):
    """Peers that use the valid region agree on SSIM; torchmetrics pads the border and does not."""
    torch = pytest.importorskip("torch")
    kornia, pytorch_msssim = pytest.importorskip("kornia"), pytest.importorskip("pytorch_msssim")
    torchmetrics = pytest.importorskip("torchmetrics.functional.image")
    originals = np.concatenate([pair[0][:2] for pair in small_pairs.values()])
    perturbed = np.concatenate([pair[1][:2] for pair in small_pairs.values()])
    ours = pass_scores(originals, perturbed, align=False, color="rgb").ssim
    a, b = (torch.from_numpy(images).permute(0, 3, 1, 2).double() for images in (originals, perturbed))
    msssim = pytorch_msssim.ssim(a, b, data_range=255, size_average=False).numpy()
    maps = kornia.metrics.ssim(a, b, 11, max_val=255.0, padding="valid")
    # pytorch-msssim computes its window in float32.
    np.testing.assert_allclose(msssim, ours, atol=1e-5)
    np.testing.assert_allclose(maps.mean((1, 2, 3)).numpy(), ours, atol=1e-6)
    padded = torchmetrics.structural_similarity_index_measure(
        a, b, sigma=1.5, kernel_size=11, data_range=255.0, reduction="none"
    )
    assert np.abs(padded.numpy() - ours).max() > 1e-2
