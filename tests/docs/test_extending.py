"""What the page on extending says: the order of the modules, and that what it writes out does what it says."""

import ast
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from running import ROOT, Workflow

from faceflip.analysis import make as registry
from faceflip.analysis.make import TABLES, Table, make_table
from faceflip.analysis.specimen import specimen
from faceflip.attacks import attack
from faceflip.attacks import registry as attacks
from faceflip.attacks.line import LineSearch

PAGE = ROOT / "docs/extending.md"
MICRO = ROOT / "tests/robustness/micro.yaml"
NAME = "sffa-line"
LIBRARY = ROOT / "scripts/faceflip"


def imported(path: Path) -> set[str]:
    """Return the library's modules and packages that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("faceflip.")}


def test_modules_import_only_from_those_before_them():
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    order = re.findall(r"\w+", " ".join(rows))
    files = {path: path.relative_to(LIBRARY).with_suffix("").parts[0] for path in LIBRARY.rglob("*.py")}
    modules = set(files.values()) - {"__init__"}
    assert sorted(order) == sorted(modules)
    against = [
        f"{path.relative_to(LIBRARY)} imports {name}"
        for path, module in files.items()
        for name in imported(path) & modules - {module}
        if module == "__init__" or order.index(name) > order.index(module)
    ]
    assert not against


def snippets(language):
    """Return the page's blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


class Halves(torch.nn.Module):
    """One score: the brightness of the left half less that of the right."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, images):
        left, right = images.chunk(2, dim=3)
        return self.weight * (left - right).mean(dim=(1, 2, 3))[:, None]


def test_another_attack_is_one_module_and_one_line(tmp_path, monkeypatch):
    module, line = snippets("python")[:2]
    (tmp_path / "signed_of_the_page.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    from signed_of_the_page import SignedFFA

    entry = eval(line, {"Attack": attacks.Attack, "SignedFFA": SignedFFA, "LineSearch": LineSearch})
    monkeypatch.setitem(attacks.ATTACKS, entry.name, entry)
    images = np.random.default_rng(1).integers(60, 190, (8, 6, 8, 3), dtype=np.uint8)
    found = attack(Halves(), images, NAME)
    assert found.flipped.all()
    for perturbation, epsilon in zip(found.perturbation, found.epsilon, strict=True):
        assert set(np.unique(perturbation)) == {-epsilon, epsilon}, "every pixel value moves by the same amount"


@pytest.mark.workflow
@pytest.mark.slow
def test_another_attack_in_the_workflow(tmp_path, monkeypatch):
    """The page followed to the letter in a copy of the project: planned, and run."""
    module, line = snippets("python")[:2]
    (overlay,) = snippets("yaml")
    (tmp_path / "mine.yaml").write_text(overlay)
    project, folder = tmp_path / "project", tmp_path / "run"
    project.mkdir()
    folder.mkdir()
    workflow = Workflow(folder, [MICRO, tmp_path / "mine.yaml"]).with_copied_project(project)
    library = project / "scripts/faceflip"
    (library / "attacks/signed.py").write_text(module)
    table = library / "attacks/registry.py"
    before, entries, after = table.read_text().partition("    for attack in (\n")
    imported = "from faceflip.attacks.signed import SignedFFA\n"
    place = before.index("from faceflip.attacks.slots")
    table.write_text(before[:place] + imported + before[place:] + entries + f"{line}," + after)
    names = library / "attack_names.py"
    names.write_text(names.read_text().replace("ATTACK_NAMES = {", f'ATTACK_NAMES = {{"{NAME}": "", '))

    command = [sys.executable, "-c", "from faceflip.cli import main; main()", "plan", "--json", "--project", project]
    command += [word for file in workflow.configfiles for word in ("--configfile", file)]
    monkeypatch.setenv("PYTHONPATH", str(project / "scripts"))  # of the copy, whichever is installed
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    jobs = json.loads(said)["jobs"]
    assert jobs.pop("all") == 1
    assert jobs == workflow.planned()

    store = f"results/attacks/euclidean/converged/{NAME}.h5"
    workflow("--cores", 2, store)
    assert (folder / store).exists()


def test_another_table_is_one_module_and_one_line(tmp_path, monkeypatch):
    module, line = snippets("python")[-2:]
    (tmp_path / "steps_of_the_page.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    entries = eval(f"{{{line}}}", {"Table": Table})
    monkeypatch.setattr(
        registry,
        "TABLES",
        TABLES | {name: replace(entry, module="steps_of_the_page") for name, entry in entries.items()},
    )
    made = specimen(seed=4, attributes=("Male",), moon_attributes=("Male",), sample=40, test=4)
    outputs = {kind: tmp_path / f"steps.{kind}" for kind in ("csv", "md", "tex", "html")}
    make_table("steps", made.write(tmp_path), made.run, outputs)
    assert outputs["csv"].read_text().splitlines()[0] == "network,attack,steps"
    assert "would say that the cap ends the search" in outputs["html"].read_text()
