from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from faceflip.errors import UserError
from faceflip.networks import OBJECTIVES, NetworkSpec, build, decisions, outline
from faceflip.networks.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from faceflip.networks.inference import scores
from faceflip.networks.initialisation import FILLERS

INFO = CheckpointInfo(epoch=2, metrics={"loss": 0.5}, training={"batch_size": 64}, dataset_fingerprint="abc")


def small(objective="euclidean", attributes=("Smiling",), **options):
    return NetworkSpec(objective, attributes, image_size=(44, 54), width=0.0625, **options)


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_full_vgg16_has_the_papers_size():
    network = build(NetworkSpec("euclidean", ("Smiling",), image_size=(178, 218)))
    layers = [layer for layer in network.layers if isinstance(layer, (nn.Conv2d, nn.Linear))]
    assert len(layers) == 16
    assert layers[13].in_features == 7 * 6 * 512
    # 16 layers of weights and biases, counted by hand.
    convolutions = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256), (256, 512)]
    convolutions += [(512, 512)] * 5
    linear = [(21504, 4096), (4096, 4096), (4096, 1)]
    assert parameters(network) == sum(9 * a * b + b for a, b in convolutions) + sum(a * b + b for a, b in linear)


@pytest.mark.parametrize("size", [(32, 32), (44, 54), (45, 55), (56, 68), (178, 218)])
def test_pools_round_up_at_every_size(size):
    network = build(NetworkSpec("euclidean", ("Smiling",), image_size=size, width=0.03)).eval()
    assert network(torch.zeros(2, 3, size[1], size[0])).shape == (2, 1)


@pytest.mark.parametrize(
    ("objective", "attributes", "outputs"), [("euclidean", 1, 1), ("softmax", 1, 2), ("moon", 5, 5)]
)
def test_number_of_scores(objective, attributes, outputs):
    names = ("Smiling", "Male", "Young", "Bald", "Bangs")[:attributes]
    assert build(small(objective, names)).eval()(torch.zeros(3, 3, 54, 44)).shape == (3, outputs)


def test_normalisation_is_inside():
    network = build(small(input_mean=(10.0, 20.0, 30.0), input_scale=0.5), seed=1).eval()
    images = torch.rand(2, 3, 54, 44) * 255
    mean = torch.tensor([10.0, 20.0, 30.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(network(images), network.layers((images - mean) / 2))


def test_losses_and_decisions_by_hand():
    values = torch.tensor([[0.5], [-2.0], [0.0]])
    labels = torch.tensor([[1.0], [1.0], [-1.0]])
    euclidean = OBJECTIVES["euclidean"]
    torch.testing.assert_close(euclidean.loss(values, labels), torch.tensor([0.25, 9.0, 1.0]))
    assert decisions(euclidean.decision_values(values)).tolist() == [[1], [-1], [-1]]

    logits = torch.tensor([[1.0, 3.0], [2.0, 2.0]])
    softmax = OBJECTIVES["softmax"]
    probability = torch.exp(torch.tensor(3.0)) / (torch.exp(torch.tensor(1.0)) + torch.exp(torch.tensor(3.0)))
    expected = torch.stack([-probability.log(), torch.tensor(2.0).log()])
    torch.testing.assert_close(softmax.loss(logits, torch.tensor([[1], [-1]])), expected)
    assert decisions(softmax.decision_values(logits)).tolist() == [[1], [-1]], "a tie counts as absent"

    moon = OBJECTIVES["moon"].loss(torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 1.0]]))
    torch.testing.assert_close(moon, torch.tensor([5.0]), msg="a sum over the attributes, not a mean")


