import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from faceflip.cli import plan as module
from faceflip.cli.app import app
from faceflip.data.celeba import SPLIT_SIZES
from faceflip.errors import UserError
from faceflip.networks import NetworkSpec
from faceflip.training import TrainingOptions
from faceflip.training.probe import images_per_second
from faceflip.workflow.config import read_config
from faceflip.workflow.estimate import Cost, Estimate, cost_of

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "workflow/presets/paper.yaml"


def planned(*arguments):
    result = CliRunner().invoke(app, ["plan", "--project", str(ROOT), *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_cost_of_the_full_network_by_hand():
    """13 convolutions of 9 in out per pixel, after each pool half as many rows and columns, rounded up."""
    sides = [(218, 178), (109, 89), (55, 45), (28, 23), (14, 12)]
    stages = [[(3, 64), (64, 64)], [(64, 128), (128, 128)], [(128, 256)] + [(256, 256)] * 2]
    stages += [[(256, 512)] + [(512, 512)] * 2, [(512, 512)] * 3]
    layers = [
        9 * a * b * rows * columns for (rows, columns), stage in zip(sides, stages, strict=True) for a, b in stage
    ]
    layers += [7 * 6 * 512 * 4096, 4096 * 4096, 4096]
    forward = sum(layers)
    # Weights' gradients cost as much again, and so do those of a layer's input, which the first layer does not need.
    expected = Cost(forward, 2 * forward, 3 * forward - layers[0], 119_584_577)
    assert cost_of(NetworkSpec("euclidean", ("Smiling",), (178, 218))) == expected


def test_work_follows_the_written_formulas():
    estimate = Estimate.of(read_config(ROOT, [PAPER]))
    assert estimate.images == SPLIT_SIZES
    cost, moon = estimate.costs["euclidean"], estimate.costs["moon"]
    work = estimate.multiply_adds()
    learned = 162_770 // 64 * 64
    assert work["training of MOON"] == 10 * (learned * moon.training + 19_867 * moon.forward)
    softmax = estimate.costs["softmax"]
    assert work["predictions"] == 2 * 20_962 * (40 * cost.forward + 40 * softmax.forward + moon.forward)
    assert estimate.attempts == 40_000
    # Four experiments; every target sees 40,000 adversarial images and, in each shard, 1,000 unperturbed ones.
    shown = 40_000 + 1_000 * len(estimate.plan.shards)
    assert work["transfer"] == 2 * shown * 40 * cost.forward + 2 * shown * moon.forward
    disk = estimate.disk()
    assert disk["packed dataset"] == pytest.approx(202_599 * 178 * 218 * 3, rel=0.001)
    assert disk["checkpoints"] == pytest.approx(162 * 4 * 119_584_577, rel=0.001)


def test_hours_from_a_throughput():
    by_tflops = json.loads(planned("--configfile", PAPER, "--tflops", 10, "--json"))
    assert by_tflops["multiply_adds_per_second"] == 5e12
    for stage, count in by_tflops["multiply_adds"].items():
        assert by_tflops["hours"][stage] == pytest.approx(count / 5e12 / 3600)
    by_images = json.loads(planned("--configfile", PAPER, "--images-per-second", 100, "--json"))
    training = cost_of(NetworkSpec("euclidean", ("Smiling",), (178, 218))).training
    assert by_images["multiply_adds_per_second"] == 100 * training
    neither = json.loads(planned("--json"))
    assert neither["hours"] is None


def test_the_page_for_people():
    page = planned("--configfile", PAPER, "--tflops", 10)
    assert "162,770 train" in page
    for line in ("train_network 80", "checkpoints 77.49 GB", "scan_lines 1", "write_index 1"):
        assert line in " ".join(page.split())
    assert " h" in page
    assert "give --tflops or --images-per-second, or --probe" in planned()


def test_a_probe(monkeypatch):
    monkeypatch.setattr(module, "_probed", lambda estimate, network: 123.0)
    result = json.loads(planned("--probe", "--json"))
    estimate = Estimate.of(read_config(ROOT))
    assert result["multiply_adds_per_second"] == 123 * estimate.costs["euclidean"].training


def test_probing_measures_training():
    spec = NetworkSpec("euclidean", ("Smiling",), (44, 54), width=0.0625)
    assert 1 < images_per_second(spec, TrainingOptions(batch_size=4), torch.device("cpu"), seconds=0.1) < 1e6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sead: 3", "sead: unknown key; did you mean seed?"),
        ("[1, 2]", "mine.yaml: expected a mapping of keys to values, found list"),
        ("a: [", "mine.yaml: cannot be read as YAML"),
        (None, "mine.yaml: cannot be read as YAML"),
    ],
)
def test_a_faulty_configuration(tmp_path, text, message):
    if text:
        (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        planned("--configfile", tmp_path / "mine.yaml")
    assert message in str(error.value)


def test_a_network_that_will_not_do(tmp_path):
    (tmp_path / "mine.yaml").write_text("network: {architecture: vit_b_16}")
    with pytest.raises(UserError, match=r"network\.architecture: vit_b_16 takes no images of 44 x 54 pixels"):
        planned("--configfile", tmp_path / "mine.yaml")


@pytest.mark.parametrize("architecture", ["googlenet", "regnet_x_400mf"])
def test_networks_of_torchvision_are_planned(tmp_path, architecture):
    (tmp_path / "mine.yaml").write_text(f"network: {{architecture: {architecture}}}")
    work = json.loads(planned("--configfile", tmp_path / "mine.yaml", "--json"))["multiply_adds"]
    assert all(count > 0 for count in work.values())


def test_faulty_arguments(tmp_path):
    with pytest.raises(UserError, match="give one of"):
        planned("--probe", "--tflops", 3)
    for option, value in (("--tflops", "0"), ("--tflops", "nan"), ("--tflops", "-1"), ("--images-per-second", "inf")):
        with pytest.raises(UserError, match=f"{option} {value}: expected a number above 0"):
            planned(option, value)
    with pytest.raises(UserError, match=r"no Snakefile and config\.yaml here; name their folder with --project"):
        module._project(tmp_path)
