"""Tiny sites; whatever they leave running is ended with the test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sipmdcs.supervise.tiny_site import SITE, TinySite


@pytest.fixture
def make_site(tmp_path: Path, free_ports: Callable[[int], list[int]]) -> Iterator[Callable[..., TinySite]]:
    """Makes tiny sites; whatever they leave running is ended with the test."""
    made: list[TinySite] = []

    def make(name: str = "site", services: str = "[tiny]", port: str = "sim") -> TinySite:
        folder = tmp_path / name
        (folder / "db_templates").mkdir(parents=True)
        (folder / "db_templates" / "tiny.substitutions").touch()
        ca, repeater, archiver = free_ports(3)
        text = SITE.format(ca=ca, repeater=repeater, archiver=archiver, services=services, port=port)
        (folder / "site.yaml").write_text(text, "utf-8")
        made.append(TinySite(folder, ca))
        return made[-1]

    yield make
    for site in made:
        for found in site.processes():
            found.process.kill()
        for path in (site.folder / "var" / "orders").glob("*"):
            path.unlink()


@pytest.fixture
def site(make_site: Callable[..., TinySite]) -> TinySite:
    return make_site()


@pytest.fixture
def running(site: TinySite) -> Iterator[TinySite]:
    site.run("up")
    yield site
    site.run("down")
    assert not site.processes()
