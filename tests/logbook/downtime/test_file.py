"""``downtime.yaml``: what is wrong is named with file, line and key."""

from pathlib import Path

import pytest

from logbook.downtime.file import DEFAULT_CATEGORIES, DEFAULT_MESSAGES, DOWNTIME_FILE, read_downtime_file
from sipmdcs.errors import BadInput
from sipmdcs.site import Site
from tests.logbook.downtime.conftest import MakeSite

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("name", ["padme-like", "minimal"])
def test_examples_are_right(name: str) -> None:
    file = read_downtime_file(Site(EXAMPLES / name))
    assert file.messages == DEFAULT_MESSAGES
    assert file.offered == DEFAULT_CATEGORIES


def test_without_a_file_the_site_is_one_detector(make_site: MakeSite) -> None:
    site = make_site()
    (site.folder / DOWNTIME_FILE).unlink()
    assert list(read_downtime_file(site).detectors) == ["TST"]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("", 1, "detectors: is missing"),
        ("detectors: {}", 1, "detectors: "),
        ("detectors:\n  A: {host: [x]}", 2, "detectors.A.host: unknown key"),
        ("detectors: {A: {}}\ncategories:\n  - name: X\n  - name: X\n", 1, "category X is given twice"),
        ("detectors: {A: {}}\ncategories:\n  - {name: UNDECIDED}\n", 1, "is there by itself"),
        ("detectors: {A: {}}\ncategories:\n  - {name: X, retired: true}\n", 1, "every category is retired"),
        (
            "detectors: {A: {}}\nmessages:\n  - means: stop\n    pattern: '('\n",
            4,
            "cannot be used as a pattern: missing )",
        ),
        ("detectors: {A: {}}\nmessages:\n  - {means: stop, pattern: '(?P<runn>x)'}", 3, "group runn means nothing here"),
        ("detectors: {A: {}}\nmessages:\n  - {means: stop, pattern: 'x*'}", 3, "matches the empty text"),
        ("detectors: {A: {}}\nmessages:\n  - {means: stop, pattern: 'x(?!y)'}", 3, "cannot be used as a pattern"),
        ("detectors: {A: {}}\nmessages:\n  - {means: pause, pattern: x}", 3, "messages.0.means: "),
        ("detectors: {A: {}}\nmessages:\n  - {means: stop, pattern: x, example: y}", 3, "does not match the example"),
        ("detectors: {A: {}}\ntime_zone: Mars/Base", 2, "time_zone: not a time zone"),
        ("detectors: {A: {}}\ntime_zone: ../../etc/passwd", 2, "time_zone: not a time zone"),
        ("detectors: {A: {}}\ncolumns: [id, colour]", 2, "columns.1: "),
        ("detectors: {A: {}}\nclock_skew_s: -1", 2, "clock_skew_s: "),
    ],
)
def test_mistakes_are_named(make_site: MakeSite, text: str, line: int, problem: str) -> None:
    site = make_site(downtime_yaml=text)
    with pytest.raises(BadInput) as caught:
        read_downtime_file(site)
    assert str(caught.value).startswith(f"{site.folder / DOWNTIME_FILE}:{line}: ")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
