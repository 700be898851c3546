"""Weights that were trained elsewhere: in whatever file they come, the network has them; or it is said why not."""

import argparse
import collections
import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from faceflip.errors import UserError
from faceflip.networks.weights import _prefixes, lay_in, read_weights


def layers(width=3, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        collections.OrderedDict(
            conv=nn.Conv2d(3, width, 3), norm=nn.BatchNorm2d(width), pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(),
            head=nn.Linear(width, 2),
        )
    )  # fmt: skip


TRUTH = layers(seed=1).state_dict()
OTHER = layers(seed=2).state_dict()


def under(prefix, state=TRUTH):
    return {prefix + name: tensor for name, tensor in state.items()}


def half(state):
    return {name: each.half() if each.is_floating_point() else each for name, each in state.items()}


def laid_in(path, entry=None):
    """Return the weights of a network that had others, after those of a file are laid in."""
    network = layers(seed=3)
    state, found = read_weights(path, entry)
    notes = lay_in(network, state, path, "net.py:build")
    return network.state_dict(), found, notes


class AttributeDict(dict):
    """As Lightning keeps its settings in: a class that a checkpoint names."""


CONTENTS = {
    "a state dict": (TRUTH, ""),
    "DataParallel": (under("module."), ""),
    "torch.compile": (under("_orig_mod."), ""),
    "torch.compile below": ({name.replace("conv.", "conv._orig_mod."): each for name, each in TRUTH.items()}, ""),
    "both": (under("module._orig_mod."), ""),
    "an entry": ({"epoch": 3, "state_dict": under("model.")}, "state_dict"),
    "another": ({"model": TRUTH, "optimizer": {"state": {}}, "epoch": 3}, "model"),
    "Lightning": (
        {"epoch": 3, "state_dict": under("net.") | {"criterion.pos_weight": torch.ones(2)}, "callbacks": {"x": {}},
         "hyper_parameters": AttributeDict(lr=1), "optimizer_states": [{}]}, "state_dict"),
    "settings that are code": ({"args": argparse.Namespace(lr=1), "model": TRUTH, "when": Path("here")}, "model"),
    "an average beside": ({"state_dict": OTHER, "state_dict_ema": under("module.")}, "state_dict_ema"),
    "an average within": ({"model": OTHER, "ema": {"model": TRUTH, "updates": 3}}, "ema.model"),
    "an averaged model": ({"n_averaged": torch.tensor(4), **under("module.")}, ""),
    "averages side by side": (
        {**under("online_model.", OTHER), **under("ema_model."), "step": torch.tensor(1)},
        ""),
    "no average in a longer word": ({**under("net."), **under("semantic.", OTHER), **under("schema_net.", OTHER)}, ""),
    "the same twice": ({**under("one."), **under("two.")}, ""),
    "without counters": ({name: each for name, each in TRUTH.items() if "num_batches" not in name}, ""),
}  # fmt: skip
"""Contents of files, and the entry that the weights are found in."""


@pytest.mark.parametrize(("content", "entry"), CONTENTS.values(), ids=CONTENTS)
def test_weights_are_found_whatever_holds_them(tmp_path, content, entry):
    torch.save(content, tmp_path / "w.pt")
    state, found, _ = laid_in(tmp_path / "w.pt")
    assert found == entry
    for name, tensor in TRUTH.items():
        if "num_batches" not in name:
            assert torch.equal(state[name], tensor), name


def test_an_entry_can_be_named(tmp_path):
    torch.save({"state_dict": OTHER, "state_dict_ema": TRUTH, "a": {"b": TRUTH}}, tmp_path / "w.pt")
    assert torch.equal(laid_in(tmp_path / "w.pt", "state_dict")[0]["head.bias"], OTHER["head.bias"])
    assert torch.equal(laid_in(tmp_path / "w.pt", "a.b")[0]["head.bias"], TRUTH["head.bias"])


SIDE_BY_SIDE = {**under("module.teacher."), **under("module.student.", OTHER)}


def test_of_weights_that_fit_as_well_one_must_be_named(tmp_path):
    """Not the order of a set decides, which differs from process to process."""
    for content, entry in (
        (SIDE_BY_SIDE, "module.teacher"),
        ({"state_dict": SIDE_BY_SIDE, "epoch": 3}, "state_dict.module.teacher"),
        ({"model": under("_orig_mod.", SIDE_BY_SIDE)}, "model.module.teacher"),
        ({**under("a."), **under("b.", half(OTHER))}, "a"),
    ):
        torch.save(content, tmp_path / "w.pt")
        with pytest.raises(UserError, match=r"under (\S+) and under (\S+); name with the key `entry`"):
            laid_in(tmp_path / "w.pt")
        state, found, _ = laid_in(tmp_path / "w.pt", entry)
        assert found == entry
        assert torch.equal(state["head.bias"], TRUTH["head.bias"])


def test_weights_that_do_not_fit_are_told_as_such_and_always_alike(tmp_path):
    names = {f"{word}.conv.weight": TRUTH["conv.weight"] for word in ("left", "east", "down", "west")}
    torch.save(names, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"it lacks conv\.bias.* the file has 1 tensors"):
        laid_in(tmp_path / "w.pt")
    assert list(_prefixes(TRUTH, names)) == ["down.", "east.", "left.", "west."]


