"""The compiled path along a ray against the tensor operations that an accelerator takes, and against fractions."""

from fractions import Fraction

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faceflip.attacks.rays import Rays, along

epsilons = st.one_of(
    st.integers(0, 300).map(float), st.floats(0, 70000), st.integers(0, 600).map(lambda half: half / 2)
)


def rays(seed: int, slots: int = 5, pixels: int = 37) -> Rays:
    """Make rays whose images touch both limits and whose directions hold zeros, ones and halves."""
    random = np.random.default_rng(seed)
    images = random.choice([0, 1, 127, 254, 255, *random.integers(0, 256, 20)], (slots, pixels)).astype(np.uint8)
    made = Rays(torch.from_numpy(images))
    directions = random.choice([0, 1, -1, 0.5, *random.normal(size=20)], (slots, pixels))
    made.directions.copy_(torch.from_numpy(directions / np.abs(directions).max()))
    return made


@given(st.integers(0, 10000), st.lists(epsilons, min_size=3, max_size=3))
@settings(max_examples=100, derandomize=True, database=None)
def test_compiled_and_tensor_paths_agree_bit_for_bit(seed, wanted):
    made, rows = rays(seed), np.array([4, 0, 2])
    results = torch.full((6, 37), -1.0)
    changes = made.write(rows, np.array(wanted), results, np.array([1, 5, 3]))
    images, expected = along(made.images[rows], made.directions[rows], torch.tensor(wanted, dtype=torch.float64))
    assert torch.equal(results[[1, 5, 3]], images)
    assert (results[[0, 2, 4]] == -1).all()
    assert changes.tolist() == expected.tolist()
    assert torch.equal(made.at(rows, np.array(wanted)), images)


def test_halves_round_to_even_and_pixels_stay_within_limits():
    made = rays(seed=3)
    for epsilon in (0.0, 0.5, 1.0, 2.5, 255.0):
        found = made.at(np.arange(5), np.full(5, epsilon)).numpy()
        for image, direction, row in zip(made.images.tolist(), made.directions.tolist(), found.tolist(), strict=True):
            # Exact arithmetic; a tie within float64's rounding would need more digits than these directions have.
            exact = [Fraction(x) + Fraction(d) * Fraction(epsilon) for x, d in zip(image, direction, strict=True)]
            near = [abs(value * 2 - round(value * 2)) for value in exact]
            clear = [distance == 0 or distance > Fraction(1, 2**40) for distance in near]
            expected = [min(max(round(value), 0), 255) for value in exact]
            for value, wanted, sure in zip(row, expected, clear, strict=True):
                assert value == wanted or not sure
            assert sum(clear) > 30
