"""The JSON schema of configurations, by which editors check and complete YAML while it is written.

It says what one file may hold, config.yaml or an overlay: every key may be left out, and every value may be null.
What lies in several keys at once, `Settings.of` alone knows.
"""

from collections.abc import Mapping
from typing import Any

from faceflip.attempt import FINAL
from faceflip.catalogue import ARCHITECTURES, ATTACKS, DIRECTIONS, LOSSES, SEARCHES, ZOOS
from faceflip.workflow.settings import NAME, Settings

Schema = dict[str, Any]

NAMED = ("samples", "networks", "attacks", "tables", "figures")
"""The groups whose keys are names."""


def config_schema() -> Schema:
    """Return the schema of a configuration file, JSON Schema draft 2020-12."""
    schema = _for_files(Settings.model_json_schema())
    properties, groups = schema["properties"], schema["$defs"]
    for name in NAMED:
        properties[name]["propertyNames"] = {"pattern": f"^{NAME.pattern}$"}
    properties["attacks"]["properties"] = {
        name: {**properties["attacks"]["additionalProperties"], "description": attack.title}
        for name, attack in ATTACKS.items()
    }
    checkpoints = properties["experiments"]["additionalProperties"]["additionalProperties"]
    checkpoints["propertyNames"] = {"pattern": rf"^({'|'.join(FINAL)}|epoch[1-9]\d*)$"}
    for group, key, registry, collections in (
        ("NetworkSettings", "loss", LOSSES, ()),
        ("ArchitectureOptions", "name", ARCHITECTURES, ZOOS),
        ("AttackSettings", "direction", DIRECTIONS, ()),
        ("AttackSettings", "search", SEARCHES, ()),
    ):
        groups[group]["properties"][key] |= _one_of(registry, collections)
    groups["AttackSettings"]["properties"]["file"] |= {"pattern": ":"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Configuration of faceflip", **schema}


def _one_of(registry: Mapping[str, Any], collections: Mapping[str, Any] | tuple[()]) -> Schema:
    """Allow the names of a registry, what collections hold, and references to code of your own."""
    forms = "|".join([":", *(f"^{name}/." for name in collections)])
    return {"type": ["string", "null"], "anyOf": [{"enum": list(registry)}, {"pattern": forms}]}


def _for_files(schema: Schema) -> Schema:
    """Let values be null and keys be missing, throughout a schema that pydantic made; drop titles that repeat keys.

    No choice of a value or null is made with ``anyOf``, below which editors do not tell what exactly is wrong.
    """
    made: Schema = {}
    for word, value in schema.items():
        match word:
            case "title" | "required":
                continue
            case "description":
                made[word] = first_paragraph(value)
            case "properties":
                made[word] = {key: _or_null(_for_files(each)) for key, each in value.items()}
            case "additionalProperties" if isinstance(value, dict):
                made[word] = _or_null(_for_files(value))
            case "$defs":
                made[word] = {name: _or_null(_for_files(each)) for name, each in value.items()}
            case "const":
                made["enum"] = [value]
            case "items":
                made[word] = _for_files(value)
            case "anyOf":
                choices = [_for_files(each) for each in value if each.get("type") != "null"]
                made |= choices[0] if len(choices) == 1 else {word: choices}
            case _:
                made[word] = value
    return made


def _or_null(schema: Schema) -> Schema:
    """Let a value be null as well."""
    if "$ref" in schema:  # of a group, which may be null itself
        return schema
    if "enum" in schema:
        return {**{word: each for word, each in schema.items() if word != "type"}, "enum": [*schema["enum"], None]}
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema else schema


def first_paragraph(text: str) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join(text.split("\n\n")[0].split()).replace("``", "`")
