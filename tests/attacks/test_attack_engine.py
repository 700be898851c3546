"""The engine gives bit for bit what the plain algorithm gives, in any company, and leaves everything as it was."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from attack_networks import Linear, Padded, convolutional, noise_images
from torch import nn

from faceflip.attacks import AttackResult, attack, iterate, plain
from faceflip.attacks.passes import prepared
from faceflip.catalogue import ATTACKS
from faceflip.errors import UserError

pytestmark = pytest.mark.usefixtures("one_thread")

ROWS = 16
COLUMNS = [field.name for field in fields(AttackResult) if field.name not in ("margin", "warnings")]


def assert_same(one: AttackResult, other: AttackResult) -> None:
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def assert_as_plain(result: AttackResult, expected: list[plain.Attempt]) -> None:
    for name in fields(plain.Attempt):
        found, wanted = getattr(result, name.name), [getattr(attempt, name.name) for attempt in expected]
        np.testing.assert_array_equal(found, wanted, err_msg=name.name)


SEVERAL = 4
"""Attributes of the networks of several."""
SCOPE = {"fgs_scope": "attribute"}

CASES = [
    *[(name, objective, 1, {}) for name in ATTACKS for objective in ("euclidean", "softmax", "bce")],
    *[
        (name, objective, SEVERAL, SCOPE if name.startswith("fgs") else {})
        for name in ATTACKS
        for objective in ("euclidean", "softmax", "bce")
    ],
    *[
        ("ffa-iterative", objective, SEVERAL, {"ffa_target": "original"})
        for objective in ("euclidean", "softmax", "bce")
    ],
    ("ffa-iterative", "softmax", 1, {"ffa_target": "original"}),
    ("ffa-iterative", "softmax", 1, {"ffa_objective": "margin"}),
    ("ffa-line", "softmax", 1, {"ffa_objective": "margin"}),
    ("ffa-line", "softmax", SEVERAL, {"ffa_objective": "margin"}),
    ("ffa-iterative", "softmax", SEVERAL, {"ffa_objective": "margin"}),
    ("ffa-iterative", "softmax", SEVERAL, {"ffa_objective": "margin", "ffa_target": "original"}),
    ("ffa-iterative", "euclidean", SEVERAL, {"ffa_objective": "margin"}),
    ("ffa-iterative", "bce", SEVERAL, {"ffa_crossed": "onward"}),
    ("ffa-iterative", "softmax", 1, {"ffa_crossed": "onward", "ffa_objective": "margin"}),
    ("ffa-line", "euclidean", 1, {"max_epsilon": 20.5}),
    ("ffa-line", "bce", SEVERAL, {"epsilon_tolerance": 0.3}),
    ("fgs-line", "softmax", 1, {"search": "scan", "max_epsilon": 12.5}),
    ("fgs-line", "softmax", SEVERAL, {"search": "scan", "max_epsilon": 12.5, **SCOPE}),
    ("ffa-line", "softmax", 1, {"search": "scan", "max_epsilon": 9}),
    ("fgs-line", "euclidean", 1, {"fgs_label": "opposite"}),
    ("fgs-line", "euclidean", SEVERAL, {"fgs_label": "opposite", **SCOPE}),
    ("fgs-iterative", "softmax", SEVERAL, {"fgs_label": "opposite", **SCOPE}),
    ("fgs-iterative", "euclidean", 1, {"fgs_label": "annotated"}),
    ("fgs-line", "softmax", SEVERAL, {"fgs_label": "annotated", **SCOPE}),
    ("fgs-iterative", "bce", SEVERAL, {"fgs_label": "annotated", **SCOPE}),
    ("fgs-line", "euclidean", 1, SCOPE),
    ("fgs-iterative", "softmax", 1, {"max_steps": 1}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "objective", "attributes", "options"), CASES, ids=str)
def test_continuous_batching_equals_the_plain_method_bit_for_bit(name, objective, attributes, options):
    outputs = attributes * (2 if objective == "softmax" else 1)
    network = convolutional(outputs, seed=len(name), spread=1.5)
    images = noise_images(3 * ROWS + 3, seed=1)
    attacked = np.arange(len(images)) % attributes
    labels = np.where(np.arange(len(images)) % 3, 1, -1)
    options = {"max_steps": 25} | options

    result = attack(network, images, name, attacked, objective, labels, batch_size=ROWS, **options)

    assert (result.index == np.arange(len(images))).all()
    alone, options = Padded(network, ROWS), options | {"margin": result.margin}
    expected = [
        plain.attack(alone, image, name, attribute, objective, label, **options)
        for image, attribute, label in zip(images, attacked.tolist(), labels.tolist(), strict=True)
    ]
    assert_as_plain(result, expected)
    if options.get("fgs_label") != "annotated" and options.get("ffa_target") != "original":
        assert result.flipped.mean() > 0.1, "hardly anything to compare"


def test_fgs_scope_makes_no_difference_to_a_network_of_one_attribute():
    network, images = convolutional(2, seed=1), noise_images(20, seed=2)
    one = attack(network, images, "fgs-line", objective="softmax")
    assert_same(one, attack(network, images, "fgs-line", objective="softmax", **SCOPE))


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_the_same_run_gives_the_same_bytes_and_blocks_in_the_same_order(name):
    network, images = convolutional(1, seed=3), noise_images(50, seed=2)
    runs = [list(iterate(network, images, name, batch_size=8, block_size=13, max_steps=20)) for _ in range(2)]
    assert [len(block) for block in runs[0]] == [13, 13, 13, 11]
    for one, other in zip(*runs, strict=True):
        assert_same(one, other)
    whole = attack(network, images, name, batch_size=8, max_steps=20)
    for block in runs[0]:
        assert block.margin == whole.margin
        for column in COLUMNS:
            np.testing.assert_array_equal(getattr(block, column), getattr(whole, column)[block.index], err_msg=column)
    assert sorted(np.concatenate([block.index for block in runs[0]])) == list(range(50))


@pytest.mark.slow
# The lengths of Newton steps follow from scores of unrounded images, which this network does not compute exactly.
@pytest.mark.parametrize("name", [name for name in ATTACKS if name != "ffa-newton"])
def test_an_exact_network_gives_the_same_results_in_any_batch_size(name):
    random = np.random.default_rng(0)
    network = Linear(random.integers(-9, 10, (1, 48)), bias=-500)
    images = random.integers(0, 256, (23, 4, 4, 3), dtype=np.uint8)
    results = [attack(network, images, name, batch_size=size, fgs_label="opposite") for size in (1, 4, 7, 32)]
    assert results[0].flipped.any()
    for other in results[1:]:
        assert_same(results[0], other)


class Recording:
    """Images that note what is asked of them."""

    def __init__(self, images: np.ndarray) -> None:
        self.images, self.asked, self.shape = images, [], images.shape

    def __getitem__(self, positions: slice) -> np.ndarray:
        self.asked.append((positions.start, positions.stop))
        return self.images[positions]


def test_images_are_read_once_in_order_and_only_as_slots_become_free():
    images = Recording(noise_images(100, seed=5))
    blocks = iterate(convolutional(1, seed=4), images, "ffa-line", batch_size=8, block_size=8)
    next(blocks)
    assert images.asked[-1][1] <= 8 + 2 * 8 + 8
    list(blocks)
    assert images.asked[0][0] == 0
    assert all(one[1] == other[0] for one, other in zip(images.asked, images.asked[1:], strict=False))
    assert images.asked[-1][1] == 100


class OutOfMemory(nn.Module):
    """Has memory for so many images at a time; notes the batches that it took."""

    def __init__(self, network: nn.Module, room: int) -> None:
        super().__init__()
        self.network, self.room, self.taken = network, room, []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > self.room:
            raise torch.OutOfMemoryError("no room")
        self.taken.append(len(images))
        return self.network(images)


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_passes_are_full_and_the_last_images_take_small_ones(name):
    network = OutOfMemory(convolutional(1, seed=3, spread=1.5), room=32)
    images = noise_images(200, seed=2)
    result = attack(network, images, name, batch_size=32, max_steps=20, fgs_label="opposite")
    assert set(network.taken) <= {32, 16, 8, 7, 4, 1}
    for_results = int(result.gradient_passes.sum() + result.forward_passes.sum())
    for_sanity = 32 + 16 + 7 + 2 * (16 + 8 + 4)
    assert sum(network.taken) <= 1.1 * for_results + for_sanity


@pytest.mark.parametrize("name", ["ffa-line", "ffa-iterative"])
def test_running_out_of_memory_halves_the_batch(name):
    network = Linear(np.random.default_rng(0).integers(-9, 10, (1, 48)), bias=-500)
    images = np.random.default_rng(1).integers(0, 256, (40, 4, 4, 3), dtype=np.uint8)
    limited = OutOfMemory(network, room=9)
    assert_same(attack(limited, images, name, batch_size=32), attack(network, images, name, batch_size=32))
    assert max(limited.taken) == 8


def test_no_memory_for_a_single_image_is_told():
    with pytest.raises(UserError, match="not even one image of 4 x 4"):
        attack(OutOfMemory(Linear(np.ones((1, 48))), room=0), noise_images(5, 0, (4, 4)))


def test_the_network_is_left_as_it_was():
    network = convolutional(1, seed=0).train()
    network[1].eval()
    network[1].weight.requires_grad_(False)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    gradients = [parameter.requires_grad for parameter in network.parameters()]

    def check():
        assert modes == [module.training for module in network.modules()]
        assert gradients == [parameter.requires_grad for parameter in network.parameters()]
        assert all(parameter.grad is None for parameter in network.parameters())
        assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())

    images = noise_images(20, seed=0)
    original = images.copy()
    attack(network, images, batch_size=8)
    check()
    np.testing.assert_array_equal(images, original)
    blocks = iterate(network, images, batch_size=8, block_size=4)
    next(blocks)
    assert not network.training
    blocks.close()
    check()


def test_on_another_device_a_copy_is_attacked():
    """Any device that is not called as the network's own is another one, cpu:0 for one that is on cpu."""
    network, images = convolutional(1, seed=0).train(), noise_images(20, seed=0)
    with prepared(network, "cpu") as (module, device):
        assert module is network
        assert device == torch.device("cpu")
        assert not network.training
    with prepared(network, "cpu:0") as (module, device):
        assert device == torch.device("cpu:0")
        assert not module.training
        assert not any(parameter.requires_grad for parameter in module.parameters())
        assert network.training
        for own, copied in zip(network.parameters(), module.parameters(), strict=True):
            assert own.requires_grad
            assert own.data_ptr() != copied.data_ptr()
            torch.testing.assert_close(copied, own, rtol=0, atol=0)
    expected = attack(network, images, batch_size=8)
    for device in ("cpu", "cpu:0", torch.device("cpu")):
        assert_same(attack(network, images, batch_size=8, device=device), expected)


