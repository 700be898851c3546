from pathlib import Path

import pytest

from faceflip.data.celeba import ATTRIBUTES
from faceflip.workflow.products import TABLES
from specimen import EVERY_KIND, Specimen, make_tables, specimen

EIGHT = ("5_o_Clock_Shadow", "Bald", "Eyeglasses", "Heavy_Makeup", "Male", "Mouth_Slightly_Open", "Smiling", "Young")


@pytest.fixture(scope="session")
def prepared():
    """A function that writes a specimen and its tables, and returns it with the paths by role."""

    def prepare(made: Specimen, folder: Path) -> tuple[Specimen, dict]:
        paths = made.write(folder)
        tables = make_tables(TABLES, paths, made.run, folder)
        return made, paths | {name: files["csv"] for name, files in tables.items()}

    return prepare


@pytest.fixture(scope="session")
def eight(prepared, tmp_path_factory):
    """Eight attributes on drawn faces, MOON with forty."""
    return prepared(specimen(seed=7, attributes=EIGHT, sample=25, test=30), tmp_path_factory.mktemp("eight"))


@pytest.fixture(scope="session")
def six(prepared, tmp_path_factory):
    """Six kinds of networks, all shown to others."""
    more = {"analysis": {"transfer": "all"}}
    made = specimen(seed=9, attributes=EIGHT, sample=20, test=30, networks=EVERY_KIND, more=more)
    return prepared(made, tmp_path_factory.mktemp("six"))


@pytest.fixture(scope="session")
def forty(prepared, tmp_path_factory):
    """All attributes, on photographs."""
    made = specimen(seed=8, attributes=ATTRIBUTES, sample=12, test=20, dataset="celeba")
    return prepared(made, tmp_path_factory.mktemp("forty"))
