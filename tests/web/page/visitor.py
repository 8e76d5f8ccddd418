"""Somebody who opens views of the page and reads them."""

import re
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 30_000
"""What takes a second here takes longer on a machine that is busy."""

NO_VALUE = "\N{EN DASH}"
"""Stands where there is no number."""

PHONE = (360, 740)
DESK = (1280, 800)
WALL = (1920, 1080)


class Visitor:
    """Pages of one browser, and what they complained of."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.complaints: list[str] = []
        self.expects_errors = False
        """Whether failed requests belong to the test."""

    def open(
        self, url: str, size: tuple[int, int] = DESK, scheme: Literal["light", "dark"] = "light", clock_off_s: float = 0
    ) -> Page:
        """A view in a window of its own.

        Args:
            url: of the view.
            size: of the window, pixels.
            scheme: what the system prefers.
            clock_off_s: how wrong the clock of this browser is.
        """
        context = self._browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, has_touch=size == PHONE
        )
        self._contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        if clock_off_s:
            context.add_init_script(_WRONG_CLOCK.format(off_ms=clock_off_s * 1000))
        page = context.new_page()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(url)
        return page

    def close(self) -> None:
        """Close all windows.

        Raises:
            AssertionError: a page complained.
        """
        while self._contexts:
            self._contexts.pop().close()
        assert not self.complaints, self.complaints

    def _note(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if self.expects_errors and "Failed to load resource" in message.text:
            return
        self.complaints.append(message.text)


_WRONG_CLOCK = """{{
  const Real = Date;
  globalThis.Date = class extends Real {{
    constructor(...given) {{ given.length ? super(...given) : super(Real.now() + {off_ms}); }}
    static now() {{ return Real.now() + {off_ms}; }}
  }};
}}"""


def figure(page: Page, title: str) -> Locator:
    """The large figure of a tile."""
    return page.locator(".tile", has=page.locator(".name", has_text=re.compile(f"^{title}"))).locator(".figure")


def cell(page: Page, name: str) -> Locator:
    """The cell of a channel on the map."""
    return page.locator(f'a.cell[data-id="{name}"]')


def column(page: Page, index: int) -> list[str]:
    """Texts of one column of the table, without white space."""
    texts = page.locator("tbody tr").evaluate_all(f"rows => rows.map(row => row.cells[{index}].textContent)")
    return ["".join(text.split()) for text in texts]
