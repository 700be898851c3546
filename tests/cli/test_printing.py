"""Tables for people, whatever the width of their terminal."""

import re
from pathlib import Path

import pytest

import faceflip
from faceflip.cli.printing import print_table

COLUMNS = {"file": "path", "outcome": "word", "score\nbefore": "number", "after": "number"}
ROWS = [
    ("exp[seed=1]/a[/b]c/:smile:.png", "zero gradient", "-12.3456", "+1.23e-04"),
    ("b\x1b[2J.png", "flipped", "+0.0001", ""),
]


def _printed(capsys, monkeypatch, width: int | None) -> list[str]:
    """Return the lines on a terminal of a width, without its colours, or in a pipe."""
    monkeypatch.setenv("COLUMNS", str(width or 20))
    if width:
        monkeypatch.setenv("FORCE_COLOR", "1")
    print_table(COLUMNS, ROWS, bold=("b.png",))
    return re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()


@pytest.mark.parametrize("width", [None, 120, 80, 56, 55, 40, 20])
def test_no_cell_is_cut_and_numbers_stay_whole(capsys, monkeypatch, width):
    lines = _printed(capsys, monkeypatch, width)
    assert {"-12.3456", "+1.23e-04", "+0.0001"} <= set(" ".join(lines).split())
    assert "\x1b" not in "".join(lines)
    first = [line[:20].strip() for line in lines] if width == 56 else lines
    assert all(path in "".join(first) for path in (ROWS[0][0], r"b\x1b[2J.png"))


def test_rows_become_lines_where_columns_do_not_fit(capsys, monkeypatch):
    lines = _printed(capsys, monkeypatch, 40)
    first = [ROWS[0][0], "  outcome       zero gradient", "  score before  -12.3456", "  after         +1.23e-04"]
    assert lines == [*first, r"b\x1b[2J.png", "  outcome       flipped", "  score before  +0.0001"]


def test_a_table_without_headings_or_rows(capsys):
    print_table({"": "word", " ": "number"}, [("in all", "3")])
    print_table(COLUMNS, [])
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "in all  3"
    assert " ".join(rest).split() == ["score", "file", "outcome", "before", "after"]


def test_nothing_else_prints_by_rich():
    """Which takes brackets in data for markup, unless it is told not to each time."""
    users = [path for path in Path(faceflip.__file__).parent.rglob("*.py") if re.search(r"\brich\b", path.read_text())]
    assert [path.name for path in users] == ["printing.py"]
