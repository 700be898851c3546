"""Every page of Markdown: links lead somewhere, and lines are no longer than 120 characters."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/**/*.md")])


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^( *)```.*?^\1```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    """Return the targets of links and images, but for those to other sites."""
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"\w+:", target)]


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings; the second of one name ends in -1."""
    found: list[str] = []
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return set(found)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_all_pages_are_found():
    assert {"README.md", "CHANGELOG.md", "docs/reference/configuration.md"} <= set(map(name, PAGES))
    assert len(PAGES) > 15


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    broken = []
    for link in links(page):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_of_docs_is_linked_from_the_page_it_begins_with():
    linked = {name((DOCS / link.partition("#")[0]).resolve()) for link in links(DOCS / "index.md")}
    assert {name(page) for page in PAGES if page.is_relative_to(DOCS)} - linked == {"docs/index.md"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_lines_of_prose_wrap(page):
    """Rows of tables cannot."""
    assert [line for line in prose(page).splitlines() if len(line) > 120 and not line.startswith("|")] == []
