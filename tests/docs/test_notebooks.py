"""The notebooks: kept without outputs, and run as they stand, cell by cell, on a finished run."""

import json
import re
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from running import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
RESULTS = 'RESULTS = Path("../results")'
"""The line that says where the run is."""


def name(notebook: Path) -> str:
    return notebook.stem


def cells(notebook, kind):
    """Return the texts of a notebook's cells of a kind."""
    content = json.loads(notebook.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == kind]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=name)
def test_it_is_kept_without_outputs_and_says_that_faces_are_drawn(notebook):
    content = json.loads(notebook.read_text(encoding="utf-8"))
    nbformat.validate(content)
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert [cell for cell in code if cell["outputs"] or cell["execution_count"]] == [], "clear all outputs, then save"
    assert notebook.stat().st_size < 20_000
    assert "drawn" in cells(notebook, "markdown")[0]
    sources = cells(notebook, "code")
    assert sum(source.count(RESULTS) for source in sources) == 1
    assert "print(run.line)" in sources[0]
    lines = [line for source in (*sources, *cells(notebook, "markdown")) for line in source.splitlines()]
    assert [line for line in lines if len(line) > 120] == []


def test_the_readme_leads_to_each():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(NOTEBOOKS) == 3
    assert [each.name for each in NOTEBOOKS if f"(notebooks/{each.name})" not in text] == []


@pytest.fixture
def ran(tiny, tmp_path, monkeypatch):
    """A function that runs a notebook's cells in one namespace, and returns that, and what was printed by each cell."""
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("Agg")
    plt.close("all")

    def run(notebook, capsys):
        variables, said = {}, []
        for number, source in enumerate(cells(notebook, "code"), 1):
            source = source.replace(RESULTS, f"RESULTS = Path({str(tiny.directory / 'results')!r})")
            exec(compile(source, f"{notebook.name}, cell {number}", "exec"), variables)
            said.append(capsys.readouterr().out)
        return variables, "".join(said)

    yield run
    plt.close("all")


def empty_axes():
    """Return the axes of open figures on which there is nothing."""
    return [axes for number in plt.get_fignums() for axes in plt.figure(number).axes if not axes.has_data()]


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=name)
def test_its_cells_run(ran, notebook, capsys):
    variables, said = ran(notebook, capsys)
    assert said.startswith("Synthetic faces, drawn by this project")
    assert len(plt.get_fignums()) >= 2
    assert empty_axes() == []
    CHECKS[notebook.stem](variables, said)


def look_at_store(variables, said):
    outcomes, largest = variables["outcomes"], variables["largest"]
    assert outcomes["flipped"].sum() == len(largest) > 0
    assert (largest >= 1).all()
    original, _, adversarial = variables["pictures"]
    assert np.abs(original.astype(int) - adversarial).max() == largest.min()


def look_at_own_network(variables, said):
    shares = [int(share) for share in re.findall(r"flips (\d+)%", said)]
    assert len(shares) == 3
    assert min(shares) > 30, "there is something to see"
    network, result = variables["network"], variables["results"]["ffa-line"]
    moved = torch.tensor(variables["images"] + result.perturbation).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        assert (((network(moved)[:, 0] > 0).numpy() != variables["answers"][: len(moved)]) == result.flipped).all()


def look_at_attempts(variables, said):
    assert said.endswith(f"0 of {len(variables['ours'])} counts differ\n")
    assert variables["ours"].sum() > 0


CHECKS = {"perturbation_store": look_at_store, "own_network": look_at_own_network, "attempts": look_at_attempts}