def test_gradients_of_the_caller_are_neither_needed_nor_disturbed():
    network, images = convolutional(1, seed=0), noise_images(9, seed=0)
    expected = attack(network, images, batch_size=4)
    with torch.no_grad():
        assert_same(attack(network, images, batch_size=4), expected)
    with torch.inference_mode():
        assert_same(attack(network, images, batch_size=4), expected)
    for _ in iterate(network, images, batch_size=4, block_size=1):
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()


@pytest.mark.filterwarnings("error")
def test_tensors_arrays_and_read_only_maps_are_the_same_images(tmp_path):
    network, images = convolutional(1, seed=0), noise_images(9, seed=0)
    expected = attack(network, images)
    assert_same(attack(network, torch.from_numpy(images)), expected)
    assert_same(attack(network, np.asfortranarray(images)), expected)
    np.save(tmp_path / "images.npy", images)
    assert_same(attack(network, np.load(tmp_path / "images.npy", mmap_mode="r")), expected)


def test_attributes_of_one_network_share_a_run():
    network, images = convolutional(3, seed=8), noise_images(12, seed=0)
    together = attack(network, np.concatenate([images] * 3), "ffa-line", np.repeat(range(3), 12), batch_size=12)
    for attribute in range(3):
        alone = attack(network, images, "ffa-line", attribute, batch_size=12, margin=together.margin)
        part = slice(12 * attribute, 12 * attribute + 12)
        np.testing.assert_array_equal(together.perturbation[part], alone.perturbation)
        np.testing.assert_array_equal(together.epsilon[part], alone.epsilon)


