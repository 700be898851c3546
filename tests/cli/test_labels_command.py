import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from faceflip.cli.app import app
from faceflip.data.celeba import ATTRIBUTES
from faceflip.data.synthetic.folder import attribute_text, partition_text
from faceflip.data.synthetic.label_model import INDEX, annotations
from faceflip.errors import UserError
from faceflip.stages.flips import doubted_labels


@pytest.fixture
def folder(tmp_path):
    """Annotation and partition file of a look-alike, without images."""
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


PLANTED = {
    3: ({"Black_Hair", "Gray_Hair"}, set(), ["several hair colours"]),
    7: ({"No_Beard", "Goatee", "Sideburns"}, set(), ["no beard but facial hair"]),
    45: ({"No_Beard", "Mustache"}, {"Male"}, ["no beard but facial hair", "facial hair but not male"]),
    50: ({"Straight_Hair", "Wavy_Hair"}, set(), ["straight and wavy hair"]),
    59: ({"No_Beard", "5_o_Clock_Shadow"}, set(), []),
}
"""By image: what is annotated present and absent, and the rules that are not soft which this breaks."""


@pytest.fixture
def contradicting(folder):
    """The folder, with contradictions planted among labels that have none: women with hair of one colour."""
    labels = np.full((60, 40), -1, np.int8)
    labels[:, [INDEX["No_Beard"], INDEX["Brown_Hair"]]] = 1
    for image, (present, absent, _) in PLANTED.items():
        labels[image, INDEX["Brown_Hair"]] = -1
        labels[image, [INDEX[name] for name in (*present, *({"Male"} - absent))]] = 1
    (folder / "Anno/list_attr_celeba.txt").write_text(attribute_text(labels), newline="")
    return folder


def counts_of(output):
    """Return the rows of the table of rules: name and numbers."""
    rows = output.partition("rule  ")[2].partition("\n\n")[0].splitlines()[1:]
    return [(row[:40].rstrip(), row[40:].split()) for row in rows]


def test_contradictions_of_celeba(contradicting):
    out = contradicting / "doubts.csv"
    result = labels(contradicting, "--contradictions", "--csv", out, "--examples", 1)
    assert result.exit_code == 0, result.output
    assert "Percent of images" not in result.output
    counts = counts_of(result.output)
    assert counts[:9] == [
        ("several hair colours", ["1", "1.667", "1", "0", "0"]),
        ("  Black_Hair", ["1", "1.667", "1", "0", "0"]),
        ("  Blond_Hair", ["0", "0.000", "0", "0", "0"]),
        ("  Brown_Hair", ["0", "0.000", "0", "0", "0"]),
        ("  Gray_Hair", ["1", "1.667", "1", "0", "0"]),
        ("no beard but facial hair", ["2", "3.333", "1", "1", "0"]),
        ("  Goatee", ["1", "1.667", "1", "0", "0"]),
        ("  Mustache", ["1", "1.667", "0", "1", "0"]),
        ("  Sideburns", ["1", "1.667", "1", "0", "0"]),
    ]
    assert dict(counts)["no beard but 5 o'clock shadow (soft)"] == ["1", "1.667", "0", "0", "1"]
    assert dict(counts)["bald with bangs"] == ["0", "0.000", "0", "0", "0"]
    assert "In doubt: 10 labels on 4 images." in result.output
    shown = result.output.partition("The first of them:")[2]
    assert "000046.jpg  not Male, Mustache" in shown
    assert "000008.jpg  Goatee, No_Beard, Sideburns" in shown
    assert shown.count("no beard but facial hair") == 1

    table = pd.read_csv(out)
    assert list(table.columns) == ["file_name", "attribute", "label", "rule"]
    expected = {
        (f"{image + 1:06d}.jpg", name, 1 - 2 * (name in absent))
        for image, (present, absent, rules) in PLANTED.items()
        if rules
        for name in present | absent
    }
    assert {*table[["file_name", "attribute", "label"]].itertuples(index=False, name=None)} == expected
    assert table.loc[table["file_name"] == "000046.jpg", "rule"].value_counts().to_dict() == {
        "no beard but facial hair": 2,
        "facial hair but not male": 2,
    }
    assert doubted_labels(out) == {(file, name) for file, name, _ in expected}
    assert "The first of them" not in labels(contradicting, "--contradictions", "--examples", 0).output


def test_labels_without_contradictions(contradicting):
    """Still a file that a network can name."""
    rules = contradicting / "rules.csv"
    rules.write_text("rule,present,some,at_least,absent,soft\ntwo,Bald;Bangs,,,,no\n")
    out = contradicting / "doubts.csv"
    result = labels(contradicting, "--contradictions", "--rules", rules, "--csv", out)
    assert "In doubt: no labels on no images." in result.output
    assert "The first of them" not in result.output
    assert doubted_labels(out) == frozenset()


def test_contradictions_of_a_table_of_ones_own(table):
    """The rows have odd numbers in Kind, multiples of 3 in Odd: by hand, 3 and 9 in both, and 1, 5, 7, 11 in one."""
    rules = table.with_name("rules.csv")
    rules.write_text("rule,present,some,at_least,absent,soft\nboth,Kind;Odd,,,,no\none,Kind,,,Odd,yes\n")
    out = table.with_name("out.csv")
    options = ("--columns", "Odd", "--columns", "Kind", "--splits", table.with_name("where.csv"), "--contradictions")
    result = labels(table, *options, "--rules", rules, "--csv", out)
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines()]
    assert ["both", "2", "16.667", "1", "1", "0"] in rows
    assert ["one", "(soft)", "4", "33.333", "2", "1", "1"] in rows
    assert ["one", "(soft)", "1.png", "not", "Odd,", "Kind"] in rows
    assert pd.read_csv(out).to_numpy().tolist() == [
        [f"{k}.png", name, 1, "both"] for k in (3, 9) for name in ("Odd", "Kind")
    ]
    error = str(labels(table, *options).exception)
    assert error.startswith(f"{table}: no rule of the package is about its attributes; write rules")
    rules.write_text("rule,present,some,at_least,absent,soft\nboth,Kinds;Odd,,,,no\n")
    error = str(labels(table, *options, "--rules", rules).exception)
    assert error.endswith("row 1 below the header: 'Kinds' is no attribute of the dataset; did you mean Kind?")


@pytest.mark.parametrize("options", [["--rules", "r.csv"], ["--examples", "0"]])
def test_options_of_contradictions_alone(folder, options):
    result = labels(folder, *options)
    assert str(result.exception) == "--rules and --examples go with --contradictions"
