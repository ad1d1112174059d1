"""Bundles as artifacts of a registry: put there, and taken from there by digest only.

An artifact is what OPA itself pulls (openpolicyagent.org/docs/management-bundles, "OCI registry"): an
image manifest with one ``tar+gzip`` layer, the bundle. It is signed as an image is.

What a gate judges by is named by the digest in the configuration, so a copy that has it may be kept.
The signature is looked at each time, because whom we trust may change; while nobody answers at the
registry's address, a kept copy whose signature was found good here before is used as it is.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sluiceway import events
from sluiceway.errors import ActionFailed, SluicewayError
from sluiceway.model import Evidence, Image, Manifest, Registry, Status, canonical
from sluiceway.policy.archive import archive
from sluiceway.policy.engine import Bundle
from sluiceway.policy.tarball import Archive
from sluiceway.record import Record

if TYPE_CHECKING:
    from sluiceway.model import Descriptor

__all__ = ["own_tag", "pull", "push"]

_SILENT = frozenset(
    {"registry.unreachable", "registry.connection", "registry.timeout", "registry.unavailable"}
)
"""Nobody answered; any other failure is an answer, and a kept copy does not stand in for it."""
_OTHER_BYTES = frozenset({"registry.corrupt", "registry.too-large"})
_LARGEST = 32 << 20
_TITLE = "org.opencontainers.image.title"
_DESCRIPTION = "org.opencontainers.image.description"
_STALE_SECONDS = 3600.0
_NO_COPY = "Every gate refuses: no copy is kept here whose signature was verified before."

Verify = Callable[[Image, Registry], Evidence]


def own_tag(digest: str) -> str:
    """Return the tag that keeps one bundle from being swept up: ``policies-<12 hex digits>``."""
    return f"policies-{digest.removeprefix('sha256:')[:12]}"


def push(registry: Registry, bundle: Bundle, tags: tuple[str, ...] = ()) -> Manifest:
    """Store *bundle* as an artifact under a tag of its own (and *tags*); return its manifest.

    The same policies make the same artifact: nothing in it is dated.
    """
    from sluiceway.oci import manifest_from
    from sluiceway.oci.media_types import IMAGE_CONFIG, IMAGE_LAYER_GZIP, IMAGE_MANIFEST

    packed = archive(bundle)
    layer = registry.put_blob(packed)
    unpacked = "sha256:" + hashlib.sha256(gzip.decompress(packed)).hexdigest()
    config = registry.put_blob(
        canonical(
            {
                "architecture": "unknown",
                "os": "unknown",
                "rootfs": {"type": "layers", "diff_ids": [unpacked]},
            }
        )
    )
    document = {
        "schemaVersion": 2,
        "mediaType": IMAGE_MANIFEST,
        "config": {"mediaType": IMAGE_CONFIG, "digest": config.digest, "size": config.size},
        "layers": [
            {
                "mediaType": IMAGE_LAYER_GZIP,
                "digest": layer.digest,
                "size": layer.size,
                "annotations": {_TITLE: "bundle.tar.gz"},
            }
        ],
        "annotations": {_DESCRIPTION: f"policies {bundle.digest}"},
    }
    manifest = manifest_from(canonical(document), IMAGE_MANIFEST)
    for tag in (own_tag(manifest.digest), *tags):
        registry.put_manifest(tag, manifest)
    return manifest


def pull(
    repository: str,
    digest: str,
    folder: Path,
    *,
    opened: Callable[[str], Registry],
    verify: Verify,
) -> Archive:
    """Return the bundle that *digest* names, its signature verified.

    Args:
        repository: ``host[:port]/path``.
        digest: Of the artifact's manifest.
        folder: Where copies are kept; made when it is not there.
        opened: Opens a repository.
        verify: The chosen verifier.

    Raises:
        SluicewayError: ``policy.bundle-unsigned``, ``policy.bundle-changed``,
            ``policy.bundle-unreachable``, ``policy.archive``, or the verifier's own.
    """
    kept = _Kept(folder, digest, f"{repository}@{digest}")
    try:
        content = _pulled(kept, opened(repository), verify)
    except ActionFailed as error:
        if error.code not in _SILENT:
            raise _failed(kept, error) from error
        copy = kept.content()
        if copy is None or not kept.verified():
            raise _unreachable(kept, error.what, error.remedy, _NO_COPY) from error
        events.emit("policy.kept", bundle=kept.name, reason=error.what)
        content = copy
    return Archive(content=content, origin=kept.name, artifact=kept.name)


class _Kept(Record, kw_only=False):
    """A copy in the state folder: three files, each of which appears whole or not at all.

    The manifest and the bundle are believed only when they have the digests that they must have.
    """

    folder: Path
    digest: str
    name: str

    def manifest(self) -> Manifest | None:
        """Return the manifest when it is the pinned one."""
        from sluiceway.oci.media_types import IMAGE_MANIFEST

        body = self._read("manifest")
        if body is None or _sha256(body) != self.digest:
            return None
        return Manifest(body=body, media_type=IMAGE_MANIFEST, digest=self.digest)

    def content(self, layer: Descriptor | None = None) -> bytes | None:
        """Return the bundle when it is the one that the manifest names."""
        if layer is None:
            manifest = self.manifest()
            if manifest is None:
                return None
            layer = _layer(manifest, self.name)
        body = self._read("tar.gz")
        return body if body is not None and _sha256(body) == layer.digest else None

    def verified(self) -> bool:
        """Say whether this artifact's signature was found good here before."""
        body = self._read("verified")
        mark: object = None
        with suppress(ValueError, RecursionError):
            mark = json.loads(body or b"null")
        return isinstance(mark, dict) and mark.get("artifact") == self.name

    def keep(self, manifest: Manifest, content: bytes, evidence: Evidence) -> None:
        """Write what is not there yet; a full disk keeps nobody from judging by what was pulled."""
        with suppress(OSError):
            self._keep(manifest, content, evidence)

    def _keep(self, manifest: Manifest, content: bytes, evidence: Evidence) -> None:
        from sluiceway.oci.layout import replacing

        mark = {"artifact": self.name, "keys": evidence.facts.get("keys", [])}
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The mark that it was verified comes last.
        for word, body in (
            ("manifest", manifest.body),
            ("tar.gz", content),
            ("verified", canonical(mark)),
        ):
            if self._read(word) != body:
                with replacing(self._path(word)) as sink:
                    sink.write(body)
        self._sweep()

    def forget(self) -> None:
        """Take the mark away: its signature is not good now."""
        with suppress(OSError):
            self._path("verified").unlink()

    def _sweep(self) -> None:
        """Remove what a process that was killed while writing has left."""
        for draft in self.folder.glob(".tmp-*"):
            with suppress(OSError):
                if time.time() - draft.stat().st_mtime > _STALE_SECONDS:
                    draft.unlink()

    def _path(self, word: str) -> Path:
        return self.folder / f"{self.digest.removeprefix('sha256:')}.{word}"

    def _read(self, word: str) -> bytes | None:
        try:
            return self._path(word).read_bytes()
        except OSError:
            return None


