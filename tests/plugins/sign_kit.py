"""What the tests of signing share: an image to sign, registries to keep it, cosign as people run it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.key_kit import put_key_pair
from tests.registry_kit import PROGRAMS, real_registry

import sluiceway_registry_folder
from sluiceway.model import Image, Manifest, Project, Registry
from sluiceway.oci import manifest_from, open_registry
from sluiceway.oci.media_types import IMAGE_CONFIG, IMAGE_MANIFEST
from sluiceway_sign_key.keys import generate_key_pair

__all__ = [
    "PASSWORD",
    "REFERRERS",
    "Cosign",
    "open_kind",
    "places",
    "project_in",
    "push",
    "replaced",
    "sig_tag",
]

PASSWORD = "correct horse"
REFERRERS = "ggcr-registry"
"""go-containerregistry's registry with the referrers API: ``tests/tools/ggcr-registry``."""

_TRUSTED_ROOT = {"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}
# cosign 3 signs into a transparency log unless a signing configuration says that there is none.
_NO_SERVICES = {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"}
_START_SECONDS = 20.0


def project_in(folder: Path, *, stranger: bool = False, **environ: str) -> Project:
    """Return a project in *folder* with a key pair in its state folder, a stranger's if asked."""
    state = folder / "state"
    (generate_key_pair if stranger else put_key_pair)(state, PASSWORD)
    given = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "COSIGN_PASSWORD": PASSWORD,
        **environ,
    }
    return Project(service="app", root=folder, state=state, environ=given)


@contextmanager
def open_kind(kind: str, folder: Path) -> Iterator[Registry]:
    """Open ``team/app`` in a fresh registry: ``embedded``, one of PROGRAMS, or REFERRERS."""
    if kind == "embedded":
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        settings = {"address": address, "folder": "registry"}
        state = folder / "registry-state"
        state.mkdir()
        project = Project(service="app", root=folder, state=state, environ={})
        opened = sluiceway_registry_folder.sluiceway_registry(
            project, f"{address}/team/app", settings
        )
        assert opened is not None
        try:
            yield opened
        finally:
            sluiceway_registry_folder.sluiceway_shutdown(project, settings)
        return
    if kind in PROGRAMS:
        with (
            real_registry(kind, folder / kind) as address,
            open_registry(f"{address}/team/app") as client,
        ):
            yield client
        return
    with (
        _with_referrers(folder / "referrers.log") as address,
        open_registry(f"{address}/team/app") as client,
    ):
        yield client


def push(registry: Registry, word: str = "first") -> tuple[Image, Manifest]:
    """Store a small image that *word* makes another one."""
    config = registry.put_blob(
        json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "rootfs": {"type": "layers", "diff_ids": []},
                "config": {"Labels": {"word": word}},
            }
        ).encode()
    )
    document = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": {"mediaType": IMAGE_CONFIG, "digest": config.digest, "size": config.size},
        "layers": [],
    }
    manifest = manifest_from(json.dumps(document).encode(), IMAGE_MANIFEST)
    registry.put_manifest(word, manifest)
    image = Image(
        repository=registry.repository, digest=manifest.digest, media_type=manifest.media_type
    )
    return image, manifest


def sig_tag(digest: str) -> str:
    """Return the tag under which cosign 1 and 2 keep signatures of *digest*."""
    return digest.replace(":", "-") + ".sig"


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the path of every value in *document*."""
    yield path
    if isinstance(document, dict | list):
        items = document.items() if isinstance(document, dict) else enumerate(document)
        for name, value in items:
            yield from places(value, (*path, name))


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of *document* with another value at *path*."""
    if not path:
        return value
    copy = document.copy()
    copy[path[0]] = replaced(document[path[0]], path[1:], value)
    return copy


class Cosign:
    """One cosign program, called as its documentation says for a key pair and no network."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self.folder = folder
        (folder / "root.json").write_text(json.dumps(_TRUSTED_ROOT))
        (folder / "services.json").write_text(json.dumps(_NO_SERVICES))

    @property
    def is_second(self) -> bool:
        """cosign 2 takes other flags than cosign 3."""
        return self.program == "cosign-2"

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [self.program, *arguments],
            cwd=self.folder,
            env={**os.environ, "COSIGN_PASSWORD": PASSWORD},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def _signing(self, *, bundle: bool) -> tuple[str, ...]:
        common = ("--yes", "--allow-http-registry")
        if self.is_second:
            new = "true" if bundle else "false"
            return ("--tlog-upload=false", f"--new-bundle-format={new}", *common)
        if bundle:
            return ("--signing-config=services.json", "--trusted-root=root.json", *common)
        return (
            "--use-signing-config=false",
            "--tlog-upload=false",
            "--new-bundle-format=false",
            *common,
        )

    def sign(self, key: Path, image: Image, *, bundle: bool) -> None:
        self.run("sign", f"--key={key}", *self._signing(bundle=bundle), str(image))

    def attest(self, key: Path, image: Image, kind: str, predicate: Path, *, bundle: bool) -> None:
        self.run(
            "attest",
            f"--key={key}",
            f"--type={kind}",
            f"--predicate={predicate}",
            *self._signing(bundle=bundle),
            str(image),
        )

    def verify(self, key: Path, image: Image) -> subprocess.CompletedProcess[str]:
        return self._verify(("verify",), key, image)

    def verify_attestation(
        self, key: Path, image: Image, kind: str
    ) -> subprocess.CompletedProcess[str]:
        return self._verify(("verify-attestation", f"--type={kind}"), key, image)

    def _verify(
        self, command: tuple[str, ...], key: Path, image: Image
    ) -> subprocess.CompletedProcess[str]:
        return self.run(
            *command,
            f"--key={key}",
            "--insecure-ignore-tlog=true",
            "--trusted-root=root.json",
            "--allow-http-registry",
            "--output=json",
            str(image),
            check=False,
        )


@contextmanager
def _with_referrers(log: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with log.open("wb") as sink:
        server = subprocess.Popen([REFERRERS, address], stdout=sink, stderr=sink)
    try:
        host, _, port = address.partition(":")
        deadline = time.monotonic() + _START_SECONDS
        while True:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield address
    finally:
        server.terminate()
        server.wait(10)
