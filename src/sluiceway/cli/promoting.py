"""Commands that move a digest: promote, canary, blue-green, rollback, approve, approvals, resume."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sluiceway.cli.command import Shell, command
from sluiceway.cli.github import write_outputs, write_summary
from sluiceway.cli.lengths import length
from sluiceway.errors import ExitCode, SluicewayError, UsageError

__all__ = ["approvals", "approve", "blue_green", "canary", "promote", "resume", "rollback"]

_LIMIT_HELP = {
    "traffic_percent": "Percent of the traffic that the canary takes.",
    "error_rate_threshold": "Percent of failed requests above which a check is bad.",
    "latency_p99_threshold_ms": "99th percentile of latency, in milliseconds, above which it is bad.",
    "health_timeout_minutes": "How long the canary is watched.",
    "health_interval_seconds": "Seconds between two checks.",
    "steps": "Rising percents of the traffic, each watched in turn: 5,25,50,100.",
    "rule": "Which rule decides: sequential, mission, flagger, argo or kayenta.",
    "limits": "Whether a breach of a limit counts by itself: corroborated or literal.",
}
_SOAK_HELP = {
    "soak_minutes": "How long the switch is watched before it is settled.",
    "interval_seconds": "Seconds between two looks.",
    "minimum_requests": "Fewer requests than this in the whole soak never pass.",
    "error_rate_threshold": _LIMIT_HELP["error_rate_threshold"],
    "latency_p99_threshold_ms": _LIMIT_HELP["latency_p99_threshold_ms"],
}
_PROMOTE_HELP = {
    "to": "The environment to promote into.",
    "from_": "The environment to promote from; the one before it on the path when left out.",
    "digest": "The digest that has to be there; whatever the source holds when left out.",
    **_LIMIT_HELP,
}


@command(help=_PROMOTE_HELP)
def promote(
    shell: Shell,
    to: str = "",
    from_: str = "",
    digest: str = "",
    traffic_percent: str = "",
    error_rate_threshold: str = "",
    latency_p99_threshold_ms: str = "",
    health_timeout_minutes: str = "",
    health_interval_seconds: str = "",
    steps: str = "",
    rule: str = "",
    limits: str = "",
) -> ExitCode:
    """Move the digest of one environment into the next, if the gate allows it."""
    return _promote(
        shell,
        to,
        from_,
        digest,
        {
            "traffic_percent": traffic_percent,
            "error_rate_threshold": error_rate_threshold,
            "latency_p99_threshold_ms": latency_p99_threshold_ms,
            "health_timeout_minutes": health_timeout_minutes,
            "health_interval_seconds": health_interval_seconds,
            "steps": steps,
            "rule": rule,
            "limits": limits,
        },
    )


@command(help={key: text for key, text in _PROMOTE_HELP.items() if key != "to"})
def canary(
    shell: Shell,
    from_: str = "",
    digest: str = "",
    traffic_percent: str = "",
    error_rate_threshold: str = "",
    latency_p99_threshold_ms: str = "",
    health_timeout_minutes: str = "",
    health_interval_seconds: str = "",
    steps: str = "",
    rule: str = "",
    limits: str = "",
) -> ExitCode:
    """Promote into the canary environment and watch it: the same as `promote` to it."""
    return _promote(
        shell,
        _only(shell, "canary"),
        from_,
        digest,
        {
            "traffic_percent": traffic_percent,
            "error_rate_threshold": error_rate_threshold,
            "latency_p99_threshold_ms": latency_p99_threshold_ms,
            "health_timeout_minutes": health_timeout_minutes,
            "health_interval_seconds": health_interval_seconds,
            "steps": steps,
            "rule": rule,
            "limits": limits,
        },
    )


@command(
    help={
        "env": "The environment, when several have the strategy.",
        **{key: _PROMOTE_HELP[key] for key in ("from_", "digest")},
        **_SOAK_HELP,
    }
)
def blue_green(
    shell: Shell,
    env: str = "",
    from_: str = "",
    digest: str = "",
    soak_minutes: str = "",
    interval_seconds: str = "",
    minimum_requests: str = "",
    error_rate_threshold: str = "",
    latency_p99_threshold_ms: str = "",
) -> ExitCode:
    """Promote into the blue/green environment: test the idle slot, switch, watch, or switch back."""
    from sluiceway.model import Strategy

    target = env or _only(shell, "blue-green")
    if shell.bench.config.environment(target).strategy is not Strategy.BLUE_GREEN:
        raise UsageError(
            f"{target} has not the strategy 'blue-green'",
            remedy=f'Write strategy = "blue-green" in [environments.{target}], or run '
            f"`invoke promote --to={target}`.",
            code="blue-green.which",
        )
    return _promote(
        shell,
        target,
        from_,
        digest,
        {
            "soak_minutes": soak_minutes,
            "interval_seconds": interval_seconds,
            "minimum_requests": minimum_requests,
            "error_rate_threshold": error_rate_threshold,
            "latency_p99_threshold_ms": latency_p99_threshold_ms,
        },
    )


@command(
    help={
        "env": "The environment to bring back.",
        "to_digest": "The digest to go back to; the previous one when left out.",
        "reason": "Why, for the ledger and the people who are told.",
    }
)
def rollback(shell: Shell, env: str = "", to_digest: str = "", reason: str = "") -> ExitCode:
    """Let the previous digest serve again."""
    from sluiceway.runs.start import begin

    if not env:
        raise UsageError(
            "which environment shall be rolled back?", remedy="invoke rollback --env=production"
        )
    environment = shell.bench.config.environment(env)
    outcome = begin(
        shell.bench, "rollback", target=environment.name, digest=to_digest, reason=reason
    )
    code = shell.ended(outcome, lambda console: console.rollback(outcome))
    write_summary(outcome)
    return code


@command(
    help={
        "digest": "The image digest to approve.",
        "to": "The environment that it may go into.",
        "reason": "Why it may.",
        "expires": "How long the approval holds: 90m, 24h, 7d.",
    },
)
def approve(
    shell: Shell, digest: str, to: str = "", reason: str = "", expires: str = "24h"
) -> ExitCode:
    """Sign your consent to one digest going into one environment."""
    from sluiceway.runs.approval import approve as sign_approval

    if not to:
        raise UsageError(
            "an approval names a digest and the environment that it may go into",
            means="Environments: "
            + ", ".join(environment.name for environment in shell.bench.config.environments)
            + ".",
            remedy="invoke approve sha256:... --to=production --reason='...'",
        )
    hours = _duration(expires).total_seconds() / 3600
    signed = sign_approval(shell.bench, digest, to, reason=reason, hours=hours)
    shell.result({"approval": signed}, lambda console: console.approved(signed))
    return ExitCode.DONE


@command(help={"digest": "Only approvals of this digest."})
def approvals(shell: Shell, digest: str = "") -> ExitCode:
    """List what waits for whose consent, and every approval, verified again now."""
    from sluiceway.gates import waiting

    document = waiting.listed(shell.bench, datetime.now(UTC), digest)
    shell.result(document, lambda console: console.approvals(**document))
    return ExitCode.DONE


@command(help={"run": "The run to end; every one left behind when left out."})
def resume(shell: Shell, run: str = "") -> ExitCode:
    """Take over runs that were cut off and end them properly."""
    from sluiceway.runs import start
    from sluiceway.runs.outcome import exit_code, failed

    if run:
        outcome = start.resume(shell.bench, run)
        return shell.ended(outcome, lambda console: console.outcome(outcome))
    outcomes, live = [], []
    for left, carrier in start.leftovers(shell.bench):
        if carrier:
            live.append({"run": left.run, "carried_by": carrier})
        else:
            try:
                outcomes.append(start.resume(shell.bench, left.run))
            except SluicewayError as error:  # the other runs are ended all the same
                outcomes.append(failed({"run": left.run, **left.request}, error, changed=None))
    shell.result(
        {"resumed": outcomes, "live": live}, lambda console: console.resumed(outcomes, live)
    )
    return max((exit_code(outcome) for outcome in outcomes), default=ExitCode.DONE)


def _promote(shell: Shell, to: str, from_: str, digest: str, flags: Mapping[str, str]) -> ExitCode:
    from sluiceway.config import BUILD
    from sluiceway.runs.start import begin

    if not to:
        raise UsageError(
            "where shall it be promoted to?",
            means="Environments: "
            + ", ".join(environment.name for environment in shell.bench.config.environments)
            + ".",
            remedy="invoke promote --to=staging",
        )
    config = shell.bench.config
    target = config.environment(to).name
    source = from_ or config.predecessor(target)
    if source != BUILD:
        source = config.environment(source).name
    outcome = begin(
        shell.bench,
        "promote",
        target=target,
        source=source,
        digest=digest,
        limits=_limits(shell, target, flags),
    )
    code = shell.ended(outcome, lambda console: console.promotion(outcome))
    if outcome["outcome"] == "done":
        write_outputs({"image_digest": outcome["image"]["digest"], "image_tag": target})
    write_summary(outcome)
    return code


def _only(shell: Shell, strategy: str) -> str:
    """Return the one environment that has *strategy*."""
    environments = shell.bench.config.environments
    names = [each.name for each in environments if each.strategy == strategy]
    if len(names) != 1:
        raise UsageError(
            f"{len(names)} environments have the strategy {strategy!r}",
            remedy="Name the one you mean: invoke promote --to=NAME",
            code=f"{strategy}.which",
        )
    return names[0]


_SOAK_FLAGS = {
    "health_timeout_minutes": "soak_minutes",
    "health_interval_seconds": "interval_seconds",
}
"""What `invoke promote` calls them, for every strategy."""


def _soak(shell: Shell, flags: Mapping[str, str]) -> Any:
    """Return the configured numbers of a soak with the given flags in their place."""
    from sluiceway.config import canary_limits, canary_table, soak_limits, soak_table

    table, limits = soak_table(shell.bench.config.soak), canary_table(shell.bench.config.canary)
    for key, text in flags.items():
        name = _SOAK_FLAGS.get(key, key)
        place = table if name in table else limits
        if name not in _SOAK_HELP:
            raise UsageError(
                f"--{key.replace('_', '-')} is for a canary, and this environment is switched",
                means="A blue/green switch gives the new slot all of the traffic at once.",
                remedy="Leave it out.",
                code="blue-green.flag",
            )
        place[name] = _number(key, text, place[name])
    return soak_limits(table, canary_limits(limits))


def _limits(shell: Shell, target: str, given: Mapping[str, str]) -> Any:
    """Return the configured limits of *target* with the given flags in their place."""
    from sluiceway.config import canary_limits, canary_table
    from sluiceway.model import Strategy

    flags = {key: text for key, text in given.items() if text not in ("", None)}
    if shell.bench.config.environment(target).strategy is Strategy.BLUE_GREEN:
        return _soak(shell, flags)
    table = canary_table(shell.bench.config.canary)
    if {"steps", "traffic_percent"} <= flags.keys():
        raise UsageError(
            "--steps and --traffic-percent exclude each other",
            means="The second is the one weight of a canary without steps.",
            remedy="Give one of them.",
            code="canary.which",
        )
    if "traffic_percent" in flags:
        table["steps"] = []
    for key, text in flags.items():
        if key == "steps":
            table[key] = [_number(key, part, 5) for part in text.split(",")]
        else:
            table[key] = text if key in _WORDS else _number(key, text, table[key])
    return canary_limits(table)


def _number(key: str, text: str, example: float) -> float:
    try:
        return float(text)
    except ValueError:
        shown = "5,25,50,100" if key == "steps" else f"{example:g}"
        raise UsageError(
            f"--{key.replace('_', '-')} is {text!r}, which is not a number",
            remedy=f"For example --{key.replace('_', '-')}={shown}",
        ) from None


_WORDS = ("rule", "limits")
_LONGEST = timedelta(days=30)
_NUMBERS = "(?!0+[mhd])[0-9]{1,6}"
"""More digits are a slip of the finger."""


def _duration(text: str) -> timedelta:
    found = length(text, _NUMBERS, code="approval.expires")
    if found > _LONGEST:
        raise UsageError(
            f"--expires is {text!r}; an approval holds for {_LONGEST.days} days at the most",
            means="What was true when you looked may not be true so much later.",
            remedy="Approve again when it is needed.",
            code="approval.expires",
        )
    return found