def _pulled(kept: _Kept, registry: Registry, verify: Verify) -> bytes:
    manifest = kept.manifest() or registry.manifest(kept.digest)
    if manifest is None:
        raise _unreachable(kept, f"{registry.repository} holds no {kept.digest}")
    layer = _layer(manifest, kept.name)
    image = Image(
        repository=registry.repository, digest=manifest.digest, media_type=manifest.media_type
    )
    evidence = verify(image, registry)
    if evidence.status is not Status.OK or evidence.subject != kept.digest:
        kept.forget()
        raise _unsigned(kept, evidence)
    content = kept.content(layer)
    if content is None:
        content = registry.blob(layer.digest, limit=min(layer.size, _LARGEST))
    kept.keep(manifest, content, evidence)
    return content


def _layer(manifest: Manifest, name: str) -> Descriptor:
    from sluiceway.oci import blobs_of, document_of
    from sluiceway.oci.media_types import IMAGE_LAYER_GZIP, IMAGE_MANIFEST

    layers = (
        [
            each
            for each in blobs_of(document_of(manifest))[1:]
            if each.media_type == IMAGE_LAYER_GZIP
        ]
        if manifest.media_type == IMAGE_MANIFEST
        else []
    )
    if len(layers) != 1:
        raise ActionFailed(
            f"{name} is no bundle of policies: it has {len(layers)} layers of {IMAGE_LAYER_GZIP}, "
            "and a bundle is exactly one",
            means="Every gate refuses.",
            remedy="Push the policies with `invoke policy.push` and pin the digest that it prints.",
            code="policy.archive",
        )
    return layers[0]


def _sha256(body: bytes) -> str:
    return "sha256:" + hashlib.sha256(body).hexdigest()


def _unsigned(kept: _Kept, evidence: Evidence) -> SluicewayError:
    return ActionFailed(
        f"the policies {kept.name} are not signed with a trusted key: {evidence.summary}",
        means="Anybody could have put them there, so every gate refuses.",
        remedy="Push them with `invoke policy.push` where the signing key is, or trust the key that "
        "signed them.",
        code="policy.bundle-unsigned",
    )


def _failed(kept: _Kept, error: ActionFailed) -> SluicewayError:
    if error.code in _OTHER_BYTES:
        return ActionFailed(
            f"the policies {kept.name} are not what their digest names: {error.what}",
            means="Somebody changed them in the registry or on the way, so every gate refuses.",
            remedy="Find out who; then push them again with `invoke policy.push`.",
            code="policy.bundle-changed",
        )
    if error.code == "manifest.invalid":
        return ActionFailed(
            error.what, means=error.means, remedy=error.remedy, code="policy.archive"
        )
    if error.code.startswith("policy."):
        return error
    return _unreachable(kept, error.what, error.remedy)


def _unreachable(
    kept: _Kept, what: str, remedy: str = "", means: str = "Every gate refuses."
) -> SluicewayError:
    return ActionFailed(
        f"the policies {kept.name} cannot be had: {what}",
        means=means,
        remedy=remedy
        or "If it holds no such digest, correct the one in [policy]; else try again when the registry "
        "answers (`invoke doctor` shows whether it does).",
        code="policy.bundle-unreachable",
    )
