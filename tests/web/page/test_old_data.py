"""The page says plainly what is old: a dead IOC, a dead service, a dead server, a browser with a wrong clock."""

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from tests.web.page.site import CHANNELS, PageSite
from tests.web.page.visitor import NO_VALUE, PATIENCE_MS, Visitor, cell, figure

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

expect.set_options(timeout=PATIENCE_MS)


def test_a_dead_ioc_hatches_its_channels_and_no_others(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(page_site.url)
    channel = visitor.open(f"{page_site.url}#/channel/HV17:CH01")
    expect(figure(page, "on")).to_have_text(f"{CHANNELS}/{CHANNELS}")
    page_site.stop("hepveto")
    try:
        expect(page.locator("a.cell.lost")).to_have_count(16)
        expect(figure(page, "not heard")).to_have_text("16")
        expect(figure(page, "on")).to_have_text(f"{CHANNELS - 16}/{CHANNELS}")
        expect(cell(page, "HV17:CH01")).to_have_attribute("aria-label", re.compile(r"disconnected, last heard \d+ (s|min) ago"))
        expect(cell(page, "HV17:CH01")).to_have_text("")
        expect(cell(page, "HV13:CH01")).to_have_class(re.compile(r"\bvalue\b"))
        expect(page.locator(".services li.lost")).to_have_text(re.compile("hepveto"))
        expect(channel.locator(".lost-note")).to_contain_text("Disconnected")
        expect(channel.locator(".values.dead")).to_be_visible()
        expect(channel.locator(".values li", has_text="Bias, measured").locator("b")).to_have_text(NO_VALUE)
    finally:
        page_site.start("hepveto")
    expect(page.locator("a.cell.lost")).to_have_count(0)


def test_a_dead_server_is_stated_with_since_when(page_site: PageSite, visitor: Visitor) -> None:
    visitor.expects_errors = True
    page = visitor.open(page_site.url)
    expect(figure(page, "on")).to_have_text(f"{CHANNELS}/{CHANNELS}")
    page_site.stop("web")
    stopped = datetime.now(UTC)
    try:
        banner = page.get_by_role("alert")
        expect(banner).to_contain_text("No connection to the server since")
        found = re.search(r"since (\S+ \S+) UTC, (\d+) s ago", banner.text_content() or "")
        assert found is not None, banner.text_content()
        last = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
        assert abs((stopped - last).total_seconds()) < 30
        expect(page.locator("a.cell.stale")).to_have_count(CHANNELS)
        expect(figure(page, "not heard")).to_have_text(str(CHANNELS))
        expect(page.locator(".panel[data-old=no]")).to_have_count(0)
        expect(page.locator(".panel .age").first).to_contain_text("OLD")
        greyed = "getComputedStyle(document.querySelector('.map-panel > .body')).filter"
        assert page.evaluate(greyed) == "grayscale(1)"
    finally:
        page_site.start("web")
    page.get_by_role("alert").wait_for(state="detached", timeout=90_000)
    expect(page.locator("a.cell.stale")).to_have_count(0)
    expect(page.locator(".panel[data-old=yes]")).to_have_count(0, timeout=90_000)


def test_a_dead_service_is_stated_where_its_data_are(page_site: PageSite, visitor: Visitor) -> None:
    visitor.expects_errors = True
    page = visitor.open(page_site.url)
    side = page.locator(".side .panel", has=page.get_by_role("heading", name="Alarms"))
    expect(side).to_have_attribute("data-old", "no")
    page_site.stop("alarms")
    try:
        expect(side).to_contain_text("the alarm service does not answer")
        expect(side).to_have_attribute("data-old", "yes")
        expect(page.locator(".map-panel")).to_have_attribute("data-old", "no")
        expect(page.get_by_role("alert")).to_have_count(0)
    finally:
        page_site.start("alarms")
    expect(side).to_have_attribute("data-old", "no", timeout=90_000)


def test_a_dead_database_is_stated_and_no_sum_is_made_of_nothing(page_site: PageSite, visitor: Visitor) -> None:
    visitor.expects_errors = True
    path = page_site.installation.folder / "var" / "sipmdcs.sqlite"
    kept = path.rename(path.with_suffix(".kept"))
    path.write_bytes(b"torn " * 10_000)
    try:
        page = visitor.open(f"{page_site.url}#/downtimes?range=30d")
        expect(page.locator(".panel")).to_have_count(2)
        # Whether a question or the probe of the service was the first to find out.
        expect(page.locator(".panel", has_text=re.compile("the database (cannot|does not) answer"))).to_have_count(2)
        expect(page.locator(".pareto")).to_have_count(0)
        page.goto(page_site.url)
        expect(figure(page, "on")).to_have_text(f"{CHANNELS}/{CHANNELS}")
        expect(figure(page, "run")).to_have_text(NO_VALUE)
        expect(figure(page, "open downtimes")).to_have_text(NO_VALUE)
    finally:
        kept.replace(path)
    expect(figure(page, "open downtimes")).to_have_text("1", timeout=90_000)


def test_the_clock_of_the_browser_does_not_matter(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(page_site.url, clock_off_s=-10 * 365 * 86_400)
    expect(figure(page, "on")).to_have_text(f"{CHANNELS}/{CHANNELS}")
    assert page.evaluate("new Date().getUTCFullYear()") < datetime.now(UTC).year - 5
    shown = page.locator(".clock").text_content() or ""
    now = datetime.now(UTC)
    seconds = sum(int(part) * factor for part, factor in zip(shown.removesuffix(" UTC").split(":"), (3600, 60, 1), strict=True))
    off = abs(seconds - (now.hour * 3600 + now.minute * 60 + now.second))
    assert min(off, 86_400 - off) < 20
    expect(page.locator("a.cell.stale, a.cell.lost")).to_have_count(0)


def test_a_hidden_page_asks_nothing(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(page_site.url)
    expect(figure(page, "on")).to_have_text(f"{CHANNELS}/{CHANNELS}")
    page.wait_for_load_state("networkidle")
    page.evaluate(_SHOW, False)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(6_000)
    assert asked == []
    page.evaluate(_SHOW, True)
    expect(page.locator(".map-panel .age")).to_have_text(re.compile(r"data [0-2] s old"))
    assert asked


_SHOW = """shown => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => !shown });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
"""What a browser does when its tab is left and looked at again."""
