"""What the tests of builders with a tool of their own share: a context, a registry, a base image."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import textwrap
from pathlib import Path

import pytest

import sluiceway_registry_folder as registry_folder
from sluiceway import events
from sluiceway.model import BuildRequest, Project

EPOCH = 1_700_000_000


@pytest.fixture
def context(tmp_path):
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "hello").write_text("hello\n")
    return folder


@pytest.fixture
def project(tmp_path, context):
    state = context / ".sluiceway"  # inside the context, as it is for most services
    state.mkdir(mode=0o700)
    (state / "cosign.key").write_text("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n")
    return Project(service="app", root=tmp_path, state=state, environ=dict(os.environ))


@pytest.fixture
def registry(project):
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    settings = {"address": address}
    try:
        opened = registry_folder.sluiceway_registry(project, f"{address}/team/app", settings)
        assert opened is not None
        opened.ping()
        yield opened
    finally:
        registry_folder.sluiceway_shutdown(project, settings)


@pytest.fixture
def request_for(context, project, registry):
    """Return a function that writes a Dockerfile and returns the request to build it."""
    numbers = iter(range(100))

    def make(text, **more):
        dockerfile = context / "Dockerfile"
        dockerfile.write_text(textwrap.dedent(text).lstrip())
        layout = project.state / "builds" / f"layout-{next(numbers)}"
        layout.mkdir(parents=True)
        known = {"version": "1.2.3", "revision": "abc", "source": "https://example.invalid/app"}
        return BuildRequest(
            context=context,
            dockerfile=dockerfile,
            repository=registry.repository,
            epoch=EPOCH,
            layout=layout,
            **{**known, **more},
        )

    return make


@pytest.fixture
def said():
    """Collect every event."""
    seen: list[events.Event] = []
    with events.subscribed(seen.append):
        yield seen


def configuration(registry, digest):
    document = json.loads(registry.manifest(digest).body)
    return json.loads(registry.blob(document["config"]["digest"], limit=1 << 22))


def labels_are_ours(labels):
    wanted = {
        "created": "2023-11-14T22:13:20Z",
        "revision": "abc",
        "source": "https://example.invalid/app",
        "version": "1.2.3",
    }
    found = {name.removeprefix("org.opencontainers.image."): labels[name] for name in labels}
    return {name: found.get(name) for name in wanted} == wanted


def root_of_busybox(folder: Path) -> Path:
    """Make a root folder with a shell, for bases of images: the machine's static busybox."""
    (folder / "bin").mkdir(parents=True)
    shutil.copy2(str(shutil.which("busybox")), folder / "bin" / "busybox")
    listed = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True)
    for name in listed.stdout.split():
        if name != "busybox":
            (folder / "bin" / name).symlink_to("busybox")
    for name in ("etc", "tmp", "proc", "sys", "dev", "root"):
        (folder / name).mkdir()
    (folder / "tmp").chmod(0o1777)
    (folder / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (folder / "etc" / "group").write_text("root:x:0:\n")
    return folder
