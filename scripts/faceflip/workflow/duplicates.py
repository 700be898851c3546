"""Keys that stand twice in a file of configuration, of which readers of YAML and JSON silently take the last."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from faceflip.errors import UserError
from faceflip.typed import path_of


def require_unique_keys(files: Iterable[Path | str]) -> None:
    """Raise UserError, naming all with their lines, where a mapping of a file has a key twice.

    What cannot be read is left to those who read it.
    """
    if faults := [fault for file in files for fault in _faults_of(Path(file))]:
        raise UserError(
            "keys stand twice in one mapping, where the last would win; remove one:\n  " + "\n  ".join(faults)
        )


def _faults_of(file: Path) -> Iterator[str]:
    try:
        root = yaml.compose(file.read_text(encoding="utf-8"), yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return
    yield from (f"{file}: {fault}" for fault in _twice(root, (), set()))


def _twice(node: yaml.Node | None, place: tuple[str | int, ...], seen: set[int]) -> Iterator[str]:
    """Yield the keys that stand twice in a mapping, or in one below it; what an alias repeats is reported once."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, each in enumerate(node.value):
            yield from _twice(each, (*place, number), seen)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[tuple[str, str], int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if (key.tag, name) in lines:
                yield f"{path_of((*place, name))}, lines {lines[key.tag, name]} and {line}"
            lines[key.tag, name] = line
            yield from _twice(value, (*place, name), seen)
