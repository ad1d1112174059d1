"""What `status` and `keys.new` tell a person to do next, with real instances and files."""

import json
import shlex
import socket
import subprocess
from dataclasses import replace

import psutil
import pytest
from tests.plugins.deploy_local_kit import until

from sluiceway.cli import board
from sluiceway.model import DeployRequest, Fence, Image, Manifest
from sluiceway.workbench import Workbench

pytestmark = pytest.mark.slow


def test_the_board_says_how_an_instance_that_is_gone_comes_back(shop):
    digest = shop.ship("dev", "staging")
    bench = shop.bench()
    manifest = bench.registry.resolve("staging")
    for name in ("canary", "production"):
        bench.registry.put_manifest(name, manifest)
    bench.plugins.ask("deploy-local", "sluiceway_shutdown")

    problems = {row["environment"]: row["problem"] for row in board.rows(bench)}
    gone = "nothing runs here on this machine; "
    for name in ("dev", "staging"):
        again = f"`invoke promote --to={name}` of the same digest starts it again"
        assert problems[name] == gone + again
    assert problems["canary"] == "its instance is gone; `invoke canary` starts it again"
    again = f"`invoke rollback --env=production --to-digest={digest}` starts it again"
    assert problems["production"] == gone + again

    # Promoted: what the canary watched serves everybody, so nothing is missing.
    times = bench.config.times["production"]
    request = DeployRequest(
        environment=bench.config.environment("production"),
        image=Image(
            repository=bench.config.repository, digest=digest, media_type=manifest.media_type
        ),
        fence=Fence(run="by-hand", token=10**6, lease_seconds=30),
        health_path=bench.config.canary.health_path,
        ready_seconds=times.ready_seconds,
        drain_seconds=times.drain_seconds,
    )
    bench.plugins.one("sluiceway_deploy", request=request, registry=bench.registry)
    problems = {row["environment"]: row["problem"] for row in board.rows(bench)}
    assert problems["canary"] == problems["production"] == ""


def test_a_canary_that_is_gone_is_not_brought_back_by_another_digest(shop):
    bench = shop.bench()
    put, held = bench.registry.put_manifest, dict[str, Manifest]()
    for name in ("good", "other"):
        shop.workspace.renew_service(f"9.0.{len(held)}")
        shop.release()
        held[name] = bench.registry.resolve("build")

    def said():
        return {row["environment"]: row["problem"] for row in board.rows(bench)}["canary"]

    put("staging", held["other"])
    put("canary", held["good"])
    put("production", held["good"])
    assert said() == (
        "its instance is gone; nothing has to be done, since production holds the same digest"
    )
    put("production", held["other"])
    assert said() == (
        "its instance is gone; `invoke canary` would watch another digest, which staging holds by now"
    )
    put("staging", held["good"])
    assert said() == "its instance is gone; `invoke canary` starts it again"


def test_what_runs_and_is_reached_by_nobody_does_not_serve_again(shop):
    shop.ship("dev")

    def row():
        return board.rows(shop.bench())[0]

    port = int(row()["url"].rpartition(":")[2])
    supervisor = psutil.Process(
        json.loads((shop.bench().project.state / "local" / "state.json").read_text())["pid"]
    )
    guard = supervisor.parent()
    assert guard is not None
    for process in (guard, supervisor):
        process.kill()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        assert until(lambda: other.connect_ex(("127.0.0.1", port)) != 0)
    with socket.create_server(("127.0.0.1", port)):
        code, document, err = shop.run("ci", "resume")
        assert (code, document.get("served_again")) == (0, None)
        assert "dev runs again, and nobody reaches it: nothing listens" in " ".join(err.split())
        assert row()["problem"].startswith("nobody reaches it: nothing listens for dev")
    assert until(lambda: not row()["problem"])
    assert row()["url"].endswith(f":{port}")


def test_the_board_says_one_thing_once(shop):
    bench = shop.bench()
    # Neither the registry nor the deployer can be asked, for one and the same reason.
    stages = {**bench.config.stages, "scan": ("scan-nobody",)}
    broken = Workbench(replace(bench.config, stages=stages), bench.environ)
    for row in board.rows(broken):
        assert row["problem"].count("scan-nobody") == 1


@pytest.mark.parametrize("password", ["", "a long password"])
def test_a_key_pair_comes_with_its_next_step(shop, password):
    shop.workspace = replace(shop.workspace, password=password)
    for name in ("cosign.key", "cosign.pub"):
        (shop.bench().project.state / name).unlink()
    code, made, err = shop.run("ci", "keys.new")
    assert code == 0
    assert ("not protected by a password" in " ".join(err.split())) is (not password)

    beside = shop.root / "cosign.pub"
    beside.unlink(missing_ok=True)
    command, _, rest = made["next"].partition(", ")
    assert rest == "and commit that copy"
    subprocess.run(shlex.split(command), check=True, timeout=10)
    assert beside.read_text().startswith("-----BEGIN PUBLIC KEY-----")
    beside.unlink()
    assert shop.run("ci", "keys.new", f"--folder={shop.root}")[1]["next"] == "commit it"
