"""Somebody else's labels, network and attack, from a folder of their own: the whole workflow, no line of it changed."""

import json
import re
import subprocess

import numpy as np
import pandas as pd
import pytest
import torch
from running import ROOT, Workflow
from strangers import NAMES, SIZE, SPLITS, write_folder

from faceflip.io.paths import folder_of
from faceflip.store import open_store
from faceflip.workflow.plan import Plan
from faceflip.workflow.settings import Settings, read_config

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

CONFIG = """
dataset: {table: labels.csv, images: faces, image_size: null}
samples: {paper: {images: 12}}
attributes: all
architecture: {width: 0.0625}
training: {max_epochs: 3}
networks:
  softmax: null
  moon: {training: {max_epochs: 3}}
  theirs:
    file: timm/test_resnet
    weights: theirs.safetensors
    loss: bce
    attributes: [eyeglasses, "lächelt & <lacht>", "50 % male/männlich"]
    input: {size: [64, 72], scale: 1/255, mean: [0.4, 0.5, 0.6], std: [0.2, 0.3, 0.4]}
attacks:
  fgs-iterative: {max_steps: 10}
  ffa-iterative: {max_steps: 10}
  push: {file: push.py:push, options: {steps: 6}}
experiments:
  paper:
    euclidean: {converged: [fgs-line, ffa-line, push], epoch2: [ffa-line]}
    moon: {converged: [ffa-line, ffa-iterative]}
    theirs: {given: [ffa-line, ffa-iterative, push]}
compute: {shard_size: 24}
analysis: {scan_images: 4}
"""
ATTACK = '''
"""Steps of ever more pixel values along the gradient, as a stranger writes it."""

import torch


def push(network, images, decisions, steps):
    images = images.clone().requires_grad_()
    margin = network(images).gather(1, decisions[:, None]).sum()
    (gradient,) = torch.autograd.grad(margin, images)
    moved = images.detach()
    for step in range(1, steps + 1):
        moved = (images.detach() - gradient.sign() * 4 * step / 255).clamp(0, 1)
        if (network(moved).argmax(1) != decisions).all():
            break
    return moved
'''


def network():
    """The stranger's network, with the weights that it would have after a training."""
    import timm

    torch.manual_seed(4)
    made = timm.create_model("test_resnet", num_classes=3).eval()
    with torch.no_grad():  # so that its scores are spread around zero
        made.get_classifier().weight.mul_(30)
        made.get_classifier().bias.zero_()
    return made


def scores_of(images):
    """The scores of uint8 images (N, H, W, 3) by timm and PyTorch alone, normalised as its owner does."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    resized = torch.nn.functional.interpolate(pixels, (72, 64), mode="bilinear", antialias=True)
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in ([0.4, 0.5, 0.6], [0.2, 0.3, 0.4]))
    with torch.no_grad():
        return network()((resized - mean) / std).numpy()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The finished run, and the labels that the stranger wrote."""
    pytest.importorskip("timm")
    from safetensors.torch import save_model

    before = subprocess.run(["git", "status", "--short"], cwd=ROOT, capture_output=True, text=True).stdout
    folder = tmp_path_factory.mktemp("stranger")
    labels = write_folder(folder)
    save_model(network(), str(folder / "theirs.safetensors"))
    (folder / "push.py").write_text(ATTACK)
    (folder / "mine.yaml").write_text(CONFIG)
    workflow = Workflow(folder, [folder / "mine.yaml"])
    workflow("--cores", 2)
    after = subprocess.run(["git", "status", "--short"], cwd=ROOT, capture_output=True, text=True).stdout
    assert after == before
    return workflow, labels


def read(run, name):
    return pd.read_parquet(run[0].directory / f"results/{name}.parquet")


def test_every_table_and_figure_is_made(run, monkeypatch):
    workflow, _ = run
    monkeypatch.chdir(workflow.directory)
    plan = Plan(Settings.of(read_config(ROOT, workflow.configfiles)))
    results = workflow.directory / "results"
    wanted = [f"tables/{name}.{kind}" for name in plan.tables for kind in ("csv", "md", "tex", "html")]
    wanted += [f"figures/{name}.{kind}" for name in plan.figures for kind in ("pdf", "png", "txt")]
    assert [name for name in wanted if not (results / name).stat().st_size] == []
    assert workflow.planned() == {}


