"""Networks that were trained elsewhere: how they see pixels, how they are built, kept, and refused."""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from torch.nn import functional

from faceflip.attacks import attack
from faceflip.errors import UserError
from faceflip.networks.bringing import bring
from faceflip.networks.brought import BroughtOptions, InputOptions
from faceflip.networks.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from faceflip.networks.foreign import ForeignLayers, resizing
from faceflip.networks.inference import scores
from faceflip.networks.network import NetworkSpec

INFO = CheckpointInfo("mine", "all", 0, {}, {"weights": None}, "abc")
WIDTH, HEIGHT = 20, 24

CODE = '''
import torch
from torch import nn

def build(outputs=2, width=4, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, width, 5, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
                         nn.Linear(4 * width, outputs))

class Viewing(nn.Module):
    """Works on PyTorch's default memory layout alone."""
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 5, 2), nn.Linear(4 * 8 * 10, 2)
    def forward(self, images):
        return self.head(self.conv(images).view(len(images), -1))

class Pairs(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = build(6)
    def forward(self, images):
        return self.layers(images).view(len(images), 3, 2)

class Tuple(nn.Module):
    def forward(self, images):
        return images.mean((1, 2, 3)), images

class Mean(nn.Module):
    def forward(self, images):
        return images.mean()

network = build()

def nothing(): return None
def raising(**options): raise KeyError("no such depth")
'''


@pytest.fixture
def code(tmp_path):
    (tmp_path / "net.py").write_text(CODE)
    return tmp_path / "net.py"


def spec_of(file, attributes=("Smiling", "Male"), loss="bce", columns=None, options=None, **more):
    brought = BroughtOptions(file=str(file), options=options or {}, columns=columns, input=InputOptions(**more))
    return NetworkSpec(loss, tuple(attributes), (WIDTH, HEIGHT), brought=brought)


def images(count=4, seed=0):
    return torch.rand(count, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed)) * 255


def as_seen(size=(WIDTH, HEIGHT), **options):
    layers = ForeignLayers(
        nn.Flatten(), "x", ["Smiling"], 1, None, (WIDTH, HEIGHT), InputOptions(size=[*size], **options)
    )
    return layers.inputs


def test_pixels_are_scaled_shifted_and_divided_in_this_order():
    seen = as_seen(scale="1/255", mean=[0.1, 0.2, 0.3], std=[0.5, 0.25, 2.0])(images())
    for channel, (mean, std) in enumerate(((0.1, 0.5), (0.2, 0.25), (0.3, 2.0))):
        expected = (images().numpy()[:, channel] / 255 - mean) / std
        np.testing.assert_allclose(seen[:, channel], expected, rtol=2e-5, atol=2e-6)


def test_mean_and_std_are_in_the_order_of_the_channels_that_the_network_sees():
    seen = as_seen(order="bgr", mean=[1.0, 2.0, 3.0])(images())
    np.testing.assert_allclose(seen, images().numpy()[:, ::-1] - np.array([1, 2, 3]).reshape(1, 3, 1, 1), rtol=1e-5)


def test_without_options_pixels_stay_what_they_are():
    batch = images()
    assert as_seen()(batch) is batch


@pytest.mark.parametrize(
    ("scale", "mean", "odd"),
    [
        ("1/255", 0.5, False),
        (1, 127.5, False),
        ("1/127.5", 1.0, False),
        (1, 0.0, False),
        (1, 0.485, True),
        ("1/255", 127.5, True),
        (1, 300.0, True),
    ],
)
def test_a_mean_that_does_not_go_with_the_scale_is_odd(scale, mean, odd):
    text = InputOptions(scale=scale, mean=[mean] * 3).suspicion
    assert (text is not None) == odd
    assert not odd or f"a mean of {mean:g} is odd where pixel values go from 0 to " in text


@given(st.integers(8, 60), st.integers(8, 60))
def test_images_are_resized_as_torch_and_pillow_do(width, height):
    seen = as_seen(size=[width, height])(images(2))
    expected = functional.interpolate(images(2), (height, width), mode="bilinear", antialias=True)
    np.testing.assert_allclose(seen, expected, atol=2e-3)
    picture = images(1)[0].round().byte()
    resized = Image.fromarray(picture.permute(1, 2, 0).numpy()).resize((width, height), Image.Resampling.BILINEAR)
    ours = as_seen(size=[width, height])(picture[None].float())[0].permute(1, 2, 0)
    np.testing.assert_allclose(ours, np.asarray(resized, float), atol=1.01)


