"""Links between the pages of a collection."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from web.parameters import Parameter


def page_links(path: str, parameters: Sequence[Parameter], offset: int, limit: int, total: int) -> dict[str, str]:
    """``self``, ``first``, ``last``, and ``prev`` and ``next`` where there is such a page; other parameters are kept."""
    kept = "&".join(f"{quote(item.name)}={quote(item.value)}" for item in parameters if item.family != "page")

    def at(start: int) -> str:
        return f"{path}?{kept}{'&' if kept else ''}page%5Boffset%5D={start}&page%5Blimit%5D={limit}"

    # Pages are counted from where the reader stands, so that first and next lead over the same rows.
    beyond = max(total - 1 - offset % limit, 0) // limit * limit + offset % limit if total else 0
    links = {"self": at(offset), "first": at(0), "last": at(min(beyond, max(total - 1, 0)))}
    if offset > 0:
        links["prev"] = at(max(min(offset, total) - limit, 0))
    if offset + limit < total:
        links["next"] = at(offset + limit)
    return links
