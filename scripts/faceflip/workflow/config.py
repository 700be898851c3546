"""Checking a configuration: all faults at once, each with the path of its key and what was probably meant."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from faceflip.attack_names import ATTACK_NAMES
from faceflip.data.celeba import ATTRIBUTES
from faceflip.errors import UserError, did_you_mean
from faceflip.networks.architectures import ARCHITECTURE_NAMES

Config = Mapping[str, Any]


def validate(config: Config, schema_path: Path | str) -> None:
    """Check a configuration against the schema, and what a schema cannot say.

    Raises:
        UserError: Lists every fault.
    """
    import yaml
    from jsonschema import Draft202012Validator

    schema = yaml.safe_load(Path(schema_path).read_text(encoding="utf-8"))
    errors = sorted(
        Draft202012Validator(schema).iter_errors(config), key=lambda error: list(map(str, error.absolute_path))
    )
    faults = [fault for error in errors for fault in _explain(error)]
    if not faults:
        faults = list(_contradictions(config))
    if faults:
        raise UserError("the configuration has faults (config.yaml explains every key):\n  " + "\n  ".join(faults))


def read_config(project: Path, overlays: Sequence[Path] = ()) -> dict[str, Any]:
    """Read the configuration as Snakemake does: config.yaml, and what is laid over it with --configfile, and check it.

    Args:
        project: Folder of the Snakefile.
        overlays: Later ones win; mappings merge key by key, lists replace.

    Raises:
        UserError: A file cannot be read, or the configuration has faults.
    """
    import yaml

    config: dict[str, Any] = {}
    for path in (project / "config.yaml", *overlays):
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(f"{path}: cannot be read as YAML ({error})") from error
        if not isinstance(content, dict):
            raise UserError(f"{path}: expected a mapping of keys to values, found {type(content).__name__}")
        config = _merged(config, content)
    validate(config, project / "workflow/schemas/config.schema.yaml")
    return config


def _merged(below: Any, above: Any) -> Any:
    """Lay one value over another."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {key: _merged(below.get(key), above[key]) if key in above else below[key] for key in below | above}


def _explain(error: Any) -> Iterator[str]:
    """Tell in words what one error of jsonschema says."""
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        for key in sorted(set(error.instance) - set(known), key=str):
            yield f"{_path(error, key)}: unknown key{did_you_mean(str(key), known)}"
    elif error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        yield from (f"{_path(error, key)}: missing" for key in missing if f"{key!r}" in error.message)
    elif error.validator in ("enum", "const"):
        allowed = error.validator_value if error.validator == "enum" else [error.validator_value]
        words = ", ".join(map(str, allowed))
        hint = did_you_mean(str(error.instance), map(str, allowed))
        yield f"{_path(error)}: {error.instance!r} is none of {words}{hint}"
    elif error.validator == "oneOf":
        branches = [each for each in error.context if each.validator != "const" and each.validator != "type"]
        if branches:
            for branch in branches:
                yield from _explain(branch)
        else:
            yield f"{_path(error)}: expected `all` or a list of attributes, found {error.instance!r}"
    elif error.validator == "type":
        types = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        found = error.instance
        hint = _hint_at_string(found, types) if isinstance(found, str) else ""
        yield f"{_path(error)}: expected {' or '.join(types)}, found {found!r}{hint}"
    else:
        yield f"{_path(error)}: {error.message}"


def _hint_at_string(text: str, types: Sequence[str]) -> str:
    """Tell why a value may have arrived as a string, and what to write instead."""
    import yaml

    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isfinite(number) and yaml.safe_load(text) == text:
        if "number" not in types and number.is_integer():
            return f" (a string in YAML: write {int(number)})"
        mantissa, e, exponent = repr(number).partition("e")
        point = "" if "." in mantissa else ".0"
        return f" (a string in YAML: write {mantissa}{point}{f'e{int(exponent):+d}' if e else ''})"
    return " (from the command line every value is a string: put it into a file and pass that with --configfile)"


def _path(error: Any, *more: Any) -> str:
    parts = ""
    for part in (*error.absolute_path, *more):
        parts += f"[{part}]" if isinstance(part, int) else f".{part}" if parts else str(part)
    return parts or "the whole"


def _contradictions(config: Config) -> Iterator[str]:
    """Yield faults that lie in the values of several keys, or are not worth a schema."""
    if config["attributes"] != "all":
        for position, name in enumerate(config["attributes"]):
            if name not in ATTRIBUTES:
                yield f"attributes[{position}]: {name!r} is not an attribute of CelebA{did_you_mean(name, ATTRIBUTES)}"
    if (name := config["network"]["architecture"]) not in ARCHITECTURE_NAMES:
        yield f"network.architecture: there is no network {name!r}{did_you_mean(name, ARCHITECTURE_NAMES)}"
    for name in config["attacks"]:
        if name not in ATTACK_NAMES:
            yield f"attacks.{name}: there is no such attack{did_you_mean(name, ATTACK_NAMES)}"
    for network, checkpoints in config["experiments"].items():
        for checkpoint, attacks in checkpoints.items():
            for position, name in enumerate(attacks):
                if name not in config["attacks"]:
                    place, known = f"experiments.{network}.{checkpoint}[{position}]", ", ".join(config["attacks"])
                    yield f"{place}: {name!r} is none of {known}, see attacks{did_you_mean(name, config['attacks'])}"
    for checkpoint, attacks in config["experiments"]["moon"].items():
        for attack in attacks:
            if attack.startswith("fgs"):
                yield (
                    f"experiments.moon.{checkpoint}: {attack} cannot pick one of MOON's attributes (it raises the loss "
                    "of all); use ffa-line or ffa-iterative"
                )
    for kind, options in config["training"].items():
        if options["max_epochs"] < options["early_epoch"]:
            most, early = options["max_epochs"], options["early_epoch"]
            yield f"training.{kind}.max_epochs: {most} is less than early_epoch, {early}"
    synthetic, sample = config["synthetic"], config["sample"]["images"]
    if config["dataset"]["celeba"] is None:
        if sample > synthetic["train"]:
            yield f"sample.images: {sample} is more than synthetic.train, {synthetic['train']}"
        for kind, options in config["training"].items():
            if options["batch_size"] > synthetic["train"]:
                size = options["batch_size"]
                yield f"training.{kind}.batch_size: {size} is more than synthetic.train, {synthetic['train']}"
    if config["analysis"]["threshold"] not in config["analysis"]["thresholds"]:
        yield f"analysis.threshold: {config['analysis']['threshold']} must be one of analysis.thresholds"


def attributes_of(config: Config) -> Sequence[str]:
    """Return the attributes with separate networks, in the order in which their attempts are numbered."""
    return ATTRIBUTES if config["attributes"] == "all" else tuple(config["attributes"])
