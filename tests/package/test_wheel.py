"""The wheel alone: all that it needs is in it or declared, and neither a clone nor Snakemake is there."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from running import ROOT
from store_builder import STEM, Builder

pytest.importorskip("pip", reason="wheels are built and installed by pip")
pytestmark = pytest.mark.slow

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
GENERATED = ("__pycache__", "*.nbi", "*.nbc")
ATTACK = """
import numpy as np
import torch

from faceflip.attacks import attack
from faceflip.pixels import perturbed

torch.manual_seed(1)
network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(8 * 6 * 3, 2))
images = np.random.default_rng(1).integers(60, 190, (4, 8, 6, 3), dtype=np.uint8)
result = attack(network, images, "ffa-line", attribute=1, objective="bce")
moved = np.stack([perturbed(*pair) for pair in zip(images, result.perturbation)])
scores = [network(torch.tensor(x).permute(0, 3, 1, 2).float())[:, 1] > 0 for x in (images, moved)]
print("flipped:", result.flipped.sum(), (scores[0] != scores[1]).sum().item())
"""
IMPORTS = """
import importlib, pkgutil, sys

import faceflip
from faceflip.analysis.html import environment

found = [each.name for each in pkgutil.walk_packages(faceflip.__path__, "faceflip.")]
for name in found:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(found), faceflip.__file__, [name for name in sys.modules if name.startswith("snakemake")])
print(*sorted(environment().list_templates()))
"""


def files_of_library(folder):
    """Return the names of all files below a folder with the library but for those that running it leaves."""
    paths = (path for path in (folder / "faceflip").rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix()
        for path in paths
        if not any(path.match(pattern) or pattern in path.parts for pattern in GENERATED)
    }


def run(*command, **options):
    """Run a command as somebody would who has nothing of this project on a path; return what it prints."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    said = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment, **options)
    assert said.returncode == 0, said.stdout[-2000:] + said.stderr[-4000:]
    return said.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """What the package is built from, without anything else of the project."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", PROJECT["readme"], *PROJECT["license-files"]):
        shutil.copy2(ROOT / name, folder / name)
    shutil.copytree(ROOT / "scripts/faceflip", folder / "scripts/faceflip", ignore=shutil.ignore_patterns(*GENERATED))
    return folder


def built(source, folder):
    """Build the wheel without any network, and return its path."""
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", folder, source),
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    return built(source, tmp_path_factory.mktemp("wheel"))


def declared():
    """Return the distributions that the package asks for without extras, and what these ask for in turn."""
    found, waiting = {}, [Requirement(each) for each in PROJECT["dependencies"]]
    for requirement in waiting:  # grows meanwhile
        for extra in ("", *requirement.extras):
            if (requirement.name, extra) not in found:
                found[requirement.name, extra] = each = distribution(requirement.name)
                further = map(Requirement, each.requires or ())
                waiting += [more for more in further if not more.marker or more.marker.evaluate({"extra": extra})]
    return list(found.values())


@pytest.fixture(scope="module")
def bin_folder(wheel, tmp_path_factory):
    """The commands of a new environment: the wheel, and links to what is declared, as it is installed here."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin/python"
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    for each in declared():
        for top in {file.parts[0] for file in each.files} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(each.locate_file(top))
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel),
    )
    return folder / "bin"


def test_it_holds_every_file_of_the_library(source, wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.partition("/")[0].endswith(".dist-info")}
        metadata = archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA"))).decode()
    assert names == files_of_library(source / "scripts")
    assert {Path(name).suffix for name in names} >= {".py", ".csv", ".html", ".css", ".js"}
    asked = re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE)
    assert len([each for each in asked if "extra ==" not in each]) == len(PROJECT["dependencies"])
    assert all("extra ==" in each for each in asked if each.startswith("snakemake"))


def test_the_wheel_of_a_source_distribution_is_the_same(source, wheel, tmp_path):
    run(
        *(sys.executable, "-c", "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"),
        tmp_path,
        cwd=source,
    )
    (archive,) = tmp_path.glob("*.tar.gz")
    shutil.unpack_archive(archive, tmp_path, filter="data")
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())
    other = built(unpacked, tmp_path / "wheel")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(other) as another:
        assert sorted(one.namelist()) == sorted(another.namelist())


def test_every_module_can_be_imported_without_snakemake(source, bin_folder, tmp_path):
    said, templates = run(bin_folder / "python", "-c", IMPORTS, cwd=tmp_path).splitlines()
    count, place, of_snakemake = said.split(maxsplit=2)
    modules = [name for name in files_of_library(source / "scripts") if name.endswith(".py")]
    assert int(count) == len(modules) - 1, "all but the package itself"
    assert Path(place).is_relative_to(bin_folder.parent)
    assert of_snakemake == "[]"
    assert templates.split() == sorted(path.name for path in (source / "scripts/faceflip/templates").iterdir())
    absent = subprocess.run([bin_folder / "python", "-c", "import snakemake"], capture_output=True, text=True)
    assert "No module named 'snakemake'" in absent.stderr


def test_attacks_are_run(bin_folder, tmp_path):
    word, flipped, changed = run(bin_folder / "python", "-c", ATTACK, cwd=tmp_path).split()
    assert word == "flipped:"
    assert int(flipped) == int(changed) > 0


def test_commands_do_their_work(bin_folder, tmp_path):
    faceflip = bin_folder / "faceflip"
    assert {"inspect", "check", "flip", "plan", "synthesize"} <= set(run(faceflip, "--help", cwd=tmp_path).split())
    view = Builder(tmp_path).view().relative_to(tmp_path)
    assert str(view) == f"{STEM}.h5"
    assert "ffa-line" in run(faceflip, "inspect", view, cwd=tmp_path)
    assert run(faceflip, "check", view, cwd=tmp_path)
    run(faceflip, "synthesize", "faces", "--train", 3, "--validation", 1, "--test", 1, cwd=tmp_path)
    assert len(list((tmp_path / "faces/img_align_celeba").iterdir())) == 5
    assert "Smiling" in run(faceflip, "labels", "faces", cwd=tmp_path)
    assert "train_network" in run(faceflip, "plan", "--project", ROOT, cwd=tmp_path)
