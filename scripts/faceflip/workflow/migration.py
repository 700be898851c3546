"""What faceflip 0.1 left: its configurations in today's terms, and its results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from faceflip.errors import UserError
from faceflip.io.paths import RESULTS

OLD_NETWORKS = {
    "euclidean": {"loss": "euclidean", "per": "attribute"},
    "softmax": {"loss": "softmax", "per": "attribute"},
    "moon": {"loss": "euclidean", "per": "all", "title": "MOON"},
}
OLD_KINDS = ("separate", "moon")
OLD_EARLY = "epoch2"
"""What the checkpoint of the early epoch was called, whichever that was."""


def text_for_today(config: Mapping[str, Any]) -> str | None:
    """Return the YAML to put in place of keys of 0.1, maybe laid over a config.yaml of today, or None without any."""
    new: dict[str, Any] = {}
    if isinstance(config.get("sample"), Mapping):
        new["samples"] = {"paper": config["sample"]}
    if isinstance(config.get("network"), Mapping):
        new["architecture"] = _architecture(config["network"])
    training = as_mapping(config.get("training"))
    known = as_mapping(config.get("networks"))
    early = None
    if set(OLD_KINDS) & set(training):
        separate, moon = (_training(training.get(kind)) for kind in OLD_KINDS)
        own = as_mapping(as_mapping(known.get("moon")).get("training"))
        common = {key: value for key, value in training.items() if key not in OLD_KINDS}
        before, after = {**common, **own, **moon}, {**common, **separate, **own}
        different = {key: each for key, each in before.items() if key != "checkpoints" and after.get(key) != each}
        new["training"], new["networks"] = separate, {"moon": {"training": different}} if different else {}
        early = separate.get("min_epochs")
    if new and not known:  # nothing of today's config.yaml is there
        named = as_mapping(new.get("networks"))
        new["networks"] = {name: {**each, **named.get(name, {})} for name, each in OLD_NETWORKS.items()}
    new["experiments"] = _experiments(as_mapping(config.get("experiments")), f"epoch{early}" if early else OLD_EARLY)
    new = {key: value for key, value in new.items() if value}
    return yaml.safe_dump(new, sort_keys=False, default_flow_style=None, width=110) if new else None


def as_mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping as it is, and an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def _architecture(network: Mapping[str, Any]) -> dict[str, Any]:
    old = dict(network)
    name = old.pop("architecture", None)
    renamed = {} if name is None else {"name": name if name == "vgg16" else f"torchvision/{name}"}
    return {**renamed, **old}


def _training(options: Any) -> dict[str, Any]:
    old = dict(as_mapping(options))
    early = old.pop("early_epoch", None)
    return old if early is None else {**old, "checkpoints": [early], "min_epochs": early}


def _experiments(experiments: Mapping[str, Any], early: str) -> dict[str, Any]:
    """Return the experiments of 0.1 as those of a sample, and those of today with another early checkpoint."""
    today = as_mapping(experiments.get("paper"))
    old = {
        name: each
        for name, each in experiments.items()
        if name in OLD_NETWORKS and any(isinstance(attacks, list) for attacks in as_mapping(each).values())
    }
    found: dict[str, Any] = {}
    for name in today | old:
        here, below = as_mapping(old.get(name, today.get(name))), as_mapping(today.get(name))
        gone = {OLD_EARLY: None} if early != OLD_EARLY and OLD_EARLY in {**here, **below} else {}
        if name in old or gone:
            found[name] = {**gone, **{early if key == OLD_EARLY else key: each for key, each in here.items()}}
    return {"paper": found} if found else {}


def are_of_0_1(results: Path) -> bool:
    """Return whether a folder of results is of faceflip 0.1, which had other places for its files."""
    old = ("networks/moon/converged.pt", "dataset/sample.csv", "portability")
    return any((results / file).exists() for file in old)


def require_results_of_today(directory: Path | str = ".") -> None:
    """Raise UserError where there are results of faceflip 0.1, which had other places for its files."""
    results = Path(directory) / RESULTS
    if are_of_0_1(results):
        raise UserError(
            f"{results.absolute()}: results of faceflip 0.1, whose files have other places now. Keep them: move the "
            f"folder away (mv {RESULTS} {RESULTS}-0.1), or run with --directory elsewhere; its stores, checkpoints and "
            "tables can still be read. Or delete it. Then run again."
        )