def test_what_is_not_used_is_told(tmp_path):
    torch.save(CONTENTS["Lightning"][0], tmp_path / "w.pt")
    *_, (note,) = laid_in(tmp_path / "w.pt")
    assert note == "1 tensors of the file that do not begin with net. are not used: criterion.pos_weight"


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(tmp_path, dtype):
    state = {name: each.to(dtype) if each.is_floating_point() else each for name, each in TRUTH.items()}
    save_file(state, tmp_path / "w.safetensors")
    found, *_ = laid_in(tmp_path / "w.safetensors")
    assert found["head.weight"].dtype == torch.float32
    assert torch.equal(found["head.weight"], TRUTH["head.weight"].to(dtype).float())


def test_a_network_that_wraps_what_the_weights_are_of(tmp_path):
    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = layers(seed=3)

    torch.save(TRUTH, tmp_path / "w.pt")
    network = Wrapped()
    lay_in(network, read_weights(tmp_path / "w.pt")[0], "w.pt", "net.py:Wrapped")
    assert torch.equal(network.model.head.weight, TRUTH["head.weight"])


@given(st.lists(st.sampled_from(["model", "module", "net", "a_b", "backbone"]), max_size=4))
def test_any_prefix_is_left_out(words):
    network = layers(seed=3)
    lay_in(network, under("".join(f"{word}." for word in words)), "w.pt", "net.py:build")
    assert torch.equal(network.state_dict()["conv.weight"], TRUTH["conv.weight"])


@pytest.mark.parametrize("make", [shutil.copyfile, os.link, lambda _, ran: ran.touch()], ids=["copy", "link", "touch"])
def test_code_in_a_file_is_not_run(tmp_path, make):
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (ran.touch, ()) if make.__name__ == "<lambda>" else (make, (str(tmp_path / "w.pt"), str(ran)))

    torch.save({"state_dict": TRUTH, "evil": Evil()}, tmp_path / "w.pt")
    if make is shutil.copyfile:  # what stands for it can be called, and does nothing
        assert torch.equal(laid_in(tmp_path / "w.pt")[0]["head.bias"], TRUTH["head.bias"])
    else:
        with pytest.raises(UserError, match=r"w\.pt: needs code to be run to be read \([\w.]+"):
            read_weights(tmp_path / "w.pt")
    (tmp_path / "w.pt").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(UserError, match=r"needs code to be run to be read|neither safetensors nor|holds no weights"):
        read_weights(tmp_path / "w.pt")
    assert not ran.exists()


def without(name):
    return {key: each for key, each in TRUTH.items() if key != name}


BAD = {
    "a whole network": (layers(), "holds no weights, but an object of code that is not run, such as a whole network"),
    "a list": ([1, 2], "holds no weights, but list; save the state dict alone"),
    "nothing": ({}, "holds no weights, but nothing at all"),
    "settings": ({"lr": 1, "optimizer": {"a": 1}}, "holds no weights, but entries lr, optimizer"),
    "a layer less": (without("head.bias"), r"it lacks head\.bias\. In all, the file has 8 tensors"),
    "a layer more": (TRUTH | {"extra.weight": torch.ones(1)}, r"it has extra\.weight besides"),
    "another width": (
        layers(width=5).state_dict(),
        r"of another shape are conv\.weight \(5 x 3 x 3 x 3 in the file",
    ),
    "other names": (
        {"features.0.w": torch.ones(1)},
        r"it lacks conv\.weight, conv\.bias, .* the file has 1 tensors \(features\.0\.w\) and the network that "
        r"net\.py:build builds has 9 \(conv\.weight, conv\.bias, norm\.weight and 6 more\)",
    ),
    "numbers without end": (TRUTH | {"head.bias": torch.tensor([1.0, torch.inf])}, r"head\.bias hold infinite values"),
}
"""Contents of files that are refused, and what is said."""


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_other_files_are_refused_by_name(tmp_path, content, message):
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(UserError, match=message) as error:
        laid_in(tmp_path / "w.pt")
    assert str(error.value).startswith(f"{tmp_path / 'w.pt'}: ")


@pytest.mark.parametrize(
    ("name", "content", "entry", "message"),
    [
        ("w.pt", b"", None, "neither safetensors nor what torch.save writes"),
        ("w.pt", b"weights", None, "neither safetensors nor what torch.save writes"),
        ("w.safetensors", b"weights", None, "not a readable safetensors file"),
        ("gone.pt", None, None, "cannot be read .No such file"),
        ("w.pt", {"state_dict": TRUTH}, "stat_dict", "has no entry stat_dict; did you mean state_dict"),
        ("w.pt", {"state_dict": TRUTH, "epoch": 3}, "epoch", "its entry epoch holds no weights, but int"),
    ],
)
def test_files_that_are_no_weights(tmp_path, name, content, entry, message):
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content is not None:
        torch.save(content, tmp_path / name)
    with pytest.raises(UserError, match=message):
        read_weights(tmp_path / name, entry)


def test_a_damaged_file(tmp_path):
    torch.save(TRUTH, tmp_path / "w.pt")
    data = bytearray((tmp_path / "w.pt").read_bytes())
    place = data.index(TRUTH["conv.weight"].numpy().tobytes()[:16])
    data[place] ^= 1
    (tmp_path / "w.pt").write_bytes(data)
    with pytest.raises(UserError, match="is damaged; copy it again"):
        read_weights(tmp_path / "w.pt")
