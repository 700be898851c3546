"""Builders of small stores with known content."""

import pytest
from store_builder import Builder


@pytest.fixture
def build(tmp_path):
    return Builder(tmp_path)


@pytest.fixture(scope="module")
def build_once(tmp_path_factory):
    return Builder(tmp_path_factory.mktemp("stores"))
