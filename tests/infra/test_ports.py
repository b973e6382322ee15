import socket

import pytest

from infra.local import ports


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_port_that_is_taken_is_not_chosen(host: str) -> None:
    with socket.socket() as taken:
        taken.bind((host, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert ports.choose(port) != port


def test_a_free_port_is_chosen_also_after_a_server_left_it_with_lingering_connections() -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = server.accept()
            accepted.close()  # this side closes first, so its end lingers
        server.close()
    assert ports.choose(port) == port


def test_without_a_preference_any_free_port_will_do() -> None:
    assert ports.choose(0) > 0
