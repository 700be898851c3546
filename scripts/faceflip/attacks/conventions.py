"""How libraries call their attacks, each made one function of a network and an image.

The network is `TwoLogits`, the image lies in a batch of one, and its class is the network's decision: 0 absent, 1
present. What comes back are images to choose from, the best first.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from faceflip.attacks.libraries import is_installed, known_attack
from faceflip.attacks.third_class import WithThirdClass
from faceflip.attacks.two_logits import SCALE, TwoLogits
from faceflip.errors import UserError, did_you_mean
from faceflip.registry import load

FAR = 1.0
"""Pixel values may leave 0-1 by so much; what leaves it further is on another scale."""

CLASSES = {"n_classes": 2, "num_classes": 2, "num_targets": 1}
"""What attacks call the number of classes, or of those that could take the place of the decided one."""
RATIOS = ("dlr", "difference_logits_ratio")
"""What libraries call the loss that is a ratio of logits, of which the third is one."""

Seen = TwoLogits | WithThirdClass
ForeignAttack = Callable[[TwoLogits, Tensor, Tensor, int], Tensor]
"""From network, image (1, 3, height, width) on 0-1, class (1,) int64 and a seed to images (k, P) float32 on 0-255.

Their pixel values lie in that range, or are no numbers. It raises `UserError` where it gives no such images.
"""


def foreign_attack(file: str, options: Mapping[str, Any]) -> ForeignAttack:
    """Return the attack that a reference names, with these options.

    Raises `UserError` where there is none, or it takes no such options.
    """
    with without_charts():
        found = load(file)
    adapt = _convention(file, found)
    _require_fitting(file, found, adapt, [name for name in options if not (adapt is _foolbox and name == "epsilons")])
    attack = adapt(file, found, {**_two_classes(found), **options})
    third = _needs_third_class(file, found, options)

    def run(network: TwoLogits, image: Tensor, decided: Tensor, seed: int) -> Tensor:
        seen = WithThirdClass(network, image) if third else network
        return _checked(file, attack(seen, image.clone(), decided.clone(), seed), image)

    return run


@contextmanager
def without_charts() -> Iterator[None]:
    """Let adv-lib be imported where visdom is missing, which it imports for charts that nobody asks for here."""
    if is_installed("visdom"):
        yield
        return
    sys.modules["visdom"] = ModuleType("visdom")
    try:
        yield
    finally:
        del sys.modules["visdom"]


def _convention(file: str, found: Any) -> Callable[[str, Any, dict[str, Any]], Callable[..., Any]]:
    """Return which adapter something needs: a class that of the library that it derives from."""
    if isinstance(found, type):
        bases = {base.__module__.partition(".")[0] for base in found.__mro__}
        for library, adapt in {"foolbox": _foolbox, "torchattacks": _torchattacks, "art": _art}.items():
            if library in bases:
                return adapt
    elif callable(found):
        return _function
    raise UserError(
        f"{file}: expected a function of network, images and decisions, or an attack class of Foolbox, torchattacks or "
        f"ART, found {found!r}"
    )


def _require_fitting(file: str, found: Any, adapt: Callable[..., Any], options: list[str]) -> None:
    """Raise `UserError` unless something can be called with these options by name."""
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):  # some of compiled code
        return
    before = {_function: 3, _torchattacks: 1, _art: 1}.get(adapt, 0)
    own = [name for name, each in list(signature.parameters.items())[before:] if each.kind != each.VAR_KEYWORD]
    try:
        signature.bind(*[None] * before, **dict.fromkeys([*_two_classes(found), *options]))
    except TypeError as error:
        unknown = [name for name in options if name not in own]
        hint = did_you_mean(unknown[0], own, otherwise="; it takes ") if unknown else ""
        given = f"with the options {', '.join(options)}" if options else "without options"
        raise UserError(f"{file}: cannot be called {given}: {error}{hint}") from None


def _parameters(found: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(found).parameters
    except (TypeError, ValueError):
        return {}


def _two_classes(found: Any) -> dict[str, int]:
    """Return the options that say how many classes there are, where an attack takes them."""
    return {name: count for name, count in CLASSES.items() if name in _parameters(found)}


def _needs_third_class(file: str, found: Any, options: Mapping[str, Any]) -> bool:
    """Return whether the loss of an attack, by its options or their defaults, looks at a third class."""
    known = known_attack(file)
    if known and known.third_class:
        return True
    defaults = {name: each.default for name, each in _parameters(found).items()}
    return any(isinstance(each, str) and each.lower() in RATIOS for each in {**defaults, **options}.values())


def _seeded(found: Any, options: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return options with a seed where something takes one and none is given."""
    return {"seed": seed % 2**31, **options} if "seed" in _parameters(found) else options


