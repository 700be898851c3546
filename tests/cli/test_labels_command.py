import pandas as pd
import pytest
from typer.testing import CliRunner

from faceflip.cli.app import app
from faceflip.data.celeba import ATTRIBUTES
from faceflip.data.synthetic.folder import attribute_text, partition_text
from faceflip.data.synthetic.label_model import annotations
from faceflip.errors import UserError


@pytest.fixture
def folder(tmp_path):
    """Annotation and partition file of a look-alike, without images."""
    import numpy as np

    random = np.random.default_rng(0)
    labels = annotations(random.standard_normal((60, 40)), random.random((60, 40)), "train", 0.0).labels
    (tmp_path / "Anno").mkdir()
    (tmp_path / "Anno/list_attr_celeba.txt").write_text(attribute_text(labels), newline="")
    (tmp_path / "list_eval_partition.txt").write_text(partition_text({"train": 40, "validation": 9, "test": 11}))
    return tmp_path


def test_labels_without_images(folder):
    result = CliRunner().invoke(app, ["labels", str(folder), "--csv", str(folder / "out.csv"), "--correlations", "3"])
    assert result.exit_code == 0, result.output
    assert "60 images: 40 train, 9 validation, 11 test" in result.output
    assert "it is taken for a subset or another derived file" in result.output
    for attribute in (*ATTRIBUTES, "mean"):
        assert attribute in result.output
    correlations = result.output.partition("Strongest correlations")[2].splitlines()
    assert len([line for line in correlations if line.endswith(tuple("0123456789"))]) == 3
    table = pd.read_csv(folder / "out.csv").set_index("attribute")
    assert list(table.index) == [*ATTRIBUTES, "mean"]
    assert table.loc["Male", "images_test"] == 11
    assert f"{100 * table.loc['mean', 'trivial_train']:.2f}" in result.output
    assert "Balanced" in result.output
    lines = {words[0]: words for line in result.output.splitlines() if len(words := line.split()) >= 6}
    assert lines["Male"][-1] == str(
        int(min(table.loc["Male", "positives_test"], 11 - table.loc["Male", "positives_test"]))
    )
    assert lines["mean"][-1] == f"{100 * table.loc['mean', 'trivial_test']:.2f}", "there is no such number of the mean"


def test_labels_beside_a_page_of_a_used_up_quota(folder):
    (folder / "Img").mkdir()
    (folder / "Img/img_align_celeba.zip").write_text("<html>quota exceeded</html>")
    result = CliRunner().invoke(app, ["labels", str(folder)])
    assert result.exit_code == 0, result.output
    assert "60 images" in result.output


def test_a_text_file_instead_of_its_folder(folder):
    result = CliRunner().invoke(app, ["labels", str(folder / "Anno/list_attr_celeba.txt")])
    assert isinstance(result.exception, UserError)
    assert str(result.exception).endswith(f"is a text file; name the folder or zip archive of CelebA: {folder}")


def test_a_folder_without_labels_says_what_to_fetch(tmp_path):
    result = CliRunner().invoke(app, ["labels", str(tmp_path)])
    assert isinstance(result.exception, UserError)
    assert "the images" not in str(result.exception)
    assert "list_attr_celeba.txt" in str(result.exception)


def test_labels_of_a_table_of_ones_own(tmp_path):
    """Images whose label is unknown count nowhere; by hand: 3 of 4 known in the training split have the first."""
    rows = ["a,train,1,0", "b,train,1,", "c,train,1,1", "d,train,0,1", "e,train,,0", "f,validation,1,0", "g,test,0,1"]
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(["file,split,<b> & 100 %,眼鏡", *rows, "h,test,1,0"]), encoding="utf-8")
    result = CliRunner().invoke(app, ["labels", str(path), "--csv", str(tmp_path / "out.csv")])
    assert result.exit_code == 0, result.output
    assert "8 images: 5 train, 1 validation, 2 test" in result.output
    assert "2 of 16 labels are unknown" in result.output
    assert "CelebA" not in result.output
    table = pd.read_csv(tmp_path / "out.csv").set_index("attribute")
    assert list(table.index) == ["<b> & 100 %", "眼鏡", "mean"]
    assert table.loc["<b> & 100 %", ["images_train", "positives_train"]].tolist() == [4, 3]
    assert table.loc["眼鏡", "prevalence_train"] == 0.5
    assert "75.00" in result.output


ROWS = [f"{k}.png,{k % 2},{int(k % 3 == 0)},{'train' if k < 6 else 'test' if k < 9 else 'val'}" for k in range(12)]


@pytest.fixture
def table(tmp_path):
    """Labels without a column of splits."""
    path = tmp_path / "dataset.splits.csv"
    path.write_text("\n".join(["file,Kind,Odd,where", *ROWS]))
    (tmp_path / "where.csv").write_text("\n".join(["file,a,b,split", *ROWS]))
    return path


def labels(*arguments):
    return CliRunner().invoke(app, ["labels", *map(str, arguments)])


def test_a_table_without_splits_is_told_of_options_that_there_are(table):
    result = labels(table, "--columns", "Kind")
    assert isinstance(result.exception, UserError)
    said = str(result.exception)
    assert f"{table} has no column 'split'" in said
    assert "in --splits, or set --split-shares, such as 0.8 0.1 0.1" in said
    assert "dataset." not in said.replace(table.name, "")
    assert "name those that are in --columns" in str(labels(table, "--split-shares", 0.5, 0.25, 0.25).exception)


def test_splits_and_columns_of_a_table_can_be_named(table):
    out = table.with_name("out.csv")
    result = labels(
        table, "--columns", "Odd", "--columns", "Kind", "--splits", table.with_name("where.csv"), "--csv", out
    )
    assert result.exit_code == 0, result.output
    assert "12 images: 6 train, 3 validation, 3 test" in result.output
    found = pd.read_csv(out).set_index("attribute")
    assert list(found.index) == ["Odd", "Kind", "mean"]
    assert found.loc["Odd", ["positives_train", "images_test"]].tolist() == [2, 3]
    result = labels(table, "--columns", "Kind", "--split-shares", 0.5, 0.25, 0.25)
    assert result.exit_code == 0, result.output
    assert "12 images: 6 train, 3 validation, 3 test" in result.output
    assert "the splits were made by the shares 0.5, 0.25, 0.25" in result.output


def test_shares_of_a_folder_need_no_partition(folder):
    (folder / "list_eval_partition.txt").unlink()
    result = labels(folder, "--split-shares", 0.5, 0.25, 0.25)
    assert result.exit_code == 0, result.output
    assert "60 images: 30 train, 15 validation, 15 test" in result.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--columns", "Male"], "--columns and --splits are of a table, .csv, .tsv, .tab, .parquet"),
        (["--splits", "s.csv"], "--columns and --splits are of a table"),
        (["--split-shares", "0.5", "0.1", "0.1"], "--split-shares: expected three shares above 0 that add up to 1"),
    ],
)
def test_options_that_a_folder_does_not_take(folder, options, message):
    result = labels(folder, *options)
    assert isinstance(result.exception, UserError)
    assert message in str(result.exception)
