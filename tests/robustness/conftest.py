"""A finished run of the smallest configuration, never interrupted: what all others are compared with."""

from pathlib import Path

import pytest
from faults import MICRO
from running import finished


def pytest_collection_modifyitems(items):
    """All tests of this folder are slow: each needs at least one finished run."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def micro(tmp_path_factory):
    """The finished micro run; tests must leave it as it is."""
    return finished(MICRO, tmp_path_factory)
