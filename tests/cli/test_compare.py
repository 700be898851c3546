"""`faceflip compare` on made-up runs, and on a finished one."""

import json
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from typer.testing import CliRunner

from faceflip.cli.app import app
from faceflip.errors import UserError
from faceflip.workflow.products import TABLES
from specimen import QUICK_TABLES, SMALL, finish, specimen


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two runs on other images."""
    there = tmp_path_factory.mktemp("runs")
    made = {"monday": specimen(seed=1, **SMALL), "tuesday": specimen(seed=2, **SMALL)}
    products = {name: TABLES[name] for name in QUICK_TABLES}
    return [finish(each, there / name, products, fingerprint=f"{name:>064}") for name, each in made.items()]


def said(*arguments) -> str:
    result = CliRunner().invoke(app, ["compare", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_short_of_it_is_printed(folders):
    printed = said(*folders)
    assert printed.startswith(
        "Synthetic faces, drawn by this project: their numbers say nothing about CelebA. Runs A ("
    )
    titles = [line.removeprefix("## ") for line in printed.splitlines() if line.startswith("## ")]
    assert titles == [
        "Runs",
        "What differs",
        "Are the numbers of the same?",
        "Wrong answers on the test split, percent",
        "Adversarial images, PASS of at least 0.95, percent",
        "Tables",
    ]
    assert "dataset.fingerprint" in printed
    assert "nothing is paired" in printed


def test_a_folder_gets_pages_and_files(folders, tmp_path):
    printed = said(*folders, "--folder", tmp_path / "to")
    files = {str(path.relative_to(tmp_path / "to")) for path in (tmp_path / "to").rglob("*.*")}
    expected = {"compare.md", "compare.html", "settings.csv", "tests.csv", "words.csv"}
    assert files == expected | {f"tables/{name}.csv" for name in QUICK_TABLES}
    assert f"wrote {tmp_path / 'to/compare.html'} and 7 files beside it" in printed
    table = pd.read_csv(tmp_path / "to/tables/trainings.csv")
    assert {"network", "member", "number", "A", "B", "B_minus_A"} <= set(table)


def test_json_for_programs(folders):
    found = json.loads(said(*folders, "--json"))
    assert [run["run"] for run in found["runs"]] == ["A", "B"]
    assert found["differences"]["dataset.fingerprint"].keys() == {"A", "B"}
    assert found["tables"].keys() == set(QUICK_TABLES)
    assert {row["kind"] for row in found["tests"]} == {"independent"}
    assert all(row["p"] is None for row in found["tests"])


def test_a_folder_that_is_no_run(folders, tmp_path):
    with pytest.raises(UserError, match="no results of a run"):
        CliRunner().invoke(app, ["compare", str(folders[0]), str(tmp_path)], catch_exceptions=False)


@pytest.mark.slow
def test_nothing_of_pytorch_is_imported(folders):
    program = (
        "import sys; sys.argv = ['faceflip', 'compare', *sys.argv[1:]]\n"
        "from faceflip.cli.app import app\n"
        "app(standalone_mode=False)\n"
        "print(sorted({'torch', 'cv2', 'numba', 'matplotlib'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, *map(str, folders)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.endswith("\n[]\n")


@pytest.mark.workflow
@pytest.mark.slow
def test_a_finished_run_and_its_copy_are_the_same(tiny, tmp_path):
    shutil.copytree(tiny.directory / "results", tmp_path / "copy", symlinks=True)
    found = json.loads(said(tiny.directory, tmp_path / "copy", "--json", "--folder", tmp_path / "to"))
    assert found["differences"] == {}
    assert found["not_of_the_same"] == []
    assert {row["kind"] for row in found["tests"]} == {"paired"}
    assert {row["p"] for row in found["tests"]} <= {1, None}
    assert {row["difference"] for row in found["tests"]} <= {0, None}
    assert found["tables"].keys() >= TABLES.keys()
    assert all(table["differ"] == table["words_differ"] == 0 for table in found["tables"].values())
    assert all((tmp_path / f"to/tables/{name}.csv").exists() for name in TABLES)
