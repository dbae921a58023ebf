"""The suite runs on a closed network, and would show it if it did not."""

from __future__ import annotations

import socket

import pytest


def test_a_connection_to_another_machine_is_refused_at_once() -> None:
    """192.0.2.1 is reserved for documentation (RFC 5737): nobody is there, and nobody is asked."""
    with socket.socket() as one, pytest.raises(OSError, match="tests have no network"):
        one.connect(("192.0.2.1", 80))


def test_this_machine_can_be_reached() -> None:
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
