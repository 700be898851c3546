"""The Dockerfile installs what the Makefile does, by a Python that the package takes, and copies what there is."""

import re
import tomllib
from pathlib import Path

from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PYTHON_OF_DEBIAN = {"bookworm": "3.11", "trixie": "3.13"}


def instructions(name: str) -> list[str]:
    """Return what follows a keyword of the Dockerfile, line by line."""
    return [" ".join(words.split()) for words in re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)]


def patterns(file: str) -> set[str]:
    """Return the patterns of a file of things to ignore, without what git and Docker write differently."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    return {line.removeprefix("**/").strip("/") for line in lines if line and not line.startswith("#")}


def test_it_copies_what_is_there():
    sources = [source for line in instructions("COPY") for source in line.split()[:-1]]
    assert sources[-1] == "."
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_it_leaves_out_what_git_leaves_out_and_git_itself():
    assert patterns(".dockerignore") == {".git", *patterns(".gitignore")}


def test_its_python_is_the_lock_s_and_one_that_the_package_takes():
    (base,) = instructions("FROM")
    python = PYTHON_OF_DEBIAN[re.fullmatch(r"debian:(\w+)-slim", base).group(1)]
    assert f"--python-version {python} " in (ROOT / "requirements.lock").read_text(encoding="utf-8")
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert python in SpecifierSet(package["requires-python"])


def test_it_installs_as_the_makefile_does():
    arguments = dict(argument.replace('"', "").split("=", 1) for argument in instructions("ARG"))
    assert arguments["ADV_LIB"] == re.search(r"^ADV_LIB := (.*)$", MAKEFILE, re.MULTILINE).group(1)
    pip = re.search(r"-m (pip install .*)\)$", MAKEFILE, re.MULTILINE).group(1)
    assert arguments["INSTALL"] == f"/opt/venv/bin/python -m {pip} --no-cache-dir"
    makes = re.findall(r"^\t\$\(INSTALL\) (.*)$", MAKEFILE, re.MULTILINE)
    steps = [step.strip() for line in instructions("RUN") for step in line.split("&&")]
    installs = [step.removeprefix("$INSTALL ") for step in steps if step.startswith("$INSTALL ")]
    assert [step.replace("$ADV_LIB", "$(ADV_LIB)") for step in installs] == makes
    assert len(makes) == 3
