"""Extra images: which attempts they are made of, how they are made, and in which order they are drawn."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tunings import CPU, NAMES, OPTIONS, SIZE, dataset, made, member_of, source_of, spec_of

from faceflip.catalogue import DIETS
from faceflip.io.files import sha256
from faceflip.networks.checkpoint import load_checkpoint
from faceflip.stages.flips import Wanted, choose, flips_of
from faceflip.training.diets import ExtraImages, Flips, Mixed, moved
from faceflip.training.feed import Feed, LabelledImages
from faceflip.training.loop import Training
from faceflip.training.tuning import TuningOptions

OF_STORES = [name for name, entry in DIETS.items() if entry.of_store]
GAPS = 0.2


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """Two shards of attempts on a network of three attributes, and on one of the second attribute alone."""
    folder, data = tmp_path_factory.mktemp("attacked"), dataset(gaps=GAPS)
    found = {}
    for attributes in (NAMES, NAMES[1:2]):
        place = folder / str(len(attributes))
        place.mkdir()
        source = source_of(place, spec_of(attributes))
        shards = [
            made(place, source, data, attributes, range(0, 32), "000", 0, seed=1),
            made(place, source, data, attributes, range(32, 48), "001", 32 * len(attributes), seed=2),
        ]
        found[attributes] = source, shards
    return data, found


def pool(attacked, attributes, folder, tuning, seed=3):
    """Make the extra images as the stage does; return them, their pixels, and the shards they are of."""
    data, found = attacked
    source, shards = found[attributes]
    takes = frozenset(part.takes for part in tuning.parts)
    wanted = Wanted(member_of(attributes), sha256(source), attributes, 0.95, takes)
    chosen, faults = choose([(shard.store, shard.scores) for shard in shards], wanted, data, np.arange(50))
    assert faults == []
    with flips_of(chosen, data, folder) as flips:
        extras = ExtraImages(tuning.parts, flips, data.labels_of(attributes), seed)
        return extras, extras.gather(np.arange(len(extras))), shards


@pytest.mark.parametrize("attributes", [NAMES, NAMES[1:2]], ids=["all", "one"])
@pytest.mark.parametrize("diet", OF_STORES)
def test_the_pool_is_what_a_walk_through_the_stores_finds(attacked, tmp_path, diet, attributes):
    """Attempt by attempt: flipped, PASS of 0.95 or more, right or wrong, a known label; each with every factor."""
    data, _ = attacked
    extras, images, shards = pool(attacked, attributes, tmp_path, TuningOptions(diet=diet))
    expected = []
    for name in DIETS[diet].parts or (diet,):
        factors = {
            "noise": [1.0],
            "adversarial": [1.0],
            "hard": [1.05, 1.1, 1.5, 2.0],
            "corrected": [1.0],
            "augmented": [0.25, 0.5, 0.75],
            "natural": [0.0],
        }[name]
        for shard in shards:
            for attempt, eta in zip(shard.attempts.itertuples(), shard.perturbation, strict=True):
                right = (attempt.score_before > 0) == (attempt.label > 0)
                if attempt.label == 0 or not attempt.flipped or attempt[6] < 0.95:
                    continue
                if right != (name in ("noise", "adversarial", "hard")):
                    continue
                for factor in factors:
                    image = data.images[attempt.image].astype(float) + factor * eta.astype(float)
                    image = np.clip(np.rint(image), 0, 255).astype(np.uint8)
                    expected.append((attempt.image, attempt.attribute, factor, name, image))
    assert len(expected) > 3
    assert len(extras) == len(expected)
    assert sum(map(len, extras.parts)) == len(expected)
    for place, (row, attribute, factor, name, image) in enumerate(expected):
        assert (extras.images[place], extras.attributes[place], extras.factor[place]) == (row, attribute, factor)
        assert extras.labels[place].tolist() == data.labels_of(attributes)[row].tolist()
        if name != "noise":
            assert np.array_equal(images[place], image), (row, attribute, factor)


def test_factors_of_ones_own(attacked, tmp_path):
    extras, images, _ = pool(attacked, NAMES, tmp_path, TuningOptions(diet="hard", factors=[3.0, 0.0]))
    assert extras.factor.tolist() == [3.0, 0.0] * (len(extras) // 2)
    data, _ = attacked
    assert np.array_equal(images[1::2], data.images[extras.images[1::2]])
    whole, _, _ = pool(attacked, NAMES, tmp_path, TuningOptions(diet="all", factors=[3.0]))
    assert 3.0 not in whole.factor


def test_noise_is_the_perturbation_with_its_values_in_other_places(attacked, tmp_path):
    noise, images, _ = pool(attacked, NAMES, tmp_path, TuningOptions(diet="noise"))
    plain, adversarial, _ = pool(attacked, NAMES, tmp_path, TuningOptions(diet="adversarial"))
    data, _ = attacked
    assert noise.images.tolist() == plain.images.tolist()
    etas = adversarial.astype(int) - data.images[plain.images]
    with_files = ExtraImages(TuningOptions(diet="noise").parts, flips_like(data, plain, adversarial), data.labels, 3)
    for place, eta in enumerate(etas):
        shuffled = with_files.perturbation(place).astype(int)
        assert sorted(shuffled.ravel()) == sorted(eta.ravel())
        assert not np.array_equal(shuffled, eta)
        assert (shuffled**2).sum() == (eta**2).sum()
        assert abs(shuffled).max() == abs(eta).max()
        expected = np.clip(data.images[plain.images[place]] + shuffled, 0, 255)
        assert np.array_equal(with_files.gather(np.array([place]))[0], expected)
    _, same, _ = pool(attacked, NAMES, tmp_path, TuningOptions(diet="noise"))
    assert np.array_equal(images, same), "each attempt has one noise"
    _, other, _ = pool(attacked, NAMES, tmp_path, TuningOptions(diet="noise"), seed=4)
    assert not np.array_equal(images, other)


def flips_like(data, extras, perturbed):
    """Attempts in memory, each of a number of its own."""
    return Flips(
        data.images,
        perturbed,
        extras.images,
        extras.attributes,
        np.ones(len(perturbed), bool),
        np.arange(len(perturbed)) + 100,
    )


def test_two_attempts_have_two_noises():
    images = np.full((2, 6, 5, 3), 100, np.uint8)
    perturbed = images + np.arange(90, dtype=np.uint8).reshape(6, 5, 3)
    flips = Flips(images, perturbed, np.arange(2), np.array(["a", "a"]), np.ones(2, bool), np.array([4, 5]))
    extras = ExtraImages([DIETS["noise"]], flips, np.ones((2, 1), np.int8), 1)
    assert not np.array_equal(extras.perturbation(0), extras.perturbation(1))
    assert np.array_equal(extras.perturbation(0), extras.perturbation(0))


@given(
    st.integers(0, 255),
    st.integers(-255, 255),
    st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 1.05, 1.1, 1.5, 2.0, 3.7]),
)
def test_sums_are_rounded_half_to_even_and_clipped(value, eta, factor):
    found = moved(np.full((1, 1, 3), value, np.uint8), np.full((1, 1, 3), eta, np.int16), factor)
    exact = round(value + factor * eta)  # Python's is half to even, too
    assert found.dtype == np.uint8
    assert set(found.ravel().tolist()) == {min(max(exact, 0), 255)}


def simple(right, parts):
    """Extra images of attempts that are right or wrong."""
    count = len(right)
    images = np.zeros((count, 2, 2, 3), np.uint8)
    flips = Flips(images, images, np.arange(count), np.full(count, "a"), np.array(right, bool), np.arange(count))
    return ExtraImages([DIETS[part] for part in parts], flips, np.ones((count, 1), np.int8), 0)


@given(
    st.lists(st.booleans(), min_size=1, max_size=9),
    st.integers(1, 60),
    st.integers(0, 2**62),
    st.sampled_from([("adversarial", "corrected"), ("adversarial", "hard", "corrected", "augmented")]),
)
def test_parts_take_turns_and_each_goes_through_its_images_before_any_comes_again(right, count, seed, parts):
    extras = simple(right, parts)
    order = extras.drawn(count, seed)
    assert len(order) == count
    assert np.array_equal(order, extras.drawn(count, seed))
    turns = len(extras.parts)
    assert turns == sum(any(wanted == (DIETS[part].takes == "right") for wanted in right) for part in parts)
    for turn, part in enumerate(extras.parts):
        own = order[turn::turns]
        assert set(own.tolist()) <= set(part)
        assert abs(len(own) - count / turns) < 1
        times = np.bincount(own - part.start, minlength=len(part))
        assert times.max() - times.min() <= 1
        for start in range(0, len(own), len(part)):
            block = own[start : start + len(part)]
            assert len(set(block.tolist())) == len(block)


def test_other_epochs_have_other_orders():
    extras = simple([True] * 30, ["adversarial"])
    assert not np.array_equal(extras.drawn(30, 1), extras.drawn(30, 2))
    assert not np.array_equal(extras.drawn(60, 1)[:30], extras.drawn(60, 1)[30:])


@pytest.mark.parametrize("extra", [1, 3, 8])
def test_extra_images_take_the_last_places_of_batches_and_clean_ones_there_are_not_read(attacked, extra):
    data, found = attacked
    source, _ = found[NAMES]
    network, _ = load_checkpoint(source, own_code=None)
    read = []

    class Spied(LabelledImages):
        def gather(self, positions):
            read.extend(positions.tolist())
            return super().gather(positions)

    clean = Spied(data.images, np.arange(30), data.labels[:30])
    right = np.ones(7, bool)
    flips = Flips(data.images, data.images[40:47], np.arange(7), np.full(7, NAMES[0]), right, np.arange(7))
    extras = ExtraImages([DIETS["adversarial"]], flips, data.labels, 1)
    diet = Mixed(extras, extra, 9, CPU)
    training = Training(network, clean, clean, OPTIONS, 5, diet=diet)
    order = np.random.default_rng(0).permutation(30)
    batches = list(diet.batches(training, Feed(clean, CPU), order, 8))
    drawn = diet._drawn(training, 0)
    assert len(batches) == training.iterations == 3
    assert len(drawn) == 3 * extra
    for number, (images, labels) in enumerate(batches):
        kept = order[8 * number : 8 * number + 8 - extra]
        own = drawn[number * extra : (number + 1) * extra]
        expected = np.concatenate([data.images[kept], data.images[40:47][own]])
        np.testing.assert_array_equal(images.permute(0, 2, 3, 1).numpy(), expected)
        np.testing.assert_array_equal(labels.numpy(), np.concatenate([data.labels[kept], data.labels[own]]))
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert images.shape == (8, 3, SIZE[1], SIZE[0])
    places = np.arange(24).reshape(3, 8)[:, : 8 - extra]
    assert read == order[places.ravel()].tolist()
    training.step = 1
    rest = list(diet.batches(training, Feed(clean, CPU), order, 8))
    assert all(torch.equal(a[0], b[0]) for a, b in zip(rest, batches[1:], strict=True))
