"""What each address of the distribution API does: one function for each, one table of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from email.message import Message
from typing import IO, Any
from urllib.parse import quote

from sluiceway.model import Manifest, to_json
from sluiceway.oci.documents import descriptor_json, sha256
from sluiceway.oci.media_types import IMAGE_INDEX, MANIFEST_LIMIT, OCTET_STREAM
from sluiceway.record import Record, field
from sluiceway_registry_folder.body import RequestBody
from sluiceway_registry_folder.faults import Fault
from sluiceway_registry_folder.storage import NAME, RepositoryStore, Store
from sluiceway_registry_folder.uploads import Uploads

__all__ = ["ROUTES", "Call", "Reply"]

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Call(Record):
    """One request, its address taken apart."""

    store: Store
    names: Mapping[str, str]
    query: Mapping[str, str]
    headers: Message
    body: RequestBody

    @property
    def repository(self) -> RepositoryStore:
        """The repository that the address names."""
        return self.store.repository(self.names["name"])

    @property
    def root(self) -> str:
        """``/v2/<name>``."""
        return f"/v2/{self.names['name']}"


class Reply(Record):
    """One answer: a body, or a part of a file."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    file: IO[bytes] | None = None
    offset: int = 0
    count: int = 0


Action = Callable[[Call], Reply]


def _version(call: Call) -> Reply:
    return _json({})


def _catalog(call: Call) -> Reply:
    names, more = _page(call, call.store.repositories())
    return _json({"repositories": names}, _following(call, "/v2/_catalog", names, more=more))


def _tags(call: Call) -> Reply:
    tags, more = _page(call, call.repository.tags())
    return _json(
        {"name": call.names["name"], "tags": tags},
        _following(call, f"{call.root}/tags/list", tags, more=more),
    )


def _history(call: Call) -> Reply:
    moves = call.repository.history(call.names["tag"])
    return _json({"name": call.names["name"], "tag": call.names["tag"], "moves": to_json(moves)})


# --- manifests ---


def _get_manifest(call: Call) -> Reply:
    manifest = call.repository.manifest(call.names["reference"])
    return Reply(
        status=200,
        body=manifest.body,
        headers={
            "Content-Type": manifest.media_type,
            "Docker-Content-Digest": manifest.digest,
            "ETag": f'"{manifest.digest}"',
        },
    )


def _put_manifest(call: Call) -> Reply:
    body = call.body.read(MANIFEST_LIMIT)
    media_type = call.headers.get("Content-Type", "").partition(";")[0].strip()
    manifest = Manifest(body=body, media_type=media_type or _said(body), digest=sha256(body))
    subject = call.repository.put_manifest(call.names["reference"], manifest)
    headers = {
        "Location": f"{call.root}/manifests/{manifest.digest}",
        "Docker-Content-Digest": manifest.digest,
    }
    if subject:
        headers["OCI-Subject"] = subject
    return Reply(status=201, headers=headers)


def _delete_manifest(call: Call) -> Reply:
    reference = call.names["reference"]
    if ":" in reference:
        call.repository.delete_manifest(reference)
    else:
        call.repository.delete_tag(reference)
    return Reply(status=202)


def _referrers(call: Call) -> Reply:
    found = call.repository.referrers(call.names["digest"])
    headers = {"Content-Type": IMAGE_INDEX}
    if wanted := call.query.get("artifactType", ""):
        found = [item for item in found if item.artifact_type == wanted]
        headers["OCI-Filters-Applied"] = "artifactType"
    document = {
        "schemaVersion": 2,
        "mediaType": IMAGE_INDEX,
        "manifests": [descriptor_json(item) for item in found],
    }
    return Reply(status=200, body=json.dumps(document).encode(), headers=headers)


# --- blobs ---


def _get_blob(call: Call) -> Reply:
    digest = call.names["digest"]
    path = call.repository.blob(digest)
    size = path.stat().st_size
    headers = {
        "Content-Type": OCTET_STREAM,
        "Docker-Content-Digest": digest,
        "Accept-Ranges": "bytes",
    }
    span = _span(call.headers.get("Range", ""), size)
    if span is None:
        return Reply(status=200, headers=headers, file=path.open("rb"), count=size)
    first, last = span
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    return Reply(
        status=206, headers=headers, file=path.open("rb"), offset=first, count=last - first + 1
    )


def _delete_blob(call: Call) -> Reply:
    call.repository.delete_blob(call.names["digest"])
    return Reply(status=202)


def _begin_upload(call: Call) -> Reply:
    repository, uploads = call.repository, Uploads(call.repository)
    mounted, source = call.query.get("mount", ""), call.query.get("from", "")
    if mounted and source and call.store.repository(source).has_blob(mounted):
        repository.link_blob(mounted)
        return _stored(call, mounted)
    session = uploads.begin()
    if digest := call.query.get("digest"):
        uploads.append(session, call.body.pieces())
        uploads.finish(session, digest)
        return _stored(call, digest)
    return _progress(call, session, 0, status=202)


