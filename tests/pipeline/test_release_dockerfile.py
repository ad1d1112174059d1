"""The top-level Dockerfile, released with real builders, run by an engine until it is healthy."""

from __future__ import annotations

import http.client
import io
import json
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import tomllib
import uuid
from pathlib import Path

import pytest

from .node_base import NAME, write_base
from .test_release import commit, git

ROOT = Path(__file__).resolve().parents[2]
PARITY = ROOT / "examples" / "settlement" / "parity" / "check.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("docker_engine"),
    pytest.mark.real_tool("node", "npm", "busybox"),
]


def tool(*words, timeout=300):
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=timeout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Write the stand-in once."""
    return write_base(tmp_path_factory.mktemp("node"))


@pytest.fixture
def in_engine(base):
    """Let the engine hold ``node:20-alpine``; one that is there already is used and left alone."""
    listed = tool("docker", "images", "--quiet", NAME)
    if listed:
        yield
        return
    label = f"sluiceway-test={uuid.uuid4().hex}"
    changes = ("--change", "ENV PATH=/usr/local/bin:/usr/bin:/bin", "--change", f"LABEL {label}")
    tool("docker", "import", *changes, str(base), NAME)
    yield
    tool("docker", "image", "rm", "--force", NAME)
    tool("docker", "image", "prune", "--force", "--filter", f"label={label}")


@pytest.fixture
def in_buildah(base, tmp_path):
    """Return settings of a storage that holds ``node:20-alpine``."""
    folder = tmp_path / "base"
    folder.mkdir()
    shutil.copy(base, folder / "base.tar")
    (folder / "Dockerfile").write_text(
        "FROM scratch\nADD base.tar /\nENV PATH=/usr/local/bin:/usr/bin:/bin\n"
    )
    images = tmp_path / "images"
    words = ["buildah", f"--root={images}/storage", f"--runroot={images}/run"]
    tool(*words, "--storage-driver=vfs", "bud", f"--tag=docker.io/library/{NAME}", str(folder))
    return {
        "root": str(images),
        "storage": "vfs",
        "isolation": "chroot",
        "format": "docker",
        "pull": "never",
    }


@pytest.fixture
def node_shop(shop):
    """Return a function that lets the shop release the Node variant with a builder."""
    source = shop.root / "source"
    (source / "examples").mkdir(parents=True)
    for name in ("Dockerfile", ".dockerignore"):
        shutil.copy(ROOT / name, source / name)
    shutil.copytree(
        ROOT / "examples" / "settlement-node",
        source / "examples" / "settlement-node",
        ignore=shutil.ignore_patterns("node_modules"),
    )
    git(source, "init", "--quiet")
    revision = commit(source)

    def made(builder, settings):
        path = shop.root / "sluiceway.toml"
        text = path.read_text()
        for old, new in (
            ('dockerfile = "service/Dockerfile"', 'dockerfile = "source/Dockerfile"'),
            ('context = "service"', 'context = "source"'),
        ):
            assert old in text
            text = text.replace(old, new)
        assert "[stages]" not in text
        lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        text += f'\n[stages]\nbuild = "{builder}"\n[plugins.build-{builder}]\n' + "\n".join(lines)
        tomllib.loads(text)
        path.write_text(text + "\n")
        return revision

    return shop, made


def release(shop):
    code, document, err = shop.run("ci", "release")
    assert code == 0, json.dumps(document, indent=1) + err
    return document


@pytest.fixture
def running():
    """Return a function that runs an image and waits until its own health check is content."""
    names: list[str] = []

    def started(reference):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        name = f"sluiceway-test-{uuid.uuid4().hex}"
        names.append(name)
        tool(
            *("docker", "run", "--detach", "--network=host", f"--name={name}"),
            *(f"--env=PORT={port}", "--health-interval=1s", "--read-only", reference),
        )
        status = ""
        for _ in range(240):
            status = tool("docker", "inspect", "--format={{.State.Health.Status}}", name)
            if status != "starting":
                break
            time.sleep(0.25)
        assert status == "healthy", tool("docker", "logs", name)
        return name, port

    yield started
    for name in names:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)


def looks_as_it_should(shop, document, running):
    reference = f"{document['image']['repository']}@{document['image_digest']}"
    try:
        name, port = running(reference)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/api/health")
        release_name = (ROOT / "examples" / "settlement-node" / "RELEASE").read_text().strip()
        assert json.loads(connection.getresponse().read()) == {
            "status": "ok",
            "version": release_name,
        }
        connection.close()
        tool(sys.executable, str(PARITY), "--url", f"http://127.0.0.1:{port}")
        assert tool("docker", "exec", name, "id", "-u") == "1001"
        assert tool("docker", "exec", name, "id", "-un") == "appuser"
        (seen,) = json.loads(tool("docker", "inspect", name))
        assert seen["Config"]["Healthcheck"]["Test"] == ["CMD", "node", "src/probe.js"]
        tool("docker", "stop", "--time=30", name)
        (seen,) = json.loads(tool("docker", "inspect", name))
        assert seen["State"]["ExitCode"] == 0
    finally:
        subprocess.run(
            ["docker", "image", "rm", "--force", reference], capture_output=True, check=False
        )


def files_of(shop, digest):
    registry = shop.bench().registry
    names: set[str] = set()
    for layer in json.loads(registry.manifest(digest).body)["layers"]:
        body = registry.blob(layer["digest"], limit=1 << 30)
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            names.update(name.removeprefix("./").rstrip("/") for name in archive.getnames())
    return names


def only_production(shop, document):
    names = files_of(shop, document["image_digest"])
    assert "app/node_modules/settlement-rounding/index.js" in names
    assert not [name for name in names if "settlement-table" in name]
    assert not [name for name in names if name.startswith(("app/test", "app/packages"))]
    listed = json.loads(Path(document["sbom_path"]).read_text())["packages"]
    packages = {package["name"] for package in listed}
    assert "settlement-rounding" in packages
    assert "settlement-table" not in packages


def test_an_engine_builds_it_once_and_it_is_healthy(node_shop, in_engine, running):
    shop, made = node_shop
    revision = made("docker", {"builder": "engine", "network": "none", "cache": False})
    document = release(shop)
    assert (document["revision"], document["reproducible"]) == (revision, "no")
    only_production(shop, document)
    looks_as_it_should(shop, document, running)
    again = release(shop)
    assert (again["reused"], again["image_digest"]) == (True, document["image_digest"])


@pytest.mark.real_tool("buildah")
def test_buildah_builds_it_once_and_it_is_healthy(node_shop, in_buildah, running):
    shop, made = node_shop
    revision = made("buildah", in_buildah)
    document = release(shop)
    assert document["revision"] == revision
    only_production(shop, document)
    looks_as_it_should(shop, document, running)
    again = release(shop)
    assert (again["reused"], again["image_digest"]) == (True, document["image_digest"])
