"""Both reports in a real browser: every part opens, nothing fails, nothing is asked of the network."""

import pytest

from faceflip.workflow.products import FIGURES, FIGURES_DOUBT, TABLES, TABLES_DOUBT

TABLES, FIGURES = TABLES | TABLES_DOUBT, FIGURES | FIGURES_DOUBT

pytestmark = [pytest.mark.workflow, pytest.mark.browser]

pytest.importorskip("playwright", reason="needs the package playwright (extra 'dev')")


@pytest.fixture(scope="module")
def report(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    tiny("--cores", 1, "--report", path)
    return path


def test_the_index_has_everything(tiny, opened, screenshot):
    page = opened(tiny.directory / "results/index.html")
    assert page.locator(".run.synthetic").inner_text().startswith("Synthetic faces")
    for link in page.locator("nav a").all():
        link.click()
        target = page.locator(link.get_attribute("href"))
        assert target.is_visible()
        screenshot(page, f"index-{link.get_attribute('href')[1:]}")
    for part in page.locator("details").all():
        part.evaluate("part => { part.open = true; }")
        assert part.locator("table").first.is_visible()
    images = page.evaluate(
        """Promise.all([...document.images].map(async (image) => {
            image.loading = "eager";
            await image.decode();
            return [image.alt.length, image.naturalWidth];
        }))"""
    )
    assert len(images) > 9
    assert all(letters > 10 and width > 100 for letters, width in images)


def test_the_gallery_can_be_filtered_by_keyboard(tiny, opened, screenshot):
    page = opened(tiny.directory / "results/index.html")
    pictures = page.locator(".picture")
    assert pictures.count() > 4
    for name in ("attribute", "attack", "network", "kind"):
        select = page.locator(f"select[name={name}]")
        shown = 0
        for value in select.locator("option").evaluate_all("all => all.map((one) => one.value)")[1:]:
            select.focus()
            page.keyboard.press("ArrowDown")
            page.wait_for_function(
                "([name, value]) => document.querySelector(`[name=${name}]`).value === value", arg=[name, value]
            )
            visible = page.locator(".picture:visible")
            assert set(visible.evaluate_all(f"all => all.map((one) => one.dataset.{name})")) <= {value}
            assert page.locator("#shown").inner_text() == f"{visible.count()} of {pictures.count()} shown"
            shown += visible.count()
        assert shown == pictures.count()
        screenshot(page, f"gallery-{name}")
        select.select_option("")


def test_matrices_can_be_rearranged(tiny, opened):
    page = opened(tiny.directory / "results/tables/correlation.html")
    matrix = page.locator(".sheet").first

    def cells():
        return matrix.locator(".heat, .empty").evaluate_all("all => all.map((one) => [one.title, one.textContent])")

    def names():
        return matrix.locator("tbody tr").evaluate_all("all => all.map((one) => one.dataset.name)")

    official, rows = cells(), names()
    matrix.get_by_role("button", name="related").press("Enter")
    assert names()[0] == rows[0] == "adversarial images"
    assert sorted(names()) == sorted(rows)
    assert names() != rows
    assert sorted(cells()) == sorted(official)
    first = matrix.locator("tbody tr").nth(1)
    assert first.locator(".heat, .empty").first.get_attribute("title").split(":")[0].endswith(names()[1])
    matrix.get_by_role("button", name="as in the dataset").press("Enter")
    assert cells() == official


def test_cells_of_a_matrix_tell_their_counts_to_keyboards(tiny, opened, screenshot):
    page = opened(tiny.directory / "results/index.html")
    matrix = page.locator(".sheet:has(.matrix)").first
    assert matrix.locator("td[tabindex='0']").count() == 1, "one stop for Tab"
    matrix.locator("td[tabindex='0']").focus()
    seen = set()
    for key, moved in (("ArrowRight", 1), ("ArrowDown", 1), ("ArrowLeft", 1), ("ArrowLeft", 0), ("ArrowUp", 1)):
        before = page.evaluate("document.activeElement.title")
        page.keyboard.press(key)
        title = page.evaluate("document.activeElement.title")
        assert (title != before) == moved
        assert matrix.locator(".hint").inner_text() == title
        seen.add(title)
    assert len(seen) == 4
    assert all("→" in title for title in seen)
    screenshot(page, "matrix-by-keyboard")
    last = matrix.locator("tbody .heat, tbody .empty").last
    last.hover()
    assert matrix.locator(".hint").inner_text() == last.get_attribute("title") != title


@pytest.mark.parametrize("options", [{"viewport": {"width": 390, "height": 844}}, {"color_scheme": "dark"}], ids=str)
def test_the_index_fits_narrow_screens_and_dark_ones(tiny, opened, screenshot, options):
    page = opened(tiny.directory / "results/index.html", **options)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    sizes = page.evaluate(
        """Promise.all([...document.querySelectorAll(".figure img")].map(async (image) => {
            image.loading = "eager";
            await image.decode();
            return [image.currentSrc, image.clientWidth, image.naturalWidth];
        }))"""
    )
    assert len(sizes) == len(FIGURES)
    assert all(("/dark/" in source) == ("color_scheme" in options) for source, *_ in sizes)
    assert all(shown >= width - 1 for _, shown, width in sizes), "type as large as on wide screens"
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    heights = page.evaluate("[...document.querySelectorAll('.sheet .scroll')].map((part) => part.clientHeight)")
    assert max(heights) <= page.viewport_size["height"], "long tables scroll in a box"
    screenshot(page, "narrow" if "viewport" in options else "dark")


def test_the_index_without_scripts(tiny, opened):
    page = opened(tiny.directory / "results/index.html", java_script_enabled=False)
    assert page.locator(".picture:visible").count() == page.locator(".picture").count()
    assert not page.locator(".filters").is_visible()
    assert not page.locator(".order").first.is_visible()


def test_the_index_on_paper(tiny, opened, tmp_path):
    page = opened(tiny.directory / "results/index.html")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.locator("#shown").is_visible()
    page.emulate_media(media="screen")
    page.locator("select[name=network]").select_option(index=1)
    page.emulate_media(media="print")
    assert page.locator("#shown").is_visible()
    visible = [
        name for name in ("attribute", "attack", "network", "kind") if page.locator(f"[name={name}]").is_visible()
    ]
    assert visible == ["network"], "what the pictures are filtered by is printed"
    page.pdf(path=tmp_path / "index.pdf", format="A4")
    assert (tmp_path / "index.pdf").stat().st_size > 50_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("page", ["index", "runtime", "tables/correlation", "tables/success", "tables/statistics"])
def test_pages_break_no_rule_of_accessibility(tiny, opened, page, scheme):
    """Those of axe-core: what a screen reader needs to know, contrast, names of what can be operated."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="needs axe-playwright-python (extra 'dev')"
    )
    shown = opened(tiny.directory / f"results/{page}.html", color_scheme=scheme)
    shown.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    found = axe.Axe().run(shown)
    assert found.violations_count == 0, found.generate_report()


def test_snakemakes_report(report, opened, screenshot):
    page = opened(report)
    assert "SYNTHETIC FACES" in page.locator("#app").inner_text()
    screenshot(page, "report")
    page.locator("nav").get_by_text("Statistics", exact=True).click()
    page.locator("#runtimes canvas, #runtimes svg").first.wait_for()
    results = page.evaluate("results")
    attributes = {result["labels"].get("attribute") for path, result in results.items() if "runtime" not in path}
    assert attributes == {"2 of 40", "2 of 40, to all", "all learned", "all"}
    assert len(results) == len(TABLES) + len(FIGURES) + 1, "and the page of time and memory"
    seen = set()
    for category, parts in page.evaluate("categories").items():
        for part, paths in parts.items():
            page.evaluate("app.setView({navbarMode: 'menu'})")
            page.locator("nav").get_by_text(category, exact=True).click()
            if len(parts) > 1:
                page.locator("nav").get_by_text(part, exact=True).click()
            rows = page.locator("nav tbody tr")
            assert rows.count() == len(paths)
            for number in range(len(paths)):
                rows.nth(number).locator("a").first.click()
                shown = page.locator("iframe, .grow img").first
                shown.wait_for()
                if shown.evaluate("shown => shown.tagName") == "IFRAME":
                    inside = page.frame_locator("iframe")
                    assert inside.locator(".run").inner_text().startswith("Synthetic faces")
                    assert inside.locator("table").first.is_visible()
                seen.add(page.evaluate("app.state.resultPath"))
            screenshot(page, f"report-{category}-{part}")
    assert seen == set(results)
    for path, result in results.items():
        assert "Synthetic faces" in result["caption"], path
        page.evaluate("path => app.showResultInfo(path)", path)
        assert page.get_by_text("Description", exact=True).is_visible()
