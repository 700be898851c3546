"""The tables of docs/reference/configuration.md: keys with types, ranges, defaults and meanings; what has names."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from editor_schema import Schema, first_paragraph
from faceflip import catalogue
from faceflip.attacks.options import AttackOptions, AttackSettings, heeded_by
from faceflip.registry import load
from faceflip.workflow import products
from faceflip.workflow.settings import Settings

NAME = "NAME"
"""Stands in the path of a key for the names that users give."""
WIDTH = 120


def keys() -> str:
    """Return a section with a table for the whole and for each group of keys."""
    schema = Settings.model_json_schema()
    groups = _groups(schema)
    sections = []
    for path, group in groups.items():
        definition = schema["$defs"][group] if group else schema
        heeded = _heeded_by() if group == AttackSettings.__name__ else None
        intro = textwrap.fill(first_paragraph(definition["description"]), WIDTH)
        sections += [f"### {path or 'All'}", intro, _table_of_keys(definition, path, groups, heeded)]
    return "\n\n".join(sections)


def library_options() -> str:
    """Return the options of attacks that the configuration does not have."""
    schema = AttackOptions.model_json_schema()
    more = {key: each for key, each in schema["properties"].items() if key not in AttackSettings.model_fields}
    return _table_of_keys({**schema, "properties": more}, "", {})


def attacks() -> str:
    """Return the registered attacks."""
    return _table(
        ("attack", "direction", "search", "meaning"),
        ((_code(name), _code(a.direction), _code(a.search), a.title) for name, a in catalogue.ATTACKS.items()),
    )


def losses() -> str:
    """Return the registered losses."""
    return _table(
        ("loss", "title", "meaning"),
        ((_code(name), loss.title, _summary(loss.target)) for name, loss in catalogue.LOSSES.items()),
    )


def architectures() -> str:
    """Return the registered architectures and collections of them."""
    named = catalogue.ARCHITECTURES | {f"{zoo}/{NAME}": entry for zoo, entry in catalogue.ZOOS.items()}
    return _table(
        ("architecture", "heeds", "size of images", "meaning"),
        (
            (
                _code(name),
                _codes([*entry.takes, "options"]),
                "any" if entry.any_size else "tried out before a run",
                _summary(entry.target),
            )
            for name, entry in named.items()
        ),
    )


def directions() -> str:
    """Return the registered directions."""
    return _table(
        ("direction", "heeds", "meaning"),
        ((_code(name), _codes(d.takes), _summary(d.target)) for name, d in catalogue.DIRECTIONS.items()),
    )


def searches() -> str:
    """Return the registered searches."""
    return _table(
        ("search", "kind", "heeds", "epsilon counts", "meaning"),
        (
            (_code(name), each.kind, _codes(each.takes), each.epsilon, _summary(each.target))
            for name, each in catalogue.SEARCHES.items()
        ),
    )


def tables() -> str:
    """Return the tables of a run."""
    return _products(products.EVERY_TABLE, "table")


def figures() -> str:
    """Return the figures of a run."""
    return _products(products.EVERY_FIGURE, "figure")


def _products(entries: Mapping[str, products.Product], kind: str) -> str:
    return _table(
        (kind, "title", "part of the report", "made from"),
        ((_code(name), each.heading, each.part, _codes(each.inputs)) for name, each in entries.items()),
    )


def _groups(schema: Schema) -> dict[str, str]:
    """Return the groups of keys, each once: path of the group to its name in the schema, empty for the whole."""
    found = {"": ""}

    def walk(properties: Mapping[str, Schema], path: str) -> None:
        for key, each in properties.items():
            place = f"{path}.{key}".removeprefix(".")
            if isinstance(each.get("additionalProperties"), dict):
                place, each = f"{place}.{NAME}", each["additionalProperties"]
            group = _group_of(each)
            if group and group not in found.values():
                found[place] = group
                walk(schema["$defs"][group]["properties"], place)

    walk(schema["properties"], "")
    return found


def _group_of(schema: Schema) -> str:
    return schema.get("$ref", "").rpartition("/")[2]


def _heeded_by() -> dict[str, str]:
    """Return which of the registered attacks heed an option."""
    takers: dict[str, list[str]] = {}
    for name, attack in catalogue.ATTACKS.items():
        for option in heeded_by(attack):
            takers.setdefault(option, []).append(name)
    heeded = {
        option: "all" if len(names) == len(catalogue.ATTACKS) else _codes(names) for option, names in takers.items()
    }
    foreign = dict.fromkeys(option for search in catalogue.FOREIGN_SEARCHES.values() for option in search.takes)
    return dict.fromkeys(foreign, "those by `file`") | heeded


def _table_of_keys(
    definition: Schema, path: str, groups: Mapping[str, str], heeded: Mapping[str, str] | None = None
) -> str:
    anchors = {group: _anchor(place) for place, group in reversed(groups.items())}
    rows = []
    for key, each in definition["properties"].items():
        more = [] if heeded is None else [heeded.get(key, "none")]
        default = _default(each, required=key in definition.get("required", ()))
        rows.append([_code(key), _kind(each, anchors), default, *more, each.get("description", "")])
    return _table(("key", "type and range", "default", *(["heeded by"] if heeded else []), "meaning"), rows)


def _anchor(path: str) -> str:
    return "#" + "".join(letter for letter in path.lower() if letter.isalnum() or letter in "-_")


def _kind(schema: Schema, anchors: Mapping[str, str]) -> str:
    """Say in words what a value may be."""
    if group := _group_of(schema):
        return f"[keys]({anchors[group]})"
    if "anyOf" in schema:
        return " or ".join(_kind(each, anchors) for each in schema["anyOf"] if each.get("type") != "null")
    if "const" in schema:
        return _code(schema["const"])
    if "enum" in schema:
        return " or ".join(map(_code, schema["enum"]))
    match schema.get("type"):
        case "boolean":
            return "`true` or `false`"
        case "integer" | "number":
            return ("whole number" if schema["type"] == "integer" else "number") + _range(schema)
        case "array":
            least, most = schema.get("minItems", 0), schema.get("maxItems")
            size = f" of {least}" if least == most else ", not empty" if least else ""
            return f"list{size}: {_kind(schema['items'], anchors)}"
        case "object":
            values = schema.get("additionalProperties")
            return f"names: {_kind(values, anchors)}" if isinstance(values, dict) else "names: anything"
    return "text"


def _range(schema: Schema) -> str:
    match schema:
        case {"minimum": least, "maximum": most}:
            return f", {_amount(least)} to {_amount(most)}"
        case {"minimum": least, "exclusiveMaximum": most}:
            return f", from {_amount(least)} to below {_amount(most)}"
        case {"exclusiveMinimum": least, "maximum": most}:
            return f", above {_amount(least)}, up to {_amount(most)}"
        case {"minimum": least}:
            return f", from {_amount(least)}"
        case {"exclusiveMinimum": least}:
            return f", above {_amount(least)}"
    return ""


def _amount(value: float) -> str:
    """Return a number with its thousands apart; the largest that 63 bits hold by its power."""
    return "2^63 - 1" if value == 2**63 - 1 else f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _default(schema: Schema, required: bool) -> str:
    import yaml

    if required:
        return "must be set"
    if "default" not in schema:
        return "" if _group_of(schema) else "none"
    return _code(yaml.safe_dump(schema["default"], default_flow_style=True, width=1000).split("\n")[0])


def _summary(target: str) -> str:
    """Return what the docstring of something says first."""
    return first_paragraph(load(target).__doc__ or "")


def _code(value: Any) -> str:
    return f"`{value}`"


def _codes(values: Iterable[Any]) -> str:
    return ", ".join(map(_code, values))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)
