"""A keeper whose engine goes away for a while: what it keeps goes on, and its end is still seen."""

from __future__ import annotations

import contextlib
import os
import socket
import threading

import pytest

from .deploy_docker_kit import docker, opened
from .deploy_local_kit import ask, until

pytestmark = [pytest.mark.usefixtures("docker_engine"), pytest.mark.slow]


class Door:
    """A socket in front of the engine's that can be shut: every conversation breaks off."""

    def __init__(self, path, engine):
        self.path, self._engine = str(path), engine
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self.asked = 0

    def open(self):
        self._listener.close()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        threading.Thread(target=self._admit, args=(self._listener,), daemon=True).start()

    def shut(self):
        os.unlink(self.path)  # noqa: PTH108 - a socket's name
        for connection in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._open.clear()

    def _admit(self, listener):
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                self.asked += 1
                engine = socket.socket(socket.AF_UNIX)
                engine.connect(self._engine)
                self._open += [client, engine]
                for pair in ((client, engine), (engine, client)):
                    threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def door(tmp_path_factory):
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not host.startswith("unix://"):
        pytest.skip("the engine has no socket that a door could be put in front of")
    door = Door(tmp_path_factory.mktemp("d") / "s", host.removeprefix("unix://"))
    door.open()
    yield door
    with contextlib.suppress(OSError):
        door.shut()


def test_an_engine_that_was_away_finds_everything_as_it_was(tmp_path, door):
    with opened(tmp_path, host=f"unix://{door.path}") as site:
        site.deploy("one")
        first = site.container()["Id"]
        door.shut()
        assert ask(site.port()) == (200, "one 0"), "who routes does not need the engine"
        door.asked = 0
        door.open()
        assert until(lambda: door.asked >= 3), "the keeper follows it again"
        assert ask(site.port(), "/fail")[0] == 500
        assert site.container()["Id"] == first
        assert site.inspect()["slots"][0]["restarts"] == 0

        # It ends while nobody can be asked: that is seen as soon as somebody can.
        door.shut()
        docker("kill", first)
        door.open()
        assert until(lambda: site.inspect()["slots"][0]["restarts"] == 1)
        assert until(lambda: site.inspect()["slots"][0]["healthy"])
        assert [item["Id"] for item in site.containers()] != [first]
