"""A waiver as a gate's input has it: signed by one who may, and in force."""

from __future__ import annotations

from typing import Any

WAIVER: dict[str, Any] = {
    "id": "w1",
    "service": "settlement",
    "code": "gate.smoke",
    **dict.fromkeys(("environment", "digest", "package", "problem"), ""),
    "reason": "r",
    "owner": "rita",
    "method": "ssh",
    "key": "SHA256:rita",
    **dict.fromkeys(("proven", "signed", "valid"), True),
    "made_at": "2026-11-24T11:00:00Z",
    "expires": "2026-12-24T11:00:00Z",
}
