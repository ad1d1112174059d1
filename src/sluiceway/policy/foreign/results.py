"""What judging a file by one namespace found, counted as conftest counts it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sluiceway.record import Record, field
from sluiceway.words import counted

__all__ = ["Checked", "Finding", "Location", "Totals", "exit_status", "totals"]


class Location(Record):
    """Where in the checked file a rule says that it is, by its ``_loc``."""

    file: str = ""
    line: str = ""
    """The number as the rule wrote it; empty when it wrote none."""


class Finding(Record):
    """One message of a rule."""

    message: str
    location: Location | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The other keys of an object, and ``query``."""

    def document(self) -> dict[str, Any]:
        """Return conftest's JSON."""
        made: dict[str, Any] = {"msg": self.message}
        if self.location is not None:
            place = {"file": self.location.file, "line": self.location.line}
            made["loc"] = {key: value for key, value in place.items() if value}
        if self.metadata:
            made["metadata"] = dict(self.metadata)
        return made


class Checked(Record):
    """One file judged by the rules of one namespace; or one test."""

    file: str
    namespace: str
    successes: int = 0
    skipped: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    failures: tuple[Finding, ...] = ()
    exceptions: tuple[Finding, ...] = ()
    printed: tuple[str, ...] = ()
    """What ``print`` said, each with ``file:row``."""

    @property
    def tests(self) -> int:
        """How many results there are, successes included."""
        found = (self.skipped, self.warnings, self.failures, self.exceptions)
        return self.successes + sum(len(each) for each in found)


class Totals(Record):
    """Sums over all files and namespaces."""

    tests: int
    successes: int
    warnings: int
    failures: int
    exceptions: int
    skipped: int

    def __str__(self) -> str:
        """Return conftest's last line."""
        return ", ".join(
            (
                counted(self.tests, "test"),
                f"{self.successes} passed",
                counted(self.warnings, "warning"),
                counted(self.failures, "failure"),
                counted(self.exceptions, "exception"),
            )
        )


def totals(results: Iterable[Checked]) -> Totals:
    """Return the sums."""
    found = list(results)
    return Totals(
        tests=sum(each.tests for each in found),
        successes=sum(each.successes for each in found),
        warnings=sum(len(each.warnings) for each in found),
        failures=sum(len(each.failures) for each in found),
        exceptions=sum(len(each.exceptions) for each in found),
        skipped=sum(len(each.skipped) for each in found),
    )


def exit_status(results: Sequence[Checked], *, fail_on_warn: bool = False) -> int:
    """Return conftest's exit status: 0, 1, and with *fail_on_warn* 2 for failures, 1 for warnings."""
    if any(each.failures for each in results):
        return 2 if fail_on_warn else 1
    return 1 if fail_on_warn and any(each.warnings for each in results) else 0
