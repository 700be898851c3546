import pytest

from faceflip.report.runtime import runtime, sheet

HEAD = "s\th:m:s\tmax_rss\tmax_vms\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train/a.tsv").write_text(HEAD + "10.5\t0:00:10\t100.0\t1\n")
    (tmp_path / "train/b.tsv").write_text(HEAD + "1.5\t0:00:01\t300.0\t1\n")
    (tmp_path / "collect.tsv").write_text(HEAD + "0.1\t0:00:00\t-\t-\n")
    (tmp_path / "write_index.tsv").write_text(HEAD + "9.0\t0:00:09\t200.0\t1\n")
    # Measured before the job had loaded anything.
    (tmp_path / "join.tsv").write_text(HEAD + "0.4\t0:00:00\t6.5\t10.9\n")
    return tmp_path


def test_jobs_are_summed_by_rule(folder):
    table = runtime(folder)
    assert table["rule"].tolist() == ["train", "join", "collect"]
    assert table.loc[0, ["jobs", "total", "mean", "longest", "memory"]].tolist() == [2, 12.0, 6.0, 10.5, 300.0]
    assert table["memory"].isna().tolist() == [False, True, True]


def test_the_sheet_ends_with_the_total(folder):
    rows = sheet(runtime(folder)).rows
    assert rows[1] == ["join", "1", "0.4", "0.4", "0.4", "–"]
    assert rows[-1] == ["all", "4", "12.5", "", "10.5", "300"]


def test_nothing_measured(tmp_path):
    assert sheet(runtime(tmp_path)).rows == []