def test_what_makes_it_anew(run):
    """Images that the table does not name are nobody's business; those that it names are."""
    workflow, _ = run
    folder = workflow.directory
    (folder / "faces/holiday.png").write_bytes((folder / "faces/0001.png").read_bytes())
    (folder / "push.jpg").touch()
    assert workflow.planned() == {}
    one, other = folder / "faces/0001.png", folder / "faces/0002.png"
    kept = one.read_bytes()
    one.unlink()
    try:
        one.write_bytes(other.read_bytes())
        assert {"pack_dataset", "train_network", "bring_network", "attack_shard"} <= set(workflow.planned())
    finally:
        one.unlink()
        one.write_bytes(kept)
    assert workflow.planned() == {}


def test_unknown_labels_take_no_part(run):
    """Attempts and predictions are of the images whose label is there, in every experiment."""
    _, labels = run
    attempts, predictions = read(run, "attempts"), read(run, "predictions")
    sample = pd.read_csv(run[0].directory / "results/samples/paper.csv")["image"]
    test = np.arange(len(labels))[-SPLITS["test"] :]
    for column, name in enumerate(NAMES.values()):
        known = {row for row in sample if labels[row, column]}
        assert 0 < len(known) < len(sample)
        for _, part in attempts[attempts["attribute"] == name].groupby(["network", "checkpoint", "attack"]):
            assert set(part["image"]) == known
            assert part["label"].tolist() == labels[part["image"], column].tolist()
        own = predictions[(predictions["attribute"] == name) & (predictions["split"] == "test")]
        for _, part in own.groupby(["network", "checkpoint"]):
            assert part["image"].tolist() == [row for row in test if labels[row, column]]
    counts = pd.read_csv(run[0].directory / "results/dataset/labels.csv")
    assert counts["images"].sum() == (labels != 0).sum()
    assert counts["positives"].sum() == (labels > 0).sum()


def test_the_network_is_the_strangers(run):
    """Its scores on the test split, and the error in the table, are those of timm alone."""
    from faceflip.data.packed import open_dataset

    workflow, labels = run
    dataset = open_dataset(workflow.directory / "results/dataset/faces.h5")
    assert dataset.image_size == SIZE
    rows = dataset.rows("test")
    scores = scores_of(dataset.images[rows])
    predictions = read(run, "predictions")
    errors = pd.read_csv(workflow.directory / "results/tables/classification_error.csv")
    order = ["eyeglasses", "lächelt & <lacht>", "50 % male/männlich"]
    for column, name in enumerate(order):
        own = predictions[(predictions["network"] == "theirs") & (predictions["attribute"] == name)]
        own = own[own["split"] == "test"].set_index("image")["score"]
        np.testing.assert_allclose(own, scores[np.isin(rows, own.index), column], rtol=1e-3, atol=1e-3)
        truth = labels[rows, [*NAMES.values()].index(name)]
        wrong = ((scores[:, column] > 0) != (truth > 0))[truth != 0].mean()
        found = errors[(errors["attribute"] == name) & (errors["method"] == "theirs")]["error"].item()
        assert found == pytest.approx(wrong, abs=1e-6)


def test_the_attack_is_the_strangers(run):
    """Flips that it found are flips of the network, by timm alone."""
    from faceflip.data.packed import open_dataset

    folder = run[0].directory
    dataset = open_dataset(folder / "results/dataset/faces.h5")
    order = ["eyeglasses", "lächelt & <lacht>", "50 % male/männlich"]
    with open_store(folder / "results/attacks/paper/theirs/given/push.h5") as store:
        flipped = store.attempts[store.attempts["flipped"]]
        assert len(flipped) > 5
        for attempt in flipped.itertuples():
            original = dataset.images[attempt.image]
            image = (original.astype(int) + store.perturbation(attempt.row)).astype("uint8")
            before, after = scores_of(np.stack([original, image]))[:, order.index(attempt.attribute)]
            assert (before > 0) != (after > 0)
            assert np.abs(store.perturbation(attempt.row)).max() % 4 == 0


def test_names_are_escaped_and_nothing_is_said_of_celeba(run):
    results = run[0].directory / "results"
    for page in (results / "index.html", *(results / "tables").glob("*.html")):
        assert "<lacht>" not in page.read_text(), page
    assert "lächelt &amp; &lt;lacht&gt;" in (results / "index.html").read_text()
    assert (results / "networks/euclidean" / folder_of("50 % male/männlich") / "converged.pt").is_file()
    errors = pd.read_csv(results / "tables/classification_error.csv")
    assert not {"facetracer", "lnets_anet", "moon_published"} & set(errors["method"])
    described = json.loads((results / "run.json").read_text())
    assert described["dataset"] == "table"
    assert described["dataset_attributes"] == [*NAMES.values()]
    visible = re.sub(r"<[^>]*>", " ", (results / "index.html").read_text())
    assert "of CelebA" not in visible
    assert "rawn face" not in visible
