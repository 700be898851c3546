from pathlib import Path

import pytest

from faceflip.data.celeba import ATTRIBUTES
from faceflip.workflow.products import TABLES
from specimen import Specimen, specimen

SEPARATE = ("Bald", "Eyeglasses", "Male", "Smiling", "Young")
MOON = ("5_o_Clock_Shadow", "Bald", "Big_Nose", "Eyeglasses", "Male", "No_Beard", "Smiling", "Young")


@pytest.fixture(scope="session")
def made() -> Specimen:
    return specimen(seed=5, attributes=SEPARATE, moon_attributes=MOON, sample=30, test=40)


@pytest.fixture(scope="session")
def full() -> Specimen:
    return specimen(seed=6, attributes=ATTRIBUTES, sample=6, test=10, dataset="celeba")


@pytest.fixture
def written(tmp_path):
    """A function that writes a specimen and returns the paths by role, those of the tables to come too."""

    def write(made: Specimen) -> dict[str, Path]:
        return made.write(tmp_path) | {name: tmp_path / f"{name}.csv" for name in TABLES}

    return write
