"""Every link in every answer leads somewhere."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.web.conftest import WebSite
from tests.web.seed import CHANNEL
from web.catalogue import RESOURCES
from web.pagelinks import page_links
from web.parameters import read_parameters
from web.query import Page

START = [resource.name for resource in RESOURCES if not resource.required]
_PAGE = "page[limit]=2"
_EACH = 2
"""Links followed of each kind: all rows of all resources would be some ten thousand requests."""


def links(value: Any) -> Iterator[str]:
    """Every link of a document, however deep."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name == "links":
                yield from item.values()
            else:
                yield from links(item)
    elif isinstance(value, list):
        for item in value:
            yield from links(item)


def kind(link: str) -> str:
    """A link without the id in it and the numbers in its query."""
    path, _, query = link.partition("?")
    parts = path.split("/")
    page = "next" if "offset%5D" in query and "offset%5D=0" not in query else "first" if query else ""
    return "/".join([*parts[:4], "ID" if len(parts) > 4 else "", *parts[5:], page])


@pytest.mark.timeout(240)
@pytest.mark.parametrize("base", ["/api/v1", "/jsonapi/v1"])
def test_every_link_resolves(detector: WebSite, base: str) -> None:
    waiting = [f"{base}/{name}?{_PAGE}" for name in START]
    waiting.append(f"{base}/archive?filter[pv][EQ]={CHANNEL}:TEMP_RBV&{_PAGE}")
    seen = set(waiting)
    followed: Counter[str] = Counter()
    types: set[str] = set()
    while waiting:
        link = waiting.pop(0)
        reply = detector.http.get(link)
        assert reply.status_code == 200, f"{link}: {reply.text}"
        document = reply.json()
        data = document["data"] if isinstance(document["data"], list) else [document["data"]]
        types.update(row["type"] for row in data if row is not None)
        for found in links({**document, "data": data[:_EACH]}):
            if found not in seen and followed[kind(found)] < _EACH:
                seen.add(found)
                followed[kind(found)] += 1
                waiting.append(found)
    assert types == {resource.name for resource in RESOURCES}
    relations = sum(len(resource.relations) for resource in RESOURCES)
    assert len(followed) > 2 * relations, "the related rows and the relationship of each relation were asked for"


def test_of_a_lower_bound_the_last_page_is_not_known() -> None:
    asked = read_parameters(b"sort=-run_number&page[offset]=40&page[limit]=20&page[total]=exact")
    exact, bound = (page_links("/runs", asked, 40, 20, Page((), 61, at_least=at_least)) for at_least in (False, True))
    assert {*exact} == {"self", "first", "prev", "next", "last"}
    assert exact["next"] == bound["next"] == exact["last"] != exact["self"]
    assert {*bound} == {*exact} - {"last"}
    assert all("page%5Btotal%5D=exact" in link for link in exact.values()), "the next page is counted in the same way"
