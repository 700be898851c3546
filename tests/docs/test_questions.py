"""The page of questions is run as it stands: every snippet, in order, on made-up attempts of the right shape."""

import re
import shutil
from pathlib import Path

import pytest
from code_blocks import blocks

import answers
from faceflip.workflow.products import TABLES
from specimen import make_tables, specimen

PAGE = Path(__file__).parents[2] / "docs/guides/questions.md"
SNIPPETS = blocks(PAGE, "python")


def test_there_are_ten_questions():
    questions = re.findall(r"^## (\d+)\. .*\?$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert questions == [str(number) for number in range(1, 11)]
    assert len(SNIPPETS) == 1 + 10
    assert all(len(snippet.splitlines()) <= 5 for snippet in SNIPPETS)


@pytest.mark.filterwarnings("error")
@pytest.mark.usefixtures("beside_attempts")
def test_every_question_gets_an_answer(capsys):
    variables = {}
    exec(SNIPPETS[0], variables)
    for snippet in SNIPPETS[1:]:
        exec(snippet, variables)
        answer = capsys.readouterr().out
        assert len(answer) > 3, snippet
        assert "Empty DataFrame" not in answer


def test_the_answers_and_the_figure_are_of_today_s_stages():
    (stages,) = answers.STAGES.findall(PAGE.read_text(encoding="utf-8"))
    assert stages == answers.stages(), "run make demo, then python tools/answers.py"


def test_answers_are_written_behind_their_snippets():
    silent, asking = "```python\nx = 1\n```\n", "```python\nprint(x + 1)\n```\n"
    page = f"<!-- stages: none -->\n\n{silent}\n## 1\n\n{asking}\n```text\nold\n```\n\nend\n"
    written = answers.page_text(page)
    assert written.endswith(f"{asking}\n```text\n2\n```\n\nend\n")
    assert f"{silent}\n## 1" in written
    assert answers.page_text(written) == written


def test_the_table_of_the_readme_has_what_the_run_found(tmp_path):
    names = ("Bald", "Male", "Smiling")
    made = specimen(seed=4, attributes=names, moon_attributes=names, sample=40, test=30)
    files = made.write(tmp_path)
    errors = {"classification_error": TABLES["classification_error"]}
    tables = make_tables(errors, files, made.run, tmp_path)
    results = tmp_path / "results"
    (results / "tables").mkdir(parents=True)
    shutil.copy(files["attempts"], results / "attempts.parquet")
    shutil.copy(tables["classification_error"]["csv"], results / "tables/classification_error.csv")
    (results / "run.json").write_text(made.run.to_json())
    rows = [line.strip("|").split("|") for line in answers.results_table(results).splitlines()]
    heads, *rows = [[cell.strip() for cell in row] for row in rows]
    (moon,) = [row for row in rows if row[0] == "MOON"]
    attempts = made.attempts[(made.attempts["network"] == "moon") & (made.attempts["checkpoint"] == "converged")]
    flipped = attempts["flipped"] & (attempts["pass"] >= made.run.threshold)
    right = attempts["correct"] & (attempts["attack"] == "ffa-line")
    assert moon[heads.index("flipped by ffa-line")] == f"{100 * flipped[right].sum() / right.sum():.0f}%"
    assert moon[-1] == f"{100 * flipped[~attempts['correct']].mean():.0f}%"
    assert moon[heads.index("flipped by fgs-line")] == "", "FGS does not attack it"
    assert rows[-1][0].startswith("Trivial")
