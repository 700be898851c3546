"""The table that the page on extending writes out is made as it says."""

import re
from dataclasses import replace
from pathlib import Path

from faceflip.analysis import registry
from faceflip.analysis.registry import TABLES, Table, make_table
from faceflip.analysis.specimen import specimen

PAGE = Path(__file__).parents[2] / "docs/extending.md"


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
