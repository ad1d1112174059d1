"""What `invoke doctor` says of one thing."""

from __future__ import annotations

from enum import StrEnum

from sluiceway.record import Record

__all__ = ["Check", "CheckStatus"]


class CheckStatus(StrEnum):
    """One line of ``invoke doctor``."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Check(Record):
    """One thing that was looked at, with its remedy when it is not right."""

    name: str
    status: CheckStatus
    detail: str
    remedy: str = ""
