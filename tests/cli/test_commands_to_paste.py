"""Commands in messages survive the shell, whatever files are called, and those of the pages do what they say."""

import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest
import typer

from faceflip.cli.app import app
from faceflip.io.inventory import repair
from faceflip.store.remedies import make

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
REFERENCE = ROOT / "docs/reference/command-line.md"
"""Speaks of options in plain words; it is written from the commands."""
NAMES = ["results/my copy.h5", "results/it's;$(reboot).h5", "results/größe.h5"]


def test_commands_that_make_files():
    said = make(*NAMES)
    assert shlex.split(said.removeprefix("run: ")) == ["snakemake", "--cores", "all", *NAMES]


def test_commands_that_repair_files():
    first, _ = repair((name, "a rule") for name in NAMES)
    words = ["snakemake", "--cores", "all", "--allowed-rules", "a rule", "--force", *sorted(NAMES)]
    assert shlex.split(first) == words


@pytest.mark.parametrize("page", [page for page in PAGES if page != REFERENCE], ids=lambda page: page.name)
def test_no_target_stands_behind_configfile(page):
    """Snakemake would take it for a configuration."""
    for behind in re.findall(r"--configfile ([^\n`#]*)", page.read_text(encoding="utf-8")):
        files = list(takewhile(lambda word: not word.startswith("-"), behind.split()))
        assert all(word.endswith(".yaml") for word in files) or "and" in files, behind


def commands_of(page):
    """Return the commands of a page's blocks of code that begin with one word: `faceflip`, `make` or `snakemake`."""
    blocks = re.findall(r"^ *```(?:sh)?\n(.*?)^ *```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith(("faceflip ", "make ", "snakemake "))]


COMMANDS = [(page, words) for page in PAGES for words in commands_of(page)]


def named(group):
    """Return the commands of the command line, by name, with the names of their options."""
    return {
        name: {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        for name, command in group.commands.items()
    }


def test_commands_of_the_pages_are_found():
    assert {words[0] for _, words in COMMANDS} == {"faceflip", "make", "snakemake"}
    assert len(COMMANDS) > 60


def test_commands_of_the_pages_are_there():
    """And so are their options, and files of the project that they name."""
    known = named(typer.main.get_command(app))
    targets = set(re.findall(r"^([\w./$()-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    faults = []
    for page, words in COMMANDS:
        place = f"{page.relative_to(ROOT)}: {' '.join(words)}"
        if words[0] == "faceflip" and words[1] not in {*known, "COMMAND"}:
            faults.append(f"{place}: no command")
        elif words[0] == "faceflip":
            options = [word for word in words[2:] if re.match(r"--?[a-z]", word)]
            faults += [f"{place}: {option}" for option in options if option not in known.get(words[1], options)]
        elif words[0] == "make":
            faults += [f"{place}: no target" for word in words[1:2] if word not in {*targets, ".venv/installed"}]
        files = [word for word in words if word.startswith("workflow/")]
        faults += [f"{place}: no {file}" for file in files if not (ROOT / file).exists()]
    assert faults == []
