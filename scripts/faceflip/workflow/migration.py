"""What faceflip 0.1 left: its configurations in today's terms, and its results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faceflip.errors import UserError
from faceflip.io.paths import RESULTS

OLD_NETWORKS = ("euclidean", "softmax", "moon")


def text_for_today(config: Mapping[str, Any]) -> str | None:
    """Return the YAML to put in place of the keys of version 0.1, or None where there are none."""
    if not isinstance(config, Mapping):
        return None
    new: dict[str, Any] = {}
    early = 2
    if "sample" in config:
        new["samples"] = {"paper": config["sample"]}
    if isinstance(config.get("network"), Mapping):
        new["architecture"] = _architecture(config["network"])
    training = config.get("training")
    if isinstance(training, Mapping) and {"separate", "moon"} & set(training):
        separate = _training(training.get("separate"))
        moon = {key: value for key, value in _training(training.get("moon")).items() if separate.get(key) != value}
        moon.pop("checkpoints", None)
        new["training"] = separate
        early = separate.get("min_epochs", early)
        new["networks"] = {"moon": {"training": moon}} if moon else {}
    experiments = config.get("experiments")
    if isinstance(experiments, Mapping):
        old = {name: each for name, each in experiments.items() if name in OLD_NETWORKS and isinstance(each, Mapping)}
        if any(isinstance(attacks, list) for each in old.values() for attacks in each.values()):
            names = {"epoch2": f"epoch{early}"}
            old = {name: {names.get(key, key): attacks for key, attacks in each.items()} for name, each in old.items()}
            new["experiments"] = {"paper": old}
    new = {key: value for key, value in new.items() if value}
    if not new:
        return None
    import yaml

    return yaml.safe_dump(new, sort_keys=False, default_flow_style=None, width=110)


def _architecture(network: Mapping[str, Any]) -> dict[str, Any]:
    old = dict(network)
    name = old.pop("architecture", None)
    renamed = {} if name is None else {"name": name if name == "vgg16" else f"torchvision/{name}"}
    return {**renamed, **old}


def _training(options: Any) -> dict[str, Any]:
    old = dict(options) if isinstance(options, Mapping) else {}
    early = old.pop("early_epoch", None)
    return old if early is None else {**old, "checkpoints": [early], "min_epochs": early}


def require_results_of_today(directory: Path | str = ".") -> None:
    """Check that there are no results of faceflip 0.1, which had other places for its files.

    Raises:
        UserError: There are.
    """
    results = Path(directory) / RESULTS
    old = [results / "networks/moon/converged.pt", results / "dataset/sample.csv", results / "portability"]
    if any(path.exists() for path in old):
        raise UserError(
            f"{results.absolute()}: results of faceflip 0.1, whose files have other places now. Keep them: move the "
            f"folder away (mv {RESULTS} {RESULTS}-0.1), or run with --directory elsewhere; its stores, checkpoints and "
            "tables can still be read. Or delete it. Then run again."
        )
