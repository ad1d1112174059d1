"""Commands for exceptions: sign one, list how all stand, take one back."""

from __future__ import annotations

from datetime import UTC, datetime

from sluiceway.cli.command import Shell, command
from sluiceway.cli.lengths import length
from sluiceway.errors import ExitCode

__all__ = ["waive", "waivers"]

_NUMBERS = "[1-9][0-9]{0,4}"


@command(
    help={
        "code": "The finding's code, or one thing of it: image.vulnerability/CVE-2026-1234,"
        " migration.truncate/3f9a1c20b7d4 (the beginning of a statement's hash is enough).",
        "reason": "Why it may be let through.",
        "expires": "How long it holds: 12h, 7d. The policies say how long at the most.",
        "environment": "Only for promotions into this environment.",
        "digest": "Only for this image digest.",
        "package": "Only for this package, a package URL with or without its version.",
    }
)
def waive(
    shell: Shell,
    code: str,
    reason: str = "",
    expires: str = "7d",
    environment: str = "",
    digest: str = "",
    package: str = "",
) -> ExitCode:
    """Sign an exception to one finding that ends by itself."""
    from sluiceway.console.text import moment
    from sluiceway.migrations.seen import whole_code
    from sluiceway.process import redact
    from sluiceway.runs.waiver import waive as sign_waiver

    waiver = sign_waiver(
        shell.bench,
        whole_code(shell.bench.project.state, code),
        {"environment": environment, "digest": digest, "package": package},
        reason=redact(reason),
        length=length(expires, _NUMBERS),
    )
    shell.result(
        {"waiver": waiver},
        lambda console: console.summary(
            "Waived",
            {
                "code": waiver["code"],
                **{key: waiver[key] for key in ("environment", "package", "digest") if waiver[key]},
                "by": f"{waiver['owner']} ({waiver['method']}"
                f"{'' if waiver['proven'] else ', unproven'})",
                "until": f"{moment(waiver['expires'])} UTC",
                "reason": waiver["reason"],
                "take back": f"invoke waivers --withdraw={waiver['id']}",
            },
        ),
    )
    return ExitCode.DONE


@command(
    help={
        "withdraw": "Take back the waiver with this id.",
        "reason": "Why it is taken back.",
    }
)
def waivers(shell: Shell, withdraw: str = "", reason: str = "") -> ExitCode:
    """List exceptions: in force, ending soon, expired, never used, and why one does not count."""
    from sluiceway.process import redact
    from sluiceway.runs import waiver

    if withdraw:
        done = waiver.withdraw(shell.bench, withdraw, reason=redact(reason))
        shell.result(
            {"withdrawn": done},
            lambda console: console.summary(
                "Withdrawn", {key: text for key, text in done.items() if text}
            ),
        )
        return ExitCode.DONE
    found = waiver.standing(shell.bench, datetime.now(UTC))
    shell.result({"waivers": found}, lambda console: console.waivers(found))
    return ExitCode.DONE
