"""Adversarial attacks that flip one attribute: FGS and FFA, by line search and iteratively.

`attack` and `iterate` run an attack of `faceflip.catalogue.ATTACKS`, or your own, on images of any size;
`AttackOptions` has all that can be set. `faceflip.attacks.plain` shows the whole method on one page.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faceflip.attacks.engine import attack, iterate
    from faceflip.attacks.options import AttackOptions
    from faceflip.attacks.results import AttackResult

__all__ = ["AttackOptions", "AttackResult", "attack", "iterate"]

_PLACES = {"AttackOptions": "options", "AttackResult": "results", "attack": "engine", "iterate": "engine"}


def __getattr__(name: str) -> Any:
    """Import a name on first use: the options are read while the Snakefile is parsed, which must not import PyTorch."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"faceflip.attacks.{_PLACES[name]}"), name)
