"""RMSProp's kernel: the formula to the last bit, PyTorch's optimiser within stated bounds, and what stands in for it.

Where there is no GPU, Triton's interpreter runs the kernel; what it compiles for an H100 can be read everywhere.
"""

import importlib
import re
import sys

import numpy as np
import pytest
import torch
from torch import nn

from faceflip.training import optimiser as optimiser_module
from faceflip.training.optimiser import RMSProp

pytest.importorskip("triton", reason="needs Triton, which comes with PyTorch on Linux")

DECAY, DELTA = 0.98, 1e-8
RATES = (1e-2, 7e-3, 5.5e-3)
KERNEL = "faceflip.training.rmsprop_kernel"


@pytest.fixture
def fresh(monkeypatch):
    """Let the kernel be imported anew, and forgotten afterwards."""
    monkeypatch.delitem(sys.modules, KERNEL, raising=False)
    yield
    sys.modules.pop(KERNEL, None)
    vars(sys.modules["faceflip.training"]).pop("rmsprop_kernel", None)


@pytest.fixture(params=["interpreter", pytest.param("cuda", marks=pytest.mark.gpu)])
def place(request, monkeypatch, fresh):
    """The device of tensors that the kernel takes: a GPU's, or the CPU's where the kernel is interpreted."""
    if request.param == "cuda":
        if not torch.cuda.is_available():
            pytest.skip("PyTorch sees no GPU here")
        return "cuda"
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    return "cpu"


def layers(place):
    """Weights of several shapes: in channels_last, of 1 and of 3,001 numbers, one in three blocks, one never used."""
    torch.manual_seed(3)
    found = nn.ModuleDict(
        {
            "convolution": nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last),
            "one": nn.Linear(1, 1),
            "many": nn.Linear(3001, 1, bias=False),
            "idle": nn.Linear(2, 2),
        }
    )
    return found.to(place)


def gradients(step):
    """Gradients from tiny to large, and of both signs, of the parameters that have one; the same everywhere."""
    random = np.random.default_rng(step)
    for shape in [(5, 3, 3, 3), (5,), (1, 1), (1,), (1, 3001)]:
        values = random.standard_normal(shape) * 10.0 ** random.integers(-12, 3, shape)
        values.flat[3 :: 7 + step] = 0
        yield values.astype(np.float32)


def stepped(optimiser, parameters):
    """Take the steps with what `gradients` gives."""
    for step, rate in enumerate(RATES):
        for parameter, gradient in zip(parameters, gradients(step), strict=False):
            parameter.grad = torch.from_numpy(gradient).to(parameter.device)
        optimiser(rate)


def formula(weights):
    """Return weights and mean squares after the steps, by NumPy in float32, each operation rounded by itself."""
    f = np.float32
    weights, squares = [each.copy() for each in weights], [np.zeros_like(each) for each in weights]
    for step, rate in enumerate(RATES):
        for w, h, g in zip(weights, squares, gradients(step), strict=False):
            h[...] = f(DECAY) * h + f(1 - DECAY) * g * g
            w -= f(rate) * g / (np.sqrt(h) + f(DELTA))
    return weights, squares


def arrays(tensors):
    return [each.detach().cpu().numpy() for each in tensors]


