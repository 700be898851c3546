"""Whether a number of a run can be compared with the paper's: by what it depends on, and no more than that.

A run departs from the paper in its data, networks, attacks or measures; a departure matters to numbers that rest on the
same. What the paper does not say is no departure: such choices are this project's or the user's, and are noted.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from faceflip.analysis.run import (
    PAPER_COLOR,
    PAPER_PASS,
    PAPER_ROLES,
    PAPER_SAMPLE,
    PAPER_THRESHOLD,
    RunDescription,
    RunNetwork,
)
from faceflip.attacks.options import AttackOptions
from faceflip.catalogue import PAPER_ATTACKS
from faceflip.data.celeba import ATTRIBUTES, HEIGHT, SPLIT_SIZES, WIDTH
from faceflip.networks.architecture import ArchitectureOptions
from faceflip.training.hyperparameters import TrainingOptions

ENOUGH = 0.999
"""A run with this share of CelebA's images has as good as all of them."""

GUESSES = {
    "architecture": ("input_mean", "input_scale", "initialisation"),
    "training": ("gamma", "power", "rms_decay", "rms_delta", "patience"),
    "attacks": ("max_epsilon", "max_steps"),
}
"""Options whose values the paper does not give."""

OURS = "where the paper gives none"


class Departure(NamedTuple):
    """A difference from the paper in words; `excused` where numbers can be compared nevertheless."""

    text: str
    excused: bool = False


@dataclass(frozen=True)
class Basis:
    """What a number rests on.

    Attributes:
        aspects: Of ``data`` (faces and splits), ``attributes``, ``network`` (with its training), ``sample``,
            ``attacks`` (their options), ``similarity`` (how PASS is taken) and ``threshold`` (of PASS).
        roles: Which of the paper's networks (`PAPER_ROLES`); where the run has none of these, all networks count.
        attacks: Names of the paper's attacks.
    """

    aspects: tuple[str, ...] = ()
    roles: tuple[str, ...] = tuple(PAPER_ROLES)
    attacks: tuple[str, ...] = tuple(PAPER_ATTACKS)


def departures(run: RunDescription, basis: Basis) -> list[Departure]:
    """Return what sets a run apart from the paper, of what a number rests on."""
    aspects = {
        "data": _data(run),
        "attributes": _attributes(run),
        "network": _networks(run, basis.roles),
        "sample": _sample(run),
        "attacks": _attacks(run, basis.attacks),
        "similarity": _similarity(run),
        "threshold": _threshold(run),
    }
    return [departure for name, found in aspects.items() if name in basis.aspects for departure in found]


def verdict(found: Sequence[Departure]) -> tuple[list[str], list[str]]:
    """Return why numbers cannot be compared, nothing where they can, and what to know where they can."""
    return [each.text for each in found if not each.excused], [each.text for each in found if each.excused]


def _data(run: RunDescription) -> Iterator[Departure]:
    if run.dataset != "celeba":
        yield Departure("synthetic faces" if run.synthetic else "other faces than CelebA's")
        return
    images, whole = sum(run.images.values()), sum(SPLIT_SIZES.values())
    placed = run.images if run.official is None else run.official
    moved = images - sum(placed.values())
    apart = f", {moved:,} of them in another split" if moved else ""
    told = f"{images:,} of CelebA's {whole:,} images{apart}"
    sizes = [(size, placed[split], run.images[split]) for split, size in SPLIT_SIZES.items()]
    if any(not ENOUGH * size <= right <= number <= size / ENOUGH for size, right, number in sizes):
        yield Departure(
            told if images < ENOUGH * whole or moved else f"other splits than CelebA's, of {images:,} images"
        )
    elif dict(placed) != SPLIT_SIZES:
        yield Departure(told, excused=True)
    elif run.official is None:
        yield Departure("whether its splits have CelebA's images was not recorded", excused=True)


def _attributes(run: RunDescription) -> Iterator[Departure]:
    if not run.like_paper:
        yield Departure("other attributes than CelebA's")
    elif len(run.attacked) != len(ATTRIBUTES):
        yield Departure(f"{len(run.attacked)} of {len(ATTRIBUTES)} attributes")


