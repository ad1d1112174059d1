"""A small service in an image that brings its own interpreter, and a project to deploy it in."""

from __future__ import annotations

import functools
import gzip
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

import sluiceway_deploy_docker as plugin
from sluiceway.model import Image, Manifest, Project
from sluiceway.testing.memory_registry import MemoryRegistry
from sluiceway_deploy_docker.container import label, owner

from .deploy_local_kit import SERVICE, Site, digest, layer, until

__all__ = ["DockerSite", "docker", "interpreter", "opened", "python_layer"]

_MODULES = "http.server json os signal sys threading time encodings.idna"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"

CONTAINED = SERVICE.replace('("127.0.0.1", int', '("0.0.0.0", int').replace(
    '        if path == "/environment":',
    """        if path == "/memory":
            hoard = [bytearray(1024 * 1024) for _ in range(4096)]
        if path == "/environment":""",
)


def docker(*words: str) -> str:
    done = subprocess.run(
        ["docker", *words], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@functools.cache
def interpreter() -> tuple[str, str]:
    """Return the path of a Python, the same inside of an image, and of its home.

    The system's where there is one: it is a fifth of the size of one that was built with symbols.
    """
    known = Path("/usr/bin/python3")
    path = os.path.realpath(known if known.exists() else sys.executable)
    return path, _said(path, "-I", "-c", "import sys; print(sys.base_prefix)").strip()


@functools.cache
def python_layer(modules: str = _MODULES) -> bytes:
    """Return a layer with this machine's Python and *modules*: no test pulls an image."""
    script = (
        f"import {', '.join(modules.split())}, sys\n"
        "for m in tuple(sys.modules.values()):\n"
        "    for name in (getattr(m, '__file__', None), getattr(m, '__cached__', None)):\n"
        "        if name: print(name)\n"
        "import os; print(os.__file__)"
    )
    python, _ = interpreter()
    files = set(_said(python, "-I", "-S", "-c", script).split())
    binaries = {python, *(name for name in files if ".so" in name)}
    for binary in tuple(binaries):
        binaries |= set(re.findall(r"(/\S+) \(0x", _said("ldd", binary)))
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", dereference=True) as archive:
        for name in sorted(name for name in files | binaries if Path(name).is_file()):
            archive.add(name, arcname=name.lstrip("/"), filter=_plain)
    return stream.getvalue()


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode |= 0o755 if entry.mode & 0o100 else 0o444
    return entry


def _said(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


@dataclass
class DockerSite(Site):
    """A site whose deployer is the one for an engine."""

    registry: Any = field(default_factory=MemoryRegistry)
    plugin: Any = plugin

    def image(self, version: str, **config: Any) -> Image:
        python, home = interpreter()
        layers = [
            python_layer(),
            layer({"app/server.py": CONTAINED}),
            layer({"app/RELEASE": version}),
        ]
        return self.push(
            layers,
            {
                "Entrypoint": [python, "-S", "server.py"],
                "WorkingDir": "/app",
                "Env": [f"PYTHONHOME={home}", "KIND=test", "PYTHONUNBUFFERED=1"],
                "User": "10001:10001",
                "ExposedPorts": {"8080/tcp": {}},
                **config,
            },
        )

    def push(self, layers: list[bytes], config: dict[str, Any], *, zipped: bool = False) -> Image:
        """Store an image; its layers are not compressed unless that is what is tested."""
        bodies = [gzip.compress(body, 1, mtime=0) if zipped else body for body in layers]
        blobs = [self.registry.put_blob(body) for body in bodies]
        document = {
            "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [digest(body) for body in layers]},
        }
        configuration = self.registry.put_blob(json.dumps(document).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {
                "mediaType": _CONFIG,
                "digest": configuration.digest,
                "size": configuration.size,
            },
            "layers": [
                {
                    "mediaType": _LAYER + ("+gzip" if zipped else ""),
                    "digest": blob.digest,
                    "size": blob.size,
                }
                for blob in blobs
            ],
        }
        body = json.dumps(manifest).encode()
        stored = Manifest(body=body, media_type=_MANIFEST, digest=digest(body))
        self.registry.put_manifest(stored.digest, stored)
        return Image(
            repository=self.registry.repository, digest=stored.digest, media_type=_MANIFEST
        )

    @property
    def mine(self) -> str:
        return f"label={label('owner')}={owner(self.project.state)}"

    def containers(self, *more: str) -> list[dict[str, Any]]:
        """Return what the engine knows of this site's containers, also of ended ones."""
        names = docker("ps", "--all", "--quiet", "--filter", self.mine, *more).split()
        if not names:
            return []
        # One that is gone in the meantime is an error, beside the others on standard output.
        done = subprocess.run(
            ["docker", "inspect", *names], capture_output=True, text=True, check=False, timeout=60
        )
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def container(self, slot: str = "stable") -> dict[str, Any]:
        """Return the container behind *slot*, by the port that it is published at."""
        serving = self.traffic().slot(slot)
        assert serving is not None
        port = serving.url.rpartition(":")[2]
        (found,) = [
            found
            for found in self.containers()
            for published in found["NetworkSettings"]["Ports"]["8080/tcp"] or ()
            if published["HostPort"] == port
        ]
        return found

    def state_file(self) -> dict[str, Any]:
        path = self.project.state / "docker" / "local" / "state.json"
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    def supervisor(self) -> psutil.Process:
        return psutil.Process(self.state_file()["pid"])


@contextmanager
def opened(root: Path, **settings: Any) -> Iterator[DockerSite]:
    """Yield a site; afterwards nothing of it is in the engine or on this machine."""
    state = root / "state"
    state.mkdir(mode=0o700, parents=True)
    environ = {name: os.environ[name] for name in ("DOCKER_HOST",) if name in os.environ}
    project = Project(
        service="shop",
        root=root,
        state=state,
        environ={"PATH": "/usr/bin:/bin", "FF_DARK": "on", **environ},
    )
    known = {"idle_exit_seconds": 20, "stop_seconds": 2, "pull": "load", **settings}
    site = DockerSite(project=project, settings=known)
    try:
        yield site
    finally:
        plugin.sluiceway_shutdown(project, site.settings)
        assert site.containers() == []
        assert docker("network", "ls", "--quiet", "--filter", site.mine) == ""
        assert docker("images", "--quiet", f"sluiceway-{owner(state)}") == ""
        assert until(lambda: not _keepers(state)), "keepers are left"


def _keepers(state: Path) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(state)):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found
