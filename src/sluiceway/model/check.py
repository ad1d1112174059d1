"""What `invoke doctor` says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Check", "CheckStatus"]


class CheckStatus(StrEnum):
    """One line of ``invoke doctor``."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at, with its remedy when it is not right."""

    name: str
    status: CheckStatus
    detail: str
    remedy: str = ""
