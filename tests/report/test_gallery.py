import numpy as np
import pandas as pd
import pytest
from PIL import Image

from faceflip.report.gallery import GAP, choose, strip
from specimen import specimen

ATTRIBUTES = ("Male", "Smiling")


@pytest.fixture(scope="module")
def made():
    return specimen(seed=2, attributes=ATTRIBUTES, moon_attributes=ATTRIBUTES, sample=60, test=4)


@pytest.fixture(scope="module")
def attempts(made):
    return made.attempts


def test_the_median_of_the_adversarial_is_chosen(attempts, made):
    pictures = choose(attempts, made.run)
    keys = ["network", "attack", "attribute", "correct"]
    converged = attempts[(attempts["checkpoint"] == "converged") & attempts["flipped"]]
    assert len(pictures) == len({picture.file for picture in pictures}) == len(converged.groupby(keys))
    for picture in pictures:
        same = (converged[keys] == [getattr(picture, key) for key in keys]).all(axis=1)
        scores = np.sort(converged.loc[same, "pass"])
        typical = scores[scores >= 0.95]
        assert picture.adversarial == bool(len(typical))
        expected = typical[(len(typical) - 1) // 2] if len(typical) else scores.max()
        assert picture.similarity == expected


def test_the_order_of_the_attempts_does_not_matter(attempts, made):
    assert choose(attempts.sample(frac=1, random_state=1), made.run) == choose(attempts, made.run)


def test_a_run_without_flips_has_no_pictures(attempts, made):
    assert choose(attempts.assign(flipped=False, **{"pass": np.nan}), made.run) == []
    assert isinstance(attempts, pd.DataFrame)


def test_a_strip_shows_all_three(tmp_path):
    image = np.full((4, 100, 3), 100, np.uint8)
    perturbation = np.zeros((4, 100, 3), np.int16)
    perturbation[1, 2] = 5, -20, 0
    panels = strip(image, perturbation)
    assert panels.shape == (8, 2 * (300 + 2 * GAP), 3)
    small = panels[::2, ::2]
    np.testing.assert_array_equal(small[:, :100], image)
    assert small[1, 100 + GAP + 2].tolist() == [178, 0, 128]
    assert small[1, 200 + 2 * GAP + 2].tolist() == [105, 80, 100]
    Image.fromarray(panels).save(tmp_path / "strip.png")
