"""What is declared of the columns of tables: of every table, and as the tables are."""

from pathlib import Path

import pytest

from faceflip.analysis.columns import COLUMNS
from faceflip.analysis.frames import read_csv
from faceflip.analysis.tables import fine_tuning, fine_tuning_natural, label_doubt, seeds, transferability_between
from faceflip.workflow.products import EVERY_TABLE, TABLES
from faceflip.workflow.versions import VERSIONS

GOLDEN = Path(__file__).parent / f"golden/version{VERSIONS['analyse']}"
OTHERS = {
    "label_doubt": label_doubt.COLUMNS,
    "seeds": seeds.COLUMNS,
    "transferability_between": transferability_between.COLUMNS,
    "fine_tuning": [*fine_tuning.KEYS, *fine_tuning.VALUES],
    "fine_tuning_natural": [*fine_tuning_natural.KEYS, *fine_tuning_natural.NUMBERS],
}
"""The columns of tables that not every run has."""


def columns_of(name: str) -> list[str]:
    return list(read_csv(GOLDEN / f"{name}.csv")) if name in TABLES else OTHERS[name]


def test_every_table_is_declared():
    assert COLUMNS.keys() == EVERY_TABLE.keys()


@pytest.mark.parametrize("name", EVERY_TABLE)
def test_what_is_declared_is_there(name):
    declared, columns = COLUMNS[name], columns_of(name)
    named = [*declared.keys, *declared.words, *(column for interval in declared.intervals for column in interval)]
    assert set(named) <= set(columns)
    assert len(set(declared.keys) | set(declared.words)) == len(declared.keys) + len(declared.words)
    ends = {column for column in columns if column.endswith(("low", "high"))}
    assert declared.ends == ends, "every end of an interval belongs to a number"


@pytest.mark.parametrize("name", TABLES)
def test_all_else_are_numbers_and_keys_tell_rows_apart(name):
    table, declared = read_csv(GOLDEN / f"{name}.csv"), COLUMNS[name]
    assert not table.duplicated(list(declared.keys)).any()
    rest = table.drop(columns=[*declared.keys, *declared.words])
    if name == "paper_comparison":  # as the paper writes them
        rest = rest.drop(columns=["paper", "ours"])
    texts = [column for column in rest if len(table) and not rest[column].dropna().map(float).map(type).eq(float).all()]
    assert texts == []


@pytest.mark.parametrize("name", OTHERS)
def test_keys_of_other_tables_are_those_that_their_modules_name(name):
    module = {"fine_tuning": fine_tuning.KEYS, "label_doubt": label_doubt.KEYS, "seeds": seeds.COLUMNS[:4]}
    module |= {"transferability_between": transferability_between.KEYS}
    module["fine_tuning_natural"] = [key for key in fine_tuning_natural.KEYS if key != "seeds"]
    assert list(COLUMNS[name].keys) == list(module[name])
