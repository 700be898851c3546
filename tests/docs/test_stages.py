"""The page on stages names every rule of the workflow, and its chart is drawn from it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from faceflip.workflow.jobs import rules_of
from faceflip.workflow.plan import Plan
from faceflip.workflow.settings import Settings, read_config

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/stages.md").read_text(encoding="utf-8")
CHART = (ROOT / "docs/images/stages.svg").read_text(encoding="utf-8")
RULES = set(rules_of(Plan(Settings.of(read_config(ROOT)))))


def test_every_rule_is_in_the_table_once():
    cells = re.findall(r"^\| [A-Z][a-z]+ \| (`\w.*?) \|", PAGE, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(cells))) == sorted(RULES)


def test_every_rule_is_in_the_chart():
    arrows = re.findall(r"<title>(\w+) → (\w+)</title>", CHART)
    assert {rule for arrow in arrows for rule in arrow} == {*RULES, "all"}
    assert set(re.findall(r">(\w+)</text>", CHART)) == {*RULES, "all"}
    assert "../images/stages.svg" in PAGE


@pytest.mark.workflow
@pytest.mark.slow
def test_the_chart_is_of_the_rules_of_today():
    check = [sys.executable, ROOT / "tools/rule_graph.py", "--check"]
    result = subprocess.run(check, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-500:]