def _networks(run: RunDescription, roles: Sequence[str]) -> Iterator[Departure]:
    """Yield what differs in the networks that stand for the paper's, and in their training."""
    networks = [each for each in map(run.paper_network, roles) if each]
    networks = networks or [each for each in run.networks if not each.brought]
    if not networks:
        yield Departure("networks that were trained elsewhere")
    for word, group, paper in (
        ("network", "architecture", ArchitectureOptions()),
        ("training", "training", TrainingOptions()),
    ):
        found: dict[Departure, list[str]] = defaultdict(list)
        for network in networks:
            for name, (ours, theirs) in _differences(network, group, paper).items():
                guess = name in GUESSES[group]
                text = f"{word} with {name} {ours} instead of {theirs}" + (f", {OURS}" if guess else "")
                found[Departure(text, guess)].append(network.short)
        for departure, shorts in found.items():
            which = "" if len(shorts) == len(networks) else f" ({', '.join(shorts)})"
            yield departure._replace(text=departure.text + which)
        if group == "architecture" and (run.input_width, run.input_height) != (WIDTH, HEIGHT):
            yield Departure(f"input of {run.input_width} x {run.input_height} instead of {WIDTH} x {HEIGHT} pixels")


def _differences(network: RunNetwork, group: str, paper: Any) -> dict[str, tuple[Any, Any]]:
    options = type(paper)(**getattr(network, group))
    found = options.differences(paper)
    found.pop("seed", None)  # the paper has none
    if "checkpoints" in found and options.least_epochs == paper.least_epochs:
        # Weights that are kept besides are no other training, unless it lasts longer for them.
        del found["checkpoints"]
    return found


def _sample(run: RunDescription) -> Iterator[Departure]:
    split, images = (run.sample[name] for name in PAPER_SAMPLE)
    if images != PAPER_SAMPLE["images"]:
        yield Departure(f"{images:,} instead of {PAPER_SAMPLE['images']:,} attacked images")
    if split != PAPER_SAMPLE["split"]:
        yield Departure(f"attacked images of the {split} split instead of the {PAPER_SAMPLE['split']} split")


def _attacks(run: RunDescription, attacks: Sequence[str]) -> Iterator[Departure]:
    """Yield what differs in the attacks that have the names of the paper's."""
    for attack in (name for name in PAPER_ATTACKS if name in attacks and name in run.attacks):
        for name, value in run.attacks[attack].items():
            # Direction and search stand in the catalogue.
            paper = getattr(PAPER_ATTACKS[attack], name, AttackOptions.model_fields[name].default)
            # The paper runs FGS on networks of one attribute alone, where its scope changes nothing.
            if name != "fgs_scope" and value not in (None, paper):
                guess = name in GUESSES["attacks"]
                text = f"{attack} with {name} {_told(value)}" + (f" instead of {_told(paper)}, {OURS}" if guess else "")
                yield Departure(text, guess)


def _similarity(run: RunDescription) -> Iterator[Departure]:
    if run.color != PAPER_COLOR:
        yield Departure(f"PASS of {run.color} instead of {PAPER_COLOR} images")
    for name in PAPER_PASS | run.definition:
        ours, paper = (definition.get(name, "none") for definition in (run.definition, PAPER_PASS))
        if ours != paper:
            yield Departure(f"PASS with {name} {ours} instead of {paper}")


def _threshold(run: RunDescription) -> Iterator[Departure]:
    if run.threshold != PAPER_THRESHOLD:
        yield Departure(f"adversarial from PASS {run.threshold:g} instead of {PAPER_THRESHOLD:g} on")


def guesses(run: RunDescription) -> str:
    """Return the values that this run has where the paper gives none, in words."""
    network = run.paper_network("euclidean") or run.networks[0]
    found: Mapping[str, Any] = {
        **{name: network.architecture[name] for name in GUESSES["architecture"] if name in network.architecture},
        **{name: network.training[name] for name in GUESSES["training"] if name in network.training},
        **{name: _values(run, name) for name in GUESSES["attacks"]},
    }
    return ", ".join(f"{name} {_told(value)}" for name, value in found.items())


def _values(run: RunDescription, option: str) -> str:
    """Return the values of an option over the attacks that heed it."""
    values = dict.fromkeys(_told(run.option(name, option)) for name in run.attacks if option in run.attacks[name])
    return " or ".join(values) or _told(AttackOptions.model_fields[option].default)


def _told(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
