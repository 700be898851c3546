import dataclasses
import typing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faceflip.analysis.comparability import GUESSES, Basis, departures
from faceflip.analysis.frames import in_order, read_attempts, read_csv, read_parquet, read_predictions, wide
from faceflip.analysis.names import checkpoint_name, display_name, images_of, lead_method, method_name, ordered
from faceflip.analysis.run import PAPER_PASS, RunDescription, describe
from faceflip.data.celeba import ATTRIBUTES, SPLIT_SIZES, official_split
from faceflip.errors import UserError
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.similarity.definition import parameters
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.workflow.plan import Plan
from faceflip.workflow.settings import Settings, merged, read_config
from specimen import specimen

ASPECTS = ("data", "attributes", "network", "sample", "attacks", "similarity", "threshold")
PROJECT = Path(__file__).parents[2]
CELEBA = {"source": "celeba", "images": SPLIT_SIZES, "official": SPLIT_SIZES, "width": 178, "height": 218}
PRESET = read_config(PROJECT, [PROJECT / "workflow/presets/paper.yaml"])


def described(overlay, manifest=CELEBA) -> RunDescription:
    """Describe a run of the paper's preset with something laid over it, on the whole of CelebA."""
    plan = Plan(Settings.of(merged(PRESET, overlay)))
    run = describe(manifest, plan.description())
    return dataclasses.replace(run, attacks={name: attack.options for name, attack in plan.attacks.items()})


def test_description_survives_the_file(made, tmp_path):
    path = tmp_path / "run.json"
    attacks = {"ffa-line": {"max_epsilon": 255}}
    for run in (dataclasses.replace(made.run, color="gray", attacks=attacks), described({})):
        path.write_text(run.to_json())
        assert RunDescription.from_json(path) == run


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"dataset": "celeba", "colour": 1}', "3", '{"networks": [1]}'])
def test_a_bad_description_names_the_file(tmp_path, content):
    path = tmp_path / "run.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"run\.json.*attack_list"):
        RunDescription.from_json(path)
    with pytest.raises(UserError, match=r"none\.json"):
        RunDescription.from_json(tmp_path / "none.json")


def test_the_line_says_first_that_faces_are_drawn(made):
    assert made.run.line.startswith("Synthetic faces")
    assert "separate networks for 5 attributes and MOON for 8; 30 training images attacked" in made.run.line
    assert "\n" not in made.run.line
    paper = described({})
    assert paper.line == (
        "CelebA, 162,770 / 19,867 / 19,962 images to train, validate and test; VGG-16, 178 x 218 pixels; separate "
        "networks for 40 attributes and MOON for 40; 1,000 training images attacked; adversarial from PASS 0.95 on."
    )
    assert dataclasses.replace(paper, color="gray").line.endswith("adversarial from PASS 0.95 of grey images on.")


MALE = {"attributes": ["Male"]}
WITHOUT = {"networks": dict.fromkeys(("euclidean", "softmax", "moon"))}


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        (MALE, "VGG-16, 178 x 218 pixels; separate networks for 1 attribute and MOON for 40; 1,000 training images"),
        (MALE | {"architecture": {"name": "torchvision/resnet18"}}, "; torchvision/resnet18, 178 x 218 pixels; "),
        (MALE | {"architecture": {"width": 0.5}}, "; VGG-16 at 0.5 of its width, 178 x 218 pixels; "),
        (
            {"networks": {"moon": {"architecture": {"name": "timm/resnet10t"}}}},
            "; VGG-16, timm/resnet10t, 178 x 218 pixels; ",
        ),
        ({"networks": {"moon": None}}, "; separate networks for 40 attributes; "),
        (
            merged(WITHOUT, {"networks": {"mine": {"loss": "bce", "per": "all"}}}),
            "; one network, BCE loss for 40 attributes; ",
        ),
        (
            {"networks": {"mine": {"loss": "bce", "per": "all"}}},
            "; separate networks for 40 attributes and joint networks (MOON; BCE, joint) for 40; ",
        ),
        ({"samples": {"paper": {"split": "test", "images": 1}}}, "; 1 test image attacked; "),
    ],
)
def test_the_line_says_which_networks_there_are(overlay, words):
    assert words in described(overlay).line


def test_describing_a_run():
    run = described({})
    assert run.attacked == ATTRIBUTES
    assert [(network.name, network.loss, network.joint) for network in run.networks] == [
        ("euclidean", "euclidean", False),
        ("softmax", "softmax", False),
        ("moon", "euclidean", True),
    ]
    assert [network.mark for network in run.networks] == ["", "", "M"]
    assert run.definition == parameters() == PAPER_PASS
    assert run.checkpoints == ["converged", "epoch2"]
    assert run.learned == list(ATTRIBUTES)


