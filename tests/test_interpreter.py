"""A clone whose path the shell would take apart is refused by one message, before anything is installed or computed."""

import shutil
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from faceflip.runtime.interpreter import fault_of

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("folder", ["a b", "it's", 'a"b', "a$b", "a&b", "a;b", "(a)", "a\nb"])
def test_paths_that_the_shell_takes_apart(folder):
    python = f"/home/{folder}/.venv/bin/python"
    assert subprocess.run(f"printf '%s\\0' {python}", shell=True, capture_output=True).stdout != f"{python}\0".encode()
    assert "clone into a folder" in fault_of(python)


@pytest.mark.parametrize("folder", ["a-b_c.d+e", "exp[seed=1]", "größe", "a,b=c@d%e~", "a{b}#c!"])
def test_paths_that_are_one_word(folder):
    python = f"/home/{folder}/.venv/bin/python"
    assert subprocess.run(f"printf '%s\\0' {python}", shell=True, capture_output=True).stdout == f"{python}\0".encode()
    assert fault_of(python) is None


@pytest.mark.parametrize("folder", ["a clone", "it's"])
def test_make_refuses_before_it_installs(tmp_path, folder):
    clone = tmp_path / folder
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        clone.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, clone)
    shutil.copytree(ROOT / "scripts/faceflip/runtime", clone / "scripts/faceflip/runtime")
    shutil.copy(ROOT / "scripts/faceflip/__init__.py", clone / "scripts/faceflip")
    done = subprocess.run(["make", "demo", f"PYTHON={sys.executable}"], cwd=clone, capture_output=True, text=True)
    assert done.returncode != 0
    assert f"{clone}/.venv/bin/python: Snakemake cannot start jobs with a Python whose path has" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (clone / ".venv").exists()


def test_the_workflow_refuses_such_an_environment(tmp_path):
    place = tmp_path / "an environment"
    venv.create(place, symlinks=True)
    library = next(place.glob("lib/python*/site-packages"))
    (library / "others.pth").write_text("\n".join(site.getsitepackages()))
    command = [place / "bin/python", "-m", "snakemake", "-n", "--snakefile", ROOT / "Snakefile", "-d", tmp_path]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode != 0
    assert "an environment/bin/python: Snakemake cannot start jobs" in done.stdout
    assert "Traceback" not in done.stdout
