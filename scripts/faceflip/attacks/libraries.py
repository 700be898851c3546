"""What is known of attacks by `file` without importing them; the configuration is checked by it, so this is light."""

import importlib.metadata
import importlib.util
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from faceflip.catalogue import (
    ATTACK_LIBRARIES,
    FOREIGN_SEARCHES,
    LIBRARY_ATTACKS,
    LINE,
    REFERENCE,
    AttackEntry,
    LibraryAttackEntry,
)
from faceflip.errors import UserError
from faceflip.registry import is_reference, own_file

STEPS = ("steps", "num_steps", "max_iter", "n_iter")
"""What libraries call the number of gradient steps, of attacks of which nothing else is known."""
ASSUMED_STEPS = 100
"""Where none is given."""
LINE_PASSES = 13
"""Forward passes of a search along a line: 7 behind an image that is nearly the smallest, 17 where it does not flip."""


def attack_of_file(file: str, options: Mapping[str, Any], then: str | None) -> AttackEntry:
    """Return the entry of an attack that is not ours, with the passes that its options let expect.

    Raises `UserError` where `file` is no reference, or names a library that is not installed.
    """
    place, _, name = file.rpartition(":")
    if not is_reference(file) or not place or not name:
        raise UserError(f"option file: {file!r} names no attack; expected MODULE:NAME of a library or FILE.py:NAME")
    if not own_file(file) and not is_installed(module := place.partition(".")[0]):
        known = ATTACK_LIBRARIES.get(module)
        remedy = f"install it by\n  pip install {known.pip}" if known else "is its name right?"
        raise UserError(f"option file: {file}: the package {module} is not installed; {remedy}")
    kind = LINE if then else REFERENCE
    search = next(search for search, entry in FOREIGN_SEARCHES.items() if entry.kind == kind)
    gradients, forwards = _passes(known_attack(file), options)
    return AttackEntry(
        "faceflip.attacks.reference_search:DecisionValue",
        search,
        title=f"{file}, as it is" if then is None else f"along what {file} returns",
        gradients=math.ceil(gradients),
        forwards=math.ceil(forwards) + (LINE_PASSES if then else 0),
    )


def _passes(known: LibraryAttackEntry | None, options: Mapping[str, Any]) -> tuple[float, float]:
    """Return the gradient and forward passes to expect of an attempt."""
    if known is None:
        return 1 + next((options[key] for key in STEPS if isinstance(options.get(key), int)), ASSUMED_STEPS), 1
    counts = (_count(options.get(name), default) for name, default in known.steps.items())
    steps = min(math.prod(counts), known.most)
    gradients = known.gradients * steps + known.more_gradients
    # The first tells the decision, whether the attack asks for one or not.
    return max(1, gradients), known.forwards * steps + known.more_forwards


def _count(value: Any, default: int) -> int:
    """Return what an option counts: itself, or the length of a list."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return len(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def known_attack(file: str) -> LibraryAttackEntry | None:
    """Return what is known of an attack that a reference names, under whichever of its library's modules; or None."""
    place, _, name = file.rpartition(":")
    return None if own_file(file) else LIBRARY_ATTACKS.get(f"{place.partition('.')[0]}:{name}")


def is_installed(module: str) -> bool:
    """Return whether there is such a module, by its name without dots."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


@cache
def version_of(file: str) -> str | None:
    """Return the library and version that a reference, or a name such as ``timm/resnet18``, is of: ``foolbox 3.3.4``.

    None of a file of your own.
    """
    if own_file(file):
        return None
    module = re.split("[:./]", file)[0]
    if module in ATTACK_LIBRARIES:
        names = [ATTACK_LIBRARIES[module].distribution]
    else:
        names = importlib.metadata.packages_distributions().get(module, [])
    try:
        return f"{names[0]} {importlib.metadata.version(names[0])}" if names else module
    except importlib.metadata.PackageNotFoundError:  # a folder on the search path
        return module
