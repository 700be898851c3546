"""What `mkdocs.yml` adds to MkDocs, so that pages look in the site as they do on GitHub.

Files outside docs/ that pages link to are in the site, too, as text. In code within tables GitHub wants a stroke with a
backslash before it, which Python-Markdown would show.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
_CODE = re.compile(r"`[^`]+`")
_UPWARDS = re.compile(r"\]\(((?:\.\./)+[^)\s#]+)\)")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Return a page with links that leave docs/ led to copies in the site, and no backslashes in the code of tables."""
    folder = posixpath.dirname(page.file.src_uri)

    def within(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", folder, link[1]))
        if target.startswith("docs/") or not (ROOT / target).is_file():
            return link[0]
        copy = f"project/{target}.txt"  # browsers show text, and would offer to save YAML
        if files.get_file_from_path(copy) is None:
            files.append(File.generated(config, copy, content=(ROOT / target).read_text(encoding="utf-8")))
        return f"]({posixpath.relpath(copy, folder or '.')})"

    lines = (_CODE.sub(_without_backslashes, line) if line.startswith("|") else line for line in markdown.split("\n"))
    return _UPWARDS.sub(within, "\n".join(lines))


def _without_backslashes(code: re.Match[str]) -> str:
    return code[0].replace(r"\|", "|")
