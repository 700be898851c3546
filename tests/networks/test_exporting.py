"""A network of ours, exported and brought back: the same scores, perturbations and stores, bit for bit."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import yaml
from pydantic import ValidationError

from faceflip.attempt import Experiment
from faceflip.data.packed import Dataset
from faceflip.errors import UserError
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.bringing import bring
from faceflip.networks.brought import BroughtOptions
from faceflip.networks.checkpoint import CheckpointInfo, load_checkpoint, load_network, save_checkpoint
from faceflip.networks.exporting import export_network
from faceflip.networks.network import NetworkSpec, build
from faceflip.stages.attack import ShardOfAttempts, attack_shard
from faceflip.workflow.network_settings import NetworkSettings
from faceflip.workflow.plan import Part

pytestmark = pytest.mark.usefixtures("one_thread")

OWN = Path(__file__).parents[1] / "attacks/own_code.py"
SIZE = (32, 36)
ATTRIBUTES = ("Smiling", "Male")
IMAGES = np.random.default_rng(1).integers(0, 256, (8, SIZE[1], SIZE[0], 3), dtype=np.uint8)
SMALL = {"width": 0.0625, "input_scale": 1 / 64, "initialisation": "msra"}


def saved(folder, loss="euclidean", **architecture):
    options = ArchitectureOptions(**(architecture or SMALL))
    network = build(NetworkSpec(loss, ATTRIBUTES, SIZE, options), seed=1).eval()
    save_checkpoint(folder / "c.pt", network, CheckpointInfo("moon", "all", 2, {}, {}, "abc"))
    return folder / "c.pt"


def brought_back(folder, text):
    """Bring the network as the configuration that was printed says."""
    ((_, values),) = yaml.safe_load(text)["networks"].items()
    settings = NetworkSettings.model_validate(values)
    network, notes = bring(
        NetworkSpec(settings.loss, tuple(settings.attributes), SIZE, brought=settings.brought), settings.weights
    )
    assert notes == []
    save_checkpoint(folder / "given.pt", network, CheckpointInfo("moon-all", "all", 0, {}, {}, "abc"))
    return folder / "given.pt", settings.own_code


def store_of(folder, checkpoint, attack, own_code=()):
    labels = np.ones((len(IMAGES), 40), np.int8)
    names = np.array([f"{k}.jpg" for k in range(len(IMAGES))])
    dataset = Dataset(IMAGES, labels, np.zeros(len(IMAGES), np.uint8), names, {"fingerprint": "5e" * 32})
    parts = [Part(name, "all", 0, len(IMAGES)) for name in ATTRIBUTES]
    shard = ShardOfAttempts(Experiment("paper", "x", "given", attack), 0, 0, parts, {"batch_size": 4}, 1, own_code)
    path = folder / f"{checkpoint.stem}-{attack}.h5"
    attack_shard(path, shard, {"all": checkpoint}, dataset, np.arange(len(IMAGES)), torch.device("cpu"))
    with h5py.File(path) as store:
        return {name: store[name][:] for name in store}


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["euclidean", "softmax", "bce"])
def test_brought_back_it_gives_the_same_attempts_byte_for_byte(tmp_path, loss):
    checkpoint = saved(tmp_path, loss)
    text = export_network(*load_checkpoint(checkpoint), tmp_path / "out")
    given, own_code = brought_back(tmp_path, text)
    for attack in ("ffa-line", "ffa-iterative"):
        ours, theirs = store_of(tmp_path, checkpoint, attack), store_of(tmp_path, given, attack, own_code)
        assert ours["flipped"].any()
        assert ours.keys() == theirs.keys()
        for name, values in ours.items():
            assert values.tobytes() == theirs[name].tobytes() or values.dtype == object, name
        assert all(map(np.array_equal, ours["perturbation"], theirs["perturbation"]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "architecture",
    [
        {"name": "torchvision/squeezenet1_1"},
        {"name": "timm/resnet10t", "options": {"drop_rate": 0.1}},
        {"name": f"{OWN}:perceptron", "options": {"hidden": 5}},
    ],
    ids=lambda each: each["name"].rpartition("/")[2],
)
def test_other_architectures(tmp_path, architecture):
    if architecture["name"].startswith("timm/"):
        pytest.importorskip("timm")
    own_code = [architecture["name"]]
    network, info = load_checkpoint(saved(tmp_path, **architecture), own_code=own_code)
    given, own_code = brought_back(tmp_path, export_network(network, info, tmp_path / "out"))
    images = torch.from_numpy(IMAGES).permute(0, 3, 1, 2).float()
    assert torch.equal(load_network(given, own_code=own_code)(images), network(images))


@pytest.mark.slow
def test_the_file_needs_no_faceflip(tmp_path):
    checkpoint = saved(tmp_path)
    export_network(*load_checkpoint(checkpoint), tmp_path / "out")
    images = torch.from_numpy(IMAGES).permute(0, 3, 1, 2).float()
    torch.save(images, tmp_path / "images.pt")
    program = f"""
import sys, torch
sys.path.insert(0, {str(tmp_path / "out")!r})
import network
assert network.ATTRIBUTES == {ATTRIBUTES!r} and network.IMAGE_SIZE == {SIZE!r}
torch.set_num_threads(1)
torch.save(network.load()(torch.load({str(tmp_path / "images.pt")!r})).detach(), {str(tmp_path / "scores.pt")!r})
assert "faceflip" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, env={"PATH": "/usr/bin"})
    assert torch.equal(torch.load(tmp_path / "scores.pt"), load_network(checkpoint)(images).detach())


