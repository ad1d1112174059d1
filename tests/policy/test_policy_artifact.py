"""Policies in real registries: pushed, signed, pulled by digest, and refused when anything is off."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.plugins.sign_kit import project_in
from tests.plugins.sign_kit import push as push_image
from tests.registry_kit import real_registry

import sluiceway_sign_key
from sluiceway import events
from sluiceway.errors import ActionFailed, SluicewayError
from sluiceway.model import Evidence, Image, Manifest, Project, Registry
from sluiceway.oci import manifest_from, open_registry
from sluiceway.policy import Bundle, bundled_policies, load_bundle
from sluiceway.policy.artifact import own_tag, pull, push

pytestmark = pytest.mark.real_tool("registry")


@dataclass
class Site:
    """A registry, a project with a signing key, and policies that were pushed and signed there."""

    folder: Path
    address: str
    project: Project
    manifest: Manifest
    bundle: Bundle

    @property
    def repository(self) -> str:
        return f"{self.address}/team/policies"

    @property
    def content(self) -> Path:
        return self.folder / "r" / "content" / "docker" / "registry" / "v2"

    def opened(self, repository: str = "") -> Registry:
        return open_registry(repository or self.repository)

    def verify(self, image: Image, registry: Registry) -> Evidence:
        return sluiceway_sign_key.sluiceway_verify(self.project, image, registry, {})

    def sign(self, manifest: Manifest) -> None:
        image = Image(
            repository=self.repository, digest=manifest.digest, media_type=manifest.media_type
        )
        sluiceway_sign_key.sluiceway_sign(self.project, image, manifest, self.opened(), {})

    def pull(self, digest: str = "", cache: str = "cache") -> Bundle:
        archive = pull(
            self.repository,
            digest or self.manifest.digest,
            self.folder / cache,
            opened=self.opened,
            verify=self.verify,
        )
        return load_bundle([archive])

    def refused(self, digest: str = "", cache: str = "cache") -> str:
        with pytest.raises(SluicewayError) as caught:
            self.pull(digest, cache)
        assert caught.value.means
        assert caught.value.remedy
        return caught.value.code

    def blob(self, digest: str) -> Path:
        """Return the file in which the registry has these bytes."""
        value = digest.removeprefix("sha256:")
        return self.content / "blobs" / "sha256" / value[:2] / value / "data"

    def layer(self) -> str:
        return str(json.loads(self.manifest.body)["layers"][0]["digest"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("registry")
    with real_registry("registry", folder / "r") as address:
        yield folder, address


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a signing key, which takes long to make."""
    return project_in(tmp_path_factory.mktemp("project"))


def made(folder: Path, address: str, project: Project) -> Site:
    policies = load_bundle([bundled_policies()])
    manifest = push(open_registry(f"{address}/team/policies"), policies)
    site = Site(folder=folder, address=address, project=project, manifest=manifest, bundle=policies)
    site.sign(manifest)
    return site


@pytest.fixture
def site(served: tuple[Path, str], project: Project, tmp_path: Path) -> Site:
    """A site of its own folder at the shared registry; what it pushes is the same for all."""
    folder, address = served
    found = made(tmp_path, address, project)
    (tmp_path / "r").symlink_to(folder / "r")
    return found


@pytest.fixture
def own_site(project: Project, tmp_path: Path) -> Iterator[tuple[Site, Callable[[], None]]]:
    """A site whose registry may be stopped, or spoilt."""
    context = real_registry("registry", tmp_path / "r")
    address = context.__enter__()
    stopped: list[bool] = []

    def stop() -> None:
        if not stopped:
            stopped.append(True)
            context.__exit__(None, None, None)

    try:
        yield made(tmp_path, address, project), stop
    finally:
        stop()


def test_what_was_pushed_is_pulled_by_its_digest(site: Site) -> None:
    pulled = site.pull()
    assert pulled.digest == site.bundle.digest
    assert pulled.artifact == f"{site.repository}@{site.manifest.digest}"
    assert pulled.origin == pulled.artifact


def test_the_same_policies_are_the_same_artifact(site: Site) -> None:
    again = push(site.opened(), load_bundle([bundled_policies()]), ("latest",))
    assert again == site.manifest
    named = site.opened().resolve("latest")
    assert named is not None
    assert named.digest == again.digest
    assert own_tag(again.digest) in site.opened().tags()