def _function(file: str, found: Any, options: dict[str, Any]) -> Callable[..., Any]:
    """Adapt a function of network, images and classes, as adv-lib has them, and as users write them.

    With the option ``targeted`` it gets the other class instead.
    """

    def run(network: Seen, image: Tensor, decided: Tensor, seed: int) -> Any:
        classes = 1 - decided if options.get("targeted") else decided
        return found(network, image, classes, **_seeded(found, options, seed))

    return run


def _foolbox(file: str, found: Any, options: dict[str, Any]) -> Callable[..., Any]:
    """Adapt a class of Foolbox; its call takes the option ``epsilons``: None, a number or a list."""
    import foolbox
    from foolbox.attacks.base import FixedEpsilonAttack

    epsilons = options.pop("epsilons", None)
    if epsilons is None and issubclass(found, FixedEpsilonAttack):
        raise UserError(f"{file}: needs the option epsilons, a number or a list of them, on images on 0-1")

    def run(network: Seen, image: Tensor, decided: Tensor, seed: int) -> Any:
        model = foolbox.PyTorchModel(network.eval(), bounds=(0, 1), device=image.device)
        _, clipped, _ = found(**_seeded(found, options, seed))(model, image, decided, epsilons=epsilons)
        return torch.cat(clipped) if isinstance(clipped, list) else clipped

    return run


def _torchattacks(file: str, found: Any, options: dict[str, Any]) -> Callable[..., Any]:
    """Adapt a class of torchattacks, which is made with the network."""

    def run(network: Seen, image: Tensor, decided: Tensor, seed: int) -> Any:
        return found(network.eval(), **_seeded(found, options, seed))(image, decided)

    return run


def _art(file: str, found: Any, options: dict[str, Any]) -> Callable[..., Any]:
    """Adapt an evasion attack of ART, which is made with an estimator and works on NumPy arrays."""
    from art.estimators.classification import PyTorchClassifier

    quiet = {"verbose": False} if "verbose" in _parameters(found) else {}

    def run(network: Seen, image: Tensor, decided: Tensor, seed: int) -> Any:
        where = "gpu" if image.device.type == "cuda" else "cpu"
        size = tuple(image.shape[1:])
        count = network.classes
        estimator = PyTorchClassifier(
            network, nn.CrossEntropyLoss(), size, count, clip_values=(0.0, 1.0), device_type=where
        )
        classes = (1 - decided if options.get("targeted") else decided).cpu().numpy()
        return found(estimator, **quiet, **_seeded(found, options, seed)).generate(image.cpu().numpy(), classes)

    return run


def _checked(file: str, returned: Any, image: Tensor) -> Tensor:
    """Return what an attack returned as pixel values, or say what is wrong with it."""
    if isinstance(returned, np.ndarray):
        returned = torch.from_numpy(returned)
    if not isinstance(returned, Tensor):
        raise UserError(f"{file}: returned {type(returned).__name__}; expected a tensor of images like those given")
    if not returned.is_floating_point():
        kind = str(returned.dtype).removeprefix("torch.")
        raise UserError(f"{file}: returned images of {kind}; expected floating-point numbers on 0-1")
    if returned.ndim != 4 or not len(returned) or returned.shape[1:] != image.shape[1:]:
        shapes = [" x ".join(map(str, each.shape)) for each in (returned, image)]
        raise UserError(f"{file}: returned images of the shape {shapes[0]}; expected {shapes[1]}, as given")
    # In single precision what is unchanged comes back to whole numbers exactly.
    pixels = returned.detach().to(image.device, torch.float32)
    finite = pixels[pixels.isfinite()]
    if len(finite) and (finite.min() < -FAR or finite.max() > 1 + FAR):
        raise UserError(
            f"{file}: returned pixel values from {finite.min():.3g} to {finite.max():.3g}; expected images on 0-1, as "
            "those given"
        )
    pixels = pixels.where(pixels.isfinite(), torch.nan)
    return pixels.permute(0, 2, 3, 1).flatten(1).mul(SCALE).clamp(0, SCALE)
