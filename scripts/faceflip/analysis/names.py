"""How networks, attacks and attributes are ordered and called on a page."""

from collections.abc import Iterable

from faceflip.celeba import ATTRIBUTES

NETWORKS = ("euclidean", "softmax", "moon")
METHODS = ("fgs", "ffa")
SEARCHES = ("line", "iterative")
SIGNS = ("+", "-")
"""Correctly classified before the attack (adversarial), and misclassified (natural adversarial)."""

NETWORK_NAMES = {
    "euclidean": "separate networks, Euclidean loss",
    "softmax": "separate networks, softmax loss",
    "moon": "MOON",
}
SHORT_NETWORK_NAMES = {"euclidean": "Euclidean", "softmax": "softmax", "moon": "MOON"}
"""For figures as wide as a column."""
SEARCH_NAMES = {"line": "line search", "iterative": "iterative"}


def display_name(attribute: str) -> str:
    """Return an attribute as people write it: ``5_o_Clock_Shadow`` becomes ``5 o'Clock Shadow``."""
    return attribute.replace("o_Clock", "o'Clock").replace("_", " ")


def method_name(network: str, method: str) -> str:
    """Return an attack's name, with the M that tells an attack on MOON: ``MFFA``."""
    return ("M" if network == "moon" else "") + method.upper()


def ordered(present: Iterable[str], order: Iterable[str] = ATTRIBUTES) -> list[str]:
    """Return the distinct names, those of `order` first and in its order, the others by alphabet."""
    present, order = set(present), list(order)
    return [name for name in order if name in present] + sorted(present.difference(order))
