"""Finished runs that tests of several kinds look at."""

import pytest
from running import Workflow


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The finished tiny run; tests must leave it as it is."""
    workflow = Workflow(tmp_path_factory.mktemp("tiny"))
    workflow("--cores", 2)
    return workflow
