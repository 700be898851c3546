"""Networks that were trained elsewhere, in a configuration and in a run: from their files to every table."""

import importlib.metadata
import json

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from running import ROOT, Workflow

from faceflip.attempt import Experiment
from faceflip.errors import UserError
from faceflip.workflow.estimate import Estimate
from faceflip.workflow.jobs import rules_of
from faceflip.workflow.plan import Plan
from faceflip.workflow.preflight import require_brought, require_networks
from faceflip.workflow.settings import Settings, merged, read_config

DEFAULT = merged(
    read_config(ROOT, [ROOT / "tests/robustness/micro.yaml"]), {"analysis": {"tables": "all", "figures": "all"}}
)

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

CODE = """
from torch import nn

def build(outputs=2):
    return nn.Sequential(nn.Conv2d(3, 4, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                         nn.Linear(16, outputs))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a network of your own and files that look like weights."""
    (tmp_path / "net.py").write_text(CODE)
    for name in ("w.pt", "w.safetensors", "p.ts"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mine(experiments=None, **values):
    network = {"file": "net.py:build", "loss": "bce", "attributes": ["Smiling", "Male"], **values}
    network = {key: each for key, each in network.items() if each is not None}
    experiments = experiments or {"given": ["ffa-line"]}
    return merged(DEFAULT, {"networks": {"mine": network}, "experiments": {"paper": {"mine": experiments}}})


ZOO = {"file": "timm/resnet10t", "weights": "w.safetensors", "input": {"scale": "1/255"}}

BAD = {
    "weights without code": ({"file": None, "weights": "w.pt"}, "weights: is of a network that was trained elsewhere"),
    "a file that names nothing in it": ({"file": "net.py"}, "name what builds the network in it: net.py:NAME"),
    "an unknown collection": ({"file": "tim/resnet"}, "'tim/resnet' is none of FILE.py:NAME, .*did you mean timm"),
    "code that is not there": ({"file": "nets.py:build"}, r"file: nets\.py: no such file; paths are seen from"),
    "a program that is not there": ({"file": "q.pt2"}, r"file: q\.pt2: no such file"),
    "weights that are not there": ({"weights": "v.pt"}, r"networks\.mine\.weights: v\.pt: no such file"),
    "a collection's network without weights": (ZOO | {"weights": None}, "weights: missing; .* nothing is download"),
    "a collection's network without its input": (ZOO | {"input": None}, "input: missing; say how it saw images"),
    "a program with weights": ({"file": "p.ts", "weights": "w.pt"}, r"weights: the program p\.ts has its"),
    "a program with options": ({"file": "p.ts", "options": {"a": 1}}, r"options: the program p\.ts has its weights"),
    "a network an attribute": ({"per": "attribute"}, "per: a network with a `file` is one network of all"),
    "an architecture": ({"architecture": {"width": 0.5}}, "architecture: a network with a `file` is built"),
    "a training": ({"training": {"max_epochs": 3}}, "training: a network with a `file` is built by it and"),
    "two means": ({"input": {"mean": [0.5, 0.5]}}, r"input\.mean: \[0\.5, 0\.5\] is too short, expected 3 entries"),
    "four deviations": ({"input": {"std": [1.0] * 4}}, r"input\.std: .* is too long, expected 3 entries"),
    "a deviation of nothing": ({"input": {"std": [1.0, 0.0, 1.0]}}, r"input\.std\[1\]: expected a number above 0"),
    "a scale of nothing": ({"input": {"scale": 0}}, r"input\.scale: expected a number above 0"),
    "a scale in words": ({"input": {"scale": "one"}}, r"input\.scale: expected a number, found 'one'"),
    "one side": ({"input": {"size": [64]}}, r"input\.size: \[64\] is too short, expected 2 entries"),
    "channels mixed up": ({"input": {"order": "rbg"}}, r"input\.order: 'rbg' is none of rgb, bgr; did you mean rgb"),
    "an unknown key": ({"input": {"means": [1.0] * 3}}, r"input\.means: unknown key; did you mean mean"),
    "a column twice": ({"outputs": [1, 1]}, r"outputs: \[1, 1\] names a column twice"),
    "three columns for two": ({"outputs": [1, 2, 3]}, "outputs: 3 columns for 2 attributes; expected one for"),
    "a column before the first": ({"outputs": [-1, 0]}, "outputs: expected columns from 0 on: a list, or a mapping of"),
    "columns in words": ({"outputs": "first"}, "outputs: expected columns from 0 on"),
    "a column of another": ({"outputs": {"Smiling": 0, "Young": 1}}, "outputs: Male, Young: stands in only one of"),
    "one logit for one of them": (
        {"outputs": {"Smiling": [0, 1], "Male": 2}}, r"outputs: expected a column for each attribute, or \[ABSENT, P"),
    "an unknown attribute": ({"attributes": ["Smilling"]}, r"attributes\[0\]: 'Smilling' is not an attribute"),
    "an entry of safetensors": ({"weights": "w.safetensors", "entry": "ema"}, "entry: a safetensors file has no"),
    "an unknown loss": ({"loss": "bse"}, "loss: there is no loss 'bse'; did you mean bce"),
}  # fmt: skip
"""Keys of a network, and what is said of them."""


@pytest.mark.parametrize(("values", "message"), BAD.values(), ids=BAD)
@pytest.mark.usefixtures("folder")
def test_bad_configurations_are_refused_before_anything_is_spent(values, message):
    with pytest.raises(UserError, match=message) as error:
        Settings.of(mine(**values))
    assert "networks.mine" in str(error.value)


@pytest.mark.parametrize(
    ("experiments", "message"),
    [
        ({"converged": ["ffa-line"]}, r"mine keeps no such checkpoint, it has given \(it was trained elsewhere\)"),
        ({"given": ["fgs-line"]}, "fgs-line raises the loss of all attributes of the network and cannot pick one"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_experiments_on_it_are_checked(experiments, message):
    with pytest.raises(UserError, match=message):
        Settings.of(mine(experiments))
    trained = merged(mine(), {"experiments": {"paper": {"moon": {"given": ["ffa-line"]}}}})
    with pytest.raises(UserError, match="moon keeps no such checkpoint, it has epoch2, converged"):
        Settings.of(trained)


@pytest.mark.usefixtures("folder")
def test_it_is_planned_beside_others():
    plan = Plan(Settings.of(mine(outputs={"Male": 1, "Smiling": 0}, attributes=None)))
    network = plan.networks["mine"]
    assert list(plan.networks)[-1] == "mine", "after those that are trained"
    assert (network.joint, network.members, network.checkpoints, network.final) == (True, ("all",), ["given"], "given")
    assert network.attributes == ("Male", "Smiling")
    assert network.settings.columns == [1, 0]
    assert Experiment("paper", "mine", "given", "ffa-line") in plan.experiments
    rules = rules_of(plan)
    assert rules["bring_network"].files == [
        "results/networks/mine/all/given.pt",
        "results/networks/mine/all/preflight.csv",
    ]
    assert not any("/mine/" in file for file in rules["train_network"].files)
    assert "results/predictions/mine/000.parquet" in rules["predict_network"].files
    assert network.description()["training"] == {}


@pytest.mark.parametrize(
    ("values", "package"),
    [
        (ZOO, "timm"),
        (ZOO | {"file": "torchvision/resnet18"}, "torchvision"),
        ({"file": "torchvision.models:resnet18"}, "torchvision"),
        ({}, None),
        ({"file": "p.ts"}, None),
    ],
)
@pytest.mark.usefixtures("folder")
def test_another_version_of_its_library_brings_it_anew(values, package):
    network = Plan(Settings.of(mine(**values))).networks["mine"]
    assert network.library == (package and f"{package} {importlib.metadata.version(package)}")
    assert (
        "library=lambda wildcards: network_of(wildcards).library,"
        in (
            (ROOT / "workflow/rules/networks.smk")
            .read_text()
            .partition("rule bring_network:")[2]
            .partition("\nrule ")[0]
        )
    )


@pytest.mark.usefixtures("folder")
def test_what_was_planned_without_it_stays_as_it_was():
    """Names, colours, numbers and files of others, but for the lists that name all."""
    without, with_it = Plan(Settings.of(DEFAULT)), Plan(Settings.of(mine()))
    for name, network in without.networks.items():
        assert with_it.networks[name].description() == network.description()
    assert with_it.experiments[: len(without.experiments)] == without.experiments
    assert with_it.transfers[: len(without.transfers)] == without.transfers


@pytest.mark.usefixtures("folder")
def test_adversarial_images_are_shown_to_networks_that_share_an_attribute():
    config = merged(mine({"given": ["ffa-line", "ffa-iterative"]}, attributes=["Male", "Smiling"]),
                    {"attributes": ["Smiling", "Male", "Young"]})  # fmt: skip
    plan = Plan(Settings.of(config))

    def pairs(plan):
        return {(each.network, other.name) for each in plan.between for other in plan.others(each)}

    assert pairs(plan) == {(name, "mine") for name in ("euclidean", "softmax", "moon")} | {
        ("mine", name) for name in ("euclidean", "softmax", "moon")
    }
    assert {(each.network, each.attack) for each in plan.between} == {
        ("euclidean", "ffa-line"), ("softmax", "fgs-line"), ("moon", "ffa-line"), ("mine", "ffa-line")
    }  # fmt: skip
    assert {each.checkpoint for each in plan.between} == {"converged", "given"}
    of_mine = Experiment("paper", "mine", "given", "ffa-line")
    images = plan.settings.samples["paper"].images
    of_male = next(shard for shard in plan.shards(of_mine) if plan.first_attempt(shard) >= images)
    assert plan.networks["mine"].attacked == ("Smiling", "Male")
    shown = {other.name: members for other, members in plan.targets_between(of_mine, of_male)}
    assert shown == {"euclidean": ["Male"], "softmax": ["Male"], "moon": ["all"]}
    assert "transferability_between" in plan.tables
    everybody = Plan(Settings.of(merged(config, {"analysis": {"between": "all"}})))
    assert ("euclidean", "moon") in pairs(everybody)
    for nobody in (merged(config, {"analysis": {"between": "none"}}), DEFAULT):
        plan = Plan(Settings.of(nobody))
        assert plan.between == ()
        assert "transferability_between" not in plan.tables
        assert not rules_of(plan)["collect_between"].jobs


@pytest.mark.usefixtures("folder")
def test_networks_that_cannot_be_brought_are_told_together():
    config = merged(mine(weights="w.pt"), {"networks": {"other": {"file": "net.py:build", "loss": "softmax",
                                                                  "attributes": ["Smiling", "Male"]}}})  # fmt: skip
    with pytest.raises(UserError) as error:
        require_networks(config)
    first, second = sorted(str(error.value).splitlines())
    assert first.startswith("network mine: w.pt: neither safetensors nor what torch.save writes")
    assert second.startswith("network other: net.py:build: gives 2 outputs an image, expected 4 for 2 attributes")
    require_networks(config, ["moon"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "print('noise'); import sys; sys.stderr.write('more')",
            r"^network mine: net\.py:build: gives NoneType, expected",
        ),
        (
            "import os; os.write(2, b'lost its way\\n'); os._exit(7)",
            "network mine: trying it out ended with status 7: lost",
        ),
    ],
)
def test_a_network_is_tried_out_in_a_process_of_its_own(folder, code, message):
    """What its code prints, and how it ends, is not the run's."""
    (folder / "net.py").write_text(f"def build():\n    {code}\n")
    with pytest.raises(UserError, match=message):
        require_brought(mine(), ["mine"])
    (folder / "net.py").write_text(CODE)
    require_brought(mine(), ["mine"])


@pytest.mark.slow
def test_a_network_is_tried_out_with_the_modules_that_jobs_have(folder):
    """What lies in the working directory is none of them, unless the network's own file lies there."""
    (folder / "nets").mkdir()
    (folder / "json.py").write_text("raise SystemExit('not the standard library')")
    (folder / "beside.py").touch()
    (folder / "nets/own.py").write_text(f"import beside\n{CODE}")
    with pytest.raises(UserError, match=r"network mine: nets/own\.py:build: .*No module named 'beside'"):
        require_brought(mine(file="nets/own.py:build"), ["mine"])
    (folder / "beside.py").rename(folder / "nets/beside.py")
    require_brought(mine(file="nets/own.py:build"), ["mine"])


def test_its_cost_is_estimated(folder):
    torch.save({}, folder / "unused.pt")
    estimate = Estimate.of(Settings.of(mine(input={"size": [20, 20]})))
    assert estimate.costs["mine"].training == 0
    convolution, head, resizing = 6 * 6 * 4 * 75, 16 * 2, 3 * (20 * 54 * 44 + 20 * 44 * 20)
    assert estimate.costs["mine"].forward == convolution + head + resizing
    assert not any("mine" in stage for stage in estimate.multiply_adds())


# A run of a stranger: a network of timm with its own normalisation and size, and a program.


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    timm = pytest.importorskip("timm")
    folder = tmp_path_factory.mktemp("brought")
    torch.manual_seed(0)
    network = timm.create_model("resnet10t", num_classes=3).eval()
    # As Lightning keeps it, in half precision.
    state = {f"net.{name}": each for name, each in network.half().state_dict().items()}
    torch.save({"epoch": 1, "state_dict": state, "hyper_parameters": {"lr": 0.1}}, folder / "last.ckpt")
    own = {
        "networks": {
            **dict.fromkeys(("euclidean", "softmax", "moon")),
            "zoo": {
                "file": "timm/resnet10t",
                "weights": "last.ckpt",
                "loss": "bce",
                "outputs": {"Smiling": 2, "Male": 0},
                "options": {"num_classes": 3},
                "input": {"size": [64, 64], "scale": "1/255", "mean": MEAN, "std": STD},
            },
        },
        "attributes": ["Smiling", "Male"],
        "experiments": {"paper": {"zoo": {"given": ["ffa-line", "ffa-iterative"]}}},
        "compute": {"shard_size": 100},
    }
    (folder / "own.yaml").write_text(yaml.safe_dump(own))
    workflow = Workflow(folder, [ROOT / "tests/robustness/micro.yaml", folder / "own.yaml"])
    workflow("--cores", 2)
    workflow.network = network
    return workflow


@pytest.mark.workflow
@pytest.mark.slow
def test_a_run_of_brought_networks_alone(run):
    results = run.directory / "results"
    attempts = pd.read_parquet(results / "attempts.parquet")
    assert set(map(tuple, attempts[["network", "checkpoint", "attack"]].to_numpy())) == {
        ("zoo", "given", "ffa-line"),
        ("zoo", "given", "ffa-iterative"),
    }
    predictions = pd.read_parquet(results / "predictions.parquet")
    assert set(predictions["checkpoint"]) == {"given"}
    flippability = pd.read_csv(results / "tables/flippability.csv")
    assert set(flippability["network"]) == {"zoo"}
    assert flippability["total"].sum() > 0
    warnings = pd.read_csv(results / "tables/warnings.csv")
    found = pd.read_csv(results / "networks/zoo/all/preflight.csv")
    for text in found["text"]:
        assert warnings["text"].str.contains(text, regex=False).any()
    transfers = pd.read_parquet(results / "transfers.parquet")
    assert set(transfers["target"]) == {"Smiling", "Male"}
    assert json.loads((results / "run.json").read_text())["networks"][0]["checkpoints"] == ["given"]
    assert "trained elsewhere, timm/resnet10t" in (results / "README.md").read_text()
    assert "Nothing to be done" in run.said("--cores", 2)


@pytest.mark.workflow
@pytest.mark.slow
def test_scores_are_those_of_the_network_as_its_owner_runs_it(run):
    """With torchvision's own resizing, on [0, 1], normalised."""
    from torchvision.transforms.v2 import functional

    from faceflip.data.packed import open_dataset

    dataset = open_dataset(run.directory / "results/dataset/faces.h5")
    predictions = pd.read_parquet(run.directory / "results/predictions.parquet")
    test = predictions[(predictions["split"] == "test") & (predictions["attribute"] == "Smiling")]
    images = torch.from_numpy(np.array(dataset.images[test["image"]])).permute(0, 3, 1, 2).float() / 255
    seen = functional.normalize(functional.resize(images, [64, 64], antialias=True), MEAN, STD)
    network = run.network.float()
    with torch.inference_mode():
        expected = network(seen)[:, 2].numpy()
    np.testing.assert_allclose(test["score"], expected, rtol=1e-3, atol=1e-4)


@pytest.mark.workflow
@pytest.mark.slow
def test_attacks_stay_on_the_dataset_s_pixels(run):
    with h5py.File(run.directory / "results/attacks/paper/zoo/given/ffa-line/000.h5") as store:
        assert store["perturbation"].shape[1:] == (54, 44, 3)
        assert store["flipped"][:].any()


@pytest.mark.workflow
@pytest.mark.slow
def test_other_weights_remake_it_and_what_hangs_on_it(run):
    content = torch.load(run.directory / "last.ckpt")
    torch.save({**content, "epoch": 2}, run.directory / "other.ckpt")
    changed = run.with_overlay(networks={"zoo": {"weights": "other.ckpt"}})
    jobs = changed.planned()
    assert {"bring_network", "predict_network", "attack_shard"} <= jobs.keys()
    assert "pack_dataset" not in jobs
    torch.save({"state_dict": {"net.fc.weight": torch.ones(3)}}, run.directory / "other.ckpt")
    said = changed.said("--cores", 2, check=False)
    assert "other.ckpt: the weights do not fit: it lacks " in said
    assert "Traceback" not in said
    assert "rule bring_network" not in said, "it is told before a job is started"
