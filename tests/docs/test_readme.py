"""The README names every rule of the workflow and every target of the Makefile."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def rules() -> set[str]:
    texts = [
        path.read_text(encoding="utf-8") for path in (ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk"))
    ]
    found = re.findall(r"^ *(?:use )?rule (?:\w+ as )?(\w+)(?: with)?:", "\n".join(texts), re.MULTILINE)
    assert len(found) > 20
    return set(found)


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