def _get_upload(call: Call) -> Reply:
    session = call.names["session"]
    return _progress(call, session, Uploads(call.repository).size(session), status=204)


def _append_upload(call: Call) -> Reply:
    session = call.names["session"]
    size = Uploads(call.repository).append(
        session, call.body.pieces(), call.headers.get("Content-Range", "")
    )
    return _progress(call, session, size, status=202)


def _finish_upload(call: Call) -> Reply:
    uploads, session = Uploads(call.repository), call.names["session"]
    uploads.append(session, call.body.pieces(), call.headers.get("Content-Range", ""))
    digest = call.query.get("digest", "")
    uploads.finish(session, digest)
    return _stored(call, digest)


def _cancel_upload(call: Call) -> Reply:
    Uploads(call.repository).cancel(call.names["session"])
    return Reply(status=204)


ROUTES: tuple[tuple[str, Mapping[str, Action]], ...] = (
    (r"/v2/?", {"GET": _version}),
    (r"/v2/_catalog", {"GET": _catalog}),
    (rf"/v2/(?P<name>{NAME})/tags/list", {"GET": _tags}),
    (rf"/v2/(?P<name>{NAME})/_sluiceway/history/(?P<tag>[^/]+)", {"GET": _history}),
    (
        rf"/v2/(?P<name>{NAME})/manifests/(?P<reference>[^/]+)",
        {"GET": _get_manifest, "PUT": _put_manifest, "DELETE": _delete_manifest},
    ),
    (rf"/v2/(?P<name>{NAME})/referrers/(?P<digest>[^/]+)", {"GET": _referrers}),
    (rf"/v2/(?P<name>{NAME})/blobs/uploads/?", {"POST": _begin_upload}),
    (
        rf"/v2/(?P<name>{NAME})/blobs/uploads/(?P<session>[^/]+)",
        {
            "GET": _get_upload,
            "PATCH": _append_upload,
            "PUT": _finish_upload,
            "DELETE": _cancel_upload,
        },
    ),
    (
        rf"/v2/(?P<name>{NAME})/blobs/(?P<digest>[^/]+)",
        {"GET": _get_blob, "DELETE": _delete_blob},
    ),
)
"""Address patterns and what their methods do; HEAD is GET without its body. ``_sluiceway`` is an
extension in the way of distribution-spec's "Extensions": when a tag named what."""


def _json(document: Any, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(
        status=200,
        body=json.dumps(document).encode(),
        headers={"Content-Type": "application/json", **(headers or {})},
    )


def _page(call: Call, names: Sequence[str]) -> tuple[list[str], bool]:
    """Return the asked-for part of sorted *names* and whether there is more of them."""
    last = call.query.get("last", "")
    rest = [name for name in names if name > last]
    number = call.query.get("n")
    if number is None:
        return rest, False
    if not re.fullmatch(r"\d{1,9}", number):
        raise Fault(400, "UNSUPPORTED", "n is not a number")
    return rest[: int(number)], len(rest) > int(number)


def _following(call: Call, path: str, names: Sequence[str], *, more: bool) -> dict[str, str]:
    if not more or not names:
        return {}
    return {"Link": f'<{path}?n={call.query["n"]}&last={quote(names[-1])}>; rel="next"'}


def _stored(call: Call, digest: str) -> Reply:
    return Reply(
        status=201,
        headers={"Location": f"{call.root}/blobs/{digest}", "Docker-Content-Digest": digest},
    )


def _progress(call: Call, session: str, size: int, *, status: int) -> Reply:
    return Reply(
        status=status,
        headers={
            "Location": f"{call.root}/blobs/uploads/{session}",
            "Docker-Upload-UUID": session,
            "Range": f"0-{max(size - 1, 0)}",
        },
    )


def _said(body: bytes) -> str:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    said = document.get("mediaType", "") if isinstance(document, dict) else ""
    return said if isinstance(said, str) else ""


def _span(header: str, size: int) -> tuple[int, int] | None:
    """Return the first and last byte that a Range header asks for; ``None`` for all of them.

    As RFC 9110 allows, what is not one simple range is answered with the whole.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None or not (match[1] or match[2]):
        return None
    if match[1]:
        first = int(match[1])
        last = min(int(match[2]), size - 1) if match[2] else size - 1
    else:
        first, last = max(0, size - int(match[2])), size - 1
    if first > last:
        raise Fault(
            416, "SIZE_INVALID", f"there are {size} bytes", {"Content-Range": f"bytes */{size}"}
        )
    return first, last