def test_words_of_a_checkpoint_are_no_code_in_the_file(tmp_path):
    evil = '"""\nraise SystemExit("run")\n"""'
    network = build(NetworkSpec("euclidean", (evil, "Male"), SIZE, ArchitectureOptions(**SMALL)), seed=1).eval()
    text = export_network(network, CheckpointInfo(evil, evil, evil, {}, {}, "abc"), tmp_path)
    namespace = {"__file__": str(tmp_path / "network.py")}
    exec(compile((tmp_path / "network.py").read_text(), "network.py", "exec"), namespace)
    assert namespace["ATTRIBUTES"] == (evil, "Male")
    ((name, _),) = yaml.safe_load(text)["networks"].items()
    assert name.isidentifier() or set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-")


EVIL_NAMES = ["a=__import__('os').system('x'), b", "num-classes", "", "lambda", "a\nb"]


@pytest.mark.parametrize("name", EVIL_NAMES)
def test_names_of_options_are_no_code_in_the_file(tmp_path, name):
    """What builds the network may pass over options that are None, whatever they are called, as timm does."""
    told = "expected names of keyword arguments, such as num_classes"
    evil = {"name": "timm/resnet10t", "options": {name: None}}
    with pytest.raises(ValidationError, match=told):
        ArchitectureOptions(**evil)
    with pytest.raises(UserError, match=rf"^net\.py:build: options: .*{told}"):
        BroughtOptions(file="net.py:build", options={name: None})
    ArchitectureOptions(**evil | {"options": {"function": 1, "hidden_size": None, "größe": 3}})
    network = build(NetworkSpec("euclidean", ("Male",), SIZE, ArchitectureOptions(**SMALL)), seed=1).eval()
    content = torch.load(saved(tmp_path), weights_only=True)
    content["spec"]["architecture"] |= evil
    torch.save(content, tmp_path / "evil.pt")
    with pytest.raises(UserError, match=rf"evil\.pt: the checkpoint does not hold what it should .*[\s\S]*{told}"):
        load_checkpoint(tmp_path / "evil.pt")
    unchecked = ArchitectureOptions.model_construct(**ArchitectureOptions().model_dump() | evil)
    network.spec = NetworkSpec("euclidean", ("Male",), SIZE, unchecked)
    with pytest.raises(UserError, match=told):
        export_network(network, CheckpointInfo("moon", "all", 2, {}, {}, "abc"), tmp_path / "out")
    assert not any((tmp_path / "out").glob("*"))


def test_the_size_of_images_is_no_code_in_the_file(tmp_path):
    """No collection's network asks for it."""
    evil = '"""\nraise SystemExit("run")\n"""'
    options = ArchitectureOptions(name="torchvision/squeezenet1_1")
    network = build(NetworkSpec("euclidean", ("Male",), (evil, 36), options), seed=1).eval()
    export_network(network, CheckpointInfo("moon", "all", 2, {}, {}, "abc"), tmp_path)
    exec(compile((tmp_path / "network.py").read_text(), "network.py", "exec"), {"__file__": str(tmp_path / "n.py")})


@pytest.mark.parametrize("stem", ["my-net", "my net.v2", "1²", "ﬁ"])
def test_an_architecture_in_a_file_of_any_name(tmp_path, stem):
    (tmp_path / f"{stem}.py").write_text(OWN.read_text())
    name = f"{tmp_path / stem}.py:perceptron"
    checkpoint = saved(tmp_path, name=name, options={"hidden": 5})
    export_network(*load_checkpoint(checkpoint, own_code=[name]), tmp_path / "out")
    (copy,) = (tmp_path / "out").glob("own_*.py")
    assert copy.stem.isidentifier()
    assert copy.stem.isascii()
    assert f"from {copy.stem} import perceptron\n" in (tmp_path / "out/network.py").read_text()
    compile((tmp_path / "out/network.py").read_text(), "network.py", "exec")


def test_nothing_is_overwritten(tmp_path):
    loaded = load_checkpoint(saved(tmp_path))
    export_network(*loaded, tmp_path / "out")
    with pytest.raises(UserError, match=r"network\.py, weights\.safetensors, network\.yaml is there already"):
        export_network(*loaded, tmp_path / "out")


def test_a_network_that_was_brought_is_not_exported(tmp_path):
    text = export_network(*load_checkpoint(saved(tmp_path)), tmp_path / "out")
    given, own_code = brought_back(tmp_path, text)
    with pytest.raises(UserError, match=r"was brought from .*network\.py:build"):
        export_network(*load_checkpoint(given, own_code=own_code), tmp_path / "again")


@pytest.mark.slow
def test_load_network_is_there_in_one_line_and_at_first_use(tmp_path):
    program = f"""
import sys, faceflip
assert "torch" not in sys.modules
from faceflip import load_network
import torch
network = load_network({str(saved(tmp_path))!r})
assert isinstance(network, torch.nn.Module) and not network.training
assert network(torch.zeros(2, 3, {SIZE[1]}, {SIZE[0]})).shape == (2, 2)
"""
    source = Path(__file__).parents[2] / "scripts"
    subprocess.run([sys.executable, "-c", program], check=True, env={"PATH": "/usr/bin", "PYTHONPATH": str(source)})
