"""The pins: one lock, the same versions in the conda environment, everything that pyproject.toml asks for."""

import re
import tomllib
from itertools import chain

import yaml
from running import ROOT

PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^ ;]+)(?: ; (.*))?$")


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def locked():
    """Return the versions of each package in the lock; several where they depend on the Python version."""
    pins = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if match := PIN.match(line):
            pins.setdefault(normalised(match.group(1)), set()).add(match.group(2))
    return pins


def test_the_lock_pins_everything_exactly():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    packages = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert len(packages) > 80
    assert all(PIN.match(line) for line in packages)


def test_the_lock_has_all_that_pyproject_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    names = {normalised(re.match(r"[A-Za-z0-9_.-]+", requirement).group()) for requirement in asked}
    assert names <= set(locked())


def test_opencv_is_the_server_build():
    assert [name for name in locked() if name.startswith("opencv")] == ["opencv-python-headless"]


def test_the_conda_environment_has_the_versions_of_the_lock():
    environment = yaml.safe_load((ROOT / "envs/faceflip.yaml").read_text())
    pins = dict(pin.split("==") for pin in environment["dependencies"][-1]["pip"])
    lock = locked()
    assert {name: version for name, version in pins.items() if version not in lock[normalised(name)]} == {}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {re.match(r"[A-Za-z0-9_.-]+", requirement).group() for requirement in project["dependencies"]}
    assert asked <= set(pins)
