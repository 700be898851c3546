"""The tutorials do what they say: files that they write out are run, configurations are valid, commands end well."""

import json
import re

import pandas as pd
import pytest
import yaml
from code_blocks import blocks
from running import ROOT, Workflow, faceflip, python

from faceflip.workflow.plan import Plan
from faceflip.workflow.settings import Settings, merged, read_config

TUTORIALS = ROOT / "docs/tutorials"
PAPER = "workflow/presets/paper.yaml"


def files_of(page: str) -> dict[str, str]:
    """Return the files that a tutorial writes out: a block of code behind a sentence that names one."""
    text = (TUTORIALS / page).read_text(encoding="utf-8")
    return dict(re.findall(r"`(\w+\.(?:py|yaml))`[^`]*?\n\n```\w+\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def planned(*overlays: str) -> Plan:
    """Return the plan of the embedded default with these configurations on top."""
    config = read_config(ROOT)
    for overlay in overlays:
        config = merged(config, yaml.safe_load(overlay))
    return Plan(Settings.of(config))


def test_four_tutorials_and_each_runs_something():
    pages = {path.name for path in TUTORIALS.glob("*.md")}
    assert pages == {"drawn-faces.md", "celeba.md", "cluster.md", "own-network.md"}
    assert all(blocks(TUTORIALS / page, "sh") for page in pages)


def test_the_change_of_the_drawn_faces():
    plan = planned(*blocks(TUTORIALS / "drawn-faces.md", "yaml"))
    assert {"bce", "euclidean", "moon"} == set(plan.networks)


@pytest.mark.usefixtures("beside_attempts")
def test_the_question_to_the_drawn_faces(capsys):
    (snippet,) = blocks(TUTORIALS / "drawn-faces.md", "python")
    exec(snippet, {})
    assert re.search(r"^moon +\d", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize("overlay", blocks(TUTORIALS / "celeba.md", "yaml"))
def test_what_is_laid_over_the_preset(overlay):
    plan = planned((ROOT / PAPER).read_text(encoding="utf-8"), overlay)
    assert set(plan.networks) == {"euclidean", "softmax", "moon"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of the tutorial on a network of your own, with all that it makes up."""
    folder = tmp_path_factory.mktemp("own")
    files = files_of("own-network.md")
    assert set(files) == {"make_up.py", "my_network.py", "learn.py", "mine.yaml"}
    for name, text in files.items():
        (folder / name).write_text(text)
    for name in ("make_up.py", "learn.py"):
        python(folder, name)
    return folder


@pytest.mark.slow
def test_the_labels_of_ones_own(folder):
    said = faceflip(folder, "labels", "labels.csv")
    assert "Smiling" in said
    assert "64" in said


@pytest.mark.slow
def test_the_network_of_ones_own_is_planned(folder):
    plan = json.loads(faceflip(folder, "plan", "--configfile", "mine.yaml", "--project", str(ROOT), "--json"))
    jobs = dict(plan["jobs"])
    assert jobs["bring_network"] == 1
    assert not jobs.get("train_network")


@pytest.mark.slow
@pytest.mark.workflow
def test_the_network_of_ones_own_is_run(folder):
    (folder / "less.yaml").write_text("analysis: {tables: [flippability, success], figures: [examples]}\n")
    Workflow(folder, [folder / "mine.yaml", folder / "less.yaml"])("--cores", 2)
    attempts = pd.read_parquet(folder / "results/attempts.parquet")
    assert set(attempts["network"]) == {"mine"}
    assert attempts["flipped"].any()
    store = "results/attacks/paper/mine/given/ffa-line.h5"
    faceflip(folder, "show", store, "--attribute", "Smiling", "--best", "4", "-o", "weak.png")
    assert (folder / "weak.png").stat().st_size > 0
    assert "no faults" in faceflip(folder, "check", "results")