def test_weights_of_resizing_sum_to_one():
    np.testing.assert_allclose(resizing(178, 224).sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(resizing(218, 64).sum(1), 1, atol=1e-5)
    assert torch.equal(resizing(30, 30), torch.eye(30))


def test_gradients_flow_to_the_dataset_s_pixels(code):
    network, _ = bring(spec_of(f"{code}:build", size=[33, 31], scale="1/255", mean=[0.5] * 3, std=[0.2] * 3))
    batch = images(2).double().requires_grad_()
    network = network.double()
    network(batch)[:, 1].sum().backward()
    step = torch.zeros_like(batch)
    step[0, 1, 7, 9] = 1e-3
    with torch.no_grad():
        difference = (network(batch + step) - network(batch - step))[0, 1] / 2e-3
    assert batch.grad.shape == (2, 3, HEIGHT, WIDTH)
    assert float(batch.grad[0, 1, 7, 9]) == pytest.approx(float(difference), rel=1e-4)


def test_columns_are_picked_and_reordered(code):
    network, _ = bring(spec_of(f"{code}:build", columns=[3, 1], options={"outputs": 5}))
    whole = network.layers.network(images())
    assert torch.equal(network(images()), whole[:, [3, 1]])


def test_two_logits_of_each_attribute_may_come_in_pairs(code):
    network, _ = bring(spec_of(f"{code}:Pairs", ("Smiling", "Male", "Young"), loss="softmax"))
    values = network.objective.decision_values(network(images()))
    raw = network.layers.network(images())
    assert torch.equal(values, raw[:, :, 1] - raw[:, :, 0])


def test_code_that_needs_the_default_memory_layout_gets_it(code, tmp_path):
    network, _ = bring(spec_of(f"{code}:Viewing"))
    assert network.spec.brought.contiguous
    save_checkpoint(tmp_path / "given.pt", network, INFO)
    loaded, _ = load_checkpoint(tmp_path / "given.pt", own_code=[f"{code}:Viewing"])
    batch = images().contiguous(memory_format=torch.channels_last)
    assert torch.equal(loaded(batch), network(batch))
    assert attack(loaded, images().permute(0, 2, 3, 1).byte().numpy(), "ffa-line", 1).flipped.shape == (4,)


def programs(code, folder, example=None):
    """Write the network of the code as programs of both kinds, and return it."""
    spec = importlib.util.spec_from_file_location("net", code)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.build().eval()
    example = images(2) if example is None else example
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(network, example), folder / "net.ts")
        batch = {0: torch.export.Dim("batch")} if len(example) > 1 else None
        torch.export.save(
            torch.export.export(network, (example,), dynamic_shapes=(batch,) if batch else None), folder / "net.pt2"
        )
    return network


@pytest.mark.parametrize("name", ["net.ts", "net.pt2"])
def test_a_program_is_kept_whole_in_its_checkpoint(code, tmp_path, name):
    original = programs(code, tmp_path)
    file = str(tmp_path / name)
    network, _ = bring(spec_of(file))
    save_checkpoint(tmp_path / "given.pt", network, INFO)
    save_checkpoint(tmp_path / "again.pt", network, INFO)
    assert (tmp_path / "given.pt").read_bytes() == (tmp_path / "again.pt").read_bytes()
    Path(file).unlink()
    loaded, info = load_checkpoint(tmp_path / "given.pt", own_code=[file])
    assert info == INFO
    assert loaded.spec == network.spec
    torch.testing.assert_close(loaded(images()), original(images()), rtol=1e-5, atol=1e-4)
    pixels = images(6).permute(0, 2, 3, 1).byte().numpy()
    found, expected = (attack(each, pixels, "ffa-line", 1, objective="bce") for each in (loaded, original))
    assert found.flipped.any()
    np.testing.assert_array_equal(found.epsilon.round(2), expected.epsilon.round(2))
    with pytest.raises(UserError, match=rf"given\.pt: it names code of your own, .*{name}, which would be run"):
        load_checkpoint(tmp_path / "given.pt")


