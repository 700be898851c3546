"""What the page on extending says: the order of the modules, and the table that it writes out."""

import ast
import re
from dataclasses import replace
from pathlib import Path

from faceflip.analysis import registry
from faceflip.analysis.registry import TABLES, Table, make_table
from faceflip.analysis.specimen import specimen

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/extending.md"
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


def test_another_table_is_one_module_and_one_line(tmp_path, monkeypatch):
    snippets = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    module, line = snippets[-2:]
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
