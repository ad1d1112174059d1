"""The example service as containers: a good canary goes to production, a broken one goes back."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile

import pytest
from tests.plugins.deploy_docker_kit import docker, interpreter, python_layer

from sluiceway.errors import ExitCode
from sluiceway_deploy_docker.container import label, owner

from .conftest import QUICK

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("docker_engine")]

MODULES = """
    argparse collections dataclasses datetime decimal email.utils encodings.idna functools
    http.server importlib.metadata json logging math os pathlib re signal socket socketserver sys
    threading time unicodedata urllib.parse urllib.request
"""


@pytest.fixture
def contained(shop):
    """Return the shop with its service in an image that brings its interpreter, deployed by docker."""
    service = shop.root / "service"
    with tarfile.open(fileobj=io.BytesIO(python_layer(MODULES))) as archive:
        archive.extractall(service / "python", filter="tar")
    python, home = interpreter()
    dockerfile = service / "Dockerfile"
    text = dockerfile.read_text()
    entrypoint = 'ENTRYPOINT ["python3", "-m", "settlement"]'
    assert entrypoint in text
    assert "USER 1001" in text
    dockerfile.write_text(
        text.replace(
            entrypoint,
            f"COPY python/ /\nENV PYTHONHOME={home} HOST=0.0.0.0\n"
            f'ENTRYPOINT ["{python}", "-S", "-m", "settlement"]',
        )
    )
    path = shop.root / "sluiceway.toml"
    path.write_text(path.read_text() + '\n[stages]\ndeploy = "docker"\n')
    yield shop
    bench = shop.bench()
    bench.plugins.ask("deploy-docker", "sluiceway_shutdown")
    listed = docker("images", "--digests", "--format", "{{.Repository}}@{{.Digest}}").splitlines()
    pulled = [name for name in listed if name.startswith(f"{bench.config.repository}@sha256:")]
    if pulled:  # else the engine held the very same image already, under somebody else's name
        docker("image", "rm", "--force", *pulled)


@pytest.fixture
def traffic(contained):
    """Send requests to production for as long as the test runs; return how to end that."""
    load = subprocess.Popen(
        [
            *(sys.executable, "-m", "sluiceway.rehearsal.load", contained.workspace.url),
            str(contained.root / "service" / "parity" / "trades.json"),
            *("--rate=100", "--seconds=240", "--canary=settlement/1.1.0"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )

    def end():
        load.terminate()
        return json.loads(load.communicate(timeout=30)[0])

    yield end
    if load.poll() is None:
        load.kill()
    load.communicate()


def test_a_good_canary_passes_and_a_broken_one_is_rolled_back(contained, traffic):
    shop = contained
    good = shop.ship("dev", "staging")
    code, document, err = shop.run("lena", "promote", "--to=canary", *QUICK)
    assert code == 0, (document, err)
    shop.run("ravi", "approve", good, "--to=production")
    code, document, err = shop.run("lena", "promote", "--to=production")
    assert code == 0, (document, err)

    mine = f"label={label('owner')}={owner(shop.bench().project.state)}"
    listed = docker("ps", "--filter", mine, "--format", "{{.Names}}").splitlines()
    assert sorted(name.split("-")[2] for name in listed) == ["dev", "production", "staging"]

    shop.workspace.break_service("1.1.0")
    bad = shop.ship("dev", "staging")
    code, document, err = shop.run("lena", "promote", "--to=canary", *QUICK)
    assert code == ExitCode.ROLLED_BACK, (document, err)
    assert document["outcome"] == "rolled-back"
    assert document["serves"] == good
    state = shop.state()
    assert state["tags"]["canary"] == good
    assert state["tags"]["staging"] == bad
    assert [slot for slot in state["serving"]["production"] if slot[2]] == [("stable", good, 100.0)]
    traffic()
    serving = docker("ps", "--filter", mine, "--format", f'{{{{.Label "{label("digest")}"}}}}')
    assert sorted(serving.splitlines()) == sorted([good, bad, bad])
