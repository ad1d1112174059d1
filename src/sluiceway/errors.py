"""One family of errors. Each says what happened, what it means and what to do next.

The command line catches :class:`SluicewayError` once, prints :meth:`~SluicewayError.diagnostics`
and ends with :attr:`~SluicewayError.exit_code`. Nothing else in the package may exit.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, ClassVar

__all__ = [
    "ActionFailed",
    "Busy",
    "ConfigurationError",
    "ExitCode",
    "NeedsPerson",
    "PluginError",
    "Refused",
    "RolledBack",
    "SluicewayError",
    "UsageError",
]


class ExitCode(IntEnum):
    """What a command's exit status means. Scripts rely on these numbers."""

    DONE = 0
    BUG = 1
    """A defect of Sluiceway itself."""
    USAGE = 2
    """Wrong usage or configuration; nothing was attempted."""
    REFUSED = 3
    """A gate refused; nothing changed."""
    ROLLED_BACK = 4
    """A release was rolled back; the previous digest serves."""
    UNABLE = 5
    """A tool, network or registry failed; nothing changed, or the change was undone."""
    NEEDS_PERSON = 6
    """The state is described in the message and needs a person."""
    INTERRUPTED = 130


class SluicewayError(Exception):
    """Base of every error that a user may see.

    Args:
        what: What happened, one sentence, with the value that caused it.
        means: What that means for the release, or ``""`` when *what* says it all.
        remedy: What to do next, preferably a command to run.
        code: A stable dotted code (``registry.unreachable``), for scripts.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BUG
    default_code: ClassVar[str] = "internal"

    def __init__(self, what: str, *, means: str = "", remedy: str = "", code: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.means = means
        self.remedy = remedy
        self.code = code or self.default_code

    def diagnostics(self) -> dict[str, Any]:
        """Return ``{"code", "what", "means", "remedy"}``, all strings."""
        return {
            "code": self.code,
            "what": self.what,
            "means": self.means,
            "remedy": self.remedy,
        }


class UsageError(SluicewayError):
    """The command was called with something that cannot be right (exit 2)."""

    exit_code = ExitCode.USAGE
    default_code = "usage"


class ConfigurationError(UsageError):
    """``sluiceway.toml`` (or a file that it names) cannot be used (exit 2)."""

    default_code = "configuration"


class PluginError(UsageError):
    """A plugin is missing, doubled, broken, or lacks its extra (exit 2)."""

    default_code = "plugin"


class Refused(SluicewayError):  # noqa: N818 - a refusal is an outcome with a name of its own
    """A gate said no; nothing changed (exit 3)."""

    exit_code = ExitCode.REFUSED
    default_code = "refused"


class RolledBack(SluicewayError):  # noqa: N818 - an outcome, not a fault
    """The release was taken back and the previous digest serves (exit 4)."""

    exit_code = ExitCode.ROLLED_BACK
    default_code = "rolled-back"


class ActionFailed(SluicewayError):  # noqa: N818 - an outcome, not a fault
    """Something outside failed; nothing changed, or the change was undone (exit 5)."""

    exit_code = ExitCode.UNABLE
    default_code = "unable"


class Busy(ActionFailed):
    """Another run holds the lease of this service and environment (exit 5)."""

    default_code = "busy"


class NeedsPerson(SluicewayError):  # noqa: N818 - an outcome, not a fault
    """The state is known and described, but only a person can decide (exit 6)."""

    exit_code = ExitCode.NEEDS_PERSON
    default_code = "needs-person"