def test_no_images_are_no_work():
    result = attack(convolutional(1, seed=0), noise_images(0, seed=0))
    assert len(result) == 0
    assert result.perturbation.shape == (0, 12, 10, 3)
    assert [getattr(result, name).shape[0] for name in COLUMNS] == [0] * len(COLUMNS)


def test_progress_is_told(capsys):
    told = []
    result = attack(
        convolutional(1, seed=0),
        noise_images(30, seed=0),
        batch_size=8,
        progress=lambda done, total, note: told.append((done, total, note)),
    )
    assert told[-1] == (30, 30, f"{result.flipped.sum()} flipped")
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    attack(convolutional(1, seed=0), noise_images(30, seed=0), batch_size=8, progress=True)
    assert "attack ffa-line: 30 of 30 attempts (100%)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"attack": "ffa-lines"}, "no attack 'ffa-lines'; did you mean ffa-line"),
        ({"objective": "euclid"}, "no loss 'euclid'; did you mean euclidean"),
        ({"attribute": 1}, "attribute 1: the network decides on 1, counted from 0"),
        ({"attribute": -1}, "attribute: expected a column from 0 on"),
        ({"attribute": [0, 1]}, "attribute: expected one whole number, or 4"),
        ({"attribute": 0.5}, "attribute: expected the number of a column, .* as whole numbers, not float64"),
        ({"objective": "softmax"}, "softmax: expected scores N x 2 for each attribute of the network, not 4 x 1"),
        ({"labels": [0, 1, 1, 1]}, "labels: expected -1"),
        ({"attack": "fgs-line", "fgs_label": "annotated"}, "needs the images' labels"),
        ({"images": np.zeros((4, 3, 12, 10), np.uint8)}, "expected N x height x width x 3, not 4 x 3 x 12 x 10"),
        ({"images": np.zeros((4, 12, 10, 3))}, "expected uint8, not float64"),
        ({"images": "faces.jpg"}, "images: expected N x height"),
        ({"attribute": "Smiling"}, r"not 'Smiling'; of a network of all .*ATTRIBUTES\.index\(name\)"),
        ({"attribute": None}, "attribute: expected the number of a column, counted from 0, as whole numbers, not None"),
        ({"attribute": ["a", "b"]}, r"attribute: expected the number of a column, .* not \['a', 'b'\]"),
        ({"attribute": [0, 0]}, "attribute: expected one whole number, or 4 of them, one for each image, not 2"),
        ({"labels": "abc"}, r"labels: expected -1 \(absent\) or \+1 \(present\), as whole numbers, not 'abc'"),
        ({"labels": [1.0] * 4}, r"labels: expected -1 \(absent\) or \+1 \(present\), as whole numbers, not float64"),
        ({"objective": None}, "there is no loss None; there are euclidean, softmax, bce"),
        ({"device": "foo"}, "there is no device 'foo' here"),
        ({"device": "cuda:99"}, "there is no device 'cuda:99' here"),
    ],
)
def test_what_is_wrong_is_told(arguments, message):
    arguments = {"images": noise_images(4, seed=0)} | arguments
    with pytest.raises(UserError, match=message):
        attack(convolutional(1, seed=0), **arguments)


def test_attributes_of_all_images_are_checked_at_the_start():
    attributes = [0] * 39 + [3]
    with pytest.raises(UserError, match="attribute 3: the network decides on 3"):
        next(iterate(convolutional(3, seed=0), noise_images(40, seed=0), "ffa-line", attributes, batch_size=4))


def test_faults_are_told_before_the_first_block_is_asked_for():
    with pytest.raises(UserError, match="no attack"):
        iterate(convolutional(1, seed=0), noise_images(4, seed=0), "x")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_told(value):
    weights = np.ones((1, 48))
    weights[0, 0] = value
    with pytest.raises(UserError, match="not finite for image 0"):
        attack(Linear(weights), noise_images(3, 0, (4, 4)))
