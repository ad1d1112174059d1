"""What went wrong between us and a registry, as errors that explain themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sluiceway import process
from sluiceway.errors import ActionFailed
from sluiceway.oci.http import httpx

__all__ = ["answered", "broken", "corrupt", "denied", "malformed", "too_large"]

_READ = 64 * 1024
_SHOWN = 300
_REFUSALS = {
    "DIGEST_INVALID": "What arrived there is not what was sent. Run the same again; if it stays, "
    "find out what stands between here and the registry.",
    "MANIFEST_BLOB_UNKNOWN": "Something that the image names is not there. Push it again, whole.",
    "BLOB_UNKNOWN": "Something that the image names is not there. Push it again, whole.",
    "NAME_INVALID": "Correct the name of the repository: `[service] repository` or that of the "
    "environment.",
    "NAME_UNKNOWN": "Create the repository in the registry, or correct its name.",
    "SIZE_INVALID": "What arrived there is not what was sent. Run the same again.",
    "TOOMANYREQUESTS": "Wait, or log in for a higher limit.",
}
"""What to do about the codes of distribution-spec 1.1, "Error Codes"."""


def broken(host: str, scheme: str, error: httpx.TransportError) -> ActionFailed:
    """Explain that no answer came, or only a part of one."""
    detail = str(error) or type(error).__name__
    if isinstance(error, httpx.ConnectError) and ("SSL" in detail or "CERTIFICATE" in detail):
        return ActionFailed(
            f"the registry {host} could not prove who it is: {detail}",
            means="Nothing was sent to it.",
            remedy="Set `ca_file` to its certificate authority; only for a registry without TLS"
            " set `insecure = true`. Both belong in [plugins.registry-oci].",
            code="registry.tls",
        )
    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout | httpx.PoolTimeout):
        return ActionFailed(
            f"the registry {host} stopped answering",
            means="It accepted the connection and then was silent for too long.",
            remedy="Try again; for a slow registry raise `timeout_seconds` in"
            " [plugins.registry-oci].",
            code="registry.timeout",
        )
    if isinstance(error, httpx.ReadError | httpx.WriteError | httpx.ProtocolError):
        return ActionFailed(
            f"the connection to the registry {host} broke: {detail}",
            means="What was being sent or read is incomplete and is not used.",
            remedy="Try again; if it stays, look at the registry's log.",
            code="registry.connection",
        )
    return ActionFailed(
        f"the registry {host} cannot be reached by {scheme}: {detail}",
        means="Nothing was read from it or written to it.",
        remedy="Check that the registry runs, and its address: `repository` of the service or of the"
        " environment, or REGISTRY_URL; then `invoke doctor`.",
        code="registry.unreachable",
    )


def answered(host: str, response: httpx.Response, environ: Mapping[str, str]) -> ActionFailed:
    """Explain an answer that is neither success nor an expected absence. Reads its body."""
    status = response.status_code
    words = _words(response, environ)
    doing = f"{response.request.method} {response.request.url.path}"
    if status in {401, 403}:
        return denied(host, f"{doing} was answered {status}{words}", environ)
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return ActionFailed(
            f"the registry {host} asks for fewer requests: {doing} was answered 429{words}",
            remedy="Wait as long as it asks, or log in for a higher limit.",
            code="registry.throttled",
        )
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return ActionFailed(
            f"the registry {host} failed: {doing} was answered {status}{words}",
            remedy="Look at the registry's log; try again when it is well.",
            code="registry.unavailable" if status in {502, 503, 504} else "registry.failed",
        )
    if status < httpx.codes.BAD_REQUEST:
        return malformed(host, f"{doing} was answered {status}")
    return ActionFailed(
        f"the registry {host} refused: {doing} was answered {status}{words}",
        means="It understood the request and does not take it. Nothing was changed by it.",
        remedy=_REFUSALS.get(_first_code(words), "Its own words say why; its log may say more."),
        code="registry.refused",
    )


def denied(host: str, detail: str, environ: Mapping[str, str]) -> ActionFailed:
    """Explain that the registry does not let us."""
    given = "REGISTRY_USERNAME and REGISTRY_PASSWORD"
    remedy = (
        f"Check that {given} are right and may do this."
        if environ.get("REGISTRY_USERNAME")
        else f"Set {given}, or run `docker login {host}`."
    )
    return ActionFailed(
        f"the registry {host} denied access: {detail}", remedy=remedy, code="registry.denied"
    )


def malformed(host: str, detail: str) -> ActionFailed:
    """Explain an answer that no registry should give."""
    return ActionFailed(
        f"{host} does not answer as an OCI registry: {detail}",
        means="It may be another service, or a registry that breaks the distribution specification.",
        remedy="Check its address: `repository` of the service or of the environment, or REGISTRY_URL.",
        code="registry.malformed",
    )


def corrupt(host: str, wanted: str, got: str) -> ActionFailed:
    """Explain content that is not what its digest says."""
    return ActionFailed(
        f"the registry {host} was asked for {wanted} and sent {got}",
        means="The content was changed in the registry or on its way, and was not used.",
        remedy="Find out what changed it before releasing anything from this registry.",
        code="registry.corrupt",
    )


def _first_code(words: str) -> str:
    return words.removeprefix(": ").partition(":")[0]


def too_large(host: str, name: str, limit: int) -> ActionFailed:
    """Explain an answer that was longer than anything of its kind may be."""
    return ActionFailed(
        f"{name} from {host} has more than {limit} bytes",
        means="It was not read to its end, and not used.",
        remedy="Find out who stored it and what it is; nothing that is released is that long.",
        code="registry.too-large",
    )


def _words(response: httpx.Response, environ: Mapping[str, str]) -> str:
    """Return ``: CODE: message`` from a spec-shaped error body, made safe to print, or ``""``."""
    body = b""
    try:
        for piece in response.iter_raw():
            body += piece
            if len(body) > _READ:
                return ""
        errors = json.loads(body)["errors"]
        said = "; ".join(
            ": ".join(str(item[key]) for key in ("code", "message") if item.get(key))
            for item in errors
        )
    except (
        httpx.TransportError,
        httpx.StreamError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ):
        return ""
    clean = "".join(letter if letter.isprintable() else " " for letter in said)
    return f": {process.redact(clean, environ)[:_SHOWN]}" if clean else ""
