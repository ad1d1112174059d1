"""The statements that were refused last, so that a person need not copy sixty-four digits."""

from __future__ import annotations

import contextlib
import json
import os
import re
from pathlib import Path
from typing import Any

from sluiceway.errors import UsageError
from sluiceway.model import Decision

__all__ = ["remember", "whole_code"]

_FILE = "migrations-seen.json"
_SHORT = re.compile(r"(migration\.[a-z0-9-]+)/(?:sha256:)?([0-9a-f]{12,64})((?:/.*)?)")
_PIECE = re.compile(
    r"migration\.(?!changed/|missing/|order/)[a-z0-9-]+/(?:sha256:)?[0-9a-f]{0,11}(?:/.*)?"
)
"""Too little of a hash to name a statement by. Three findings name a migration instead."""
_MOST = 1000
_DIGITS = 64


def remember(folder: Path, decision: Decision) -> None:
    """Keep the names that approvals of the decision's findings have. Failing to is no failure."""
    names = {
        f"{each.code}/{each.about}": each.at.statement
        for each in decision.findings
        if each.about and each.at is not None
    }
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / _FILE
        fresh = path.with_suffix(f".{os.getpid()}")
        kept = {**_read(folder), **names}
        last = dict(list(kept.items())[-_MOST:])
        fresh.write_text(json.dumps(last), encoding="utf-8")
        fresh.replace(path)


def whole_code(folder: Path, code: str) -> str:
    """Return *code* with the whole hash of its statement; what names no hash stays as it is.

    Raises:
        UsageError: ``migrations.statement``: the beginning of a hash fits none of the statements that
            were refused last, or several, or is shorter than twelve digits.
    """
    if _PIECE.fullmatch(code):
        raise UsageError(
            f"{code} has fewer than twelve digits of a statement's hash",
            means="Signed like this it would excuse nothing.",
            remedy="Give twelve digits or all that `invoke migrations.check` prints.",
            code="migrations.statement",
        )
    short = _SHORT.fullmatch(code)
    if short is None or len(short[2]) == _DIGITS:
        return code
    known = _read(folder)
    reason = code.partition("/")[0]
    fitting = [
        each
        for each in known
        if each.startswith(f"{short[1]}/sha256:{short[2]}")
        and (not short[3] or each.endswith(short[3]))
    ]
    if len(fitting) == 1:
        return fitting[0]
    several = ", ".join(f"{each} ({known[each]})" for each in fitting[:5])
    raise UsageError(
        f"{code} fits several statements: {several}"
        if fitting
        else f"no statement that was refused here is called {code}",
        means="An approval names one finding of one statement.",
        remedy="Copy its name whole from what `invoke migrations.check` prints: "
        f"{reason}/sha256:<64 digits>.",
        code="migrations.statement",
    )


def _read(folder: Path) -> dict[str, str]:
    try:
        found: Any = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: text for name, text in found.items() if isinstance(text, str)}
