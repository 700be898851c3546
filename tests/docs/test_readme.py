"""The README names every rule of the workflow and every target of the Makefile."""

import re
from pathlib import Path

from faceflip.workflow.jobs import rules_of
from faceflip.workflow.plan import Plan
from faceflip.workflow.settings import Settings, read_config

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def rules() -> set[str]:
    found = {"all", *rules_of(Plan(Settings.of(read_config(ROOT))))}
    assert len(found) > 20
    return found


def test_every_rule_is_in_the_table_of_stages():
    cells = re.findall(r"^\| [A-Z][a-z]+ \| (`\w.*?) \|", README, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(cells))) == sorted(rules() - {"all"})


def test_every_rule_is_in_the_flowchart():
    assert set(re.findall(r"^    (\w+) -->", README, re.MULTILINE)) == rules() - {"all"}
    assert set(re.findall(r" --> (\w+)$", README, re.MULTILINE)) == rules() - {"synthesize_faces"}


def test_every_target_of_make_is_named():
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    (others,) = re.findall(r"`make help` lists the other commands: (.*?)\.$", README, re.MULTILINE | re.DOTALL)
    assert re.findall(r"`([\w-]+)`", others) == [target for target in targets if target not in ("help", "demo", "test")]
