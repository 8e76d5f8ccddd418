"""Every link in every answer leads somewhere."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.web.conftest import WebSite
from tests.web.seed import CHANNEL
from web.catalogue import RESOURCES

START = [resource.name for resource in RESOURCES if not resource.required]
_PAGE = "page[limit]=2"
"""Enough to see links between rows; all rows of all resources would be some ten thousand requests."""


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


@pytest.mark.timeout(300)
@pytest.mark.parametrize("base", ["/api/v1", "/jsonapi/v1"])
def test_every_link_resolves(detector: WebSite, base: str) -> None:
    waiting = [f"{base}/{name}?{_PAGE}" for name in START]
    waiting.append(f"{base}/archive?filter[pv][EQ]={CHANNEL}:TEMP_RBV&{_PAGE}")
    seen = set(waiting)
    types: set[str] = set()
    while waiting:
        link = waiting.pop()
        reply = detector.http.get(link)
        assert reply.status_code == 200, f"{link}: {reply.text}"
        document = reply.json()
        data = document["data"] if isinstance(document["data"], list) else [document["data"]]
        types.update(row["type"] for row in data if row is not None)
        for found in links({**document, "data": data[:2]}):
            one = found if "page%5B" in found else f"{found}?{_PAGE}" if _is_many(found) else found
            if one not in seen and _is_near(one):
                seen.add(one)
                waiting.append(one)
    assert types == {resource.name for resource in RESOURCES} - {"alarmevents"} or types == {r.name for r in RESOURCES}
    assert len(seen) > 200


def _is_many(link: str) -> bool:
    """Whether a link leads to a collection of another resource, which is worth a short page only."""
    parts = link.split("/")
    resource = next(resource for resource in RESOURCES if resource.name == parts[3])
    return len(parts) > 5 and parts[-1] in resource.relation and resource.relation[parts[-1]].many


def _is_near(link: str) -> bool:
    """First pages; the further ones differ in numbers only."""
    return "page%5Boffset%5D=" not in link or int(link.partition("page%5Boffset%5D=")[2].partition("&")[0]) <= 4
