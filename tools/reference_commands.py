"""docs/reference/command-line.md, written from the declarations of the commands: what each takes, and what it says."""

import inspect
import textwrap
from collections.abc import Iterable

import click
import typer

from faceflip.cli.app import app

WIDTH = 120
NAME = "faceflip"
HEAD = f"""# Command line

`{NAME}` is installed with the package. `{NAME} COMMAND --help` says the same as this page, which is written from the
code by `python tools/reference.py`. An error of yours ends a command with one message and status 2."""
EXAMPLE = "Example: "


def page() -> str:
    """Return the page: a section for each command, in the order of the command's own help."""
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group)
    context = click.Context(group, info_name=NAME)
    commands = [(name, group.commands[name]) for name in group.list_commands(context)]
    return "\n\n".join([HEAD, _index(commands), *(_section(name, each) for name, each in commands)]) + "\n"


def _index(commands: Iterable[tuple[str, click.Command]]) -> str:
    rows = (
        f"| [`{name}`](#{NAME}-{name}) | {_paragraphs(each.help)[0].removesuffix('.')} |" for name, each in commands
    )
    return "\n".join(["| command | what it does |", "| --- | --- |", *rows])


def _section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"{NAME} {name}")
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"## {NAME} {name}", f"```text\n{NAME} {name} {usage}\n```"]
    said = _paragraphs(command.help)
    parts += [textwrap.fill(text, WIDTH) for text in said if not text.startswith(EXAMPLE)]
    shown = [each for each in command.params if not getattr(each, "hidden", False)]
    if shown:
        rows = ["| | default | meaning |", "| --- | --- | --- |", *map(_row, shown)]
        parts.append("\n".join(rows))
    parts += _epilog(command.epilog)
    if examples := [text.removeprefix(EXAMPLE) for text in said if text.startswith(EXAMPLE)]:
        parts.append("```sh\n{}\n```".format("\n".join(examples)))
    return "\n\n".join(parts)


def _row(parameter: click.Parameter) -> str:
    cells = [_names(parameter), _default(parameter), getattr(parameter, "help", None) or ""]
    return "| " + " | ".join(" ".join(cell.split()).replace("|", r"\|") for cell in cells) + " |"


def _names(parameter: click.Parameter) -> str:
    """Return what is typed: the names of an option, and what stands behind them."""
    value = parameter.metavar or parameter.type.name.upper()
    if isinstance(parameter, click.Argument):
        return f"`{parameter.make_metavar(click.Context(click.Command(NAME))).strip('[]')}`"
    names = ", ".join(f"`{each}`" for each in (*parameter.opts, *parameter.secondary_opts))
    return names if isinstance(parameter, click.Option) and parameter.is_flag else f"{names} `{value}`"


def _default(parameter: click.Parameter) -> str:
    if parameter.required:
        return "must be given"
    if getattr(parameter, "show_default", True) is False or getattr(parameter, "is_flag", False):
        return ""
    value = parameter.default
    if value is None or callable(value) or value in ([], ()) or not isinstance(value, str | int | float | list | tuple):
        return ""
    return f"`{' '.join(map(str, value)) if isinstance(value, list | tuple) else value}`"


def _epilog(text: str | None) -> list[str]:
    """Return what stands below the options: its first paragraph, and the others as a list."""
    said = _paragraphs(text)
    return [said[0], "\n".join(f"- {each}" for each in said[1:])] if said else []


def _paragraphs(text: str | None) -> list[str]:
    whole = inspect.cleandoc(text or "").replace("\b", "")
    return [" ".join(each.split()) for each in whole.split("\n\n") if each.strip()]
