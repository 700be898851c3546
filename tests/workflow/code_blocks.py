"""The blocks of code of the documentation's pages, which the tests run."""

import re


def blocks(page, language):
    """Return a page's blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
