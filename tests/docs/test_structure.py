"""The structure of the library that docs/development/architecture.md promises: imports, one name a thing."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from running import ROOT

from faceflip.workflow.products import EVERY_FIGURE, EVERY_TABLE

LIBRARY = ROOT / "scripts/faceflip"
PAGE = (ROOT / "docs/development/architecture.md").read_text(encoding="utf-8")
ORDER = re.findall(r"^\| `(\w+)` \| ", PAGE.partition("## Rooms of the library")[2].partition("\n## ")[0], re.MULTILINE)
HEAVY = {"torch", "torchvision", "pandas", "cv2", "h5py", "numpy", "matplotlib", "scipy", "numba"}

SAME_MODULE_NAME = {
    "make": "tables are made by analysis.make, figures by figures.make",
    "plan": "cli.plan is the command, workflow.plan what it prints",
    "labels": "cli.labels is the command, data.celeba.labels reads them",
    "label_doubt": "data.label_doubt says what the file has, analysis.tables.label_doubt counts it",
    "seeds": "faceflip.seeds derives them, analysis.tables.seeds tells what depends on them",
}
"""Modules of one name in several rooms, and why; beside tables and figures of one name."""

NETWORKS_BY_NAME = {
    "catalogue.py": "the registry of losses",
    "networks/checkpoint.py": "what faceflip 0.1 called them in checkpoints",
    "workflow/migration.py": "what faceflip 0.1 called them in configurations",
    "attacks/engine.py": "the loss of networks that the library's functions take unless they are told",
    "attacks/plain.py": "the method on one page, which takes losses by name",
    "analysis/run.py": "the roles that the paper's networks have",
    "analysis/tables/classification_error.py": "a column of the published errors",
    "analysis/claims/evidence.py": "the network whose matrices the paper has",
    "analysis/claims/judges.py": "the paper's statements, which are about them",
    "analysis/comparability.py": "the network whose options stand for the run's",
    "analysis/tables/paper_claims.py": "the paper's statements, which are about them",
    "analysis/tables/paper_comparison.py": "the paper's numbers, which are about them",
    "analysis/tables/statistics.py": "the paper's statements, which are about them",
    "figures/success.py": "which panels the paper's figure has",
}
"""Files that may name a network or loss of the paper, and why."""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    """Return the dotted name of a module, without that of the library."""
    parts = path.relative_to(LIBRARY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {name_of(path): path for path in sorted(LIBRARY.rglob("*.py"))}
"""The modules by their names; the library itself has an empty one."""


def run_time_nodes(node: ast.AST):
    """Yield the nodes below one, but for what only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            children = child.orelse
        else:
            yield child
            children = [child]
        for each in children:
            yield from run_time_nodes(each)


@cache
def imported(name: str) -> frozenset[str]:
    """Return the modules of the library that one imports, anywhere in it, by their names without the library's."""
    found = set()
    for node in run_time_nodes(tree(FILES[name])):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            whole = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {each if each.removeprefix("faceflip.") in FILES else node.module for each in whole.values()}
    inside = {each.removeprefix("faceflip").removeprefix(".") for each in found if each.split(".")[0] == "faceflip"}
    return frozenset(inside - {name})


def room_of(name: str) -> str:
    return name.partition(".")[0]


def test_every_room_is_listed_once():
    assert sorted(ORDER) == sorted({room_of(name) for name in FILES} - {""})


@pytest.mark.slow
def test_imports_are_of_modules_that_there_are():
    assert {(name, each) for name in FILES for each in imported(name) if each not in FILES} == set()


def test_rooms_import_only_from_those_before_them():
    places = {room: place for place, room in enumerate(ORDER)}
    against = [
        f"{name} imports {each}"
        for name in FILES
        for each in imported(name)
        if each and room_of(each) != room_of(name) and (not name or places[room_of(each)] > places[room_of(name)])
    ]
    assert against == []


@pytest.mark.parametrize("room", ORDER)
def test_there_are_no_circles_inside_a_room(room):
    graph = {
        name: [each for each in imported(name) if room_of(each) == room] for name in FILES if room_of(name) == room
    }
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_no_two_modules_of_different_rooms_have_one_name():
    places = defaultdict(set)
    for name, path in FILES.items():
        if path.stem != "__init__":
            places[path.stem].add(name)
    products = {name: {"analysis", "figures"} for name in {**EVERY_TABLE, **EVERY_FIGURE}}
    clashes = {
        word: names
        for word, names in places.items()
        if word not in SAME_MODULE_NAME
        and len(rooms := {room_of(name) for name in names}) > 1
        and not rooms <= products.get(word, set())
    }
    assert clashes == {}
    assert {word for word in SAME_MODULE_NAME if len(places[word]) < 2} == set(), "no longer needed in the list"


def test_no_two_classes_have_one_name():
    places = defaultdict(set)
    for name, path in FILES.items():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(name)
    assert {word: names for word, names in places.items() if len(names) > 1} == {}


def test_the_snakefile_imports_nothing_heavy():
    """Nor does planning the run, which it does while it is parsed."""
    lines = (ROOT / "Snakefile").read_text(encoding="utf-8").splitlines()
    imports = [line for line in lines if line.startswith(("from faceflip", "import faceflip"))]
    assert len(imports) > 8
    program = f"""
import sys
{chr(10).join(imports)}
from pathlib import Path
from faceflip.workflow.settings import read_config
plan = Plan(Settings.of(read_config(Path({str(ROOT)!r}))))
rules = rules_of(plan)
targets(rules), paper_links(plan, rules), plan.description(), plan.line
[(attack.options, attack.own_code) for attack in plan.attacks.values()]
[(product.reading.text, inputs_of(product, rules)) for product in (*plan.tables.values(), *plan.figures.values())]
print(*sorted({HEAVY!r} & set(sys.modules)))
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert said.returncode == 0, said.stderr
    assert said.stdout.split() == []


def test_the_paper_s_networks_are_named_in_few_places():
    named = {
        str(path.relative_to(LIBRARY))
        for path in FILES.values()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and node.value in ("euclidean", "softmax", "moon")
    }
    assert named - NETWORKS_BY_NAME.keys() == set()
    assert NETWORKS_BY_NAME.keys() - named == set(), "no longer needed in the list"


def test_the_library_imports_no_snakemake():
    importing = {
        name
        for name, path in FILES.items()
        for node in ast.walk(tree(path))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "snakemake")
        or (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "snakemake" for alias in node.names))
    }
    assert importing == set()