def test_a_frozen_program_whose_weights_are_constants(code, tmp_path):
    original = programs(code, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.freeze(torch.jit.script(original)), tmp_path / "frozen.ts")
    network, _ = bring(spec_of(tmp_path / "frozen.ts"))
    assert list(network.parameters()) == []
    pixels = images(3).permute(0, 2, 3, 1).byte().numpy()
    expected = original(torch.from_numpy(pixels).permute(0, 3, 1, 2).float()).detach()
    np.testing.assert_allclose(scores(network, pixels), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", ["net.ts", "net.pt2", "frozen.ts"])
def test_a_program_runs_on_the_device_that_it_is_loaded_for(code, tmp_path, device, name):
    original = programs(code, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.freeze(torch.jit.script(original)), tmp_path / "frozen.ts")
    file = str(tmp_path / name)
    # A program that was exported for images of one size takes no others.
    network, _ = bring(spec_of(file) if name == "net.pt2" else spec_of(file, size=[30, 40], scale="1/255"))
    save_checkpoint(tmp_path / "given.pt", network, INFO)
    loaded, _ = load_checkpoint(tmp_path / "given.pt", device, own_code=[file])
    pixels = images(6).permute(0, 2, 3, 1).byte().numpy()
    np.testing.assert_allclose(scores(loaded, pixels), scores(network, pixels), rtol=1e-3, atol=1e-2)
    found = attack(loaded, pixels, "ffa-line", 1, objective="bce", device=device)
    assert found.flipped.shape == (6,)


def test_a_zoo_s_network_needs_no_code_of_one_s_own(tmp_path):
    pytest.importorskip("timm")
    spec = spec_of("timm/resnet10t", columns=[2, 0], options={"num_classes": 3}, size=[40, 40], scale="1/255")
    network, _ = bring(spec)
    save_checkpoint(tmp_path / "given.pt", network, INFO)
    loaded, _ = load_checkpoint(tmp_path / "given.pt")
    assert torch.equal(loaded(images()), network(images()))
    assert loaded.layers.columns.tolist() == [2, 0]


def test_a_checkpoint_names_code_that_its_reader_must_name_too(code, tmp_path):
    network, _ = bring(spec_of(f"{code}:build"))
    save_checkpoint(tmp_path / "given.pt", network, INFO)
    with pytest.raises(UserError, match=r"it names code of your own, .*net\.py:build, which would be run"):
        load_checkpoint(tmp_path / "given.pt")
    loaded, _ = load_checkpoint(tmp_path / "given.pt", own_code=[f"{code}:build"])
    assert torch.equal(loaded(images()), network(images()))


REFUSED = {
    "a factory that raises": (":raising", {"options": {"depth": 3}}, r"\(depth=3\) raises KeyError: 'no such depth'"),
    "options that it does not take": (":build", {"options": {"depth": 3}}, r"raises TypeError: .*'depth'"),
    "no network": (":nothing", {}, r"net\.py:nothing: gives NoneType, expected a torch\.nn\.Module"),
    "a network that is built": (":network", {}, "is a network that was built already, expected a function or class"),
    "no such function": (":bild", {}, r"net\.py has no 'bild'; did you mean build"),
    "several results": (":Tuple", {}, r"gives tuple, expected a tensor of scores"),
    "no row an image": (":Mean", {}, r"gives one number for 2 images, expected a row of scores for each"),
    "more outputs": (
        ":build", {"options": {"outputs": 5}},
        r"gives 5 outputs an image, expected 2 for 2 attributes \(Smiling, Male\); name in `attributes`"),
    "fewer outputs than logits": (":build", {"loss": "softmax"}, "gives 2 outputs an image, expected 4 for 2 attr"),
    "a column that is not there": (":build", {"columns": [0, 7]}, "gives 2 outputs an image, .* names column 7"),
    "columns of one score for two logits": (
        ":build", {"columns": [0, 1], "loss": "softmax"}, "`outputs` names 2 columns, expected 4 for 2 attributes"),
    "images of another size": (
        ":Viewing", {"size": [30, 30]}, r"fails on a batch of 2 RGB images of 30 x 30 pixels .*set input: \{size:"),
}  # fmt: skip
"""What the code is, what is said of it, and the message."""


@pytest.mark.parametrize(("name", "said", "message"), REFUSED.values(), ids=REFUSED)
def test_networks_that_do_not_go_with_what_is_said_of_them(code, name, said, message):
    with pytest.raises(UserError, match=message):
        bring(spec_of(f"{code}{name}", **said))


def test_programs_that_cannot_be_used(code, tmp_path):
    programs(code, tmp_path, example=images(1))
    with pytest.raises(
        UserError, match=r"net\.pt2: .*exported for batches of one size: export it with a dynamic batch"
    ):
        bring(spec_of(tmp_path / "net.pt2"))
    torch.save({"a": torch.ones(2)}, tmp_path / "weights.pt")
    with pytest.raises(UserError, match=r"holds no program .* FILE\.py:NAME, and this file in `weights`"):
        bring(spec_of(tmp_path / "weights.pt"))
    (tmp_path / "text.pt2").write_text("a program")
    with pytest.raises(UserError, match=r"text\.pt2: no program of TorchScript or torch\.export"):
        bring(spec_of(tmp_path / "text.pt2"))
    with pytest.raises(UserError, match=r"gone\.ts: cannot be read \(No such file"):
        bring(spec_of(tmp_path / "gone.ts"))
