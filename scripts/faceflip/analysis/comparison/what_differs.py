"""What sets runs apart: data, networks, attacks, measures, seeds, code; and what of that makes numbers others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from faceflip.analysis.comparison.finished import FinishedRun
from faceflip.analysis.pages import MISSING
from faceflip.analysis.run import RunDescription
from faceflip.wording import first_of, quantity

DATASET = ("fingerprint", "pixel_sha256", "decoder", "resizer", "split_shares", "subset", "provenance")
"""Keys of a manifest that say more of the data than a run's description."""
COUNTED = ("mislabelled_annotations", "images")
"""Keys of the provenance of drawn faces that follow from others, or stand elsewhere."""
LOOKS = ("name", "title", "short", "color")
"""Fields of networks, attacks and fine-tunings that change how they are shown, and no number."""
ELSEWHERE = ("networks", "attack_list", "tunings", "attacks", "dataset", "dataset_attributes", "images", "official")
"""Fields of a description that have other places among the settings."""
MADE_BY_SEEDS = ("dataset.fingerprint", "dataset.pixel_sha256")
"""What differs where seeds do."""
SEED, SEEDS = "seed", "seeds"
THERE = "there"
"""Stands for what only some runs have, such as a network."""
MOST_NAMED, DIGITS = 8, 16
"""So many parts of a list are named, and so many digits of a digest."""


@dataclass(frozen=True)
class Difference:
    """A setting that is not the same in all runs: its path, and its values in words, one for each run."""

    name: str
    told: tuple[str, ...]

    @property
    def is_seed(self) -> bool:
        """Whether it is a seed."""
        *_, group, name = ("", *self.name.split("."))
        return name == SEED or group == SEEDS


class Caution(NamedTuple):
    """Why numbers are not of the same: what they rest on (as `faceflip.analysis.comparability` calls it), and how."""

    aspect: str
    text: str


def settings_of(run: FinishedRun) -> dict[str, Any]:
    """Return all that decides the numbers of a run, a group within another: data, networks, attacks, seeds, code."""
    description, manifest = run.description, run.manifest
    every = asdict(description)
    provenance = manifest.get("provenance")
    if isinstance(provenance, Mapping):
        provenance = {name: value for name, value in provenance.items() if name not in COUNTED}
    dataset = {"source": description.dataset, "attributes": description.dataset_attributes}
    dataset |= {"images": every["images"], "official": every["official"]}
    dataset |= {name: manifest[name] for name in DATASET if name in manifest} | {"provenance": provenance}
    attacks = {each.name: _without(asdict(each), LOOKS) for each in description.attack_list}
    for name, options in run.options_of_attacks.items():
        attacks.setdefault(name, {})["options"] = options
    return {
        "dataset": dataset,
        **{name: value for name, value in every.items() if name not in ELSEWHERE},
        "networks": {each["name"]: _without(each, LOOKS) for each in every["networks"]},
        "attacks": attacks,
        "fine-tunings": {each["name"]: _without(each, LOOKS) for each in every["tunings"]},
    }


def differences(runs: Sequence[FinishedRun]) -> list[Difference]:
    """Return the settings that are not the same in all runs."""
    return list(_differences("", [settings_of(run) for run in runs]))


def _differences(path: str, values: Sequence[Any]) -> Iterator[Difference]:
    """Yield what differs below a path; what is missing is None."""
    if all(value == values[0] for value in values):
        return
    if all(isinstance(value, Mapping) for value in values):
        for name in dict.fromkeys(name for value in values for name in value):
            yield from _differences(f"{path}.{name}" if path else name, [value.get(name) for value in values])
    else:
        yield Difference(path, tuple(_told(value) for value in values))


def _told(value: Any) -> str:
    if value is None:
        return MISSING
    if isinstance(value, Mapping):
        return THERE
    if isinstance(value, list | tuple):
        parts = ["/".join(map(str, part)) if isinstance(part, list | tuple) else _told(part) for part in value]
        return first_of(parts, MOST_NAMED) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    return text[:DIGITS] if len(text) == 64 else text or "none"


