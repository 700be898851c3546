from pathlib import Path

import pytest

from faceflip.analysis.make import TABLES, make_table
from faceflip.analysis.specimen import Specimen, specimen
from faceflip.data.celeba import ATTRIBUTES

EIGHT = ("5_o_Clock_Shadow", "Bald", "Eyeglasses", "Heavy_Makeup", "Male", "Mouth_Slightly_Open", "Smiling", "Young")


@pytest.fixture(scope="session")
def prepared():
    """A function that writes a specimen and its tables, and returns it with the paths by role."""

    def prepare(made: Specimen, folder: Path) -> tuple[Specimen, dict]:
        paths = made.write(folder)
        for name in TABLES:
            outputs = {kind: folder / f"{name}.{kind}" for kind in ("csv", "md", "tex", "html")}
            make_table(name, paths, made.run, outputs)
            paths[name] = outputs["csv"]
        return made, paths

    return prepare


@pytest.fixture(scope="session")
def eight(prepared, tmp_path_factory):
    """Eight attributes on drawn faces, MOON with forty."""
    return prepared(specimen(seed=7, attributes=EIGHT, sample=25, test=30), tmp_path_factory.mktemp("eight"))


@pytest.fixture(scope="session")
def forty(prepared, tmp_path_factory):
    """All attributes, on photographs."""
    made = specimen(seed=8, attributes=ATTRIBUTES, sample=12, test=20, dataset="celeba")
    return prepared(made, tmp_path_factory.mktemp("forty"))
