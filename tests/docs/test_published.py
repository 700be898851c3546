"""Files by which others publish and find the project: they can be read, and say what the package says."""

import json
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PACKAGE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
ZENODO = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))


def test_citations_are_of_this_version_and_say_the_same():
    assert (CITATION["version"], CITATION["license"]) == (PACKAGE["version"], PACKAGE["license"])
    assert (ZENODO["title"], ZENODO["license"]) == (CITATION["title"], PACKAGE["license"])
    assert [each["name"] for each in ZENODO["creators"]] == [each["name"] for each in CITATION["authors"]]


@pytest.mark.parametrize("form", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem)
def test_forms_of_issues_have_what_github_asks_for(form):
    asked = yaml.safe_load(form.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(asked)
    ids = [field["id"] for field in asked["body"] if field["type"] != "markdown"]
    assert len(set(ids)) == len(ids) > 0
    for field in asked["body"]:
        assert field["type"] in ("markdown", "textarea", "input")
        assert field["attributes"]["value" if field["type"] == "markdown" else "label"]


def test_the_catalogue_finds_what_it_lists():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))["usage"]
    assert usage["report"] is True
    assert "report:" in (ROOT / "Snakefile").read_text(encoding="utf-8")
    assert usage["software-stack-deployment"] == {"conda": True}
    assert (ROOT / "envs/faceflip.yaml").exists()
    named = usage["mandatory-flags"]["desc"].split("--profile ")[1].rstrip(".")
    assert (ROOT / named).is_dir()
