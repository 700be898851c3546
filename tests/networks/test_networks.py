import sys
import tracemalloc

import numpy as np
import pytest
import torch
from torch import nn

from faceflip.catalogue import LOSSES
from faceflip.errors import UserError
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.inference import scores
from faceflip.networks.network import FILLERS, NetworkSpec, build, outline


def spec_of(loss="euclidean", attributes=("Smiling",), size=(44, 54), **architecture):
    return NetworkSpec(loss, attributes, size, ArchitectureOptions(**architecture))


def small(loss="euclidean", attributes=("Smiling",), **architecture):
    return spec_of(loss, attributes, width=0.0625, **architecture)


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_full_vgg16_has_the_papers_size():
    network = build(spec_of(size=(178, 218)))
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
    network = build(spec_of(size=size, width=0.03)).eval()
    assert network(torch.zeros(2, 3, size[1], size[0])).shape == (2, 1)


@pytest.mark.parametrize("attributes", [1, 5])
@pytest.mark.parametrize("loss", LOSSES)
def test_number_of_scores(loss, attributes):
    names = ("Smiling", "Male", "Young", "Bald", "Bangs")[:attributes]
    outputs = attributes * (2 if loss == "softmax" else 1)
    assert build(small(loss, names)).eval()(torch.zeros(3, 3, 54, 44)).shape == (3, outputs)


def test_a_specification_survives_plain_values():
    spec = small("softmax", ("Smiling", "Male"), dropout=0.25, pooling="floor")
    assert NetworkSpec.from_dict(spec.to_dict()) == spec
    assert NetworkSpec("bce", ("Smiling",), (44, 54)).architecture == ArchitectureOptions(), "the paper's by default"
    with pytest.raises(TypeError, match="width"):
        NetworkSpec.from_dict({**spec.to_dict(), "width": 1.0})
    with pytest.raises(ValueError, match="colour"):
        NetworkSpec.from_dict({**spec.to_dict(), "architecture": {"colour": 1}})


def test_normalisation_is_inside():
    network = build(small(input_mean=[10.0, 20.0, 30.0], input_scale=0.5), seed=1).eval()
    images = torch.rand(2, 3, 54, 44) * 255
    mean = torch.tensor([10.0, 20.0, 30.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(network(images), network.layers((images - mean) / 2))


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
    spec = spec_of("softmax", name="torchvision/squeezenet1_1", initialisation="msra", options={"dropout": 0.25})
    assert build(spec).layers.classifier[0].p == 0.25
    assert build(spec).eval()(torch.zeros(2, 3, 54, 44)).shape == (2, 2)


def named(architecture, size=(44, 54), **options):
    names = ("Smiling", "Male", "Young")
    return spec_of("euclidean", names, size, name=architecture, initialisation="msra", options=options)


@pytest.mark.slow
@pytest.mark.parametrize(
    "architecture",
    [
        "vgg16",
        "small_resnet18",
        *(f"torchvision/{name}" for name in ("resnet18", "regnet_y_400mf", "googlenet", "swin_t")),
    ],
)
def test_the_outline_of_a_network_is_its_shape(architecture):
    network = outline(named(architecture))
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}
    whole = build(named(architecture))
    assert network.state_dict().keys() == whole.state_dict().keys()
    assert whole.train()(torch.rand(2, 3, 54, 44) * 255).shape == (2, 3), "one tensor of scores, also in training"


@pytest.mark.parametrize(
    ("architecture", "size", "message"),
    [
        ("torchvision/resnet1", (44, 54), "torchvision has no classification model 'resnet1'; did you mean resnet1"),
        ("vgg", (44, 54), "there is no architecture 'vgg'; did you mean vgg16?"),
        ("tensorvision/vgg16", (44, 54), "no collection of architectures 'tensorvision'; did you mean torchvision?"),
        ("torchvision/fcn_resnet50", (44, 54), "torchvision has no classification model 'fcn_resnet50'"),
        (
            "torchvision/vit_b_16",
            (178, 218),
            "architecture.name: torchvision/vit_b_16 takes no images of 178 x 218 pixels (Wrong image height! Expecte",
        ),
        ("torchvision/maxvit_t", (178, 218), "maxvit_t takes no images of 178 x 218 pixels"),
        ("torchvision/inception_v3", (44, 54), "inception_v3 takes no images of 44 x 54 pixels"),
        ("torchvision/alexnet", (44, 54), "alexnet takes no images of 44 x 54 pixels"),
    ],
)
def test_architectures_that_do_not_fit_are_named(architecture, size, message):
    with pytest.raises(UserError) as error:
        outline(named(architecture, size))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_an_option_that_an_architecture_does_not_have():
    with pytest.raises(UserError, match=r"architecture\.name: vgg16 cannot be built .*'depth'"):
        outline(named("vgg16", depth=19))


def test_timm_has_to_be_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match=r"architecture timm/resnet18 needs the package timm; install it: pip install"):
        outline(named("timm/resnet18"))


def test_a_network_that_gives_something_else_than_scores(monkeypatch):
    monkeypatch.setattr("faceflip.networks.network._layers", lambda *_: nn.Flatten())
    with pytest.raises(UserError, match=r"vgg16 gives 2 x 7128 for 2 images, expected scores 2 x 3"):
        outline(named("vgg16"))
    monkeypatch.setattr("faceflip.networks.network._layers", lambda *_: Pair())
    with pytest.raises(UserError, match=r"vgg16 gives tuple for 2 images, expected scores 2 x 3"):
        outline(named("vgg16"))


class Pair(nn.Module):
    """Gives scores twice."""

    def forward(self, images):
        return images.sum((2, 3)), images.sum((2, 3))


@pytest.mark.slow
def test_pools_may_round_down():
    ceil, floor = (build(spec_of(size=(178, 218), pooling=how)) for how in ("ceil", "floor"))
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


def test_mirrored_images_are_turned_batch_by_batch():
    """Turning all images first would have each batch copy all of them: 23 GB for CelebA."""
    network = build(small(), seed=5).eval()
    images = np.random.default_rng(0).integers(0, 256, (2000, 54, 44, 3), dtype=np.uint8)
    rows = np.array([1999, 2, 2, 500, 0])
    tracemalloc.start()
    found = scores(network, images, rows, batch_size=2, mirrored=True)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    expected = scores(network, np.ascontiguousarray(images[rows][:, :, ::-1]), batch_size=2)
    np.testing.assert_array_equal(found, expected)
    assert most < images.nbytes / 20


def test_scores_of_rows_in_batches():
    network = build(small(), seed=5).eval()
    images = np.random.default_rng(0).integers(0, 256, (10, 54, 44, 3), dtype=np.uint8)
    rows = np.array([9, 2, 2, 5, 0])
    expected = network(torch.from_numpy(images[rows]).permute(0, 3, 1, 2).float()).detach().numpy()
    np.testing.assert_allclose(scores(network, images, rows, batch_size=2), expected, rtol=1e-4, atol=1e-4)