def _without(values: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def only_seeds(found: Sequence[Difference]) -> bool:
    """Return whether runs differ by seeds, and by nothing but these and what follows from them."""
    rest = [each for each in found if each.name not in MADE_BY_SEEDS]
    return bool(rest) and all(each.is_seed for each in rest)


def in_common(found: Sequence[Difference], runs: Sequence[FinishedRun]) -> str:
    """Say in one sentence what is the same in all runs."""
    apart = {each.name.split(".")[0] for each in found}
    same = [name for name in settings_of(runs[0]) if name not in apart]
    described = runs[0].description
    words = {
        "dataset": f"dataset (fingerprint {runs[0].manifest['fingerprint'][:DIGITS]})",
        "sample": f"sample ({described.sample['images']:,} images of {described.sample['split']})",
        "networks": quantity(len(described.networks), "network"),
        "attacks": quantity(len(described.attack_list), "attack"),
        "attacked": quantity(len(described.attacked), "attacked attribute"),
        "threshold": f"threshold of PASS {described.threshold:g}",
        "seed": f"seed {described.seed}",
        "code": f"code {str(described.code)[:DIGITS]}",
    }
    return f"The same in all: {', '.join(words.get(name, name.replace('_', ' ')) for name in same)}."


def same_images(first: FinishedRun, other: FinishedRun) -> bool:
    """Return whether numbers of images mean the same images, with the same labels, in two runs."""
    return first.manifest["fingerprint"] == other.manifest["fingerprint"]


def same_similarity(first: RunDescription, other: RunDescription) -> bool:
    """Return whether PASS is the same measure in two runs."""
    return (first.color, dict(first.definition)) == (other.color, dict(other.definition))


def cautions(runs: Sequence[FinishedRun]) -> list[Caution]:
    """Return why numbers of the runs are not of the same, each other run beside the first; none where they are."""
    return list(dict.fromkeys(caution for other in runs[1:] for caution in _cautions(runs[0], other)))


def _cautions(first: FinishedRun, other: FinishedRun) -> Iterator[Caution]:
    a, b, letters = first.description, other.description, f"{first.letter} and {other.letter}"
    if a.synthetic != b.synthetic or a.dataset != b.dataset:
        yield Caution("data", f"{letters} are of other faces: {a.dataset} and {b.dataset}")
    if not same_images(first, other):
        pixels = first.manifest["pixel_sha256"] == other.manifest["pixel_sha256"]
        what = "the same pixels, with other labels, splits or names" if pixels else "other images"
        yield Caution(
            "data", f"{letters} have other datasets ({what}): nothing is paired, intervals are of two samples"
        )
    elif not set(first.attempts["image"]) & set(other.attempts["image"]):
        yield Caution("sample", f"{letters} attack other images: their attempts are not paired")
    elif set(first.attempts["image"]) != set(other.attempts["image"]):
        yield Caution("sample", f"{letters} attack the same images in part: what they have in common is paired")
    if a.attacked != b.attacked:
        yield Caution("attributes", f"{letters} attack other attributes: what is over all of them is of others")
    if a.color != b.color:
        yield Caution("similarity", f"PASS of {b.color} images in {other.letter}, of {a.color} ones in {first.letter}")
    for name in a.definition | b.definition:
        ours, theirs = (each.definition.get(name, "none") for each in (a, b))
        if ours != theirs:
            yield Caution("similarity", f"PASS with {name} {theirs} in {other.letter}, {ours} in {first.letter}")
    if a.threshold != b.threshold:
        yield Caution(
            "threshold",
            f"adversarial from PASS {b.threshold:g} on in {other.letter}, from {a.threshold:g} on in {first.letter}: "
            f"tables count other things; the tests of attempts take {a.threshold:g} for both",
        )
    for attack in (each.name for each in a.attack_list if each.name in {other.name for other in b.attack_list}):
        ours, theirs = a.attack(attack), b.attack(attack)
        if (ours.method, ours.search) != (theirs.method, theirs.search):
            yield Caution("attacks", f"{attack} is {theirs.words} in {other.letter}, {ours.words} in {first.letter}")
    if a.code != b.code:
        yield Caution("code", f"other code described {letters}: numbers may differ for that alone")
