import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from faceflip.cli import plan as module
from faceflip.cli.app import app
from faceflip.cli.arguments import project_folder
from faceflip.data.celeba import SPLIT_SIZES
from faceflip.data.synthetic import write_celeba
from faceflip.errors import UserError
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.network import NetworkSpec
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.training.probe import images_per_second
from faceflip.workflow.estimate import Cost, Estimate, as_json, cost_of
from faceflip.workflow.settings import Settings, merged, read_config

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "workflow/presets/paper.yaml"


def estimated(overlay=None, *files):
    """Estimate the default with something laid over it."""
    return Estimate.of(Settings.of(merged(read_config(ROOT, files), overlay or {})))


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
    estimate = estimated(None, PAPER)
    assert estimate.images == SPLIT_SIZES
    cost, moon = estimate.costs["euclidean"], estimate.costs["moon"]
    work = estimate.multiply_adds()
    learned = 162_770 // 64 * 64
    assert work["training of MOON"] == 10 * (learned * moon.training + 19_867 * moon.forward)
    softmax = estimate.costs["softmax"]
    assert work["predictions"] == 2 * 20_962 * (40 * cost.forward + 40 * softmax.forward + moon.forward)
    separate = "training of separate networks, Euclidean loss"
    assert work[separate] == 40 * 10 * (learned * cost.training + 19_867 * cost.forward)
    experiment = estimate.plan.transfers[0]
    assert estimate.plan.attempts_of(experiment) == 40_000
    assert estimate.attack(experiment) == 40_000 * (cost.gradient + 16 * cost.forward), "of ffa-line"
    scans = [
        40 * 100 * (each.gradient + (255 + forwards) * each.forward)
        for each, forwards in ((cost, 9), (cost, 16), (softmax, 9), (softmax, 16), (moon, 16))
    ]
    assert work["scans"] == sum(scans)
    # Four experiments; every target sees 40,000 adversarial images and, in each shard, 1,000 unperturbed ones.
    shown = 40_000 + 1_000 * len(estimate.plan.shards(experiment))
    assert work["transfer"] == 2 * shown * 40 * cost.forward + 2 * shown * moon.forward
    disk = estimate.disk()
    assert disk["packed dataset"] == pytest.approx(202_599 * 178 * 218 * 3, rel=0.001)
    assert disk["checkpoints"] == pytest.approx(162 * 4 * 119_584_577, rel=0.001)
    assert estimate.unfinished_bytes() == 7 * 4 * moon.parameters


def test_the_numbers_of_0_1():
    """The embedded default of 0.1 costs what it cost when networks, checkpoints and samples were no lists."""
    then = {"networks": {"moon": {"training": {"max_epochs": 8}}}, "analysis": {"scan_images": 10}}
    then |= {"compute": {"networks_per_job": 1}}
    estimate = as_json(estimated(then), None)
    assert estimate["bytes"] == {
        "drawn faces": 25_300_000,
        "packed dataset": 16_523_200,
        "checkpoints": 85_236_544,
        "perturbation stores": 41_798_592,
        "tables": 3_120_000,
    }
    assert estimate["bytes_of_an_unfinished_training"] == 18_069_184
    work = estimate["multiply_adds"]
    separate = sum(count for stage, count in work.items() if "separate networks" in stage)
    assert separate == 5_268_754_944_000
    assert work["training of MOON"] == 527_679_744_000
    assert work["predictions"] == 222_288_320_000
    assert work["attacks"] == 2_908_584_857_600
    assert work["scans"] == 1_413_535_872_000
    assert work["transfer"] == 211_840_704_000


def test_any_networks_checkpoints_and_samples_are_counted():
    estimate = estimated(
        {
            "attributes": ["Smiling", "Male"],
            "samples": {"few": {"images": 7}},
            "training": {"checkpoints": [1, 2, 3]},
            "networks": {
                "euclidean": None,
                "wide": {"loss": "bce", "per": "all", "architecture": {"width": 0.25}, "training": {"batch_size": 50}},
                "pair": {"loss": "softmax", "per": "all", "attributes": ["Young", "Male"], "title": "Two"},
            },
            "experiments": {
                "paper": {"softmax": {"epoch2": None}, "wide": {"epoch1": ["ffa-line"]}},
                "few": {"pair": {"epoch3": ["ffa-line"]}},
            },
            "compute": {"networks_per_job": 1},
        }
    )
    costs, work, disk = estimate.costs, estimate.multiply_adds(), estimate.disk()
    assert set(costs) == {"softmax", "moon", "wide", "pair"}
    assert costs["wide"].forward > 2 * costs["moon"].forward
    epoch = 1600 * costs["wide"].training + 300 * costs["wide"].forward
    assert work["training of one network, BCE loss"] == 5 * epoch
    assert work["training of Two"] == 5 * (1600 * costs["pair"].training + 300 * costs["pair"].forward)
    # Four checkpoints each; only one network is attacked on the other sample.
    of_all = sum((2 if name == "softmax" else 1) * cost.forward for name, cost in costs.items())
    assert work["predictions"] == 4 * (500 * of_all + 7 * costs["pair"].forward)
    weights = sum((2 if name == "softmax" else 1) * cost.parameters for name, cost in costs.items())
    assert disk["checkpoints"] == 4 * 4 * weights
    assert estimate.unfinished_bytes() == (4 + 5) * 4 * costs["wide"].parameters
    few = next(each for each in estimate.plan.experiments if each.sample == "few")
    assert estimate.attack(few) == 7 * (costs["pair"].gradient + 16 * costs["pair"].forward)
    jobs = estimate.jobs()
    assert (jobs["train_network"], jobs["predict_network"]) == (5, 4)
    assert jobs["draw_sample"] == 2


