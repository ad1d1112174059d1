"""Uploading one blob: in one piece, gone on with after a break, or taken over from a neighbour.

Source: distribution-spec 1.1, "Pushing blobs". The first attempt is one PUT of everything, which
every registry takes. When it breaks, the registry is asked how much arrived and gets the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

from sluiceway.errors import ActionFailed
from sluiceway.oci import failures
from sluiceway.oci.http import httpx
from sluiceway.oci.media_types import OCTET_STREAM
from sluiceway.oci.reference import Repository
from sluiceway.oci.transport import Transport
from sluiceway.record import Record

__all__ = ["BROKEN", "Uploads"]

BROKEN = frozenset(
    {
        "registry.connection",
        "registry.failed",
        "registry.throttled",
        "registry.timeout",
        "registry.unavailable",
    }
)
"""Codes of errors after which an upload may be gone on with, or begun anew."""

_PUSH = "pull,push"
_PIECE = 1024 * 1024
_RESUMPTIONS = 4
_RANGE = re.compile(r"(?:bytes[ =])?0-(\d{1,18})")


class Uploads(Record):
    """Uploads into one repository."""

    transport: Transport
    repository: Repository
    expect: Callable[..., None]
    """Of an answer and the wanted codes: raises what any other code means."""

    def begin(self, *, mount: str = "", source: str = "") -> str:
        """Begin an upload and return its address.

        With *mount*, a digest, and *source*, the path of a repository of the same registry, the
        registry is asked to take the blob over from there; ``""`` when it did.
        """
        url = f"/v2/{self.repository.path}/blobs/uploads/"
        actions = _PUSH
        if mount:
            url += "?" + urlencode({"mount": mount, "from": source})
            actions += f" repository:{source}:pull"

        def begun(response: httpx.Response) -> str:
            if mount and response.status_code == httpx.codes.CREATED:
                self._check(response, mount)
                return ""
            self.expect(response, httpx.codes.ACCEPTED)
            return self.transport.location(response, url)

        return self.transport.exchange("POST", url, begun, actions=actions)

    def send(self, location: str, content: bytes | Path, digest: str, size: int) -> None:
        """Send *content* to the upload at *location* and end it.

        After a break the registry says how much of it arrived, and gets what is missing. A
        registry that does not say so (or says it wrongly: it checks the digest in the end) has
        the break reported, so that the caller can begin anew.

        Raises:
            ActionFailed: One of :data:`BROKEN`, ``registry.refused``, ``registry.corrupt``, ...
        """
        try:
            self._finish(location, content, digest, size)
        except ActionFailed as error:
            if error.code not in BROKEN:
                raise
            broken = error
        else:
            return
        for _ in range(_RESUMPTIONS):
            try:
                location, begin = self._reached(location, size)
                if begin < size:
                    location, begin = self._append(location, content, begin, size)
                if begin == size:
                    self._finish(location, b"", digest, 0)
                    return
            except ActionFailed as error:
                if error.code not in BROKEN | {"registry.range"}:
                    raise broken from error
        raise broken

    # --- below ---

    def _finish(self, location: str, content: bytes | Path, digest: str, size: int) -> None:
        def finished(response: httpx.Response) -> None:
            self.expect(response, httpx.codes.CREATED)
            self._check(response, digest)

        self.transport.exchange(
            "PUT",
            location + ("&" if "?" in location else "?") + f"digest={digest}",
            finished,
            actions=_PUSH,
            headers={"Content-Type": OCTET_STREAM, "Content-Length": str(size)},
            body=lambda: content if isinstance(content, bytes) else _pieces(content, 0),
            again=False,  # the session may hold a part already
        )

    def _reached(self, location: str, size: int) -> tuple[str, int]:
        """Ask how much arrived; return where to go on, and the number of bytes."""

        def consume(response: httpx.Response) -> tuple[str, int]:
            self.expect(response, httpx.codes.NO_CONTENT, httpx.codes.OK)
            return self._next(response, location), self._progress(response, size)

        return self.transport.exchange("GET", location, consume, actions=_PUSH)

    def _append(
        self, location: str, content: bytes | Path, begin: int, size: int
    ) -> tuple[str, int]:
        """Send everything from byte *begin* on; return where to go on, and what there is now."""

        def consume(response: httpx.Response) -> tuple[str, int]:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise ActionFailed(
                    f"{self.repository.host} has more or less than {begin} bytes of the upload",
                    code="registry.range",
                )
            self.expect(response, httpx.codes.ACCEPTED)
            return self._next(response, location), self._progress(response, size)

        return self.transport.exchange(
            "PATCH",
            location,
            consume,
            actions=_PUSH,
            headers={
                "Content-Type": OCTET_STREAM,
                "Content-Length": str(size - begin),
                "Content-Range": f"{begin}-{size - 1}",
            },
            body=lambda: content[begin:] if isinstance(content, bytes) else _pieces(content, begin),
            again=False,
        )

    def _next(self, response: httpx.Response, location: str) -> str:
        if "location" not in response.headers:
            return location
        return self.transport.location(response, location)

    def _progress(self, response: httpx.Response, size: int) -> int:
        """Return how many bytes ``Range: 0-<last>`` says there are. ``0-0`` is taken for none:
        registries say it of an empty upload, and one byte too many is refused by the registry.
        """
        match = _RANGE.fullmatch(response.headers.get("range", "").strip())
        if match is None or int(match[1]) >= size:
            raise failures.malformed(
                self.repository.host, "it does not say how much of an upload has arrived"
            )
        return int(match[1]) + 1 if int(match[1]) or size == 1 else 0

    def _check(self, response: httpx.Response, digest: str) -> None:
        said = response.headers.get("docker-content-digest", digest)
        if said != digest:
            raise failures.corrupt(self.repository.host, f"to store {digest}", said)


def _pieces(path: Path, begin: int) -> Iterator[bytes]:
    with path.open("rb") as source:
        source.seek(begin)
        while piece := source.read(_PIECE):
            yield piece
