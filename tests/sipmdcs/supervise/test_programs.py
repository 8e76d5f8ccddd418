"""Which processes a site consists of, and what is said about services that are none."""

from collections.abc import Callable

import pytest

from tests.sipmdcs.supervise.tiny_site import TinySite


@pytest.mark.parametrize(
    ("services", "message"),
    [
        ("[tiny, nonsense]", "site.yaml:5: services.1: nonsense is no installed command"),
        ("[tiny, tiny]", "site.yaml:5: services.1: two processes would be called tiny"),
        ("[down]", "site.yaml:5: services.0: down is a command, but no service: it has no down.substitutions"),
    ],
)
def test_a_service_that_is_none_is_named_with_its_line(make_site: Callable[..., TinySite], services: str, message: str) -> None:
    assert make_site(services=services).run("up", expect=1).endswith(f"{message}\n")
