"""One repository in one OCI registry, over HTTP (distribution-spec 1.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from sluiceway import events
from sluiceway.errors import ActionFailed, UsageError
from sluiceway.model import Descriptor, Manifest, check_digest
from sluiceway.oci import failures
from sluiceway.oci.documents import document_of, sha256
from sluiceway.oci.http import httpx
from sluiceway.oci.layout import file_digest, replacing
from sluiceway.oci.listing import next_page, parse_referrers, parse_tags
from sluiceway.oci.media_types import ACCEPT, IMAGE_INDEX, MANIFEST_LIMIT, OCTET_STREAM
from sluiceway.oci.reference import check_tag, is_digest, parse_repository
from sluiceway.oci.referrers import add_to_fallback, read_fallback
from sluiceway.oci.transport import RetryPolicy, Transport, paced, read_capped
from sluiceway.oci.uploads import BROKEN, Uploads

__all__ = ["RegistryClient"]

_PULL, _PUSH, _DELETE = "pull", "pull,push", "pull,push,delete"
_MOST_PAGES = 1000
_TAGS_A_PAGE = 1000
_UPLOADS = 3
_WRITES = 3


class RegistryClient:
    """Implements :class:`sluiceway.model.Registry`. May be used from several threads.

    Args:
        repository: ``host[:port]/path``. Loopback hosts are asked by plain http (unless there is
            a *ca_file*), all others by https.
        insecure: Ask by plain http also when the host is not loopback.
        timeout_seconds: How long a connection may be silent. Connecting has 5 s at most.
        ca_file: PEM file of the only authorities to trust.
        environ: Where ``REGISTRY_USERNAME``, ``REGISTRY_PASSWORD``, ``REGISTRY_URL``,
            ``DOCKER_CONFIG`` and ``HOME`` are read, when the registry asks who we are.
        retry: How long to try again.
        on_unreachable: Called when nothing answers at the address, before the next attempt.

    Raises:
        UsageError: ``repository.malformed``.
        ConfigurationError: *insecure* together with *ca_file*.
    """

    def __init__(
        self,
        repository: str,
        *,
        insecure: bool = False,
        timeout_seconds: float = 30.0,
        ca_file: Path | None = None,
        environ: Mapping[str, str] | None = None,
        retry: RetryPolicy | None = None,
        on_unreachable: Callable[[], None] | None = None,
    ) -> None:
        self._repository = parse_repository(repository)
        self._environ = dict(environ or {})
        self._transport = Transport(
            self._repository,
            insecure=insecure,
            timeout_seconds=timeout_seconds,
            ca_file=ca_file,
            environ=self._environ,
            retry=retry or RetryPolicy(),
            on_unreachable=on_unreachable,
        )
        self._host = self._repository.host
        self._root = f"/v2/{self._repository.path}"
        self._uploads = Uploads(
            transport=self._transport, repository=self._repository, expect=self._expect
        )
        self._is_registry = False
        self._no_referrers = False

    def __repr__(self) -> str:
        return f"RegistryClient({str(self._repository)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    @property
    def repository(self) -> str:
        """Host and path: ``127.0.0.1:5555/settlement``."""
        return str(self._repository)

    # --- manifests and tags ---

    def resolve(self, tag: str) -> Manifest | None:
        """Return the manifest that *tag* names now, or ``None`` when there is no such tag."""
        return self._manifest(check_tag(tag))

    def manifest(self, digest: str) -> Manifest | None:
        """Return the manifest with *digest*, or ``None`` when the repository lacks it."""
        return self._manifest(check_digest(digest))

    def put_manifest(self, reference: str, manifest: Manifest) -> None:
        """Store the same bytes under *reference* (tag or digest) with the stored media type,
        read them back and compare digests.

        Raises:
            ActionFailed: ``registry.read-back`` when *reference* then names something else;
                ``registry.altered`` when the registry itself says that it stored something else,
                again and again.
        """
        self._put(reference, manifest)

    def delete_tag(self, tag: str) -> bool:
        """Remove *tag*; ``False`` when the registry does not offer that. A missing tag is fine."""
        url = f"{self._root}/manifests/{check_tag(tag)}"
        status = self._transport.exchange("DELETE", url, self._deletion, actions=_DELETE)
        gone = self.resolve(tag) is None
        if status < httpx.codes.BAD_REQUEST and not gone:
            raise self._read_back(tag, "it is still there after it was deleted")
        if gone:
            events.emit("registry.tag", repository=self.repository, tag=tag, digest="")
        return gone

    def tags(self) -> tuple[str, ...]:
        """Return all tags, sorted."""
        found: set[str] = set()
        for page in self._pages(f"{self._root}/tags/list?n={_TAGS_A_PAGE}"):
            found.update(parse_tags(page, self._host))
        return tuple(sorted(found))

    # --- blobs ---

    def blob(self, digest: str, *, limit: int) -> bytes:
        """Return a blob's bytes; more than *limit* bytes is an ``ActionFailed``."""

        def consume(response: httpx.Response) -> bytes:
            self._expect(response, httpx.codes.OK, missing=f"the blob {digest}")
            return read_capped(response, limit, f"the blob {digest}")

        body = self._transport.exchange("GET", self._blob_url(digest), consume, actions=_PULL)
        if sha256(body) != digest:
            raise failures.corrupt(self._host, digest, sha256(body))
        return body

    def save_blob(self, digest: str, path: Path, *, limit: int | None = None) -> None:
        """Stream a blob to *path*, which appears only when all of it is there and is right.

        *limit* is the most bytes to accept; without it only the disk is a limit.
        """

        def consume(response: httpx.Response) -> None:
            self._expect(response, httpx.codes.OK, missing=f"the blob {digest}")
            with replacing(path) as sink:
                computed, size = hashlib.sha256(), 0
                for piece in paced(response):
                    size += len(piece)
                    if limit is not None and size > limit:
                        raise failures.too_large(self._host, f"the blob {digest}", limit)
                    computed.update(piece)
                    sink.write(piece)
                got = f"sha256:{computed.hexdigest()}"
                if got != digest:
                    raise failures.corrupt(self._host, digest, got)

        self._transport.exchange("GET", self._blob_url(digest), consume, actions=_PULL)

    def has_blob(self, digest: str) -> bool:
        """Say whether the repository holds the blob."""
        return self._transport.exchange(
            "HEAD", self._blob_url(digest), self._presence, actions=_PULL
        )

    def put_blob(self, content: bytes | Path) -> Descriptor:
        """Upload bytes or a file (streamed) unless present; the descriptor's media type is
        ``application/octet-stream`` for the caller to replace.
        """
        if isinstance(content, Path):
            digest, size = file_digest(content)
        else:
            digest, size = sha256(content), len(content)
        descriptor = Descriptor(media_type=OCTET_STREAM, digest=digest, size=size)
        for attempt in range(1, _UPLOADS + 1):
            if self.has_blob(digest):
                return descriptor
            try:
                self._uploads.send(self._uploads.begin(), content, digest, size)
            except ActionFailed as error:
                if error.code not in BROKEN or attempt == _UPLOADS:
                    raise
            else:
                break
        events.emit("registry.blob", repository=self.repository, digest=digest, size=size)
        return descriptor

    def mount_blob(self, digest: str, repository: str) -> bool:
        """Have the registry take a blob over from *repository*, another one of the same registry.

        Nothing is sent. ``False`` when it is of another registry, or when the registry does not do
        that, lacks the blob there or does not let us read it: then the blob has to be copied.
        """
        other = parse_repository(repository)
        if other.host != self._repository.host:
            return False
        try:
            begun = self._uploads.begin(mount=check_digest(digest), source=other.path)
        except ActionFailed as error:
            if error.code not in {"registry.denied", "registry.refused"}:
                raise
            return False
        if begun:  # an ordinary upload instead; registries sweep up what nobody goes on with
            return False
        events.emit(
            "registry.mounted", repository=self.repository, digest=digest, source=repository
        )
        return True

    # --- referrers ---

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """Return what refers to *digest* (OCI distribution 1.1), by API or by fallback tag.

        The descriptors are hints: an artifact type may be missing or wrong in them, so look at
        each manifest before leaving it out.
        """
        found = self._referrers_by_api(check_digest(digest))
        return read_fallback(self, digest) if found is None else found

    def put_referrer(self, subject: Manifest, manifest: Manifest) -> None:
        """Store *manifest*, whose ``subject`` is *subject*, and make it discoverable, with the
        fallback tag where the registry has no referrers API.
        """
        said = document_of(manifest).get("subject")
        if not isinstance(said, dict) or said.get("digest") != subject.digest:
            raise UsageError(
                f"the manifest {manifest.digest} does not refer to {subject.digest}",
                code="manifest.subject",
            )
        headers = self._put(manifest.digest, manifest)
        if headers.get("oci-subject") == subject.digest:
            return
        # Without the header a registry may still have the API (the header is younger).
        known = self._referrers_by_api(subject.digest)
        if known is None or manifest.digest not in {item.digest for item in known}:
            add_to_fallback(self, subject.digest, manifest)

    def ping(self) -> str:
        """Return a short sentence on what answers at the address; raises when nothing does."""

        def consume(response: httpx.Response) -> str:
            self._expect(response, httpx.codes.OK)
            version = response.headers.get("docker-distribution-api-version", "")
            named = version or response.headers.get("content-type", "").startswith(
                "application/json"
            )
            if not named:
                raise failures.malformed(self._host, "its /v2/ is an ordinary page")
            return f"{self._host} answers as an OCI registry" + (f" ({version})" if version else "")

        return self._transport.exchange("GET", "/v2/", consume, actions="")

    # --- below ---

    def _manifest(self, reference: str) -> Manifest | None:
        def consume(response: httpx.Response) -> Manifest | None:
            if response.status_code == httpx.codes.NOT_FOUND:
                spoken = _speaks_registry(response)
                read_capped(response, MANIFEST_LIMIT, "an answer")
                if not spoken:
                    unsure.append(True)
                return None
            self._expect(response, httpx.codes.OK)
            return self._read_manifest(response, reference)

        unsure: list[bool] = []
        url = f"{self._root}/manifests/{reference}"
        manifest = self._transport.exchange(
            "GET", url, consume, actions=_PULL, headers={"Accept": ACCEPT}
        )
        if unsure and not self._is_registry:
            # Any web server says 404: only a registry's 404 means that there is no such tag.
            self.ping()
            self._is_registry = True
        return manifest

    def _read_manifest(self, response: httpx.Response, reference: str) -> Manifest:
        body = read_capped(response, MANIFEST_LIMIT, f"the manifest {reference}")
        media_type = response.headers.get("content-type", "").partition(";")[0].strip()
        digest = sha256(body)
        said = response.headers.get("docker-content-digest", digest)
        if is_digest(reference) and digest != reference:
            raise failures.corrupt(self._host, reference, digest)
        if said != digest:
            raise failures.corrupt(self._host, f"{reference}, announced {said}", digest)
        manifest = Manifest(body=body, media_type=media_type, digest=digest)
        document_of(manifest)
        return manifest

    def _put(self, reference: str, manifest: Manifest) -> httpx.Headers:
        if is_digest(reference):
            check_digest(reference)
        else:
            check_tag(reference)
        if sha256(manifest.body) != manifest.digest or (
            is_digest(reference) and reference != manifest.digest
        ):
            raise UsageError(
                f"a manifest of digest {sha256(manifest.body)} was to be stored as {reference}"
                f" under the name {manifest.digest}",
                code="digest.mismatch",
            )

        def consume(response: httpx.Response) -> httpx.Headers:
            self._expect(response, httpx.codes.CREATED)
            said = response.headers.get("docker-content-digest", manifest.digest)
            if said != manifest.digest:
                raise ActionFailed(
                    f"{reference} in {self.repository} was stored as {said}, and "
                    f"{manifest.digest} was sent",
                    means="It was changed on its way, or the registry changes what it stores.",
                    remedy=f"Look at what {reference} names now; then find out what stands between "
                    "here and the registry.",
                    code="registry.altered",
                )
            return response.headers

        for left in reversed(range(_WRITES)):
            try:
                headers = self._transport.exchange(
                    "PUT",
                    f"{self._root}/manifests/{reference}",
                    consume,
                    actions=_PUSH,
                    headers={"Content-Type": manifest.media_type},
                    body=lambda: manifest.body,
                )
            except ActionFailed as error:
                # Changed on its way there: the name must not be left with what nobody sent.
                if error.code != "registry.altered" or not left:
                    raise
            else:
                break
        stored = self._manifest(reference)
        if stored is None:
            raise self._read_back(reference, "it is not there after it was stored")
        if (stored.digest, stored.media_type) != (manifest.digest, manifest.media_type):
            raise self._read_back(reference, f"it names {stored.digest} as {stored.media_type}")
        events.emit(
            "registry.manifest",
            repository=self.repository,
            reference=reference,
            digest=manifest.digest,
        )
        return headers

    def _referrers_by_api(self, digest: str) -> tuple[Descriptor, ...] | None:
        found: dict[str, Descriptor] = {}
        answered = False
        if self._no_referrers:
            return None
        url = f"{self._root}/referrers/{digest}"
        for page in self._pages(url, accept=IMAGE_INDEX, unknown=self._note_no_referrers):
            answered = True
            for descriptor in parse_referrers(page, self._host):
                found.setdefault(descriptor.digest, descriptor)
        return tuple(found.values()) if answered else None

    def _note_no_referrers(self, body: bytes) -> None:
        """A registry with the API says what it does not know in the specification's words; one
        without has no such page, and need not be asked again.
        """
        self._no_referrers = b'"errors"' not in body

    def _pages(
        self,
        url: str,
        accept: str = "application/json",
        unknown: Callable[[bytes], None] = lambda _body: None,
    ) -> Iterator[bytes]:
        """Yield each page of a list, following ``Link``; nothing at all for a 404, whose body
        *unknown* is given.
        """
        seen: set[str] = set()

        def consume(response: httpx.Response) -> tuple[bytes | None, str]:
            body = b""
            if response.status_code != httpx.codes.NOT_FOUND:
                self._expect(response, httpx.codes.OK)
            body = read_capped(response, MANIFEST_LIMIT, "a list")
            if response.status_code == httpx.codes.NOT_FOUND:
                unknown(body)
                return None, ""
            return body, next_page(response.headers.get_list("link"))

        while url and url not in seen and len(seen) < _MOST_PAGES:
            seen.add(url)
            body, following = self._transport.exchange(
                "GET", url, consume, actions=_PULL, headers={"Accept": accept}
            )
            if body is None:
                return
            yield body
            url = self._next_url(url, following)
        if url:
            raise failures.malformed(self._host, f"the list at {url} has no end")

    def _next_url(self, url: str, following: str) -> str:
        if not following:
            return ""
        answer = httpx.Response(200, headers={"Location": following})
        target = self._transport.location(answer, url)
        if not target.startswith(self._transport.base + "/"):
            raise failures.malformed(self._host, "the next page of a list is on another host")
        return target

    def _blob_url(self, digest: str) -> str:
        return f"{self._root}/blobs/{check_digest(digest)}"

    def _presence(self, response: httpx.Response) -> bool:
        if response.status_code == httpx.codes.NOT_FOUND:
            return False
        self._expect(response, httpx.codes.OK)
        return True

    def _deletion(self, response: httpx.Response) -> int:
        # 400 and 405 are how registries say that they delete by digest only, or not at all.
        if response.status_code in {400, 404, 405, 501}:
            return response.status_code
        self._expect(response, httpx.codes.OK, httpx.codes.ACCEPTED, httpx.codes.NO_CONTENT)
        return response.status_code

    def _expect(self, response: httpx.Response, *wanted: int, missing: str = "") -> None:
        if response.status_code in wanted:
            return
        if missing and response.status_code == httpx.codes.NOT_FOUND:
            raise ActionFailed(
                f"{self.repository} does not hold {missing}",
                means="The registry is incomplete: something that is named is not there.",
                remedy="Push the image again.",
                code="registry.blob-missing",
            )
        raise failures.answered(self._host, response, self._environ)

    def _read_back(self, reference: str, found: str) -> ActionFailed:
        return ActionFailed(
            f"{reference} in {self.repository} is not what was just written: {found}",
            means="Somebody else writes the same name, or the registry changes what it stores.",
            remedy="Find the other writer; `invoke status` shows what each environment holds.",
            code="registry.read-back",
        )


def _speaks_registry(response: httpx.Response) -> bool:
    return "docker-distribution-api-version" in response.headers
