"""Weights that were trained elsewhere: read from the files that people have, and laid into a network by their names.

Nothing in a file is run. What PyTorch's files hold beside tensors and plain values (a Lightning checkpoint's settings,
a whole pickled network) becomes an inert object, and weights are looked for in the rest.
"""

import pickle
import re
import warnings
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from faceflip.errors import UserError, did_you_mean
from faceflip.wording import first_of

State = dict[str, Tensor]

EMA = ("state_dict_ema", "model_ema", "ema_state_dict", "ema_model", "ema", "params_ema")
PLAIN = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "network",
    "net",
    "weights",
    "params",
    "module",
    "state",
)
ENTRIES = (*EMA, *PLAIN)
"""Entries of a training's files that hold a state dict, those of an exponential moving average first, as timm does."""

WRAPPERS = re.compile(r"(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What `torch.compile` and others put into names, at any place."""
AVERAGE = re.compile(r"(?:^|[._])ema(?:[._]|$)")
"""What prefixes of an average's names have."""
COUNTERS = ("n_averaged", "initted", "step")
"""Entries that averages of weights keep beside them."""
SHOWN = 4


def read_weights(path: Path | str, entry: str | None = None) -> tuple[State, str]:
    """Return the tensors of a file by their names there, and the entry that they stand in (empty: the file itself).

    The file is of safetensors, or of `torch.save` with a state dict in it; `entry` names it, with dots for one within
    another, or for what stands before names in it.

    Raises:
        UserError: The file is missing or damaged, holds no weights, or is a network whose code would have to be run.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); name the file of the network's weights") from None
    if path.suffix.lower() == ".safetensors" or start[8:9] == b"{":
        return _of_safetensors(path), ""
    content = _unpickled(path)
    if entry is not None:
        content = _entry(path, content, entry)
        if (state := _as_state(content)) is None:
            raise UserError(f"{path}: its entry {entry} holds no weights, {_in_words(content)}")
        return state, entry
    if (state := _as_state(content)) is not None:
        return state, ""
    for name in ENTRIES:
        if isinstance(content, Mapping) and (state := _as_state(content.get(name))) is not None:
            return state, name
        if isinstance(content, Mapping) and isinstance(within := content.get(name), Mapping):
            for inner in PLAIN:
                if (state := _as_state(within.get(inner))) is not None:
                    return state, f"{name}.{inner}"
    raise UserError(f"{path}: holds no weights, {_in_words(content)}; {REMEDY}")


REMEDY = (
    "save the state dict alone, torch.save(network.state_dict(), FILE), or as safetensors, or name the entry that "
    "holds it with the key `entry`"
)


def _of_safetensors(path: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: not a readable safetensors file ({error}); is it whole?") from error


class _Inert:
    """Stands for a class or function whose code is not run: whatever it is called with, it gives an empty mapping.

    That is of the one type that the unpickler lets have entries as well as attributes.
    """

    def __new__(cls, *_: Any, **__: Any) -> OrderedDict:
        made = OrderedDict()
        made.inert = True
        return made


def _unpickled(path: Path) -> Any:
    """Return what `torch.save` wrote, with `_Inert` in place of what would run code."""
    is_zip = zipfile.is_zipfile(path)
    if is_zip:
        with zipfile.ZipFile(path) as archive:
            if any("/code/" in name for name in archive.namelist()):
                raise UserError(f"{path}: is a TorchScript program; name it in `file`, without `weights`")
            with suppress(zipfile.BadZipFile, zlib.error, EOFError):
                damaged = archive.testzip()
                if damaged is None:
                    return _loaded(path)
            raise UserError(f"{path}: is damaged; copy it again")
    return _loaded(path)


def _loaded(path: Path) -> Any:
    foreign: list[tuple[type, str]] = []
    with suppress(Exception):  # of files before PyTorch 1.6 it does not know
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        foreign = [(type("_Inert", (_Inert,), {}), name) for name in names]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(foreign):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # an unpickler raises whatever the bytes lead it to
        blocked = re.search(r"GLOBAL (\S+)", str(error)) if isinstance(error, pickle.UnpicklingError) else None
        if blocked or foreign:
            code = blocked[1] if blocked else first_of([name for _, name in foreign], SHOWN)
            raise UserError(
                f"{path}: needs code to be run to be read ({code}), which is not done to files of weights; {REMEDY}"
            ) from error
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise UserError(
            f"{path}: neither safetensors nor what torch.save writes ({reason}); name the file of the network's weights"
        ) from error


def _as_state(content: Any) -> State | None:
    """Return the tensors of a state dict, None where it is none."""
    if not isinstance(content, Mapping):
        return None
    tensors = {name: each for name, each in content.items() if isinstance(name, str) and isinstance(each, Tensor)}
    others = set(content) - set(tensors)
    if not tensors or any(isinstance(content[name], Mapping) for name in others) or len(others) > len(tensors):
        return None
    return {name: each for name, each in tensors.items() if name not in COUNTERS}


def _entry(path: Path, content: Any, entry: str) -> Any:
    for name in [entry] if isinstance(content, Mapping) and entry in content else entry.split("."):
        state = {WRAPPERS.sub("", key): each for key, each in (_as_state(content) or {}).items()}
        if name not in state and (below := _below(state, f"{name}.")):
            content = below
            continue
        if not isinstance(content, Mapping) or name not in content:
            known = [str(each) for each in content] if isinstance(content, Mapping) else []
            there = f"it has {first_of(known, 8)}" if known else _in_words(content)
            raise UserError(f"{path}: has no entry {entry}{did_you_mean(name, known)}; {there}")
        content = content[name]
    return content


def _in_words(content: Any) -> str:
    """Describe something that is no state dict."""
    if hasattr(content, "inert"):
        return "but an object of code that is not run, such as a whole network"
    if isinstance(content, Mapping):
        return f"but entries {first_of([str(name) for name in content], 6)}" if content else "but nothing at all"
    return f"but {type(content).__name__}"


def lay_in(network: nn.Module, state: Mapping[str, Tensor], path: Path | str, builder: str) -> list[str]:
    """Load weights into a network by their names, in float32, and return what to know about it, a sentence each.

    Prefixes that wrappers and trainers put before all names (``module.``, ``model.``, ``_orig_mod.``, any) are left
    out; entries beside them, such as those of a loss, are not used.

    Raises:
        UserError: Names or shapes do not fit; the first of both sides are listed.
    """
    expected = {name: each for name, each in network.state_dict().items() if isinstance(each, Tensor)}
    found = {WRAPPERS.sub("", name): each for name, each in state.items()}
    chosen, notes = _fitting(expected, found, path)
    optional = {name for name in expected if name.endswith("num_batches_tracked")}
    missing = [name for name in expected if name not in chosen and name not in optional]
    more = [name for name in chosen if name not in expected]
    bent = [name for name in expected if name in chosen and expected[name].shape != chosen[name].shape]
    if missing or more or bent:
        raise UserError(_misfit(path, builder, expected, chosen, (missing, more, bent)))
    coarse = [name for name, each in chosen.items() if each.is_quantized or each.is_complex()]
    if coarse:
        raise UserError(
            f"{path}: {first_of(coarse, SHOWN)} are quantised or complex; expected floating-point numbers: save the "
            "weights before they are quantised"
        )
    if endless := [name for name, each in chosen.items() if each.is_floating_point() and not each.isfinite().all()]:
        raise UserError(
            f"{path}: {first_of(endless, SHOWN)} hold infinite values or no numbers; save the weights in float32, "
            "before a half precision that they do not fit into"
        )
    with torch.no_grad():
        network.load_state_dict({name: each.to(expected[name].dtype) for name, each in chosen.items()}, strict=False)
    return notes


def _fitting(expected: Mapping[str, Tensor], found: State, path: Path | str) -> tuple[State, list[str]]:
    """Return the entries that are the network's, by its names, and what to know about the choice.

    Raises UserError where other entries are as good.
    """
    if not expected or not found:
        return dict(found), []
    needed = {name for name in expected if not name.endswith("num_batches_tracked")}
    by_prefix = {prefix: _below(found, prefix) for prefix in _prefixes(needed, found)}
    # What has most of the network's names; of equals an average of weights before what it is of, the shortest prefix.

    def rank(prefix: str) -> tuple[int, bool, int]:
        return len(needed & by_prefix[prefix].keys()), bool(AVERAGE.search(prefix)), -len(prefix)

    best = max(by_prefix, key=rank, default="")
    chosen = by_prefix.get(best, dict(found))
    if not needed & chosen.keys():  # perhaps the network wraps what the weights are of

        def named(prefix: str) -> int:
            return sum(prefix + name in expected for name in found)

        inner = max(_prefixes(found, expected), key=named, default="")
        return {inner + name: each for name, each in found.items()}, []
    for other, state in by_prefix.items():
        as_good = other != best and rank(other) == rank(best) and needed <= chosen.keys()
        if as_good and not all(_same(chosen[name], state[name]) for name in needed):
            first, second = best.rstrip("."), other.rstrip(".")
            raise UserError(
                f"{path}: has weights for the network under {first} and under {second}; name with the key `entry` "
                f"those that are meant, such as entry: {first} (ENTRY.{first} where they are within an entry), or save "
                "them alone, without what stands before their names"
            )
    left = [name for name in found if not name.startswith(best)]
    if not left:
        return chosen, []
    return chosen, [
        f"{len(left)} tensors of the file that do not begin with {best} are not used: {first_of(left, SHOWN)}"
    ]


def _same(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one, other)


def _prefixes(names: Any, found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what stands before a network's names in a file, each once."""
    last: Callable[[str], str] = lambda name: name.rpartition(".")[2]  # noqa: E731
    ends: dict[str, list[str]] = {}
    for name in names:
        ends.setdefault(last(name), []).append(name)
    prefixes = {
        key.removesuffix(name)
        for key in found
        for name in ends.get(last(key), ())
        if key == name or key.endswith(f".{name}")
    }
    yield from sorted(prefixes, key=lambda prefix: (len(prefix), prefix))


def _below(found: State, prefix: str) -> State:
    return {name.removeprefix(prefix): each for name, each in found.items() if name.startswith(prefix)}


def _misfit(
    path: Path | str,
    builder: str,
    expected: Mapping[str, Tensor],
    found: Mapping[str, Tensor],
    faults: tuple[list[str], list[str], list[str]],
) -> str:
    missing, more, bent = faults
    said = []
    if missing:
        said.append(f"it lacks {first_of(missing, SHOWN)}")
    if more:
        said.append(f"it has {first_of(more, SHOWN)} besides")
    if bent:
        shapes = [
            f"{name} ({_shape(found[name])} in the file, {_shape(expected[name])} in the network)" for name in bent
        ]
        said.append(f"of another shape {'is' if len(bent) == 1 else 'are'} {first_of(shapes, SHOWN)}")
    sides = [f"the file has {len(found)} tensors ({first_of(list(found), 3)})"]
    sides.append(f"the network that {builder} builds has {len(expected)} ({first_of(list(expected), 3)})")
    return (
        f"{path}: the weights do not fit: {'; '.join(said)}. In all, {' and '.join(sides)}. Build it as it was when it "
        "was trained: see its `options`, or name other code in `file`"
    )


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"
