import os
import socket
from collections.abc import Callable

import pytest

from sipmdcs.errors import ServiceError
from sipmdcs.site import Site
from sipmdcs.supervise.ports import Listener, check_ports, is_free, listeners, owner
from tests.sipmdcs.supervise.tiny_site import TinySite


@pytest.mark.parametrize("datagram", [True, False])
def test_a_port_is_free_until_somebody_listens(free_port: int, datagram: bool) -> None:
    listener = Listener("archiver.port", "127.0.0.1", free_port, datagram)
    assert is_free(listener)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if datagram else socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", free_port))
        if not datagram:
            holder.listen(1)
        assert not is_free(listener)
        assert f"(pid {os.getpid()})" in owner(listener)
    assert is_free(listener)


def test_connections_in_time_wait_do_not_count(free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)) as server:
        client = socket.create_connection(("127.0.0.1", free_port))
        accepted, _ = server.accept()
        accepted.close()
        client.close()
    assert is_free(Listener("archiver.port", "127.0.0.1", free_port, datagram=False))


def test_address_of_another_machine_is_told(free_port: int) -> None:
    with pytest.raises(ServiceError, match=r"TCP port \d+ on 192\.0\.2\.1 \(archiver.port in site.yaml\)"):
        is_free(Listener("archiver.port", "192.0.2.1", free_port, datagram=False))


def test_only_services_of_the_site_need_their_port(make_site: Callable[..., TinySite]) -> None:
    with_archiver = Site(make_site("a", services="[archiver]").folder)
    assert [found.key for found in listeners(with_archiver)] == ["channel_access.server_port", "archiver.port"]
    without = Site(make_site("b", services="[]").folder)
    assert [found.key for found in listeners(without)] == ["channel_access.server_port"]
    with socket.create_server(("127.0.0.1", with_archiver.file.archiver.port)):
        check_ports(without)
        with pytest.raises(ServiceError, match=r"in use by .*choose another as archiver.port in "):
            check_ports(with_archiver)
