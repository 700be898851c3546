"""Running Snakemake in a directory of its own, and asking what it would do next."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import yaml
from filelock import FileLock
from forks import Server

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests/workflow/tiny.yaml"


def plain_environment():
    """Return the environment without how many threads the caller's libraries were told to use."""
    return {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}


@cache
def _server():
    return Server(Path(__file__).with_name("snakemake_server.py"), plain_environment())


def in_a_fork(arguments, folder, environment):
    """Run `python -m snakemake ARGUMENTS` in a folder to its end, without the seconds that its imports take."""
    with tempfile.TemporaryDirectory() as place:
        files = Path(place) / "stdout", Path(place) / "stderr"
        status = _server().ask(folder, *files, arguments=arguments, environment=environment)
        said = [path.read_text(errors="replace") for path in files]
    return subprocess.CompletedProcess(["snakemake", *arguments], status, *said)


class Workflow:
    """Runs Snakemake in a directory of its own, on this project or on a copy of it."""

    def __init__(self, directory, configfiles=(TINY,), project=ROOT):
        self.directory, self.configfiles, self.project = Path(directory), list(configfiles), Path(project)

    def command(self, *arguments):
        """Return the command line and the environment of a run."""
        command = [sys.executable, "-m", "snakemake", *map(str, arguments), "--snakefile", self.project / "Snakefile"]
        command += ["--directory", self.directory]
        command += ["--configfile", *self.configfiles] if self.configfiles else []
        return list(map(str, command)), plain_environment()

    def __call__(self, *arguments, check=True):
        result = self.run(*self.command(*arguments))
        if check and result.returncode:
            raise AssertionError(result.stdout[-4000:] + result.stderr[-8000:])
        return result

    def run(self, command, environment):
        """Run such a command line to its end."""
        return in_a_fork(command[3:], self.project, environment)

    def said(self, *arguments, check=True):
        """Return all that Snakemake prints."""
        result = self(*arguments, check=check)
        return result.stdout + result.stderr

    def planned(self, *arguments):
        """Return the number of jobs by rule that a dry run announces."""
        output = self.said(*arguments, "--dry-run")
        table = re.search(r"^Job stats:\njob +count\n-.*\n((?:\S+ +\d+\n)+)", output, re.MULTILINE)
        jobs = dict(line.split() for line in table.group(1).splitlines()) if table else {}
        return {rule: int(count) for rule, count in jobs.items() if rule not in ("total", "all")}

    def rules(self):
        """Return the names of all rules."""
        return self("--list-rules").stdout.split()

    def outputs(self, *arguments):
        """Return the output files that would be made or made anew."""
        rows = [line.split("\t") for line in self(*arguments, "--summary").stdout.splitlines()]
        return {row[0] for row in rows if row[-1] == "update pending"}

    def with_overlay(self, **overlay):
        """Return the same run with more configuration on top, to ask what would change."""
        path = self.directory / f"overlay-{abs(hash(str(overlay)))}.yaml"
        path.write_text(yaml.safe_dump(overlay))
        return Workflow(self.directory, [*self.configfiles, path], self.project)

    def with_copied_project(self, folder):
        """Return the same run, by a copy of the project's code that may be changed."""
        for name in ("Snakefile", "config.yaml"):
            shutil.copy2(ROOT / name, folder / name)
        for name in ("workflow", "scripts", "envs", "profiles"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc"))
        return Workflow(self.directory, self.configfiles, folder)


def python(folder, *arguments):
    """Run Python in a folder as a user without settings would, with this package to import; return what it prints."""
    environment = {"PYTHONPATH": str(ROOT / "scripts"), "PATH": "/usr/bin:/bin", "COLUMNS": "200", "HOME": str(folder)}
    # What is compiled already is not compiled again for a home without it.
    environment["XDG_CACHE_HOME"] = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def faceflip(folder, *arguments):
    """Run the command in a folder and return what it prints."""
    return python(folder, "-c", "from faceflip.cli import main; main()", *arguments)


def copy_of(reference, directory):
    """Return a copy of a finished run that may be harmed; times of files stay."""
    shutil.copytree(reference.directory, directory, dirs_exist_ok=True, symlinks=True)
    return Workflow(directory, reference.configfiles)


def finished(configfile, tmp_path_factory):
    """Return a finished run: a copy of its own for each worker of pytest-xdist, of one that the first of them made."""
    own = tmp_path_factory.getbasetemp()
    everybodys = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    made = Workflow(everybodys / f"finished-{configfile.stem}", [configfile])
    with FileLock(f"{made.directory}.lock"):
        if not (made.directory / "results/index.html").exists():
            made.directory.mkdir(exist_ok=True)
            made("--cores", os.cpu_count())
    return copy_of(made, tmp_path_factory.mktemp(configfile.stem))
