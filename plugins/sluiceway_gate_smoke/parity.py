"""Do two slots answer the same? One request to both; status and named fields have to agree."""

from __future__ import annotations

import json
from typing import Any

from sluiceway.model import Status
from sluiceway_gate_smoke.http_check import Answer, Fetched, fetch
from sluiceway_gate_smoke.matching import mismatch
from sluiceway_gate_smoke.plan import ParityCheck

__all__ = ["agree", "compared"]

_MISSING: Any = object()


def agree(check: ParityCheck, url: str, live_url: str, *, seconds: float) -> Answer:
    """Send *check*'s request to *url* and to *live_url*, and compare what they answer.

    OK: they agree. FAILED: they differ, and it is said where. ERROR: one of them did not answer.
    """
    here = fetch(check.request, url, seconds=seconds / 2)
    if not isinstance(here, Fetched):
        return here
    there = fetch(check.request, live_url, seconds=seconds / 2)
    if not isinstance(there, Fetched):
        return there[0], f"the live slot: {there[1]}"
    return compared(check.fields, here, there)


def compared(fields: tuple[str, ...], here: Fetched, there: Fetched) -> Answer:
    """Say whether the new slot's answer is the live one's; pure."""
    if here.status != there.status:
        return Status.FAILED, f"answered {here.status}, and the live slot {there.status}"
    if not fields:
        return Status.OK, f"answered {here.status}, as the live slot did"
    documents = []
    for whose, fetched in (("the answer", here), ("the live slot's answer", there)):
        try:
            documents.append(json.loads(fetched.body) if fetched.whole else _MISSING)
        except (ValueError, RecursionError):
            return Status.FAILED, f"{whose} is not JSON"
    found = "; ".join(filter(None, (_differs(field, *documents) for field in fields)))
    return (Status.FAILED, found) if found else (Status.OK, "the two slots agree")


def _differs(field: str, new: Any, live: Any) -> str:
    """Return in what the two documents differ at *field*, or ``""``."""
    here, there = _field(new, field), _field(live, field)
    if here is _MISSING or there is _MISSING:
        # Two answers that both lack it agree in nothing: the name is wrong, or both are.
        return f"{'the answer' if here is _MISSING else 'the live slot'} has no {field}"
    return mismatch(there, here, field) or mismatch(here, there, field)


def _field(document: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(document, dict) or name not in document:
            return _MISSING
        document = document[name]
    return document
