"""The documentation site: it builds without a warning, and none of its pages loads anything from another host."""

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NEEDED = ("mkdocs", "material", "mkdocstrings")

LOADING = {
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("video", "src"),
    ("audio", "src"),
    ("embed", "src"),
    ("object", "data"),
    ("link", "href"),
    ("image", "href"),
    ("use", "href"),
    ("form", "action"),
}
"""What of a page makes a browser fetch something by itself; links that a reader follows are no part of it."""
FETCHED_LATER = ('class="mermaid"', 'data-md-component="source"')
"""What makes Material's own program fetch more: a library that draws charts, figures about a repository."""


class Loads(HTMLParser):
    """Gathers the addresses that a page loads."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "link" and values.get("rel") not in ("stylesheet", "icon", "preload", "modulepreload", "manifest"):
            return
        self.found += [values[name] for element, name in LOADING if element == tag and values.get(name)]
        self.found += re.findall(r"url\(([^)]*)\)", values.get("style") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site, and what was said meanwhile."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        pytest.skip(f"the extra 'docs' is not installed: no {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    # A proxy that nobody listens at: whatever asks the network, fails.
    offline = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **offline})
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_there(site):
    pages = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    assert {page for page in pages if not (site / page).is_file()} == set()


def test_no_page_loads_anything_from_another_host(site):
    elsewhere, checked = [], 0
    for path in site.rglob("*.html"):
        text, parser = path.read_text(encoding="utf-8"), Loads()
        parser.feed(text)
        checked += len(parser.found)
        elsewhere += [(path.name, address) for address in parser.found if re.match(r"\s*['\"]?(\w+:)?//", address)]
        elsewhere += [(path.name, mark) for mark in FETCHED_LATER if mark in text]
    for path in site.rglob("*.css"):
        addresses = re.findall(r"url\(\s*['\"]?([^)'\"]*)|@import\s+['\"]([^'\"]*)", path.read_text(encoding="utf-8"))
        elsewhere += [(path.name, each) for pair in addresses for each in pair if re.match(r"(https?:)?//", each)]
    assert elsewhere == []
    assert checked > 100


def test_the_search_finds_words_without_a_server(site):
    assert "Why verdicts hold" in (site / "search/search_index.js").read_text(encoding="utf-8")
    assert "assets/iframe-worker.js" in (site / "index.html").read_text(encoding="utf-8")


def test_code_in_tables_has_its_strokes(site):
    page = (site / "reference/command-line.html").read_text(encoding="utf-8")
    assert "<code>FILE|FOLDER</code>" in page


@pytest.mark.browser
def test_the_search_and_the_pages_ask_no_other_host(site, browser):
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "guides/attack.html").as_uri())
    page.click(".md-search__input")
    page.keyboard.type("verdicts", delay=50)
    page.wait_for_selector(".md-search-result__item a[href*='verdicts']", timeout=20_000)
    page.goto((site / "reference/stages.html").as_uri())
    page.wait_for_load_state("load")
    page.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:", "about:"))] == []


def test_the_navigation_names_every_page():
    class Loader(yaml.SafeLoader):
        """Reads what stands in the file for Python as nothing."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    nav = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)["nav"]

    def pages(entries):
        for entry in entries:
            for value in entry.values():
                yield from pages(value) if isinstance(value, list) else [value]

    assert sorted(pages(nav)) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


def test_pictures_are_small_and_used():
    pictures = [path for path in (DOCS / "images").iterdir() if path.is_file()]
    text = "".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *DOCS.rglob("*.md")])
    assert [path.name for path in pictures if f"images/{path.name}" not in text] == []
    assert sum(path.stat().st_size for path in pictures) < 1_200_000
