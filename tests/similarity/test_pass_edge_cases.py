import numpy as np
import pass_oracle
import pytest
from pass_pairs import face, photographs

from faceflip.errors import UserError
from faceflip.similarity import Alignment, pass_score, pass_scores

ENGINES = ("cpu", "torch")


@pytest.fixture(scope="module")
def image():
    return photographs()[0]


def one(original, perturbed, **options):
    scores = pass_scores(original[None], perturbed[None], **options)
    for name in ("pass_", "ssim", "pass_gray", "ssim_gray"):
        assert np.isfinite(getattr(scores, name)).all()
        assert (getattr(scores, name) <= 1).all()
    assert np.isfinite(scores.warp).all()
    return scores


@pytest.mark.parametrize("engine", ENGINES)
class TestBothEngines:
    def test_identical(self, image, engine):
        scores = one(image, image.copy(), engine=engine)
        assert scores.alignment == ["identical"]
        assert (scores.pass_[0], scores.ssim[0], scores.pass_gray[0], scores.ssim_gray[0]) == (1.0, 1.0, 1.0, 1.0)
        assert scores.iterations[0] == 0
        np.testing.assert_array_equal(scores.warp[0], np.eye(3))

    def test_identical_constant_images(self, image, engine):
        flat = np.full_like(image, 90)
        assert one(flat, flat.copy(), engine=engine).pass_[0] == 1.0

    def test_one_value_of_one_channel(self, image, engine):
        changed = image.copy()
        changed[100, 80, 2] ^= 1
        scores = one(image, changed, engine=engine)
        assert scores.status[0] == Alignment.CONVERGED
        assert 0.99999 < scores.pass_[0] < 1

    def test_change_that_grey_does_not_see(self, image, engine):
        original, perturbed = image.copy(), image.copy()
        # 0.299 * 114 = 34.1 and 0.587 * 58 = 34.0: another colour of nearly the same grey.
        original[50:60, 50:60] = (114, 100, 20)
        perturbed[50:60, 50:60] = (0, 158, 20)
        scores = one(original, perturbed, engine=engine)
        assert scores.pass_[0] < scores.pass_gray[0]

    @pytest.mark.parametrize("which", ["original", "perturbed"])
    def test_constant(self, image, engine, which):
        flat = np.full_like(image, 117)
        scores = one(*((flat, image) if which == "original" else (image, flat)), engine=engine)
        assert scores.alignment == ["failed"]
        assert scores.pass_[0] == scores.ssim[0]
        assert np.isnan(scores.ecc[0])
        np.testing.assert_array_equal(scores.warp[0], np.eye(3))

    def test_inverted(self, image, engine):
        scores = one(image, 255 - image, engine=engine)
        assert scores.alignment == ["failed"]
        assert scores.pass_[0] == scores.ssim[0] < 0

    def test_mirrored(self, image, engine):
        scores = one(image, image[:, ::-1].copy(), engine=engine)
        assert scores.status[0] != Alignment.IDENTICAL
        assert scores.pass_[0] < 0.6

    def test_unrelated(self, image, engine):
        noise = np.random.default_rng(5).integers(0, 256, image.shape, dtype=np.uint8)
        scores = one(image, noise, engine=engine)
        assert scores.pass_[0] < 0.1

    @pytest.mark.parametrize("place", [(100, 80), (0, 0), (216, 177)])
    def test_one_spot(self, image, engine, place):
        original, perturbed = np.full_like(image, 100), np.full_like(image, 100)
        original[place] = 220
        perturbed[place[0] + 1, place[1]] = 220
        scores = one(original, perturbed, engine=engine)
        # A spot holds its place but not eight parameters: the system is singular.
        assert scores.alignment == ["failed"]
        assert scores.pass_[0] == scores.ssim[0] > 0.99

    def test_shift_beyond_convergence(self, image, engine):
        moved = np.roll(image, 60, 1)
        scores = one(image, moved, engine=engine)
        assert scores.status[0] in (Alignment.FAILED, Alignment.IMPLAUSIBLE, Alignment.NOT_CONVERGED)

    def test_implausible_warp_is_not_applied(self, image, engine):
        # 18 pixels is more than a tenth of 178: found, and refused.
        moved = np.roll(image, 18, 1)
        scores = one(image, moved, engine=engine)
        if scores.status[0] == Alignment.IMPLAUSIBLE:
            assert scores.pass_[0] == scores.ssim[0]
            np.testing.assert_array_equal(scores.warp[0], np.eye(3))
            assert scores.ecc[0] > 0.5
        else:
            pytest.fail(f"expected an implausible warp, got {scores.alignment[0]}")

    def test_never_settling(self, engine):
        """Alignments that still move after 50 steps keep their last warp and say so."""
        from pass_pairs import pairs

        originals, perturbed = pairs(2)["rotation"]
        scores = pass_scores(originals, perturbed, engine=engine)
        never = scores.status == Alignment.NOT_CONVERGED
        assert never.any()
        assert (scores.iterations[never] == 50).all()
        assert (scores.pass_[never] != scores.ssim[never]).all()

    def test_black_image_with_border_line(self, image, engine):
        original = np.zeros_like(image)
        original[:, 0] = 255
        perturbed = np.zeros_like(image)
        perturbed[0] = 255
        assert one(original, perturbed, engine=engine).pass_[0] < 1

    @pytest.mark.parametrize("size", [(11, 11), (12, 40), (68, 56)])
    def test_small_images(self, engine, size):
        original = face(3, size[1], size[0])
        noise = np.random.default_rng(0).integers(-3, 4, original.shape)
        perturbed = np.clip(original + noise, 0, 255).astype(np.uint8)
        scores = one(original, perturbed, engine=engine)
        assert abs(scores.ssim[0] - pass_oracle.ssim(original, perturbed)) < 1e-6


