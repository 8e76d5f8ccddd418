"""Each view shows what is in the database and in the PVs."""

import re
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Page, expect

from tests.web.page.proxy import proxy_of
from tests.web.page.site import CHANNELS, DOWNS, IV_RUN, NAME, OPEN_RUN, RUNS, PageSite, vbr_of
from tests.web.page.visitor import PATIENCE_MS, PHONE, Visitor, cell, column, figure

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

expect.set_options(timeout=PATIENCE_MS)


def test_the_site_is_named(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(f"{page_site.url}#/runs")
    expect(page.locator("header .site")).to_have_text(NAME)
    expect(page).to_have_title(f"Runs · {NAME}")
    phone = visitor.open(page_site.url, PHONE)
    expect(phone.locator("header .site")).to_have_text(NAME)


def test_below_a_path_of_a_proxy_the_page_is_whole(page_site: PageSite, visitor: Visitor) -> None:
    with proxy_of(page_site.url) as proxy:
        page = visitor.open(proxy.url)
        expect(figure(page, "on")).to_have_text(f"{CHANNELS}/{CHANNELS}")
        page = visitor.open(f"{proxy.url}#/runs")
        page.get_by_role("link", name=str(IV_RUN)).click()
        expect(page.get_by_role("heading", name="Facts")).to_be_visible()
        runs = page.request.get(f"{proxy.url}api/v1/runs?page[limit]=1").json()
        for link in (runs["links"]["next"], runs["data"][0]["links"]["self"]):
            assert page.request.get(urljoin(proxy.url, link)).status == 200, link
        visitor.close()  # while the proxy is there
    assert not proxy.outside
    assert any("/assets/" in path for path in proxy.packed)


def test_overview_counts_channels_runs_and_downtimes(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(page_site.url)
    expect(figure(page, "on")).to_have_text(f"{CHANNELS}/{CHANNELS}")
    expect(figure(page, "tripped")).to_have_text("0")
    expect(figure(page, "not heard")).to_have_text("0")
    expect(figure(page, "run")).to_have_text(str(OPEN_RUN))
    expect(figure(page, "open downtimes")).to_have_text("1")
    expect(page.locator(".services li")).to_have_count(6)
    expect(page.locator(".services li.lost")).to_have_count(0)
    expect(page.locator("a.cell")).to_have_count(CHANNELS)


@pytest.mark.parametrize(
    ("button", "suffix", "digits"),
    [
        ("Bias", "VMON_RBV", 2),
        ("Temperature", "TEMP_RBV", 1),
        ("Overvoltage", "OVERVOLTAGE_RBV", 2),
        ("Current", "CURRENT_RBV", 2),
    ],
)
def test_a_cell_has_the_value_of_its_pv(page_site: PageSite, visitor: Visitor, button: str, suffix: str, digits: int) -> None:
    page = visitor.open(page_site.url)
    page.get_by_role("button", name=button, exact=True).click()
    tolerance = 1.5 * 10**-digits + 0.2 * (suffix == "TEMP_RBV")
    for name in ("HV13:CH02", "HV17:CH16"):
        subsystem = "PVETO" if name.startswith("HV13") else "HEPVETO"
        expect(cell(page, name).locator(".value")).to_have_text(re.compile(rf"^\d+\.\d{{{digits}}}$"))
        shown = float(cell(page, name).locator(".value").text_content() or "nan")
        assert shown == pytest.approx(page_site.get(f"{subsystem}:{name}:{suffix}"), abs=tolerance)


def test_a_new_value_reaches_the_cell(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(page_site.url)
    expect(cell(page, "HV17:CH05").locator(".value")).to_have_text(re.compile(r"^55\.0\d$|^54\.9\d$"))
    page_site.put(HEPVETO__HV17__CH05__BIAS=54.25)
    try:
        expect(cell(page, "HV17:CH05").locator(".value")).to_have_text(re.compile(r"^54\.2\d$"))
    finally:
        page_site.put(HEPVETO__HV17__CH05__BIAS=55.0)


def test_a_masked_channel_is_hatched_and_not_counted(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(page_site.url)
    page_site.put(PVETO__HV13__CH04__MASK=1)
    try:
        expect(cell(page, "HV13:CH04")).to_have_class(re.compile(r"\bmasked\b"))
        expect(cell(page, "HV13:CH04")).to_have_attribute("aria-label", re.compile("masked"))
        expect(figure(page, "on")).to_have_text(f"{CHANNELS - 1}/{CHANNELS - 1}")
    finally:
        page_site.put(PVETO__HV13__CH04__MASK=0)
    expect(cell(page, "HV13:CH04")).to_have_class(re.compile(r"\bvalue\b"))


def test_a_channel_that_is_switched_off(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(f"{page_site.url}#/overview?show=state")
    page_site.put(PVETO__HV13__CH16__ENABLE=0)
    try:
        expect(cell(page, "HV13:CH16")).to_have_class(re.compile(r"\boff\b"))
        expect(figure(page, "on")).to_have_text(f"{CHANNELS - 1}/{CHANNELS}")
    finally:
        page_site.switch_on("PVETO:HV13:CH16")
    expect(cell(page, "HV13:CH16")).to_have_text("ON")


def test_an_alarm_is_on_the_map_and_in_the_table(page_site: PageSite, visitor: Visitor) -> None:
    overview = visitor.open(page_site.url)
    table = visitor.open(f"{page_site.url}#/alarms")
    page_site.installation.run("sim", "fault", "HV13", "3", "extra-current", "5")
    try:
        expect(cell(overview, "HV13:CH03")).to_have_class(re.compile(r"\bmajor\b"))
        expect(cell(overview, "HV13:CH03")).to_contain_text("▲")
        row = table.locator("tr", has_text="PADME:PVETO:HV13:CH03:CURRENT_RBV")
        expect(row.locator("td").first).to_contain_text("MAJOR")
        expect(row).to_contain_text("SiPM current")
        expect(row).to_contain_text("HIHI")
        expect(row.locator(".guidance")).to_contain_text("veto expert")
        expect(row.locator("td").nth(5)).to_have_text("no")
        page_site.installation.run("alarm", "ack", "PADME:PVETO:HV13:CH03:CURRENT_RBV", "--comment", "known")
        expect(row.locator("td").nth(5)).to_contain_text("known")
    finally:
        page_site.installation.run("sim", "fault", "HV13", "3", "extra-current", "0")
    expect(cell(overview, "HV13:CH03")).not_to_have_class(re.compile(r"\bmajor\b"))


def test_runs_are_paged_filtered_and_sorted(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(f"{page_site.url}#/runs")
    expect(page.locator("tbody tr")).to_have_count(25)
    assert column(page, 0) == [str(OPEN_RUN - place) for place in range(25)]
    expect(page.get_by_label("Pages")).to_contain_text(f"1 to 25 of {RUNS}")
    page.get_by_role("button", name="Older").click()
    expect(page.locator("tbody tr").first).to_contain_text(str(OPEN_RUN - 25))
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("tbody tr").first).to_contain_text(str(OPEN_RUN - RUNS + 1))
    page.get_by_label("state").select_option("aborted")
    expect(page.locator("tbody tr")).to_have_count(6)
    assert set(column(page, 1)) == {"✕aborted"}
    page.get_by_label("state").select_option("")
    page.get_by_label("run from").fill(str(OPEN_RUN - 3))
    page.get_by_label("run from").press("Enter")
    expect(page.locator("tbody tr")).to_have_count(4)


def test_rows_that_come_leave_what_is_being_typed(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(f"{page_site.url}#/runs")
    expect(page.locator("tbody tr")).to_have_count(25)
    field = page.get_by_label("run from")
    with page.expect_response(re.compile(r"/runs\?")) as newer:
        field.fill(str(OPEN_RUN - 3))
    newer.value.finished()
    page.evaluate("() => new Promise((shown) => setTimeout(() => requestAnimationFrame(shown), 100))")
    expect(field).to_have_value(str(OPEN_RUN - 3))
    field.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(4)


def test_an_address_is_a_view_with_its_choices(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(f"{page_site.url}#/runs?type=iv")
    expect(page.locator("tbody tr")).to_have_count(1)
    page = visitor.open(f"{page_site.url}#/runs?type=%27%3B+DROP+TABLE+logbook_run%3B--%3Cimg+src%3Dx+onerror%3Dalert(1)%3E")
    expect(page.get_by_text("No run matches.")).to_be_visible()
    page = visitor.open(f"{page_site.url}#/nowhere")
    expect(page.get_by_text("There is no such view.")).to_be_visible()


def test_a_run_with_an_iv_scan(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(f"{page_site.url}#/runs")
    page.get_by_role("link", name=str(IV_RUN)).click()
    facts = page.locator(".panel", has=page.get_by_role("heading", name="Facts"))
    expect(facts).to_contain_text("1 h 39 min")
    expect(facts).to_contain_text("1\u202f234\u202f568")
    expect(facts).to_contain_text("version 1 (push 7, only PVETO/HV13, 5f2a5f2a5f2a)")
    expect(facts).to_contain_text("192 of 672 values differ; 16 more could not be read")
    expect(page.get_by_text("after the new cables")).to_be_visible()
    values = [value for number in range(1, 17) if (value := vbr_of(number)) is not None]
    macro = page.locator(".panel", has=page.get_by_role("heading", name="Results over all channels")).locator("tbody tr")
    expect(macro).to_contain_text(f"{sum(values) / len(values):.2f}")
    expect(page.locator(".dots .value-dot")).to_have_count(len(values))
    expect(page.locator(".dots .missing")).to_have_count(1)
    expect(page.locator(".dots .missing title")).to_have_text("PADME:PVETO:HV13:CH07: no breakdown between 45.0 and 51.0 V")
    slow = page.locator("tr", has_text="PADME:PVETO:HV13:CH01:TEMP_RBV")
    expect(slow).to_contain_text("25.37")
    expect(slow).to_contain_text("5 min")


def test_downtimes_open_ones_on_top_and_pareto(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(f"{page_site.url}#/downtimes")
    expect(page.locator("tbody tr")).to_have_count(5)
    assert column(page, 0)[0] == "6"
    expect(page.locator("tbody tr").first).to_contain_text("open")
    bars = _bars(page)
    assert list(bars) == ["Beam", "DAQ crash", "HV trip", "UNDECIDED"]
    assert bars["Beam"] == 8 * 3600, "two detectors that wait for the same beam wait once"
    assert bars["DAQ crash"] == 3 * 3600
    assert 25 * 60 <= bars["UNDECIDED"] < 60 * 60
    page.get_by_role("button", name="30 days").click()
    expect(page.locator("tbody tr")).to_have_count(len(DOWNS))
    assert next(iter(_bars(page).items())) == ("Network", 9 * 3600)
    page.locator("label", has_text="category").locator("select").select_option("Network")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("switch replaced")


def test_a_channel(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(f"{page_site.url}#/channel/HV13:CH07")
    expect(page.locator(".facts")).to_contain_text("PADME:PVETO:HV13:CH07")
    expect(page.locator(".facts")).to_contain_text("DEMO-")
    shown = page.locator(".values li", has_text="Bias, measured").locator("b")
    expect(shown).to_have_text(re.compile(r"^\d\d\.\d\d$"))
    assert float(shown.text_content() or "nan") == pytest.approx(page_site.get("PVETO:HV13:CH07:VMON_RBV"), abs=0.02)
    expect(page.get_by_text("no breakdown between 45.0 and 51.0 V")).to_be_visible()
    page = visitor.open(f"{page_site.url}#/channel/HV99:CH01")
    expect(page.get_by_text("There is no channel HV99:CH01.")).to_be_visible()


def test_the_keyboard_goes_everywhere(page_site: PageSite, visitor: Visitor) -> None:
    page = visitor.open(page_site.url)
    expect(page.locator("a.cell")).to_have_count(CHANNELS)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('cell')"):
            break
    assert page.evaluate("document.activeElement.dataset.id") == "HV13:CH01"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):
        page.keyboard.press(key)
    assert page.evaluate("document.activeElement.dataset.id") == "HV17:CH02"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="HV17:CH02")).to_be_visible()


def _bars(page: Page) -> dict[str, int]:
    expect(page.locator(".pareto [role=listitem]").first).to_be_visible()
    found = page.locator(".pareto [role=listitem]").evaluate_all(
        "bars => bars.map(bar => [bar.dataset.category, Number(bar.dataset.seconds)])"
    )
    return dict(found)
