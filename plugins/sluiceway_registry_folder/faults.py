"""What the registry answers when it does not do what it was asked."""

from __future__ import annotations

import json

__all__ = ["Fault", "unknown_blob", "unknown_manifest", "unknown_upload"]


class Fault(Exception):  # noqa: N818 - an answer to a client, not an error of ours
    """One refusal, in the shape of distribution-spec 1.1, "Error Codes".

    Args:
        status: HTTP status.
        code: One of the specification's codes, ``MANIFEST_UNKNOWN`` for example.
        message: One sentence for a person.
        headers: Further response headers.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    def body(self) -> bytes:
        """Return the JSON body."""
        return json.dumps({"errors": [{"code": self.code, "message": self.message}]}).encode()


def unknown_blob(digest: str) -> Fault:
    """No such blob in the repository."""
    return Fault(404, "BLOB_UNKNOWN", f"the repository has no blob {digest}")


def unknown_manifest(reference: str) -> Fault:
    """No such manifest or tag in the repository."""
    return Fault(404, "MANIFEST_UNKNOWN", f"the repository has no manifest {reference}")


def unknown_upload() -> Fault:
    """No such upload, or it has ended."""
    return Fault(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload, or it has ended")
