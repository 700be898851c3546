"""Commands in messages survive the shell, whatever files are called, and those of the pages do what they say."""

import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest

from faceflip.io.inventory import repair
from faceflip.store.remedies import make

ROOT = Path(__file__).parents[2]
NAMES = ["results/my copy.h5", "results/it's;$(reboot).h5", "results/größe.h5"]


def test_commands_that_make_files():
    said = make(*NAMES)
    assert shlex.split(said.removeprefix("run: ")) == ["snakemake", "--cores", "all", *NAMES]


def test_commands_that_repair_files():
    first, _ = repair((name, "a rule") for name in NAMES)
    words = ["snakemake", "--cores", "all", "--allowed-rules", "a rule", "--force", *sorted(NAMES)]
    assert shlex.split(first) == words


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))], ids=lambda page: page.name)
def test_no_target_stands_behind_configfile(page):
    """Snakemake would take it for a configuration."""
    for behind in re.findall(r"--configfile ([^\n`#]*)", page.read_text(encoding="utf-8")):
        files = list(takewhile(lambda word: not word.startswith("-"), behind.split()))
        assert all(word.endswith(".yaml") for word in files) or "and" in files, behind