@pytest.mark.parametrize(
    ("name", "labels"), [("euclidean", [[1], [-1]]), ("softmax", [[1], [-1]]), ("moon", [[1, -1], [-1, -1]])]
)
def test_gradients_of_the_losses(name, labels):
    objective, labels = OBJECTIVES[name], torch.tensor(labels)
    scores = torch.randn(2, objective.outputs(1) * labels.shape[1], dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(objective.loss(scores, labels.double()).sum(), scores)
    torch.testing.assert_close(objective.loss_gradient(scores.detach(), labels), expected)


def test_the_gradient_of_a_sure_decision_is_not_lost():
    sure = torch.tensor([[-50.0, 50.0], [300.0, -300.0]], dtype=torch.float64)
    gradient = OBJECTIVES["softmax"].loss_gradient(sure, torch.tensor([[1], [-1]]))
    assert (gradient.sign() == torch.tensor([[1, -1], [-1, 1]])).all()


def test_building_follows_the_seed_alone():
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    first, second, other = build(small(), seed=1), build(small(), seed=1), build(small(), seed=2)
    assert torch.equal(torch.random.get_rng_state(), before)
    weights = [network.layers[0].weight for network in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("filler", "deviation"), [("msra", (2 / 256) ** 0.5), ("xavier", (1 / 256) ** 0.5), ("gaussian", 0.01)]
)
def test_fillers(filler, deviation):
    torch.manual_seed(0)
    weight = torch.empty(400, 256)
    FILLERS[filler](weight)
    assert weight.std().item() == pytest.approx(deviation, rel=0.02)


def test_a_torchvision_architecture():
    spec = NetworkSpec(
        "softmax", ("Smiling",), image_size=(44, 54), architecture="squeezenet1_1", initialisation="msra"
    )
    assert build(spec).eval()(torch.zeros(2, 3, 54, 44)).shape == (2, 2)


def named(architecture, size=(44, 54)):
    return NetworkSpec("moon", ("Smiling", "Male", "Young"), size, architecture=architecture, initialisation="msra")


@pytest.mark.parametrize("architecture", ["vgg16", "resnet18", "regnet_y_400mf", "googlenet", "swin_t"])
def test_the_outline_of_a_network_is_its_shape(architecture):
    network = outline(named(architecture))
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}
    whole = build(named(architecture))
    assert network.state_dict().keys() == whole.state_dict().keys()
    assert whole.train()(torch.rand(2, 3, 54, 44) * 255).shape == (2, 3), "one tensor of scores, also in training"


@pytest.mark.parametrize(
    ("architecture", "size", "message"),
    [
        ("resnet1", (44, 54), "network.architecture: there is no network 'resnet1'; did you mean resnet1"),
        ("VGG", (44, 54), "network.architecture: there is no network 'VGG'"),
        ("fcn_resnet50", (44, 54), "there is no network 'fcn_resnet50'"),
        ("vit_b_16", (178, 218), "vit_b_16 takes no images of 178 x 218 pixels (Wrong image height! Expected 224"),
        ("maxvit_t", (178, 218), "maxvit_t takes no images of 178 x 218 pixels"),
        ("inception_v3", (44, 54), "inception_v3 takes no images of 44 x 54 pixels"),
        ("alexnet", (44, 54), "alexnet takes no images of 44 x 54 pixels"),
    ],
)
def test_networks_that_will_not_do_are_told_by_the_key_that_names_them(architecture, size, message):
    with pytest.raises(UserError) as error:
        outline(named(architecture, size))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_network_that_gives_something_else_than_scores(monkeypatch):
    monkeypatch.setattr("faceflip.networks.network._layers", lambda spec, outputs: nn.Flatten())
    with pytest.raises(UserError, match=r"vgg16 gives 2 x 7128 for 2 images, expected scores 2 x 3"):
        outline(named("vgg16"))
    monkeypatch.setattr("faceflip.networks.network._layers", lambda spec, outputs: Pair())
    with pytest.raises(UserError, match=r"vgg16 gives tuple for 2 images, expected scores 2 x 3"):
        outline(named("vgg16"))


class Pair(nn.Module):
    """Gives scores twice."""

    def forward(self, images):
        return images.sum((2, 3)), images.sum((2, 3))