def told(run: RunDescription, *aspects: str) -> list[str]:
    """Return what sets a run apart from the paper."""
    return [each.text for each in departures(run, Basis(aspects))]


def test_the_preset_is_what_the_paper_did():
    assert told(described({}), *ASPECTS) == []


KEYS = {
    "network": [
        ("networks", network, group, name)
        for network in ("euclidean", "softmax", "moon")
        for group, options in (("architecture", ArchitectureOptions), ("training", TrainingOptions))
        for name in options.model_fields
        if name not in ("checkpoints", "seed")
    ],
    "attacks": [
        ("attacks", name, option)
        for name, attack in Plan(Settings.of(PRESET)).attacks.items()
        for option in attack.options
        if option != "fgs_scope"
    ],
    "similarity": [("similarity", "color")],
    "threshold": [("analysis", "threshold")],
    "sample": [("samples", "paper", "images"), ("samples", "paper", "split")],
    "attributes": [("attributes",)],
}
"""The keys of a configuration that decide what is computed on given faces, by the aspect that they belong to."""


def another_value(keys: tuple[str, ...]):
    """Return another value of a key than the preset's."""
    section, model = Settings.of(PRESET), Settings
    for key in keys:
        model = type(section)
        section = section[key] if isinstance(section, dict) else getattr(section, key)
    if keys[-1] == "name":
        return "torchvision/resnet18"
    if keys == ("attributes",):
        return ["Male"]
    if keys == ("analysis", "threshold"):
        return 0.9
    if isinstance(section, bool):
        return not section
    if isinstance(section, str):
        (kind,) = (each for each in [model.model_fields[keys[-1]].annotation] if typing.get_args(each))
        return next(value for value in typing.get_args(kind) if value != section)
    if isinstance(section, list):
        return [each + 1 for each in section]
    if isinstance(section, dict):
        return {"anything": 1}
    return section * 2 or 1 if isinstance(section, int) else section / 2 or 1


@pytest.mark.parametrize(("aspect", "keys"), [(aspect, keys) for aspect in KEYS for keys in KEYS[aspect]], ids=str)
def test_every_choice_but_the_papers_is_told(aspect, keys):
    overlay = another_value(keys)
    for key in reversed(keys):
        overlay = {key: overlay}
    run = described(overlay)
    (reason,) = told(run, *ASPECTS)
    assert "instead of" in reason or keys[-1] in reason
    assert told(run, aspect) == [reason]
    assert told(run, *(each for each in ASPECTS if each != aspect)) == []
    # What the paper does not say is told, and no reason not to compare.
    excused = [each.excused for each in departures(run, Basis(ASPECTS))]
    assert excused == [any(keys[-1] in names for names in GUESSES.values())]
    if keys[0] == "networks":
        network = run.network(keys[1])
        assert reason.endswith(f"({network.short})")


def test_all_networks_alike_are_told_once():
    run = described({"training": {"learning_rate": 0.1}})
    assert told(run, "network") == ["training with learning_rate 0.1 instead of 1e-05"]


@pytest.mark.parametrize(
    ("overlay", "reasons"),
    [
        # What the paper does not have makes its numbers no others.
        ({"networks": {"mine": {"loss": "bce", "training": {"batch_size": 8}}}}, []),
        ({"attacks": {"mine": {"direction": "ffa", "search": "doubling", "max_epsilon": 1}}}, []),
        ({"attacks": {"fgs-line": {"fgs_scope": "attribute"}}}, []),
        ({"attacks": {"ffa-iterative": {"search": "iterative"}, "ffa-line": {"direction": "ffa"}}}, []),
        ({"attacks": {"ffa-line": {"search": "scan"}}}, ["ffa-line with search scan"]),
        ({"attacks": {"fgs-line": {"direction": "ffa"}}}, ["fgs-line with direction ffa"]),
        # Weights that are kept besides change nothing, unless training has to go on for them.
        ({"training": {"checkpoints": [1, 2]}}, []),
        ({"training": {"seed": 7}}, []),
        ({"training": {"checkpoints": [2, 5]}}, ["training with checkpoints [2, 5] instead of [2]"]),
    ],
)
def test_what_counts_as_another_choice(overlay, reasons):
    assert told(described(overlay), *ASPECTS) == reasons


