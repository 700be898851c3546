"""Declarations of options: each states its type, range, default and meaning once.

From them follow the checks, the JSON schema, the tables of the documentation and the comparison with the paper.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.fields import FieldInfo

from faceflip.errors import did_you_mean

Model = TypeVar("Model", bound=BaseModel)


class Declared(BaseModel):
    """A group of options. Values are neither converted nor ignored: 64.0 is no whole number, NaN is no number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    def differences(self, other: "Declared") -> dict[str, tuple[Any, Any]]:
        """Return the options that have another value there: name to (value here, value there)."""
        mine, theirs = self.model_dump(), other.model_dump()
        return {name: (mine[name], theirs[name]) for name in mine if mine[name] != theirs[name]}


def group(kind: type, description: str) -> Any:
    """Declare a group of options, or named things, whose default is an empty one."""
    return Field(default_factory=kind, description=description)


def with_defaults(called: str, model: type[Model], /, **defaults: Any) -> type[Model]:
    """Return a group of the same options of which some have other defaults, by a name of its own."""
    fields = {}
    for name, default in defaults.items():
        field = copy(model.model_fields[name])
        field.default = default
        fields[name] = (field.annotation, field)
    return create_model(called, __base__=model, __module__=model.__module__, __doc__=model.__doc__, **fields)


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the options of a group by the keys that a configuration has for them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def path_of(location: Sequence[str | int]) -> str:
    """Return a place in a configuration as people write it: ``dataset.image_size[1]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.removeprefix(".") or "the whole"


def faults_of(error: ValidationError, model: type[BaseModel] | None = None) -> Iterator[str]:
    """Yield what is wrong with values, one line each, by the path of the key.

    With the `model` of a configuration from files, they name the nearest keys and say how YAML writes numbers.
    """
    for each in error.errors(include_url=False):
        yield _fault(each, model)


_GROUPS = dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "a mapping of keys to values")
_EXPECTED = _GROUPS | {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "finite_number": "a finite number",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "from {} on"),
    "greater_than": ("gt", "above {}"),
    "less_than_equal": ("le", "up to {}"),
    "less_than": ("lt", "below {}"),
}


def _fault(each: Mapping[str, Any], model: type[BaseModel] | None) -> str:
    path, found, kind = path_of(each["loc"]), each["input"], each["type"]
    if kind == "extra_forbidden":
        return f"{path}: unknown key{did_you_mean(str(each['loc'][-1]), _known(model, each['loc'][:-1]))}"
    if kind == "invalid_key" or each["loc"][-1:] == ("[key]",):
        place = each["loc"][: -1 if kind == "invalid_key" else -2]
        return f"{path_of(place)}: the key {found!r} is no text; put it into quotes"
    if kind == "missing":
        return f"{path}: missing"
    if kind == "literal_error":
        allowed = [word.strip("'") for word in each["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        return f"{path}: {found!r} is none of {', '.join(allowed)}{did_you_mean(found, allowed)}"
    if kind == "value_error":  # of a check of several keys; its message begins with the key
        message = str(each["ctx"]["error"])
        return f"{path}.{message}" if each["loc"] else message
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"{path}: expected a number {words.format(each['ctx'][key])}, found {found!r}"
    if kind in ("too_long", "too_short", "string_too_short"):
        most = each["ctx"].get("max_length", each["ctx"].get("min_length"))
        return f"{path}: {found!r} is too {'long' if kind == 'too_long' else 'short'}, expected {most} entries"
    if kind in _EXPECTED:
        hint = _hint_at_text(found, kind) if model and isinstance(found, str) and kind not in _GROUPS else ""
        return f"{path}: expected {_EXPECTED[kind]}, found {found!r}{hint}"
    return f"{path}: {each['msg'][0].lower()}{each['msg'][1:]}, found {found!r}"


def _known(model: type[BaseModel] | None, location: Sequence[str | int]) -> list[str]:
    """Return the keys that a group of options at a place has."""
    for part in location:
        field = keys_of(model).get(str(part)) if model else None
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())] if field else [model]
        model = next((each for each in candidates if isinstance(each, type) and issubclass(each, BaseModel)), None)
    return list(keys_of(model)) if model else []


def _hint_at_text(text: str, kind: str) -> str:
    """Say why a value may have arrived as text, and what to write instead."""
    import yaml

    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if kind in ("int_type", "float_type") and math.isfinite(number) and yaml.safe_load(text) == text:
        if kind == "int_type" and number.is_integer():
            return f" (text in YAML: write {int(number)})"
        mantissa, e, exponent = repr(number).partition("e")
        point = "" if "." in mantissa else ".0"
        return f" (text in YAML: write {mantissa}{point}{f'e{int(exponent):+d}' if e else ''})"
    return " (from the command line every value is text: put it into a file and pass that with --configfile)"
