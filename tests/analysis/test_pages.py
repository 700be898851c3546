import math
import re

import pytest

from faceflip.analysis.pages import Column, Sheet, escape, latex, markdown, number, percent, percent_cell

SHEET = Sheet(
    "A & B",
    [Column("name", align="l"), Column("τ = 0", "line"), Column("τ = 1", "line"), Column("n")],
    [["x|y_z", "1.0", ("2.0", "[1.0, 3.0]"), "7"], ["–", "–", "–", "0"]],
    ["100 % of #1."],
    frozenset({1}),
)


def test_markdown():
    assert markdown([SHEET], "What was run.").splitlines() == [
        "What was run.",
        "",
        "## A & B",
        "",
        "| name | line, τ = 0 | line, τ = 1 | n |",
        "| :--- | ---: | ---: | ---: |",
        "| x\\|y_z | 1.0 | 2.0 [1.0, 3.0] | 7 |",
        "| – | – | – | 0 |",
        "",
        "100 % of #1.",
    ]


def test_latex():
    assert latex([SHEET], "Run at 5 %.").splitlines() == [
        "% Run at 5 %.",
        r"% Needs \usepackage{booktabs}.",
        r"\begin{table}",
        r"\centering",
        r"\caption{A \& B. Run at 5 \%.}",
        r"\begin{tabular}{lrrr}",
        r"\toprule",
        r" & \multicolumn{2}{c}{line} &  \\",
        r"\cmidrule(lr){2-3}",
        r"name & $\tau$ = 0 & $\tau$ = 1 & n \\",
        r"\midrule",
        r"x|y\_z & 1.0 & 2.0 & 7 \\",
        r" &  & \scriptsize {[}1.0, 3.0{]} &  \\",
        r"\midrule",
        r"-- & -- & -- & 0 \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\smallskip {\footnotesize 100 \% of \#1.}",
        r"\end{table}",
    ]


@pytest.mark.parametrize("character", r"\&%$#_{}~^")
def test_no_special_character_survives(character):
    escaped = escape(f"a{character}b")
    assert escaped != f"a{character}b"
    assert re.fullmatch(r"a\\(text\w+\{\}|.)b", escaped)


def test_numbers():
    assert [percent(0.12345), percent(1.0, 0), percent(math.nan)] == ["12.3", "100", "–"]
    assert [number(12345.0), number(0.012345), number(math.nan), number(0.0)] == ["12,345", "0.0123", "–", "0"]
    assert percent_cell({"rate": 0.5, "low": 0.25, "high": 0.75}) == ("50.0", "[25.0, 75.0]")
    assert percent_cell({"rate": 0.5}) == percent_cell({"rate": 0.5, "low": math.nan, "high": math.nan}) == "50.0"
    assert percent_cell({"rate": math.nan, "low": math.nan, "high": math.nan}) == "–"


def test_aligned_markdown_is_the_same_table():
    sheet = Sheet(
        "T",
        [Column("name", align="l"), Column("n"), Column("why", align="l")],
        [["a|b", "1,000", "long"], ["c", "2", ""]],
    )
    plain, aligned = (markdown([sheet], "Line.", aligned=each) for each in (False, True))
    rows = [line for line in aligned.splitlines() if line.startswith("|")]
    assert len({len(line[: line.rindex("|", 0, -1)]) for line in rows}) == 1, "as wide, but for the last column"
    assert re.sub(r" +", " ", plain) == re.sub(r" +", " ", aligned)
