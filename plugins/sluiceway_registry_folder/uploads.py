"""Blob uploads: in one piece, in chunks, broken off and gone on with (distribution-spec 1.1)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sluiceway.oci.layout import file_digest
from sluiceway_registry_folder.faults import Fault, unknown_upload
from sluiceway_registry_folder.storage import DIGEST, RepositoryStore, Store

__all__ = ["STALE_SECONDS", "Uploads", "sweep"]

STALE_SECONDS = 24 * 3600.0
_SESSION = re.compile(r"[0-9a-f]{32}")
_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?(\d+)-(\d+)(?:/(?:\d+|\*))?")


class Uploads:
    """The uploads of one repository. Their bytes are on disk, so a new server knows them too."""

    def __init__(self, repository: RepositoryStore) -> None:
        self._repository = repository
        self._folder = repository.folder / "_uploads"

    def begin(self) -> str:
        """Begin an upload and return its id."""
        self._folder.mkdir(parents=True, exist_ok=True)
        session = uuid.uuid4().hex
        (self._folder / session).touch(mode=0o600, exist_ok=False)
        return session

    def size(self, session: str) -> int:
        """Return how many bytes have arrived."""
        try:
            return self._path(session).stat().st_size
        except FileNotFoundError:
            raise unknown_upload() from None

    def append(self, session: str, pieces: Iterable[bytes], content_range: str = "") -> int:
        """Append *pieces* and return how many bytes there are now.

        Raises:
            Fault: 416 when *content_range* does not begin where the upload ends; 400 when it
                does not have as many bytes as it says; 409 when another request is writing.
        """
        with self._writing(session) as sink:
            begin = sink.seek(0, os.SEEK_END)
            last: int | None = None
            if content_range:
                match = _CONTENT_RANGE.fullmatch(content_range.strip())
                if match is None:
                    raise Fault(400, "BLOB_UPLOAD_INVALID", "that is not a Content-Range")
                first, last = int(match[1]), int(match[2])
                if first != begin:
                    raise Fault(
                        416,
                        "BLOB_UPLOAD_INVALID",
                        f"the next byte of this upload is {begin}, not {first}",
                        {"Range": f"0-{max(begin - 1, 0)}"},
                    )
            for piece in pieces:
                sink.write(piece)
            end = sink.tell()
            if last is not None and end != last + 1:
                sink.truncate(begin)  # it was not the chunk it said it was
                raise Fault(400, "SIZE_INVALID", f"{end - begin} bytes are not {content_range}")
            return end

    def finish(self, session: str, digest: str) -> None:
        """End an upload: its bytes become the blob *digest*, or nothing at all.

        Raises:
            Fault: ``DIGEST_INVALID``; the upload is then over and its bytes are gone.
        """
        if not re.fullmatch(DIGEST, digest):
            raise Fault(400, "DIGEST_INVALID", "a digest here is sha256: and 64 hexadecimal digits")
        path = self._path(session)
        with self._writing(session) as sink:
            sink.flush()
            os.fsync(sink.fileno())
            found, _ = file_digest(path)
            if found != digest:
                path.unlink()
                raise Fault(400, "DIGEST_INVALID", f"the bytes have digest {found}")
            target = self._repository.store.blob_path(digest)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        self._repository.link_blob(digest)

    def cancel(self, session: str) -> None:
        """Give an upload up."""
        try:
            self._path(session).unlink()
        except FileNotFoundError:
            raise unknown_upload() from None

    @contextmanager
    def _writing(self, session: str) -> Iterator[IO[bytes]]:
        try:
            sink = self._path(session).open("r+b")
        except FileNotFoundError:
            raise unknown_upload() from None
        with sink:
            try:
                fcntl.flock(sink, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Fault(
                    409, "BLOB_UPLOAD_INVALID", "another request writes this upload"
                ) from None
            if not self._is_current(sink, session):
                # Another request finished it before the lock was ours: what is open here is a
                # blob now, and must not be written to.
                raise unknown_upload()
            yield sink

    def _is_current(self, sink: IO[bytes], session: str) -> bool:
        try:
            return os.path.samestat(os.fstat(sink.fileno()), self._path(session).stat())
        except FileNotFoundError:
            return False

    def _path(self, session: str) -> Path:
        if not _SESSION.fullmatch(session):
            raise unknown_upload()
        return self._folder / session


def sweep(store: Store, older_than_seconds: float = STALE_SECONDS) -> int:
    """Delete what uploads and writes left that ended without an end; return how many files."""
    horizon = time.time() - older_than_seconds
    swept = 0
    for pattern in ("repositories/**/_uploads/*", "**/.tmp-*"):
        for path in store.folder.glob(pattern):
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and path.stat().st_mtime < horizon:
                    path.unlink()
                    swept += 1
    return swept
