"""Links between the pages of a collection."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from web.parameters import Parameter
from web.query import Page


def page_links(path: str, parameters: Sequence[Parameter], offset: int, limit: int, page: Page) -> dict[str, str]:
    """``self``, ``first``, ``last`` where it is known, ``prev`` and ``next`` where there is such a page.

    Other parameters are kept.
    """
    moved = (("offset",), ("limit",))
    others = (item for item in parameters if item.family != "page" or item.keys not in moved)
    kept = "&".join(f"{quote(item.name)}={quote(item.value)}" for item in others)

    def at(start: int) -> str:
        return f"{path}?{kept}{'&' if kept else ''}page%5Boffset%5D={start}&page%5Blimit%5D={limit}"

    total = page.total
    links = {"self": at(offset), "first": at(0)}
    if not page.at_least:
        # Pages are counted from where the reader stands, so that first and next lead over the same rows.
        beyond = max(total - 1 - offset % limit, 0) // limit * limit + offset % limit if total else 0
        links["last"] = at(min(beyond, max(total - 1, 0)))
    if offset > 0:
        links["prev"] = at(max(min(offset, total) - limit, 0))
    if offset + limit < total:
        links["next"] = at(offset + limit)
    return links
