"""The page is served as it was built, with headers that let it load nothing from elsewhere."""

import re

import pytest

from tests.web.conftest import WebSite


def test_the_page_and_its_assets(elsewhere: WebSite) -> None:
    index = elsewhere.http.get("/")
    assert index.status_code == 200
    assert index.headers["content-type"].startswith("text/html")
    assert index.headers["cache-control"] == "no-cache"
    assert "default-src 'none'; script-src 'self'" in index.headers["content-security-policy"]
    assets = re.findall(r'(?:src|href)="\.?/?(assets/[^"]+)"', index.text)
    assert assets
    for asset in assets:
        reply = elsewhere.http.get(f"/{asset}")
        assert reply.status_code == 200
        assert "immutable" in reply.headers["cache-control"]
        assert reply.headers["content-type"].partition(";")[0] in ("text/javascript", "text/css")


@pytest.mark.parametrize(
    "path",
    [
        "/assets/..%2f..%2fapp.py",
        "/..%2fapp.py",
        "/assets/none.js",
        "/app.py",
        "/%2e%2e/app.py",
        "/.git",
        "/assets/",
        "/" + "x" * 3_000,
        "/assets/" + "%F0%9F%98%80" * 100,
        "/assets/%00",
        "/%ff%fe",
    ],
)
def test_nothing_else_is_served(elsewhere: WebSite, path: str) -> None:
    assert elsewhere.http.get(path).status_code == 404
