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


@pytest.mark.parametrize("content", ["", "\0\0", "s\tmax_rss\nlong\t3\n", "a\tb\n1\t2\n", HEAD + "1.0\t0:00"])
def test_a_cost_that_cannot_be_read_is_named_and_left_out(folder, capsys, content):
    """As a full disk or a killed run leaves it; the page is no reason to stop."""
    (folder / "train/b.tsv").write_text(content)
    table = runtime(folder)
    lost = table.set_index("rule").loc["train"]
    if content.endswith("0:00"):  # cut behind what is read of it
        assert (lost["jobs"], lost["memory"]) == (2, 100.0)
    else:
        assert (lost["jobs"], lost["total"]) == (1, 10.5)
        assert f"{folder / 'train/b.tsv'}: cannot be read as a benchmark" in capsys.readouterr().out


def test_nothing_measured(tmp_path):
    assert sheet(runtime(tmp_path)).rows == []
