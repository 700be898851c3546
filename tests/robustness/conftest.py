"""A finished run of the smallest configuration, never interrupted: what all others are compared with."""

import pytest
from faults import MICRO
from running import finished


@pytest.fixture(scope="session")
def micro(tmp_path_factory):
    """The finished micro run; tests must leave it as it is."""
    return finished(MICRO, tmp_path_factory)
