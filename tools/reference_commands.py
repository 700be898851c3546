"""docs/reference/command-line.md, written from the declarations of the commands: what each takes, and what it says."""

import inspect
import re
import textwrap
from typing import Any

import typer

from faceflip.cli.app import app

WIDTH = 120
NAME = "faceflip"
HEAD = (
    f"`{NAME}` comes with the package. `{NAME} COMMAND --help` says the same as this page, which is written from the "
    "code by `python tools/reference.py`. An error of yours ends a command with one message and status 2."
)
EXAMPLE = "Example: "

_TYPE = re.compile(r"<(?:list\[)?([^\[\]<>]+)\]?>$")
_VALUES = {"str": "TEXT", "path": "PATH"} | dict.fromkeys(("int", "int range", "float", "float range"), "NUMBER")
"""What stands for a value, in place of its type in Python."""
_NOTE = re.compile(r" *\[([^\[\]]*)\]$")
"""What Typer puts behind a help text: the default, the range, that something must be given."""


def page() -> str:
    """Return the page: a section for each command, in the order of the command's own help."""
    group: Any = typer.main.get_command(app)
    context = group.make_context(NAME, [], resilient_parsing=True)
    commands = {name: group.get_command(context, name) for name in group.list_commands(context)}
    index = [(f"[`{name}`](#{NAME}-{name})", _paragraphs(each.help)[0]) for name, each in commands.items()]
    sections = [_section(name, each) for name, each in commands.items()]
    head = ["# Command line", textwrap.fill(HEAD, WIDTH)]
    return "\n\n".join([*head, _table(("command", "what it does"), index), *sections]) + "\n"


def _section(name: str, command: Any) -> str:
    context = command.make_context(f"{NAME} {name}", [], resilient_parsing=True)
    said = _paragraphs(command.help)
    parts = [f"## {NAME} {name}"]
    parts += [textwrap.fill(text, WIDTH) for text in said if not text.startswith(EXAMPLE)]
    if examples := [text.removeprefix(EXAMPLE) for text in said if text.startswith(EXAMPLE)]:
        parts.append("```sh\n{}\n```".format("\n".join(examples)))
    parts.append("```text\n{}\n```".format(" ".join([NAME, name, *command.collect_usage_pieces(context)])))
    records = [parameter.get_help_record(context) for parameter in command.params]
    parts.append(_table(("argument or option", "default, range", "meaning"), map(_row, filter(None, records))))
    return "\n\n".join(parts + _epilog(command.epilog))


def _row(record: tuple[str, str]) -> tuple[str, str, str]:
    names, meaning = record
    if not names.startswith("-"):  # an argument, whose type says no more
        names = names.partition(" <")[0]
    names = _TYPE.sub(lambda value: _VALUES.get(value[1].lower(), value[0]), names)
    note = _NOTE.search(meaning)
    remark = note[1].removeprefix("default: ") if note else ""
    return f"`{names}`", f"`{remark}`" if remark and remark != "required" else remark, _NOTE.sub("", meaning)


def _epilog(text: str | None) -> list[str]:
    """Return what stands below the options: its first paragraph, and the others as a list."""
    said = _paragraphs(text)
    return [said[0], "\n".join(f"- {each}" for each in said[1:])] if said else []


def _paragraphs(text: str | None) -> list[str]:
    whole = inspect.cleandoc(text or "").split("\n\n")
    return [" ".join(each.split()) for each in whole if each.strip()]


def _table(heads: tuple[str, ...], rows: Any) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    cells = [[" ".join(cell.split()).replace("|", r"\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)
