"""Configurations and results of faceflip 0.1: what is said, and that following it helps."""

from pathlib import Path

import pytest
import yaml

from faceflip.errors import UserError
from faceflip.workflow.migration import require_results_of_today
from faceflip.workflow.settings import Settings, merged, read_config

ROOT = Path(__file__).parents[2]
DEFAULT = read_config(ROOT)

OF_0_1 = """
seed: 2018
dataset: {celeba: null, leave_out_bad_images: false, image_size: [44, 54]}
synthetic: {train: 1600, validation: 300, test: 400, mislabelled: 0.04}
sample: {images: 100}
attributes: [Bangs, Black_Hair, Eyeglasses, Male, Mouth_Slightly_Open, Smiling, Wavy_Hair, Wearing_Lipstick]
network:
  architecture: vgg16
  width: 0.125
  dropout: 0.2
  input_mean: [129.1863, 104.7624, 93.5940]
  input_scale: 0.015625
  initialisation: msra
  pooling: ceil
training:
  separate: &training
    batch_size: 16
    learning_rate: 7.0e-4
    gamma: 1.0e-4
    power: 0.75
    rms_decay: 0.98
    rms_delta: 1.0e-8
    early_epoch: 2
    max_epochs: 5
    patience: 3
    precision: float32
    tf32: false
    compile: false
  moon:
    <<: *training
    max_epochs: 8
attacks:
  fgs-line: {search: doubling, max_epsilon: 255, fgs_label: current}
  fgs-iterative: {max_steps: 40, fgs_label: current}
  ffa-line: {search: doubling, max_epsilon: 255, ffa_target: current, ffa_objective: scores}
  ffa-iterative: {max_steps: 40, ffa_target: current, ffa_objective: scores}
experiments:
  euclidean: {converged: [fgs-line, fgs-iterative, ffa-line, ffa-iterative], epoch2: [fgs-line, ffa-line]}
  softmax: {converged: [fgs-line, fgs-iterative, ffa-line, ffa-iterative], epoch2: [fgs-line, ffa-line]}
  moon: {converged: [ffa-line, ffa-iterative], epoch2: []}
compute:
  device: auto
  shard_size: 800
  batch_size: 32
  threads: {pack: 2, train: 1, attack: 1, score: 1}
  jobs_per_gpu: 1
  save_every: 300
  training_images: auto
store: {compression: gzip}
similarity: {color: rgb, engine: auto}
analysis:
  thresholds: [0, 0.9, 0.95, 0.99]
  threshold: 0.95
  intervals: true
  scan_images: 10
  order: official
"""
"""The config.yaml of faceflip 0.1 without its comments."""


def pasted(below, old):
    """Read a configuration of 0.1 laid over another, do what the message says, and return the settings."""
    with pytest.raises(UserError, match=r"keys of faceflip 0\.1\. Put this in their place") as error:
        Settings.of(merged(below, old))
    new = yaml.safe_load(str(error.value).partition("\n\n")[2])
    rest = {key: value for key, value in old.items() if key not in ("sample", "network", "training", "experiments")}
    return Settings.of(merged(below, merged(rest, new)))


@pytest.mark.parametrize("below", [{}, DEFAULT], ids=["instead", "overlay"])
def test_the_default_of_0_1_becomes_the_default_of_today(below):
    then = {"networks": {"moon": {"training": {"max_epochs": 8}}}, "analysis": {"scan_images": 10}}
    settings, today = pasted(below, yaml.safe_load(OF_0_1)), Settings.of(merged(DEFAULT, then))
    for name in Settings.model_fields:
        if name not in ("attacks", "experiments", "compute"):
            assert getattr(settings, name) == getattr(today, name), name
    changes_nothing = {"networks_per_job"}
    assert settings.compute.model_dump(exclude=changes_nothing) == today.compute.model_dump(exclude=changes_nothing)
    for name, attack in settings.attacks.items():
        kept = {"search": attack.search} | ({"max_steps": 40} if name.endswith("-iterative") else {})  # 100 today
        assert today.attacks[name].model_dump() | kept == attack.model_dump()
    assert settings.experiments["paper"]["moon"] == {"converged": ["ffa-line", "ffa-iterative"], "epoch2": []}


def test_overlays_of_0_1_keep_their_meaning():
    settings = pasted(DEFAULT, {"sample": {"images": 12}, "network": {"width": 0.5, "architecture": "resnet18"}})
    assert settings.samples["paper"].images == 12
    assert settings.networks["moon"].architecture.name == "torchvision/resnet18"
    settings = pasted(DEFAULT, {"training": {"separate": {"max_epochs": 4, "learning_rate": 0.5}}})
    assert settings.networks["softmax"].training.max_epochs == 4
    assert settings.networks["softmax"].training.learning_rate == 0.5
    assert settings.networks["moon"].training.max_epochs == DEFAULT["networks"]["moon"]["training"]["max_epochs"]
    assert settings.networks["moon"].training.learning_rate == DEFAULT["training"]["learning_rate"]
    settings = pasted(DEFAULT, {"training": {"separate": {"max_epochs": 4}, "moon": {"max_epochs": 4}}})
    assert settings.networks["moon"].training.max_epochs == 4
    settings = pasted(DEFAULT, {"experiments": {"moon": {"epoch2": ["ffa-line"]}}})
    assert settings.experiments["paper"]["moon"] == {"converged": ["ffa-line", "ffa-iterative"], "epoch2": ["ffa-line"]}


def test_the_early_epoch_gets_its_right_name():
    settings = pasted(DEFAULT, {"training": {"separate": {"early_epoch": 3}, "moon": {"early_epoch": 3}}})
    assert settings.training.checkpoints == [3]
    assert settings.training.min_epochs == 3
    assert settings.experiments["paper"]["euclidean"]["epoch3"] == ["fgs-line", "ffa-line"]
    old = yaml.safe_load(OF_0_1.replace("early_epoch: 2", "early_epoch: 4"))
    for below in ({}, DEFAULT):
        assert list(pasted(below, old).experiments["paper"]["softmax"]) == ["converged", "epoch4"]


def test_keys_of_0_1_that_hold_nothing_are_unknown():
    with pytest.raises(UserError, match="sample: unknown key; did you mean samples"):
        Settings.of({**DEFAULT, "sample": None})


@pytest.mark.parametrize("file", ["networks/moon/converged.pt", "dataset/sample.csv", "portability"])
def test_results_of_0_1_are_recognised(tmp_path, file):
    require_results_of_today(tmp_path)
    (tmp_path / "results" / file).mkdir(parents=True)
    with pytest.raises(UserError, match=r"results of faceflip 0\.1.*mv results results-0\.1"):
        require_results_of_today(tmp_path)
