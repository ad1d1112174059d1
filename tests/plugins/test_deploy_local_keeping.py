"""A program that only keeps what serves: it says itself where that is reached."""

from __future__ import annotations

import sys

import pytest

import sluiceway_deploy_local as plugin
from sluiceway.errors import ActionFailed
from sluiceway_deploy_local.client import Client
from sluiceway_deploy_local.program import Program
from sluiceway_deploy_local.settings import read

from .deploy_local_kit import HEALTH, ask, opened, until

KEEPER = """
import http.server, os, sys, threading
from pathlib import Path

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{os.environ['VERSION']} 0".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

assert os.environ["PORT"] == "0"
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
if os.environ["VERSION"] != "mute":
    path = Path(os.environ["SLUICEWAY_PORT_FILE"])
    path.with_suffix(".new").write_text(str(server.server_port))
    path.with_suffix(".new").replace(path)
server.serve_forever()
"""


@pytest.fixture
def site(tmp_path):
    with opened(tmp_path) as site:
        yield site


def program(site, version, run="run-1"):
    return Program(
        digest=site.image(version).digest,
        argv=(sys.executable, "-c", KEEPER),
        cwd=str(site.project.root),
        env={"VERSION": version},
        path="",
        health_path=HEALTH,
        ready_seconds=1.0 if version == "mute" else 15.0,
        drain_seconds=5.0,
        keeps=True,
        marks={"RUN": run},
    )


def test_it_is_reached_where_it_says_and_what_says_nothing_is_never_ready(site):
    client = Client(site.project, read(site.settings))
    client.folder.make()

    def deploy(version, run="run-1"):
        made = program(site, version, run)
        return plugin.deploy(client, site.request(version), lambda: made)

    assert deploy("one").changed
    assert ask(site.port())[1].startswith("one")
    (slot,) = site.inspect()["slots"]
    port = int(slot["url"].rpartition(":")[2])
    (told,) = client.folder.logs.glob("*.port")
    assert int(told.read_text()) == port
    assert deploy("one", run="run-2").changed is False, "another run's mark is no other program"

    with pytest.raises(ActionFailed) as caught:
        deploy("mute")
    assert caught.value.code == "deploy.unhealthy"
    assert "it is not reached anywhere yet" in caught.value.what
    assert ask(site.port())[1].startswith("one")

    supervisor = site.supervisor()
    supervisor.kill()
    supervisor.wait(10)
    site.weigh(0)  # any order starts the next supervisor, which finds it by what was written down
    assert until(lambda: site.traffic().slot("stable").healthy)
    assert ask(site.port())[1].startswith("one")

    deploy("two")
    assert until(lambda: not told.exists()), "the note of what has ended is taken away"
    assert ask(site.port())[1].startswith("two")
