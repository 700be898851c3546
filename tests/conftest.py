"""What tests of several kinds need: finished runs, devices to compute on, a browser."""

import os
import shutil
from pathlib import Path

import pytest
import slurm_config
from hypothesis import settings
from running import TINY, finished


def pytest_configure():
    # How long one example takes tells what else the machine does, and is no fault.
    settings.register_profile("faceflip", deadline=None)
    settings.load_profile("faceflip")
    if not slurm_config.of_this_machine():
        slurm_config.expect_no_slurm()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Files with whole runs go first: what is left for the end is short, so that no worker waits long for another."""
    long = {item.path for item in items if item.get_closest_marker("workflow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The finished tiny run; tests must leave it as it is."""
    return finished(TINY, tmp_path_factory)


@pytest.fixture(scope="module", params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    """The name of a device, prepared as the workflow's jobs prepare it; a GPU only where there is one."""
    import torch

    from faceflip.runtime.device import prepare

    if request.param == "cuda":
        if not torch.cuda.is_available():
            pytest.skip("PyTorch sees no GPU here")
        prepare("cuda", threads=torch.get_num_threads())
    return request.param


@pytest.fixture(scope="module")
def one_thread():
    """Let PyTorch compute with one thread: last bits depend on their number, and small networks gain nothing."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def browser():
    """Chromium; where there is none, or no playwright, the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright (extra 'dev')")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with playwright.sync_playwright() as engine:
        if found is None and not Path(engine.chromium.executable_path).exists():
            pytest.skip("no Chromium here (Debian: apt install chromium)")
        # In a container there is no user to drop the privileges to.
        browser = engine.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, tmp_path):
    """A function that opens a page; in the end it must have complained of nothing and asked nobody."""
    complaints, requests, contexts = [], [], []

    def open_(path, **options):
        contexts.append(browser.new_context(**{"viewport": {"width": 1300, "height": 900}, **options}))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("requestfailed", lambda request: complaints.append(request.url[:200]))
        page.on("request", lambda asked: requests.append(asked.url[:200]))
        page.goto(Path(path).as_uri())
        page.wait_for_load_state("load")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not complaints
    assert not [url for url in requests if not url.startswith(("file:", "data:", "blob:"))]


@pytest.fixture
def screenshot(tmp_path):
    """A function that takes a picture of a page, which stays in the folder that FACEFLIP_SCREENSHOTS names."""
    folder = Path(os.environ.get("FACEFLIP_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)

    def take(page, name):
        path = folder / f"{name}.png"
        page.screenshot(path=path)
        assert path.stat().st_size > 5_000

    return take