def test_aligned_may_be_below_unaligned():
    """The larger of the two is never taken: alignment maximises correlation, not similarity."""
    from pass_pairs import pairs

    kinds = pairs(4)
    scores = [pass_scores(*kinds[kind]) for kind in ("brightness", "blur", "smooth noise", "gradient")]
    below = [(s.pass_ < s.ssim - 1e-6) & (s.status == Alignment.CONVERGED) for s in scores]
    assert sum(b.sum() for b in below) > 0


def test_smaller_than_the_window():
    with pytest.raises(ValueError, match="56 x 10 pixels, but SSIM needs at least 11 x 11"):
        pass_scores(np.zeros((1, 10, 56, 3), np.uint8), np.zeros((1, 10, 56, 3), np.uint8))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, bool])
def test_wrong_type(dtype):
    images = np.zeros((1, 20, 20, 3), dtype)
    with pytest.raises(TypeError, match=f"must be uint8 images on 0-255, not {np.dtype(dtype)}"):
        pass_scores(images, images)


@pytest.mark.parametrize("shape", [(20, 20, 3), (1, 3, 20, 20), (1, 20, 20), (1, 20, 20, 4)])
def test_wrong_shape(shape):
    images = np.zeros(shape, np.uint8)
    with pytest.raises(ValueError, match="must have the shape"):
        pass_scores(images, images)


def test_sizes_differ():
    with pytest.raises(ValueError, match="differ in size"):
        pass_scores(np.zeros((1, 20, 20, 3), np.uint8), np.zeros((1, 20, 21, 3), np.uint8))


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (None, "2 originals do not pair up with 3"),
        ([0, 1], "one whole number for each of the 3"),
        ([0.0, 1.0, 0.0], "one whole number"),
        ([0, 2, 1], "there are 2 originals"),
        ([0, -1, 1], "there are 2 originals"),
    ],
)
def test_wrong_index(index, message):
    originals, perturbed = np.zeros((2, 20, 20, 3), np.uint8), np.zeros((3, 20, 20, 3), np.uint8)
    with pytest.raises(ValueError, match=message):
        pass_scores(originals, perturbed, original_index=index)


@pytest.mark.parametrize(("option", "value"), [("color", "cmyk"), ("engine", "gpu"), ("threads", 0), ("threads", "2")])
def test_wrong_option(option, value):
    images = np.zeros((1, 20, 20, 3), np.uint8)
    with pytest.raises(ValueError, match=f"{option} must be"):
        pass_scores(images, images, **{option: value})


@pytest.mark.parametrize("device", ["foo", "cuda:99"])
def test_no_such_device(device):
    images = np.zeros((1, 20, 20, 3), np.uint8)
    with pytest.raises(UserError, match=f"there is no device '{device}' here"):
        pass_scores(images, images, device=device)


def test_lists_of_numbers(image):
    with pytest.raises(TypeError, match="must be uint8 images on 0-255, not int64"):
        pass_score(image.tolist(), image.tolist())


@pytest.mark.parametrize("engine", ENGINES)
def test_no_pairs(engine):
    empty = np.zeros((0, 20, 20, 3), np.uint8)
    assert len(pass_scores(empty, empty, engine=engine)) == 0


def test_one_pair(image):
    changed = np.clip(image.astype(int) + 3, 0, 255).astype(np.uint8)
    scores = one(image, changed)
    assert pass_score(image, changed) == scores.pass_[0]
    assert pass_score(image, changed, color="gray") == scores.pass_gray[0]