def test_an_attack_of_ones_own_is_counted_at_the_most(tmp_path):
    (tmp_path / "up.py").write_text("")
    mine = {"direction": f"{tmp_path / 'up.py'}:Up", "search": "doubling"}
    estimate = estimated({"attacks": {"up": mine}, "experiments": {"paper": {"moon": {"converged": ["up"]}}}})
    cost = estimate.costs["moon"]
    (experiment,) = (each for each in estimate.plan.experiments if each.attack == "up")
    assert estimate.attack(experiment) == 800 * (14 * cost.gradient + 16 * cost.forward)


def test_networks_of_one_title_do_not_hide_each_other():
    names = {name: {"loss": "softmax", "training": {"max_epochs": 5 + number}} for number, name in enumerate("abc")}
    work = estimated({"networks": names}).multiply_adds()
    assert sum(stage.startswith("training of separate networks, softmax loss") for stage in work) == 4


def test_hours_from_a_throughput():
    by_tflops = json.loads(planned("--configfile", PAPER, "--tflops", 10, "--json"))
    assert by_tflops["multiply_adds_per_second"] == 5e12
    for stage, count in by_tflops["multiply_adds"].items():
        assert by_tflops["hours"][stage] == pytest.approx(count / 5e12 / 3600)
    by_images = json.loads(planned("--configfile", PAPER, "--images-per-second", 100, "--json"))
    training = cost_of(NetworkSpec("euclidean", ("Smiling",), (178, 218))).training
    assert by_images["multiply_adds_per_second"] == 100 * training, "of the configuration's first network"
    neither = json.loads(planned("--json"))
    assert neither["hours"] is None


def test_the_page_for_people():
    page = planned("--configfile", PAPER, "--tflops", 10)
    assert "162,770 train" in page
    assert "samples: 1,000 paper" in page
    for line in ("train_network 81", "checkpoints 77.49 GB", "scan_lines 1", "write_index 1"):
        assert line in " ".join(page.split())
    assert " h" in page
    assert "give --tflops or --images-per-second, or --probe" in planned()


@pytest.mark.slow
def test_images_that_were_not_counted_are_no_secret(tmp_path):
    (tmp_path / "empty").mkdir()
    for celeba, told in (("nowhere", "does not exist"), ("empty", "has no annotations and partition of CelebA")):
        (tmp_path / "mine.yaml").write_text(f"dataset: {{celeba: {tmp_path / celeba}}}")
        page = planned("--configfile", tmp_path / "mine.yaml")
        note = f"{tmp_path / celeba} {told}: counted is the whole CelebA, 202,599 images; see dataset.celeba"
        assert f"Note: {note}\n" in page
        assert json.loads(planned("--configfile", tmp_path / "mine.yaml", "--json"))["assumed"] == note
    assert "Note: " not in planned()
    assert json.loads(planned("--json"))["assumed"] is None


def test_a_path_from_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_celeba(tmp_path / "faces", train=3, validation=2, test=1, seed=1)
    (tmp_path / "mine.yaml").write_text("dataset: {celeba: ~/faces}\nsamples: {paper: {images: 2}}")
    images = json.loads(planned("--configfile", tmp_path / "mine.yaml", "--json"))["images"]
    assert images == {"train": 3, "validation": 2, "test": 1}


@pytest.mark.parametrize("first", ["euclidean", "moon"])
def test_a_probe_is_of_the_first_network(monkeypatch, tmp_path, first):
    probed = []
    monkeypatch.setattr(module, "_probed", lambda estimate, network: probed.append(network) or 123.0)
    (tmp_path / "mine.yaml").write_text("networks: {euclidean: null, softmax: null}" if first == "moon" else "{}")
    result = json.loads(planned("--probe", "--json", "--configfile", tmp_path / "mine.yaml"))
    assert probed == [first]
    assert result["multiply_adds_per_second"] == 123 * estimated().costs[first].training


def test_what_a_probe_says(monkeypatch, capsys):
    monkeypatch.setattr("faceflip.training.probe.images_per_second", lambda spec, options, device: 12.0)
    assert module._probed(estimated({"compute": {"device": "cpu"}}), "moon") == 12.0
    assert capsys.readouterr().err == "cpu (1 threads), network moon: 12.0 images/s in batches of 16\n"


def test_probing_measures_training():
    spec = NetworkSpec("euclidean", ("Smiling",), (44, 54), ArchitectureOptions(width=0.0625))
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
    (tmp_path / "mine.yaml").write_text("architecture: {name: torchvision/vit_b_16}")
    with pytest.raises(UserError, match=r"architecture\.name: torchvision/vit_b_16 takes no images of 44 x 54 pixels"):
        planned("--configfile", tmp_path / "mine.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["googlenet", "regnet_x_400mf"])
def test_networks_of_torchvision_are_planned(tmp_path, architecture):
    (tmp_path / "mine.yaml").write_text(f"architecture: {{name: torchvision/{architecture}}}")
    work = json.loads(planned("--configfile", tmp_path / "mine.yaml", "--json"))["multiply_adds"]
    assert all(count > 0 for count in work.values())


def test_faulty_arguments(tmp_path):
    with pytest.raises(UserError, match="give one of"):
        planned("--probe", "--tflops", 3)
    for option, value in (("--tflops", "0"), ("--tflops", "nan"), ("--tflops", "-1"), ("--images-per-second", "inf")):
        with pytest.raises(UserError, match=f"{option} {value}: expected a number above 0"):
            planned(option, value)
    with pytest.raises(UserError, match=r"no Snakefile and config\.yaml here; name their folder with --project"):
        project_folder(tmp_path)
