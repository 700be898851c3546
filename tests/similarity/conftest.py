import pytest
from pass_pairs import pairs


@pytest.fixture(scope="session")
def full_size_pairs():
    """Kind -> (originals, perturbed) of 178 x 218 pixels; 372 pairs of 16 kinds."""
    return pairs(6)


@pytest.fixture(scope="session")
def small_pairs():
    """The same of 56 x 68 pixels, the size of a quick run; 124 pairs of 16 kinds."""
    return pairs(2, 56, 68)