def test_it_is_the_formula_to_the_last_bit(place):
    parameters = list(layers(place).parameters())
    before = arrays(each.clone() for each in parameters)
    optimiser = RMSProp(parameters, DECAY, DELTA, fused=True)
    assert optimiser.how == "weights move by one Triton kernel"
    stepped(optimiser.step, parameters)
    weights, squares = formula(before)
    for found, expected in zip(arrays(parameters), weights, strict=True):
        np.testing.assert_array_equal(found, expected)
    for found, expected in zip(arrays(optimiser.mean_squares), squares, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert all((one != other).any() for one, other in zip(weights[:5], before[:5], strict=True))


@pytest.mark.slow
def test_it_is_pytorchs_optimiser_but_for_a_few_last_places(place):
    """h within 2 units in the last place, w within 1 of its own and 4 of those of its steps."""
    ours, theirs = (list(layers(place).parameters()) for _ in range(2))
    optimiser = RMSProp(ours, DECAY, DELTA, fused=True)
    before = arrays(each.clone() for each in ours)
    stepped(optimiser.step, ours)
    peer = torch.optim.RMSprop(theirs, lr=1, alpha=DECAY, eps=DELTA, foreach=True)

    def step(rate):
        peer.param_groups[0]["lr"] = rate
        peer.step()

    stepped(step, theirs)
    for own, other, start in zip(arrays(ours), arrays(theirs), before, strict=True):
        largest = np.maximum(np.maximum(np.abs(own), np.abs(other)), np.abs(start))
        travelled = sum(RATES) * 50**0.5
        bound = len(RATES) * (np.spacing(largest) + 4 * np.spacing(np.float32(travelled)))
        assert (np.abs(own.astype(float) - other) <= bound).all()
    for own, other in zip(optimiser.mean_squares, (peer.state[each].get("square_avg") for each in theirs), strict=True):
        if other is not None:
            np.testing.assert_array_max_ulp(*arrays([own, other]), maxulp=2)


def test_a_gradient_in_another_order_is_put_in_order(place):
    weights = [torch.ones(2, 3, 2, 2, device=place, requires_grad=True) for _ in range(2)]
    gradient = torch.arange(24.0, device=place).reshape(2, 3, 2, 2)
    for weight, layout in zip(weights, (torch.contiguous_format, torch.channels_last), strict=True):
        weight.grad = gradient.contiguous(memory_format=layout)
        optimiser = RMSProp([weight], DECAY, DELTA, fused=True)
        optimiser.step(0.1)
    assert weights[1].grad.stride() != weights[1].stride()
    assert torch.equal(*weights)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [("no Triton", "ModuleNotFoundError: import of triton halted"), ("no device", "RuntimeError: 0 active drivers")],
)
def test_where_the_kernel_does_not_work_pytorchs_operations_do(monkeypatch, fresh, broken, reason):
    if broken == "no Triton":
        monkeypatch.setitem(sys.modules, "triton", None)
    elif torch.cuda.is_available():
        pytest.skip("Triton finds a GPU here")
    ours, theirs = (list(layers("cpu").parameters()) for _ in range(2))
    optimiser = RMSProp(ours, DECAY, DELTA, fused=True)
    assert optimiser.how.startswith(
        f"weights move by PyTorch's operations (Triton's kernel does not work here: {reason}"
    )
    assert "\n" not in optimiser.how
    stepped(optimiser.step, ours)
    stepped(RMSProp(theirs, DECAY, DELTA, fused=False).step, theirs)
    assert all(torch.equal(*pair) for pair in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(
    "weights", [torch.ones(4, dtype=torch.float64), torch.ones(8)[::2], torch.ones(1, 3).expand(2, 3)]
)
def test_weights_that_it_cannot_pass_over_are_left_to_pytorch(place, weights):
    optimiser = RMSProp([nn.Parameter(weights.to(place))], DECAY, DELTA, fused=True)
    assert optimiser.how.startswith("weights move by PyTorch's operations")


def test_a_cpu_has_pytorchs_operations_and_no_triton_imported(fresh):
    optimiser = RMSProp([nn.Parameter(torch.ones(3))], DECAY, DELTA)
    assert optimiser.how == "weights move by PyTorch's operations"
    assert KERNEL not in sys.modules
    assert not hasattr(optimiser_module, "triton")


@pytest.mark.slow
def test_compiled_for_an_h100_it_rounds_each_operation_by_itself(fresh):
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    kernel = importlib.import_module(KERNEL)
    kinds = {**dict.fromkeys(("weights", "gradients", "squares"), "*fp32"), "count": "i32"}
    kinds |= dict.fromkeys(("decay", "share", "rate", "delta"), "fp32")
    source = ASTSource(
        fn=kernel._move,
        signature={**kinds, "block": "constexpr"},
        constexprs={"block": kernel.BLOCK},
        attrs={(place,): [["tt.divisibility", 16]] for place in range(4)},
    )
    code = compile(source, target=GPUTarget("cuda", 90, 32), options={"enable_fp_fusion": False}).asm["ptx"]
    operations = set(
        re.findall(r"^\s*(?:@%p\d+ )?((?:add|sub|mul|fma|div|sqrt|ld\.global|st\.global)[.\w]*)", code, re.M)
    )
    assert operations & {"div.rn.f32", "sqrt.rn.f32"} == {"div.rn.f32", "sqrt.rn.f32"}
    rounded = {each for each in operations if each.endswith("f32") and not each.startswith(("ld.", "mov."))}
    assert rounded == {"mul.rn.f32", "add.rn.f32", "sub.rn.f32", "div.rn.f32", "sqrt.rn.f32"}
    assert {each for each in operations if "global" in each} == {"ld.global.v4.b32", "st.global.v4.b32"}
