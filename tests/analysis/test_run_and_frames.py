import dataclasses
from copy import deepcopy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faceflip.analysis.frames import in_order, read_attempts, read_csv, read_parquet, wide
from faceflip.analysis.names import display_name, method_name, ordered
from faceflip.analysis.run import PAPER_NETWORK, PAPER_PASS, PAPER_TRAINING, RunDescription, describe
from faceflip.data.celeba import ATTRIBUTES, SPLIT_SIZES
from faceflip.errors import UserError
from faceflip.similarity import parameters
from faceflip.workflow.config import read_config

ASPECTS = ("data", "attributes", "network", "sample", "attacks", "similarity", "threshold")
PROJECT = Path(__file__).parents[2]
CELEBA = {"source": "celeba", "images": SPLIT_SIZES, "width": 178, "height": 218, "format": "faceflip-dataset"}


def test_description_survives_the_file(made, tmp_path):
    path = tmp_path / "run.json"
    run = dataclasses.replace(made.run, color="gray", attacks={"ffa-line": {"max_epsilon": 255}})
    path.write_text(run.to_json())
    assert RunDescription.from_json(path) == run


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"dataset": "celeba", "colour": 1}', "3"])
def test_a_bad_description_names_the_file(tmp_path, content):
    path = tmp_path / "run.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"run\.json.*moon_attributes"):
        RunDescription.from_json(path)
    with pytest.raises(UserError, match=r"none\.json"):
        RunDescription.from_json(tmp_path / "none.json")


def test_the_line_says_first_that_faces_are_drawn(made):
    assert made.run.line.startswith("Synthetic faces")
    assert "separate networks for 5 attributes and MOON for 8; 30 training images attacked" in made.run.line
    assert "\n" not in made.run.line
    paper = RunDescription("celeba", SPLIT_SIZES, 1000, ATTRIBUTES, ATTRIBUTES)
    assert paper.line == (
        "CelebA, 162,770 / 19,867 / 19,962 images to train, validate and test; VGG-16, 178 x 218 pixels; separate "
        "networks for 40 attributes and MOON for 40; 1,000 training images attacked; adversarial from PASS 0.95 on."
    )
    assert list(paper.not_of_paper(*ASPECTS)) == []
    assert dataclasses.replace(paper, color="gray").line.endswith("adversarial from PASS 0.95 of grey images on.")


def test_describing_a_run():
    choices = {
        "seed": 1,
        "attributes": "all",
        "sample": {"images": 1000},
        "network": {"architecture": "vgg16", "width": 1.0} | PAPER_NETWORK,
        "training": {"separate": PAPER_TRAINING | {"more": 1}, "moon": PAPER_TRAINING},
        "similarity": {"color": "rgb"},
        "analysis": {"threshold": 0.95, "thresholds": [0, 0.9, 0.95, 0.99], "order": "official"},
    }
    run = describe(CELEBA, networks=["euclidean", "moon"], **choices)
    assert run.attributes == run.moon_attributes == ATTRIBUTES
    assert run.definition == parameters() == PAPER_PASS
    assert list(run.not_of_paper(*ASPECTS)) == []
    choices |= {"network": choices["network"] | {"architecture": "resnet18", "width": 0.5}, "attributes": ["Male"]}
    other = describe(CELEBA | {"source": "synthetic"}, networks=["moon"], **choices)
    assert list(other.not_of_paper("data", "attributes", "network")) == [
        "synthetic faces",
        "1 of 40 attributes",
        "network resnet18 instead of VGG-16",
    ]
    assert "; resnet18, 178 x 218 pixels; separate networks for 1 attribute and MOON for 40; " in other.line
    without = describe(CELEBA, networks=["euclidean", "softmax"], **choices)
    assert without.moon_attributes == ()
    assert "; separate networks for 1 attribute; " in without.line


def described(config) -> RunDescription:
    """Describe a run on the whole of CelebA by this configuration."""
    parts = ("seed", "sample", "attributes", "network", "training", "similarity", "analysis")
    run = describe(CELEBA, networks=list(config["experiments"]), **{part: config[part] for part in parts})
    return dataclasses.replace(run, attacks=config["attacks"])


