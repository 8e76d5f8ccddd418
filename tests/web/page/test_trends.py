"""Curves of channels and of any PV, and ways into and out of a part of them: mouse, fingers, address."""

import re

import pytest
from playwright.sync_api import FloatRect, Page, expect

from tests.system.installation import wait_until
from tests.web.page.site import PageSite
from tests.web.page.visitor import PATIENCE_MS, PHONE, Visitor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

expect.set_options(timeout=PATIENCE_MS)

VMON = "PADME:PVETO:HV13:CH01:VMON_RBV"
QUARTER_S = 900


def zoomed_to(page: Page) -> tuple[float, float]:
    """The range of its own in the address, Unix seconds."""
    page.wait_for_url(re.compile(r"range=\d+\.\.\d+"))
    start, end = re.findall(r"range=(\d+)\.\.(\d+)", page.url)[0]
    return float(start), float(end)


def touch(page: Page, *steps: list[tuple[float, float]]) -> None:
    """Fingers on the glass: where they lie at each step; they are lifted after the last one."""
    glass = page.context.new_cdp_session(page)
    for number, points in enumerate(steps):
        kind = "touchMove" if number else "touchStart"
        places = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(points)]
        glass.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})
    glass.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    glass.detach()


def chart_at_rest(page: Page) -> FloatRect:
    """Where the first chart is, once everything is there and nothing moves any more."""
    expect(page.locator(".u-over").first).to_be_visible()
    expect(page.locator(".panel[aria-busy=true]")).to_have_count(0)
    page.locator(".u-over").first.scroll_into_view_if_needed()
    page.evaluate(_REST)
    box = page.locator(".u-over").first.bounding_box()
    assert box is not None
    return box


def pinch(page: Page, before: tuple[float, float], after: tuple[float, float]) -> None:
    """Two fingers on the first chart, from and to fractions of its width."""
    box = chart_at_rest(page)
    y = box["y"] + box["height"] / 2

    def at(parts: tuple[float, float]) -> list[tuple[float, float]]:
        return [(box["x"] + part * box["width"], y) for part in parts]

    halfway = ((before[0] + after[0]) / 2, (before[1] + after[1]) / 2)
    touch(page, at(before), at(halfway), at(after))


def test_a_channel_and_any_pv(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(f"{page_site.url}#/trends?range=15m")
    expect(page.get_by_text("Choose a channel and a quantity")).to_be_visible()
    page.get_by_label("channel").fill("HV13:CH01")
    page.get_by_label("quantity").select_option("bias")
    page.get_by_role("button", name="Add").first.click()
    expect(page.locator("canvas")).to_have_count(1)
    page.get_by_label("or PV").fill("PADME:PVETO:HV13:CH01:TEMP_RBV")
    page.get_by_label("or PV").press("Enter")
    expect(page.locator("canvas")).to_have_count(2)
    page.locator("summary", has_text="Newest values").click()
    newest = page.locator("details li", has_text="VMON_RBV").locator("b")
    expect(newest).to_have_text(re.compile(r"^5\d\.\d\d V$"))
    value = page_site.get("PVETO:HV13:CH01:VMON_RBV")
    assert float((newest.text_content() or "nan").split()[0]) == pytest.approx(value, abs=0.05)
    wait_until(lambda: page.evaluate(_INK) > 200, 30, "there is a curve")
    page.get_by_role("button", name="Take PADME:PVETO:HV13:CH01:TEMP_RBV away").click()
    expect(page.locator("canvas")).to_have_count(1)


def test_a_channel_asks_the_archive_only_as_often_as_its_range_needs(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(f"{page_site.url}#/channel/HV13:CH01")
    chart_at_rest(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(7_000)
    assert any("/channels?" in url for url in asked), "the values are asked for"
    histories = [url for url in asked if "/archive?" in url]
    assert len(histories) <= 6, "three curves every six seconds"


def test_dragging_across_a_chart_shows_more_of_a_part_and_back_leads_back(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(f"{page_site.url}#/trends?range=15m&pv={VMON}")
    expect(page.get_by_role("button", name="Back")).to_have_count(0)
    box = chart_at_rest(page)
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 20, steps=4)
    page.mouse.up()
    start, end = zoomed_to(page)
    assert end - start == pytest.approx(QUARTER_S / 2, abs=30)
    expect(page.locator("canvas")).to_have_count(1)
    page.get_by_role("button", name="Back").click()
    page.wait_for_url(re.compile("range=15m"))
    expect(page.get_by_role("button", name="Back")).to_have_count(0)


def test_two_fingers_zoom_and_one_goes_along(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(f"{page_site.url}#/trends?range=15m&pv={VMON}", PHONE)
    pinch(page, (0.4, 0.6), (0.1, 0.9))
    start, end = zoomed_to(page)
    assert end - start == pytest.approx(QUARTER_S / 4, abs=20)
    box = chart_at_rest(page)
    y = box["y"] + 60
    touch(page, *([(box["x"] + part * box["width"], y)] for part in (0.3, 0.5, 0.7, 0.8)))
    page.wait_for_url(lambda url: f"range={start:.0f}.." not in url)
    earlier, until = zoomed_to(page)
    assert until - earlier == pytest.approx(end - start, abs=2)
    assert start - earlier == pytest.approx((end - start) / 2, rel=0.3)
    for _ in range(2):
        page.get_by_role("button", name="Back").click()
    page.wait_for_url(re.compile("range=15m"))


def test_fingers_that_go_down_scroll_the_page_and_zoom_nothing(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(f"{page_site.url}#/channel/HV13:CH01", PHONE)
    box = chart_at_rest(page)
    before = page.evaluate("scrollY")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch(page, *([(x, y - step)] for step in range(0, 200, 20)))
    wait_until(lambda: page.evaluate("scrollY") > before + 50, 30, "the page has scrolled")
    expect(page.get_by_role("button", name="Back")).to_have_count(0)
    pinch(page, (0.3, 0.7), (0.1, 0.9))
    expect(page.get_by_role("button", name="Back")).to_be_visible()


_REST = """() => new Promise((rest) => {
  let last = "";
  const look = () => {
    const now = JSON.stringify(document.querySelector(".u-over").getBoundingClientRect());
    if (now === last) return rest();
    last = now;
    setTimeout(look, 150);
  };
  look();
})"""
"""A page that was pushed goes on for a while."""
_INK = """() => {
  const canvas = document.querySelector("canvas");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let ink = 0;
  for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] > 200 && pixels[i] < 60 && pixels[i + 2] > 120) ink++;
  return ink;
}"""
"""Pixels in the colour of the first curve."""
