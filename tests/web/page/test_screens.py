"""Phones, desks, walls; day and night."""

from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.web.page.site import CHANNELS, IV_RUN, PageSite
from tests.web.page.visitor import DESK, PATIENCE_MS, PHONE, WALL, Visitor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

expect.set_options(timeout=PATIENCE_MS)

VIEWS = (
    "#/overview",
    "#/trends?range=15m&pv=PADME:PVETO:HV13:CH01:VMON_RBV&pv=PADME:PVETO:HV13:CH01:TEMP_RBV",
    "#/alarms",
    "#/runs",
    f"#/runs/{IV_RUN}",
    "#/downtimes?range=30d",
    "#/channel/HV13:CH07",
)
HUGE = (3840, 2160)
SMALLEST_TARGET_PX = 24
"""WCAG 2.2, 2.5.8, level AA."""


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "light"), (DESK, "light"), (DESK, "dark"), (WALL, "dark")])
def test_every_view_fits_its_screen_and_is_readable(
    page_site: PageSite, visitor: Visitor, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    page = visitor.open(page_site.url, size, scheme)
    for view in VIEWS:
        page.goto(page_site.url + view)
        expect(page.locator(".panel").first).to_be_visible()
        expect(page.locator(".panel[aria-busy=true]")).to_have_count(0)
        assert page.evaluate(_WIDE) == [], view
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], view
        assert page.evaluate(_PALE) == [], view
        if size == PHONE:
            assert page.evaluate(_SMALL, SMALLEST_TARGET_PX) == [], f"{view}: a thumb finds every target"


@pytest.mark.parametrize("size", [WALL, HUGE])
def test_the_wall_shows_the_whole_detector_without_controls(
    page_site: PageSite, visitor: Visitor, size: tuple[int, int]
) -> None:
    page = visitor.open(f"{page_site.url}?wall#/overview", size)
    expect(page.locator("a.cell")).to_have_count(CHANNELS)
    expect(page.locator("button, select, input, nav")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollHeight") <= size[1]
    bottom = page.locator("a.cell").last.evaluate("cell => cell.getBoundingClientRect().bottom")
    assert bottom <= size[1]
    assert page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)") >= size[0] / 100


def test_day_and_night_follow_the_system(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(page_site.url)
    expect(page.locator("a.cell.value").first).to_be_visible()
    look = "e => getComputedStyle(e).backgroundColor"
    cell, body = page.locator("a.cell.value").first, page.locator("body")
    pale, day = cell.evaluate(look), body.evaluate(look)
    page.emulate_media(color_scheme="dark")
    expect(cell).not_to_have_css("background-color", pale)
    expect(body).not_to_have_css("background-color", day)


_WIDE = """[...document.querySelectorAll("main *")]
  .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && e.checkVisibility())
  .map(e => e.outerHTML.slice(0, 120))"""
"""What sticks out to the right."""

_SMALL = """least => [...document.querySelectorAll("main a, main button, main select, main input, nav a")]
  .filter(e => e.offsetParent !== null)
  .map(e => [e, e.getBoundingClientRect()])
  .filter(([e, box]) => Math.min(box.width, box.height) < least && getComputedStyle(e).display !== "inline")
  .map(([e, box]) => `${e.outerHTML.slice(0, 100)} ${box.width.toFixed()}x${box.height.toFixed()}`)"""
"""Targets that are too small; links within a sentence are as high as its lines (WCAG leaves them out)."""

_PALE = """() => {
  const luminance = ([r, g, b]) => {
    const part = c => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const numbers = text => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const found = numbers(getComputedStyle(e).backgroundColor);
      if (getComputedStyle(e).backgroundImage !== "none") return null;
      if (found.length === 3 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const pale = [];
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    const below = own && e.offsetParent !== null && !e.matches(":disabled") ? ground(e) : null;
    if (!below) continue;
    const [one, two] = [luminance(numbers(getComputedStyle(e).color)), luminance(below)];
    const contrast = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (contrast < 4.5) pale.push(`${e.outerHTML.slice(0, 100)} ${contrast.toFixed(2)}`);
  }
  return pale;
}"""
"""Text whose contrast is below 4.5 to 1 (WCAG 2.2, 1.4.3, level AA)."""
