"""Where a rehearsal's registry and service listen."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from sluiceway.errors import UsageError
from sluiceway.rehearsal import workspace


def test_ports_are_free_different_and_none_that_the_system_gives_away():
    ports = workspace._free_ports(20)
    assert len(set(ports)) == 20
    assert all(20_000 <= port < 32_768 for port in ports)
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()


def test_what_somebody_listens_at_is_passed_over(monkeypatch: pytest.MonkeyPatch):
    (first, second) = workspace._free_ports(2)
    low, high = sorted((first, second))
    monkeypatch.setattr(workspace, "_UNASKED", range(low, high + 1, high - low))
    monkeypatch.setattr(workspace, "_TRIED", 2)
    with closing(socket.create_server(("127.0.0.1", low))):
        assert workspace._free_ports(1) == [high]
        with closing(socket.create_server(("127.0.0.1", high))), pytest.raises(UsageError) as none:
            workspace._free_ports(1)
        assert none.value.code == "demo.no-port"
