"""A notice as the bytes and headers of one POST. Pure."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from sluiceway import __version__
from sluiceway.model import Notice, digest_of, to_json
from sluiceway.process import redact
from sluiceway.record import Record, field
from sluiceway_notify_webhook.options import Options

__all__ = ["Message", "compose"]

_TEXT_LIMIT = 2000
_GOOD = ("promoted", "canary.passed")
_BAD = ("rolled-back", "refused")


class Message(Record):
    """Everything that the delivery needs."""

    url: str = field(repr=False)
    kind: str
    body: bytes
    headers: Mapping[str, str] = field(repr=False)
    timeout_seconds: float


def compose(notice: Notice, options: Options, environ: Mapping[str, str]) -> Message:
    """Return the POST for *notice*.

    Headers: ``Idempotency-Key`` is the digest of the notice, the same for every attempt and for the
    same notice sent again after a crash. ``Sluiceway-Signature`` is ``sha256=<hex>`` of HMAC-SHA256
    over the body, when there is a secret.
    """
    document = {
        "generic": _generic,
        "slack": _slack,
        "teams": _teams,
    }[options.format](notice)
    body = json.dumps(_redacted(document, environ), ensure_ascii=False).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"sluiceway/{__version__}",
        "Idempotency-Key": digest_of(notice),
        "Sluiceway-Event": notice.kind,
    }
    if options.secret:
        mark = hmac.new(options.secret.encode(), body, hashlib.sha256).hexdigest()
        headers["Sluiceway-Signature"] = f"sha256={mark}"
    return Message(
        url=options.url,
        kind=notice.kind,
        body=body,
        headers=headers,
        timeout_seconds=options.timeout_seconds,
    )


def _generic(notice: Notice) -> dict[str, Any]:
    document: dict[str, Any] = to_json(notice)
    return {"version": 1, **document}


def _slack(notice: Notice) -> dict[str, Any]:
    """Incoming webhook with Block Kit; ``text`` is what a notification shows."""
    lines = [f"*{_slack_text(notice.summary)}*"]
    if notice.reason:
        lines.append(_slack_text(notice.reason))
    facts = "  ".join(f"{name}: `{_slack_text(value)}`" for name, value in _facts(notice))
    return {
        "text": _slack_text(notice.summary),
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(lines)[:_TEXT_LIMIT]}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": facts[:_TEXT_LIMIT]}]},
        ],
    }


def _slack_text(text: str) -> str:
    # Slack's three control characters: <!channel> in a summary must not call everybody. A back-tick
    # would end the code span of a fact.
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("`", "'")[:_TEXT_LIMIT]


def _teams(notice: Notice) -> dict[str, Any]:
    """Adaptive Card 1.4 for a Teams workflow ("when a webhook request is received")."""
    colour = "Default"
    if notice.kind in _GOOD:
        colour = "Good"
    elif notice.kind in _BAD:
        colour = "Attention"
    body: list[dict[str, Any]] = [
        {
            "type": "TextBlock",
            "text": _teams_text(notice.summary),
            "weight": "Bolder",
            "color": colour,
            "wrap": True,
        }
    ]
    if notice.reason:
        body.append({"type": "TextBlock", "text": _teams_text(notice.reason), "wrap": True})
    facts = [{"title": name, "value": _teams_text(value)} for name, value in _facts(notice)]
    body.append({"type": "FactSet", "facts": facts})
    return {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "body": body,
                },
            }
        ],
    }


def _teams_text(text: str) -> str:
    # Cards render a subset of Markdown; a link in a reason must be read, not clicked.
    for character in "\\[]*_`":
        text = text.replace(character, "\\" + character)
    return text[:_TEXT_LIMIT]


def _facts(notice: Notice) -> list[tuple[str, str]]:
    pairs = [
        ("service", notice.service),
        ("environment", notice.environment),
        ("digest", _short(notice.digest)),
        ("previous", _short(notice.previous)),
        ("by", notice.actor),
        ("run", notice.run),
    ]
    return [(name, value) for name, value in pairs if value]


def _short(digest: str) -> str:
    return digest[:19]  # "sha256:" and twelve digits


def _redacted(value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return redact(value, environ)
    if isinstance(value, dict):
        return {key: _redacted(item, environ) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item, environ) for item in value]
    return value
