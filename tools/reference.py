"""What is written from the code: the JSON schema of configurations, the keys and the command line in docs/reference/.

Run ``python tools/reference.py`` in the project's folder after changing an option, a registry, a table, a figure or a
command. With ``--check`` it writes nothing, names the files that are stale, and ends with status 1 if there are any.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import reference_commands as commands
import reference_tables as tables
from editor_schema import config_schema
from faceflip.errors import UserError
from faceflip.io.files import write_text

SCHEMA = Path("workflow/schemas/config.schema.json")
PAGE = Path("docs/reference/configuration.md")
COMMANDS = Path("docs/reference/command-line.md")

BLOCKS: Mapping[str, Callable[[], str]] = {
    "keys": tables.keys,
    "library options": tables.library_options,
    "attacks": tables.attacks,
    "losses": tables.losses,
    "architectures": tables.architectures,
    "directions": tables.directions,
    "searches": tables.searches,
    "tables": tables.tables,
    "figures": tables.figures,
}
"""The parts of the page that are written here, each between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``."""

_BLOCK = re.compile(r"<!-- begin (?P<name>[\w ]+) -->\n.*?<!-- end (?P=name) -->", re.DOTALL)


def schema_text() -> str:
    """Return the JSON schema as its file has it."""
    return json.dumps(config_schema(), indent=2, ensure_ascii=False) + "\n"


def page_text(page: str) -> str:
    """Return a page with its generated parts written anew.

    Raises:
        UserError: The page lacks a part, has one twice, or has one that is not known.
    """
    found = [match["name"] for match in _BLOCK.finditer(page)]
    if sorted(found) != sorted(BLOCKS):
        raise UserError(
            f"{PAGE}: expected {', '.join(BLOCKS)}, each once between <!-- begin NAME --> and <!-- end NAME -->, "
            f"found {', '.join(found) or 'none'}"
        )
    return _BLOCK.sub(
        lambda match: (
            f"<!-- begin {match['name']} -->\n\n{BLOCKS[match['name']]().strip()}\n\n<!-- end {match['name']} -->"
        ),
        page,
    )


def stale(project: Path) -> dict[Path, str]:
    """Return the texts of the generated files that are not what they should be.

    Raises:
        UserError: The folder has no page to write to.
    """
    page = project / PAGE
    if not page.is_file():
        raise UserError(f"{page.absolute()}: no such file; run this in the folder of the Snakefile")
    wanted = {
        project / SCHEMA: schema_text(),
        page: page_text(page.read_text(encoding="utf-8")),
        project / COMMANDS: commands.page(),
    }
    return {path: text for path, text in wanted.items() if not path.is_file() or path.read_text("utf-8") != text}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the generated files; return the exit status."""
    parser = argparse.ArgumentParser(prog="python tools/reference.py", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; status 1 if a file is stale")
    check = parser.parse_args(arguments).check
    try:
        changed = stale(Path())
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    for path, text in changed.items():
        if check:
            print(f"{path} is stale: run python tools/reference.py", file=sys.stderr)
        else:
            write_text(path, text)
            print(f"wrote {path}")
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