PAPER_CONFIG = read_config(PROJECT, [PROJECT / "workflow/presets/paper.yaml"])
CHOICES = [
    *(("network", name) for name in PAPER_CONFIG["network"]),
    *(("training", kind, name) for kind in ("separate", "moon") for name in PAPER_CONFIG["training"][kind]),
    *(("attacks", attack, name) for attack, options in PAPER_CONFIG["attacks"].items() for name in options),
    ("similarity", "color"),
    ("analysis", "threshold"),
    ("sample", "images"),
]
"""All keys of a configuration that decide what is computed on given faces."""


def test_the_preset_is_what_the_paper_did():
    assert list(described(PAPER_CONFIG).not_of_paper(*ASPECTS)) == []


@pytest.mark.parametrize("keys", CHOICES, ids=".".join)
def test_every_choice_but_the_papers_is_told(keys):
    config = deepcopy(PAPER_CONFIG)
    section = config
    for key in keys[:-1]:
        section = section[key]
    value = section[keys[-1]]
    if isinstance(value, bool):
        section[keys[-1]] = not value
    else:
        section[keys[-1]] = "other" if isinstance(value, str) else value * 2
    (reason,) = described(config).not_of_paper(*ASPECTS)
    assert "instead of" in reason or keys[-1] in reason


def test_names():
    assert display_name("5_o_Clock_Shadow") == "5 o'Clock Shadow"
    assert display_name("No_Beard") == "No Beard"
    assert [method_name("moon", "ffa"), method_name("softmax", "fgs")] == ["MFFA", "FGS"]
    assert ordered({"Young", "Zeal", "Bald", "Arched_Eyebrows"}) == ["Arched_Eyebrows", "Bald", "Young", "Zeal"]


def test_text_becomes_categories_in_order(tmp_path):
    path = tmp_path / "table.parquet"
    pd.DataFrame({"name": ["b", "a", "b"], "value": [1.5, np.nan, 2], "more": 0}).to_parquet(path)
    frame = read_parquet(path, ["value", "name"])
    assert list(frame.columns) == ["value", "name"]
    assert list(frame["name"].cat.categories) == ["a", "b"]
    assert frame["name"].tolist() == ["b", "a", "b"]


def test_what_cannot_be_read_is_named(tmp_path, made):
    path = tmp_path / "attempts.parquet"
    with pytest.raises(UserError, match=r"attempts\.parquet"):
        read_attempts(path)
    path.write_bytes(b"no table")
    with pytest.raises(UserError, match=r"attempts\.parquet"):
        read_attempts(path)
    made.attempts.drop(columns="pass").to_parquet(path)
    with pytest.raises(UserError, match="lacks the columns pass"):
        read_attempts(path)
    unscored = made.attempts.copy()
    unscored.loc[unscored.index[unscored["flipped"]][:3], "pass"] = np.nan
    unscored.to_parquet(path)
    with pytest.raises(UserError, match="3 flipped attempts have no PASS"):
        read_attempts(path)
    with pytest.raises(UserError, match=r"none\.csv"):
        read_csv(tmp_path / "none.csv")
    (tmp_path / "none.csv").write_text("")
    with pytest.raises(UserError, match=r"none\.csv"):
        read_csv(tmp_path / "none.csv")


def test_a_stage_with_nothing_to_do_leaves_an_empty_table(tmp_path):
    path = tmp_path / "transfers.parquet"
    pd.DataFrame().to_parquet(path)
    frame = read_parquet(path, ["network", "changed"])
    assert frame.empty
    assert list(frame.columns) == ["network", "changed"]


def test_csv_keeps_words_that_look_like_something_missing(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("sign,value\nNA,\n-,0.1\n")
    frame = read_csv(path)
    assert frame["sign"].tolist() == ["NA", "-"]
    assert frame["value"].isna().tolist() == [True, False]


def test_duplicates_are_no_matrix():
    with pytest.raises(ValueError, match="duplicate"):
        wide(pd.DataFrame({"a": [1, 1], "b": [2, 2], "c": [3, 4]}), "a", "b", "c")


def test_in_order():
    frame = pd.DataFrame({"a": ["x", "y", "z", "x"], "b": [1, 2, 3, 0]})
    assert in_order(frame, {"a": ["y", "x"], "b": [0, 1]})["b"].tolist() == [2, 0, 1, 3]
