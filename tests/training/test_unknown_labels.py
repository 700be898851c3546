"""Images without a label for an attribute take no part in it: in losses, errors, trainings, predictions, attacks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from faceflip.attempt import Experiment
from faceflip.data.packed import Dataset
from faceflip.errors import UserError
from faceflip.io.tables import write_table
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.checkpoint import load_checkpoint
from faceflip.networks.network import NetworkSpec, build
from faceflip.networks.objectives import Objective, objective_of
from faceflip.stages.attack import ShardOfAttempts, attack_shard
from faceflip.stages.collect import collect_attempts
from faceflip.stages.predict import predict
from faceflip.stages.scan import scan_shards
from faceflip.stages.score import score_shard
from faceflip.stages.train import Member, TrainedFiles, train_and_save
from faceflip.store import open_store
from faceflip.training.feed import LabelledImages
from faceflip.training.hyperparameters import TrainingOptions
from faceflip.training.loop import Training, error_rate
from faceflip.workflow.plan import ALL, Part

CPU = torch.device("cpu")
NAMES = ("glad", "a / b", "old")
OPTIONS = TrainingOptions(max_epochs=2, min_epochs=1, batch_size=8, checkpoints=[])
ARCHITECTURE = ArchitectureOptions(width=1 / 64)


def make_dataset(count=64, seed=0, gaps=0.3):
    """A dataset of noise whose images are light where the first attribute is present."""
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random((count, len(NAMES))) < 0.5, 1, -1).astype("int8")
    images = rng.integers(0, 120, (count, 36, 32, 3), "uint8") + (labels[:, :1, None, None] > 0) * np.uint8(100)
    labels[rng.random(labels.shape) < gaps] = 0
    names = np.array([f"{row}.png" for row in range(count)])
    manifest = {"fingerprint": f"{seed:064d}", "attributes": list(NAMES)}
    return Dataset(
        images, labels, np.repeat(np.array([0, 1, 2], "uint8"), [count // 2, count // 4, count // 4]), names, manifest
    )


@pytest.mark.parametrize("loss", ["euclidean", "softmax", "bce"])
def test_the_loss_of_the_known_labels(loss):
    """It is that of a network with these attributes alone, and unknown ones have no gradient."""
    objective, rng = objective_of(loss), np.random.default_rng(1)
    labels = torch.from_numpy(rng.integers(-1, 2, (20, 3))).float()
    scores = torch.from_numpy(rng.normal(size=(20, objective.outputs(3)))).requires_grad_()
    found = objective.known_loss(scores, labels)
    (gradient,) = torch.autograd.grad(found.sum(), scores)
    k = objective.scores_an_attribute
    for row, known in enumerate(labels != 0):
        own = scores[row : row + 1, known.repeat_interleave(k)].detach()
        expected = objective.loss(own, labels[row : row + 1, known]).item() if known.any() else 0
        assert found[row].item() == pytest.approx(expected, abs=1e-12)
        assert torch.equal(gradient[row].view(3, k).abs().sum(1) > 0, known)
    whole = torch.ones(20, 3)
    torch.testing.assert_close(objective.known_loss(scores, whole), objective.loss(scores, whole))


class Joint(Objective):
    separable = False

    def loss(self, scores, labels):
        return (scores * labels).sum(1).square()


class Weighted(Objective):
    def loss(self, scores, labels):
        return ((scores - labels).square() * torch.tensor([1.0, 10.0, 100.0])).sum(1)


class OfThree(Objective):
    def loss(self, scores, labels):
        return (scores[:, 0] - labels[:, 2]).square() + (scores[:, 1:] - labels[:, :2]).square().sum(1)


@pytest.mark.parametrize("kind", [Joint, Weighted, OfThree])
def test_a_loss_that_is_no_sum_over_attributes_is_refused(kind):
    """Before the first step, not by other numbers."""
    objective = kind()
    objective.name = kind.__name__
    with pytest.raises(UserError, match=f"loss {kind.__name__} of 3 attributes is not the sum of that of each"):
        objective.require_sum(3)


@pytest.mark.parametrize("loss", ["euclidean", "softmax", "bce"])
def test_ours_are_sums(loss):
    for attributes in (1, 2, 40):
        objective_of(loss).require_sum(attributes)


def test_errors_are_shares_of_the_known_labels():
    dataset = make_dataset()
    network = build(NetworkSpec("euclidean", NAMES, dataset.image_size, ARCHITECTURE), 3)
    rows = dataset.rows("train")
    examples = LabelledImages(dataset.images, rows, dataset.labels[rows])
    training = Training(network, examples, examples, OPTIONS, 3)
    wrong = judged = 0
    for images, labels in training._feed.batches(np.arange(16), 8):
        network.train()
        with torch.no_grad(), torch.random.fork_rng():
            decided = np.where(network(images).numpy() > 0, 1, -1)
        training.learn(images, labels)
        known = labels.numpy() != 0
        wrong, judged = wrong + (decided != labels.numpy())[known].sum(), judged + known.sum()
    assert training._means()[1] == pytest.approx(wrong / judged)
    error = error_rate(network, examples)
    values = network(torch.from_numpy(dataset.images[rows]).permute(0, 3, 1, 2).float()).detach().numpy()
    hits = [(value > 0) == (label > 0) for value, label in zip(values.flat, examples.labels.flat, strict=True) if label]
    assert error == pytest.approx(1 - np.mean(hits))
    state = training.state()
    assert int(state["judged"]) == judged
    again = Training(network, examples, examples, OPTIONS, 3)
    again.restore(state)
    assert again._means() == training._means()


def train(dataset, attributes, folder):
    files = TrainedFiles(folder / "converged.pt", {}, folder / "history.csv")
    member = ALL if len(attributes) > 1 else attributes[0]
    spec = NetworkSpec("euclidean", attributes, dataset.image_size, ARCHITECTURE)
    train_and_save(dataset, "mine", [Member(member, spec, files)], OPTIONS, 1, CPU)
    return files.converged


def test_a_training_on_one_attribute_is_that_without_the_images(tmp_path):
    """And what unknown labels would say has no part in any of its numbers."""
    dataset = make_dataset()
    known = dataset.labels[:, 1] != 0
    parts = {name: getattr(dataset, name)[known] for name in ("images", "labels", "split", "file_names")}
    whole = train(dataset, NAMES[1:2], tmp_path / "whole")
    part = train(replace(dataset, **parts), NAMES[1:2], tmp_path / "part")
    assert (tmp_path / "whole/history.csv").read_text() == (tmp_path / "part/history.csv").read_text()
    assert whole.read_bytes() == part.read_bytes()


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    """The store of a shard on all attributes of a network, its scores, the sample, and the checkpoint."""
    folder, dataset = tmp_path_factory.mktemp("unknown"), make_dataset()
    checkpoint = train(dataset, NAMES, folder)
    return folder, dataset, checkpoint, dataset.rows("train")[:10]


def attack(folder, dataset, checkpoint, sample, name="shard.h5"):
    parts = [Part(attribute, ALL, 0, len(sample)) for attribute in NAMES]
    shard = ShardOfAttempts(Experiment("paper", "mine", "converged", "ffa-line"), 0, 0, parts, {"batch_size": 8}, 1)
    attack_shard(folder / name, shard, {ALL: checkpoint}, dataset, sample, CPU)
    return folder / name


def test_attempts(attacked):
    """Others are as if there were no unknown labels; unknown ones stand there as such, and not in the table."""
    folder, dataset, checkpoint, sample = attacked
    path = attack(*attacked)
    full = replace(dataset, labels=np.where(dataset.labels == 0, 1, dataset.labels))
    other = attack(folder, full, checkpoint, sample, "full.h5")
    labels = dataset.labels[sample].T.ravel()
    assert (labels == 0).any()
    with open_store(path) as store, open_store(other) as whole:
        attempts, expected = store.attempts, whole.attempts
        assert attempts["label"].tolist() == labels.tolist()
        assert ((attempts["outcome"] == "unknown_label") == (attempts["label"] == 0)).all()
        assert not attempts.loc[attempts["label"] == 0, "flipped"].any()
        found, wanted = (each.iloc[(labels != 0).nonzero()[0]] for each in (attempts, expected))
        for name in ("image", "attribute", "flipped", "outcome"):
            assert found[name].tolist() == wanted[name].tolist()
        for name in ("score_before", "epsilon", "l2"):  # last bits depend on what shares a pass
            np.testing.assert_allclose(found[name], wanted[name], rtol=0.02, atol=1e-4)
    write_table(folder / "scores.parquet", score_shard(path, dataset, "rgb", engine="cpu"))
    collected = collect_attempts([(path, folder / "scores.parquet")])
    assert len(collected) == (labels != 0).sum()
    assert set(collected["label"]) == {-1, 1}


def test_a_shard_without_any_label(attacked):
    folder, dataset, checkpoint, sample = attacked
    nothing = replace(dataset, labels=np.zeros_like(dataset.labels))
    with open_store(attack(folder, nothing, checkpoint, sample, "nothing.h5")) as store:
        assert set(store.attempts["outcome"]) == {"unknown_label"}
        assert store.header.margins == {}


def test_scans(attacked):
    folder, dataset, checkpoint, sample = attacked
    path = attack(folder, dataset, checkpoint, sample, "scanned.h5")
    scans = scan_shards([path], [checkpoint], sample[:4], dataset, CPU)
    assert len(scans) == (dataset.labels[sample[:4]] != 0).sum()


def test_predictions(attacked):
    _, dataset, checkpoint, sample = attacked
    table = predict(dataset, {"paper": sample}, {"converged": checkpoint}, "mine", NAMES, CPU, 8)
    for rows, part in (
        (sample, table[table["split"] == "sample"]),
        (dataset.rows("test"), table[table["split"] == "test"]),
    ):
        labels = dataset.labels[rows]
        assert len(part) == (labels != 0).sum()
        for column, name in enumerate(NAMES):
            own = part[part["attribute"] == name]
            assert own["image"].tolist() == rows[labels[:, column] != 0].tolist()
            assert own["label"].tolist() == labels[labels[:, column] != 0, column].tolist()
    network, _ = load_checkpoint(checkpoint, CPU)
    assert network.spec.attributes == NAMES
    assert Path(checkpoint).is_file()
