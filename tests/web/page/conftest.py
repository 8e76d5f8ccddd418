"""The page in a real Chromium, in front of a real site."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.web.page.site import PageSite, ports_needed, running_site
from tests.web.page.visitor import ARGUMENTS, Visitor


@pytest.fixture(scope="session")
def page_site(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]) -> Iterator[PageSite]:
    """A running site; a test that stops a part of it starts it again."""
    with running_site(tmp_path_factory.mktemp("page") / "padme", free_ports(ports_needed())) as site:
        yield site


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for a module, whose tests are all synchronous: Playwright keeps an event loop running meanwhile."""
    program = shutil.which("chromium")
    assert program is not None, "no chromium; run make install"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def visitor(browser: Browser, tmp_path: Path) -> Iterator[Visitor]:
    """Opens views; fails the test if a view wrote an error to the console."""
    visitor = Visitor(browser)
    yield visitor
    visitor.close()
