"""What `mkdocs.yml` adds to MkDocs: files outside docs/ that pages link to are in the site, too, as text."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
_UPWARDS = re.compile(r"\]\(((?:\.\./)+[^)\s#]+)\)")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Lead links that leave docs/ to copies in the site; all others stay as they are."""
    folder = posixpath.dirname(page.file.src_uri)

    def within(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", folder, link[1]))
        if target.startswith("docs/") or not (ROOT / target).is_file():
            return link[0]
        copy = f"project/{target}.txt"  # browsers show text, and would offer to save YAML
        if files.get_file_from_path(copy) is None:
            files.append(File.generated(config, copy, content=(ROOT / target).read_text(encoding="utf-8")))
        return f"]({posixpath.relpath(copy, folder or '.')})"

    return _UPWARDS.sub(within, markdown)