def test_data_of_others_is_told():
    few = {"train": 5, "validation": 3, "test": 2}
    small = CELEBA | {"images": few, "official": few}
    assert told(described({}, small), "data") == ["10 of CelebA's 202,599 images"]
    assert told(described({}, CELEBA | {"source": "synthetic"}), "data") == ["synthetic faces"]
    resized = described({}, CELEBA | {"width": 44, "height": 54})
    assert told(resized, "network") == ["input of 44 x 54 instead of 178 x 218 pixels"]
    pass_2 = dataclasses.replace(described({}), definition=PAPER_PASS | {"name": "pass-2"})
    assert told(pass_2, "similarity") == ["PASS with name pass-2 instead of pass-1"]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("000001.jpg", "train"),
        ("162770.png", "train"),
        ("162771.jpg", "validation"),
        ("182637.jpg", "validation"),
        ("182638.jpg", "test"),
        ("202599.jpg", "test"),
        ("202600.jpg", None),
        ("000000.jpg", None),
        ("1.jpg", None),
        ("face.jpg", None),
    ],
)
def test_where_celeba_has_an_image(name, split):
    assert official_split(name) == split


def test_the_paper_s_networks_are_found_under_any_name():
    networks = {"b": {"loss": "softmax"}, "c": {"loss": "euclidean", "per": "all"}, "a": {"loss": "euclidean"}}
    attacks = {(name, "converged"): ("ffa-line",) for name in networks}
    run = specimen(sample=2, test=2, attributes=("Male",), attacks=attacks, networks=networks).run
    assert [run.paper_network(role).name for role in ("euclidean", "softmax", "moon")] == ["a", "b", "c"]
    assert run.is_of_paper("a", "euclidean")
    assert not run.is_of_paper("a", "moon")
    only = dataclasses.replace(run, networks=run.networks[:1])
    assert only.paper_network("moon") is None
    assert not only.is_of_paper("c", "moon")


def test_names(made):
    assert display_name("5_o_Clock_Shadow") == "5 o'Clock Shadow"
    assert display_name("No_Beard") == "No Beard"
    assert checkpoint_name("epoch12") == "epoch 12"
    assert [made.run.method_name(*pair) for pair in (("moon", "ffa"), ("softmax", "fgs"))] == ["MFFA", "FGS"]
    assert [method_name("pgd"), method_name("deepfool")] == ["PGD", "deepfool"]
    assert [lead_method(["fgs", "ffa"]), lead_method(["mine", "fgs"])] == ["ffa", "mine"]
    found = ordered({"Young", "Zeal", "Bald", "Arched_Eyebrows"}, ATTRIBUTES)
    assert found == ["Arched_Eyebrows", "Bald", "Young", "Zeal"]


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
        read_attempts(path, made.run)
    path.write_bytes(b"no table")
    with pytest.raises(UserError, match=r"attempts\.parquet"):
        read_attempts(path, made.run)
    made.attempts.drop(columns="pass").to_parquet(path)
    with pytest.raises(UserError, match="lacks the columns pass"):
        read_attempts(path, made.run)
    unscored = made.attempts.copy()
    unscored.loc[unscored.index[unscored["flipped"]][:3], "pass"] = np.nan
    unscored.to_parquet(path)
    with pytest.raises(UserError, match="3 flipped attempts have no PASS"):
        read_attempts(path, made.run)
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


@pytest.mark.parametrize("networks", [["a"], ["a", "c"], ["nobody"], [], None])
def test_rows_of_some_networks_are_read(tmp_path, networks):
    path = tmp_path / "predictions.parquet"
    table = pd.DataFrame({"network": list("abca"), "image": [4, 3, 2, 1], "changed": [True, False, True, False]})
    table.to_parquet(path, index=False)
    frame = read_parquet(path, ["image", "changed"], networks=networks)
    expected = table if networks is None else table[table["network"].isin(networks)]
    assert list(frame.columns) == ["image", "changed"]
    assert frame["image"].tolist() == expected["image"].tolist()
    assert frame["changed"].tolist() == expected["changed"].tolist()


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


def test_only_the_run_s_sample_is_read(tmp_path, made):
    other = made.attempts.assign(sample="other")
    pd.concat([other, made.attempts]).to_parquet(tmp_path / "attempts.parquet")
    found = read_attempts(tmp_path / "attempts.parquet", made.run)
    assert len(found) == len(made.attempts)
    assert found["image"].tolist() == made.attempts["image"].tolist()
    pd.concat([made.predictions.assign(sample="other", split="sample"), made.predictions]).to_parquet(
        tmp_path / "predictions.parquet"
    )
    assert len(read_predictions(tmp_path / "predictions.parquet", made.run, "score")) == len(made.predictions)


@pytest.mark.parametrize(
    ("split", "images", "words"),
    [("train", 1000, "1,000 training images"), ("validation", 2, "2 validation images"), ("test", 1, "1 test image")],
)
def test_samples_in_words(split, images, words):
    assert images_of({"split": split, "images": images}) == words