def test_checkpoint_round_trip_and_same_bytes(tmp_path):
    network = build(small("softmax"), seed=3).eval()
    for name in ("a.pt", "elsewhere.pt"):
        save_checkpoint(tmp_path / name, network, INFO)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "elsewhere.pt").read_bytes()
    loaded, info = load_checkpoint(tmp_path / "a.pt")
    assert info == INFO
    assert loaded.spec == network.spec
    assert not loaded.training
    images = torch.rand(4, 3, 54, 44) * 255
    assert torch.equal(loaded(images), network(images))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a readable checkpoint"),
        (b"PK\x03\x04 broken", "not a readable checkpoint"),
        ({"state": {}}, "not a checkpoint of faceflip"),
        ([1, 2], "not a checkpoint of faceflip"),
        ({"format": "faceflip-store"}, "its format entry is 'faceflip-store', expected 'faceflip-checkpoint'"),
        ({"format": "faceflip-checkpoint", "version": 99}, "version 99, .* newer faceflip wrote it: update"),
        (
            {"format": "faceflip-checkpoint", "version": 1},
            r"version 1, but .* version 2; is the path right\? If .* delete it and run again",
        ),
        ({"format": "faceflip-checkpoint", "version": 2}, "does not hold what it should"),
        ({"format": "faceflip-checkpoint", "version": 2, "network": []}, "does not hold what it should"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / "x.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(UserError, match=message) as error:
        load_checkpoint(path)
    assert str(path) in str(error.value)


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path(tmp_path / "ran").touch, ())

    torch.save({"format": "faceflip-checkpoint", "evil": Evil()}, tmp_path / "x.pt")
    with pytest.raises(UserError, match="not a readable checkpoint"):
        load_checkpoint(tmp_path / "x.pt")
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_that_was_cut_short_or_has_a_flipped_bit(tmp_path):
    save_checkpoint(tmp_path / "whole.pt", build(small(), seed=1), INFO)
    whole, path = (tmp_path / "whole.pt").read_bytes(), tmp_path / "x.pt"
    for length in (1, 1000, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(
            UserError,
            match=r"x\.pt: not a readable checkpoint .*; is the path right\? If the workflow made it, delete it",
        ):
            load_checkpoint(path)
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 4
    path.write_bytes(damaged)
    with pytest.raises(UserError, match=r"damaged|not a readable"):
        load_checkpoint(path)


def test_a_checkpoint_of_another_network(tmp_path):
    path = tmp_path / "x.pt"
    save_checkpoint(path, build(small("softmax"), seed=1), INFO)
    load_checkpoint(path, objective="softmax", attributes=["Smiling"])
    with pytest.raises(UserError, match=r"x\.pt: a network of kind softmax, expected moon; is it under another"):
        load_checkpoint(path, objective="moon")
    with pytest.raises(UserError, match=r"x\.pt: a network for Smiling, expected Male, Young, Bald and 1 more; is it"):
        load_checkpoint(path, objective="softmax", attributes=["Male", "Young", "Bald", "Bangs"])


def test_a_checkpoint_says_what_made_it(tmp_path):
    save_checkpoint(tmp_path / "x.pt", build(small(), seed=1), INFO)
    content = torch.load(tmp_path / "x.pt", weights_only=True)
    assert set(content) == {"format", "version", "software", "network", "state", *vars(INFO)}
    assert content["software"]["torch"] == torch.__version__
    assert content["network"]["architecture"] == "vgg16"
    assert content["network"]["objective"] == "euclidean"
    assert content["network"]["attributes"] == ["Smiling"]


def test_pools_may_round_down():
    ceil, floor = (build(NetworkSpec("euclidean", ("Smiling",), (178, 218), pooling=how)) for how in ("ceil", "floor"))
    assert parameters(ceil) - parameters(floor) == (7 * 6 - 6 * 5) * 512 * 4096
    assert build(small(pooling="floor")).eval()(torch.zeros(2, 3, 54, 44)).shape == (2, 1)


def test_batches_are_halved_when_memory_runs_out(capsys):
    """A network that has room for three images; what it gives is the same all the same."""

    class Small(nn.Module):
        def __init__(self, room):
            super().__init__()
            self.room, self.weight, self.sizes = room, nn.Parameter(torch.ones(1)), []

        def forward(self, images):
            self.sizes.append(len(images))
            if len(images) > self.room:
                raise torch.OutOfMemoryError
            return images.sum((1, 2, 3))[:, None]

    images = np.random.default_rng(0).integers(0, 256, (14, 8, 6, 3), dtype=np.uint8)
    network = Small(room=3)
    found = scores(network, images, batch_size=8)
    np.testing.assert_array_equal(found[:, 0], images.sum((1, 2, 3)).astype(np.float32))
    assert network.sizes == [8, 4, *[2] * 7]
    assert "going on with batches of 2 images" in capsys.readouterr().out
    with pytest.raises(UserError, match="not even one image of 6 x 8 pixels fits"):
        scores(Small(room=0), images)


def test_a_missing_checkpoint(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        load_checkpoint(tmp_path / "none.pt")


def test_scores_of_rows_in_batches():
    network = build(small(), seed=5).eval()
    images = np.random.default_rng(0).integers(0, 256, (10, 54, 44, 3), dtype=np.uint8)
    rows = np.array([9, 2, 2, 5, 0])
    expected = network(torch.from_numpy(images[rows]).permute(0, 3, 1, 2).float()).detach().numpy()
    np.testing.assert_allclose(scores(network, images, rows, batch_size=2), expected, rtol=1e-4, atol=1e-4)