def test_what_nobody_signed_is_refused(site: Site) -> None:
    other = Bundle(modules={"g.rego": "package g\n"}, data={}, digest="", origin="test")
    manifest = push(site.opened(), other)
    assert site.refused(manifest.digest) == "policy.bundle-unsigned"
    site.sign(manifest)
    assert site.pull(manifest.digest).modules == other.modules


def test_what_another_key_signed_is_refused(site: Site, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    theirs = made(stranger, site.address, project_in(stranger, stranger=True))
    assert theirs.manifest == site.manifest  # signed by both now
    other = Bundle(modules={"h.rego": "package h\n"}, data={}, digest="", origin="test")
    manifest = push(theirs.opened(), other)
    theirs.sign(manifest)
    assert theirs.pull(manifest.digest).modules == other.modules
    assert site.refused(manifest.digest) == "policy.bundle-unsigned"


def test_a_key_that_is_trusted_no_longer_counts_no_longer(site: Site) -> None:
    site.pull()
    other = site.folder / "other"
    other.mkdir()
    before, site.project = site.project, project_in(other, stranger=True)
    assert site.refused() == "policy.bundle-unsigned"
    site.project = before
    assert site.pull().digest == site.bundle.digest


def test_a_tag_that_moved_moves_nothing(site: Site) -> None:
    site.pull()
    other = Bundle(modules={"g.rego": "package g\n\nx := 1\n"}, data={}, digest="", origin="test")
    elsewhere = push(site.opened(), other)
    site.opened().put_manifest(own_tag(site.manifest.digest), elsewhere)
    assert site.pull().digest == site.bundle.digest
    assert site.pull(cache="fresh").digest == site.bundle.digest


def test_an_ordinary_image_is_no_bundle(site: Site) -> None:
    _, manifest = push_image(site.opened())
    site.sign(manifest)
    assert site.refused(manifest.digest) == "policy.archive"


def test_a_digest_that_is_not_there_is_refused(site: Site) -> None:
    assert site.refused("sha256:" + "0" * 64) == "policy.bundle-unreachable"


@pytest.mark.parametrize("part", ["layer", "manifest"])
def test_other_bytes_in_the_registry_are_refused(
    own_site: tuple[Site, Callable[[], None]], part: str
) -> None:
    site, _ = own_site
    blob = site.blob(site.layer() if part == "layer" else site.manifest.digest)
    body = blob.read_bytes()
    changed = body.replace(b"policies sha256", b"Policies sha256")
    blob.write_bytes(changed if changed != body else bytes([body[0] ^ 1]) + body[1:])
    assert site.refused() == "policy.bundle-changed"
    assert not (site.folder / "cache").exists()
    blob.write_bytes(body)
    assert site.pull().digest == site.bundle.digest


def test_a_kept_copy_stands_in_while_nobody_answers(
    own_site: tuple[Site, Callable[[], None]],
) -> None:
    site, stop = own_site
    site.pull()
    stop()
    said: list[events.Event] = []
    with events.subscribed(said.append):
        assert site.pull().digest == site.bundle.digest
    assert [each.kind for each in said] == ["policy.kept"]
    assert site.refused(cache="fresh") == "policy.bundle-unreachable"


@pytest.mark.parametrize("word", ["tar.gz", "manifest", "verified"])
def test_a_kept_copy_that_changed_is_not_believed(
    own_site: tuple[Site, Callable[[], None]], word: str
) -> None:
    site, stop = own_site
    site.pull()
    (file,) = (site.folder / "cache").glob(f"*.{word}")
    body = file.read_bytes()
    file.write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    assert site.pull().digest == site.bundle.digest  # pulled again, and put right
    assert file.read_bytes() == body
    file.write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    stop()
    assert site.refused() == "policy.bundle-unreachable"


def test_where_nothing_can_be_kept_it_is_pulled_each_time(site: Site) -> None:
    (site.folder / "cache").write_text("in the way")
    assert site.pull().digest == site.bundle.digest


def test_a_copy_of_another_repository_was_not_verified_for_this_one(
    own_site: tuple[Site, Callable[[], None]],
) -> None:
    site, stop = own_site
    site.pull()
    stop()
    with pytest.raises(ActionFailed) as caught:
        pull(
            f"{site.address}/other/policies",
            site.manifest.digest,
            site.folder / "cache",
            opened=site.opened,
            verify=site.verify,
        )
    assert caught.value.code == "policy.bundle-unreachable"


_FILL = """
import sys, time
from pathlib import Path
from sluiceway.model import Evidence, Maker, Manifest, Status
from sluiceway.policy.artifact import _Kept
from datetime import UTC, datetime
folder, manifest, content = sys.argv[1], Path(sys.argv[2]).read_bytes(), Path(sys.argv[3]).read_bytes()
import hashlib
digest = "sha256:" + hashlib.sha256(manifest).hexdigest()
kept = _Kept(Path(folder), digest, "r@" + digest)
evidence = Evidence(kind="signature", status=Status.OK, subject=digest,
    made_at=datetime.now(UTC), maker=Maker(plugin="t", tool="t", version="1"), summary="", facts={})
made = Manifest(body=manifest, media_type="application/vnd.oci.image.manifest.v1+json", digest=digest)
print("ready", flush=True)
while True:
    kept.keep(made, content, evidence)
    for file in Path(folder).glob("*.*"):
        if not file.name.startswith("."):
            file.unlink(missing_ok=True)
"""


def test_two_that_fill_the_cache_and_are_killed_leave_nothing_half_written(site: Site) -> None:
    site.pull()
    kept = site.folder / "kept"
    kept.mkdir()
    for file in (site.folder / "cache").iterdir():
        file.rename(kept / file.name)
    (manifest,), (content,) = kept.glob("*.manifest"), kept.glob("*.tar.gz")
    wanted = {file.name.partition(".")[2]: file.read_bytes() for file in kept.iterdir()}
    cache = site.folder / "cache"
    argv = [sys.executable, "-c", _FILL, str(cache), str(manifest), str(content)]
    for _ in range(2):
        writers = [subprocess.Popen(argv, stdout=subprocess.PIPE) for _ in range(2)]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
        time.sleep(0.05)
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
        for word in ("manifest", "tar.gz"):
            for file in cache.glob(f"*.{word}"):
                if not file.name.startswith("."):
                    assert file.read_bytes() == wanted[word]
    assert site.pull().digest == site.bundle.digest
    old = cache / ".tmp-left"
    old.write_bytes(b"half")
    os.utime(old, (0, 0))
    (cache / f"{site.manifest.digest.removeprefix('sha256:')}.verified").unlink()
    site.pull()
    assert not old.exists()


@pytest.mark.real_tool("opa")
def test_opa_pulls_it_from_the_registry_and_serves_it(site: Site, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "opa.yaml").write_text(
        json.dumps(
            {
                "services": {"site": {"url": f"http://{site.address}", "type": "oci"}},
                "bundles": {
                    "policies": {
                        "service": "site",
                        "resource": f"{site.repository}@{site.manifest.digest}",
                    }
                },
                "persistence_directory": str(tmp_path / "opa"),
            }
        )
    )
    log = (tmp_path / "log").open("wb")
    command = ["opa", "run", "--server", "--addr", f"127.0.0.1:{port}", "-c", "opa.yaml"]
    server = subprocess.Popen(
        [*command, "--skip-version-check"], cwd=tmp_path, stdout=log, stderr=log
    )
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"{url}/health?bundles", timeout=5).close()
                break
            except OSError:
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()
                assert server.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.1)
        asked = urllib.request.Request(
            f"{url}/v1/data/rollback/decision?provenance=true",
            data=b'{"input": {}}',
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=20) as answer:
            document = json.load(answer)
        assert document["result"]["deny"]
        assert document["provenance"]["bundles"]["policies"]["revision"] == site.bundle.digest
    finally:
        server.kill()
        server.wait()
        log.close()


def test_a_manifest_with_two_layers_is_no_bundle(site: Site) -> None:
    document = json.loads(site.manifest.body)
    document["layers"] *= 2
    two = manifest_from(json.dumps(document).encode(), site.manifest.media_type)
    site.opened().put_manifest("two", two)
    site.sign(two)
    assert site.refused(two.digest) == "policy.archive"
