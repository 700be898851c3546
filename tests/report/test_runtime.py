import pytest

from faceflip.report.runtime import runtime, sheet

HEAD = "s\th:m:s\tmax_rss\tmax_vms\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train/a.tsv").write_text(HEAD + "10.5\t0:00:10\t100.0\t1\n")
    (tmp_path / "train/b.tsv").write_text(HEAD + "1.5\t0:00:01\t300.0\t1\n")
    (tmp_path / "collect.tsv").write_text(HEAD + "0.1\t0:00:00\t-\t-\n")
    return tmp_path


def test_jobs_are_summed_by_rule(folder):
    table = runtime(folder)
    assert table["rule"].tolist() == ["train", "collect"]
    assert table.loc[0, ["jobs", "total", "mean", "longest", "memory"]].tolist() == [2, 12.0, 6.0, 10.5, 300.0]
    assert table["memory"].isna().tolist() == [False, True]


def test_the_sheet_ends_with_the_total(folder):
    rows = sheet(runtime(folder)).rows
    assert rows[1] == ["collect", "1", "0.1", "0.1", "0.1", "–"]
    assert rows[-1] == ["all", "3", "12.1", "", "10.5", "300"]


def test_nothing_measured(tmp_path):
    assert sheet(runtime(tmp_path)).rows == []
