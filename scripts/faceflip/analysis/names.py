"""How things are ordered and called on a page."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from faceflip.data.label_doubt import SOURCE_NAMES
from faceflip.wording import quantity

METHODS = ("fgs", "ffa")
SEARCHES = ("line", "iterative")
"""Methods and kinds of searches of the paper, in its order; others come after them."""
SIGNS = ("+", "-")
"""Correctly classified before the attack (adversarial), and misclassified (natural adversarial)."""

SPLIT_SIGNS = ("- firm", "- doubtful")
"""The misclassified ones again, by whether their label is in doubt (`faceflip.data.label_doubt`)."""

ALL = "all"
"""What a table's file calls all attributes together; no attribute has this name."""

SIGN_NAMES = {
    "+": "correctly classified (+)",
    "-": "misclassified (−)",
    "- firm": "misclassified (−), label firm",
    "- doubtful": "misclassified (−), label in doubt",
}
LABEL_NAMES = {"- firm": "firm", "- doubtful": "in doubt"}
"""What the labels of `SPLIT_SIGNS` are called."""
SEARCH_NAMES = {"line": "line search", "iterative": "iterative"}


def method_name(method: str) -> str:
    """Return a method as tables and figures write it: abbreviations, of few letters, in capitals."""
    return method.upper() if len(method) <= 4 else method


def signed(attack: str, sign: str) -> str:
    """Return an attack on what has a sign, as tables write it: ``FFA+``, ``FFA-, label firm``."""
    return attack + sign[0] + (f", label {LABEL_NAMES[sign]}" if sign in LABEL_NAMES else "")


def lead_method(methods: Iterable[str]) -> str:
    """Return the method whose adversarial images are looked at closer: FFA where it was run, else the first."""
    methods = list(methods)
    return "ffa" if "ffa" in methods else methods[0]


def doubted_by(doubt: Sequence[str]) -> str:
    """Return in words what says that labels are in doubt (`RunDescription.doubt`, not empty): ``by contradictions``."""
    *others, last = (f"by {SOURCE_NAMES[source]}" for source in doubt)
    return f"{', '.join(others)} or {last}" if others else last


def doubt_notes(doubt: Sequence[str]) -> list[str]:
    """Return what tables say of labels in doubt, by what says so (`RunDescription.doubt`); nothing where nothing does.

    What contradictions leave firm must not pass for right.
    """
    if not doubt:
        return []
    notes = [f"Label in doubt: {doubted_by(doubt)}. Label firm: nothing puts it in doubt; it may be wrong."]
    alone = "Contradictions find few of the wrong labels; most wrong ones count as firm here."
    return [*notes, alone] if set(doubt) == {"rules"} else notes


def search_name(kind: str) -> str:
    """Return a kind of search in words."""
    return SEARCH_NAMES.get(kind, kind)


def display_name(attribute: str) -> str:
    """Return an attribute as people write it: ``5_o_Clock_Shadow`` becomes ``5 o'Clock Shadow``."""
    return attribute.replace("_o_Clock", "_o'Clock").replace("_", " ")


def checkpoint_name(checkpoint: str) -> str:
    """Return a checkpoint in words: ``converged``, ``epoch 2``."""
    return checkpoint.replace("epoch", "epoch ")


def images_of(sample: Mapping[str, Any]) -> str:
    """Return how many images a sample has, and of which split: ``1,000 training images``."""
    split = {"train": "training"}.get(sample["split"], sample["split"])
    return quantity(sample["images"], f"{split} image")


def spread(names: Sequence[str], most: int) -> list[str]:
    """Return so many names at most, evenly spread over their order, the first and the last among them."""
    if len(names) <= most:
        return list(names)
    return [names[round(place * (len(names) - 1) / (most - 1))] for place in range(most)]


def ordered(present: Iterable[str], order: Iterable[str]) -> list[str]:
    """Return the distinct names, those of `order` first and in its order, the others by alphabet."""
    present, order = set(present), list(order)
    return [name for name in order if name in present] + sorted(present.difference(order))
