"""Checkpoints: written, read, refused; and those of version 0.1."""

import errno
import io
import os
import resource
from pathlib import Path

import pytest
import torch

from faceflip.errors import UserError
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.networks.checkpoint import CheckpointInfo, load_checkpoint, save_checkpoint
from faceflip.networks.network import NetworkSpec, build
from faceflip.training.resuming import Unfinished

INFO = CheckpointInfo("mine", "Smiling", 2, {"loss": 0.5}, {"batch_size": 64}, "abc")
DATA = Path(__file__).with_name("data")


def small(loss="euclidean", attributes=("Smiling",)):
    return NetworkSpec(loss, attributes, (44, 54), ArchitectureOptions(width=0.0625))


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
            r"version 1, but .* version 3; is the path right\? If .* delete it and run again",
        ),
        ({"format": "faceflip-checkpoint", "version": 3}, "does not hold what it should"),
        ({"format": "faceflip-checkpoint", "version": 3, "spec": []}, "does not hold what it should"),
        ({"format": "faceflip-checkpoint", "version": 2}, "does not hold what it should"),
        ({"format": "faceflip-checkpoint", "version": 2, "network": []}, "does not hold what it should"),
        (
            {"format": "faceflip-checkpoint", "version": 3, "spec": small("mine.py:Mine").to_dict()},
            r"it names code of your own, mine\.py:Mine, which would be run",
        ),
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
    load_checkpoint(path, loss="softmax", attributes=["Smiling"])
    with pytest.raises(UserError, match=r"x\.pt: a network of loss softmax, expected bce; is it under another"):
        load_checkpoint(path, loss="bce")
    with pytest.raises(UserError, match=r"x\.pt: a network for Smiling, expected Male, Young, Bald and 1 more; is it"):
        load_checkpoint(path, loss="softmax", attributes=["Male", "Young", "Bald", "Bangs"])


def test_a_checkpoint_says_what_made_it(tmp_path):
    save_checkpoint(tmp_path / "x.pt", build(small(), seed=1), INFO)
    content = torch.load(tmp_path / "x.pt", weights_only=True)
    assert set(content) == {"format", "version", "software", "spec", "state", *vars(INFO)}
    assert content["software"]["torch"] == torch.__version__
    assert (content["network"], content["member"]) == ("mine", "Smiling")
    assert content["spec"]["architecture"]["name"] == "vgg16"
    assert content["spec"]["loss"] == "euclidean"
    assert content["spec"]["attributes"] == ["Smiling"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value):
    network = build(small(), seed=1)
    with torch.no_grad():
        network.layers[0].weight[0, 0, 0, 0] = value
    save_checkpoint(tmp_path / "x.pt", network, INFO)
    with pytest.raises(UserError, match=r"x\.pt: holds weights that are infinite or no numbers \(layers\.0\.weight\)"):
        load_checkpoint(tmp_path / "x.pt")


def test_shapes_are_compared_before_memory_is_taken(tmp_path, monkeypatch):
    save_checkpoint(tmp_path / "x.pt", build(small(), seed=1), INFO)
    content = torch.load(tmp_path / "x.pt", weights_only=True)
    content["spec"]["architecture"]["width"] = 16  # two billion weights
    torch.save(content, tmp_path / "x.pt")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, hard))
    try:
        with pytest.raises(UserError, match=r"layers\.0\.weight: \(\d+, 3, 3, 3\) in the file, \(1024, 3, 3, 3\) in"):
            load_checkpoint(tmp_path / "x.pt")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


class FullDisk(io.BytesIO):
    """A file on a disk that has room for so many bytes."""

    def __init__(self, room):
        super().__init__()
        self._room = room

    def write(self, data):
        if self.tell() + len(data) > self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


@pytest.mark.parametrize("room", [0, 100, 2_000, 20_000])
def test_a_full_disk_is_told_in_one_sentence(tmp_path, monkeypatch, room):
    """Wherever in the file it becomes full."""
    monkeypatch.setattr(Path, "open", lambda *_: FullDisk(room))
    message = "no space left on device, nothing was written under this name; free some space and run again"
    with pytest.raises(UserError, match=rf"x\.pt: {message}"):
        save_checkpoint(tmp_path / "x.pt", build(small(), seed=1), INFO)
    with pytest.raises(UserError, match=rf"training_state\.pt: {message}"):
        Unfinished(tmp_path, {}, every=10).save({"weights": torch.zeros(10_000)}, [])


def test_a_missing_checkpoint(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        load_checkpoint(tmp_path / "none.pt")


@pytest.mark.parametrize("key", ["loss", "architecture"])
@pytest.mark.parametrize("reference", ["own.py:Hidden", "subprocess:run"])
def test_code_that_a_file_names_is_not_run(tmp_path, monkeypatch, key, reference):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text("from pathlib import Path\nPath('ran').touch()\nHidden = print\n")
    save_checkpoint("x.pt", build(small(), seed=1), INFO)
    content = torch.load("x.pt", weights_only=True)
    if key == "loss":
        content["spec"]["loss"] = reference
    else:
        content["spec"]["architecture"]["name"] = reference
    torch.save(content, "x.pt")
    with pytest.raises(UserError, match=f"x.pt: it names code of your own, {reference}, which would be run; if you"):
        load_checkpoint("x.pt")
    assert not Path("ran").exists()


OLD_ARCHITECTURE = ArchitectureOptions(
    width=0.01, dropout=0.25, pooling="floor", input_scale=1 / 64, initialisation="msra"
)


@pytest.mark.parametrize(
    ("file", "network", "member", "attributes", "scores"),
    [
        ("version2.pt", "euclidean", "Smiling", ("Smiling",), [-0.28532794]),
        ("version2_moon.pt", "moon", "all", ("Smiling", "Male", "Young"), [0.00901138, 0.00158812, 0.00821277]),
    ],
)
def test_a_checkpoint_of_version_0_1_is_read(file, network, member, attributes, scores):
    """faceflip 0.1 wrote these files and gave these scores."""
    loaded, info = load_checkpoint(DATA / file, loss="euclidean", attributes=attributes)
    assert loaded.spec == NetworkSpec("euclidean", attributes, (32, 36), OLD_ARCHITECTURE)
    assert (info.network, info.member, info.epoch) == (network, member, 2)
    assert info.metrics["validation_error"] == 0.125
    assert info.training["max_epochs"] == 5
    assert info.dataset_fingerprint == "5e" * 32
    image = (torch.arange(3 * 36 * 32) % 256).float().view(1, 3, 36, 32)
    torch.testing.assert_close(loaded(image)[0], torch.tensor(scores), rtol=1e-4, atol=1e-6)


def test_torchvisions_networks_of_version_0_1_are_read(tmp_path):
    name, attributes = "squeezenet1_1", ("Smiling",)
    architecture = ArchitectureOptions(name=f"torchvision/{name}", initialisation="msra")
    network = build(NetworkSpec("softmax", attributes, (44, 54), architecture), seed=1)
    content = torch.load(DATA / "version2.pt", weights_only=True)
    content["network"] |= {"objective": "softmax", "image_size": [44, 54], "architecture": name}
    torch.save({**content, "state": network.state_dict()}, tmp_path / "x.pt")
    loaded, info = load_checkpoint(tmp_path / "x.pt")
    assert (loaded.spec.loss, loaded.spec.architecture.name) == ("softmax", f"torchvision/{name}")
    assert (info.network, info.member) == ("softmax", "Smiling")
