"""Commands that move a digest: promote, canary, blue-green, rollback, approve, approvals, resume."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sluiceway.cli.command import Shell, command
from sluiceway.cli.github import write_outputs, write_summary
from sluiceway.cli.lengths import length
from sluiceway.cli.limits import CANARY_FLAGS, SOAK_FLAGS, canary_replaced, soak_replaced
from sluiceway.cli.parsing import flag_of
from sluiceway.errors import ExitCode, SluicewayError, UsageError

if TYPE_CHECKING:
    from sluiceway.model import CanaryLimits

__all__ = ["approvals", "approve", "blue_green", "canary", "promote", "resume", "rollback"]

_PROMOTE_HELP = {
    "to": "The environment to promote into.",
    "from_": "The environment to promote from; the one before it on the path when left out.",
    "digest": "The digest that has to be there; whatever the source holds when left out.",
}


@command(help=_PROMOTE_HELP, gathered={"flags": CANARY_FLAGS})
def promote(
    shell: Shell, to: str = "", from_: str = "", digest: str = "", *, flags: Mapping[str, str]
) -> ExitCode:
    """Move the digest of one environment into the next, if the gate allows it."""
    return _promote(shell, to, from_, digest, flags)


@command(
    help={key: text for key, text in _PROMOTE_HELP.items() if key != "to"},
    gathered={"flags": CANARY_FLAGS},
)
def canary(
    shell: Shell, from_: str = "", digest: str = "", *, flags: Mapping[str, str]
) -> ExitCode:
    """Promote into the canary environment and watch it: the same as `promote` to it."""
    return _promote(shell, _only(shell, "canary"), from_, digest, flags)


@command(
    help={
        "env": "The environment, when several have the strategy.",
        **{key: _PROMOTE_HELP[key] for key in ("from_", "digest")},
    },
    gathered={"flags": SOAK_FLAGS},
)
def blue_green(
    shell: Shell, env: str = "", from_: str = "", digest: str = "", *, flags: Mapping[str, str]
) -> ExitCode:
    """Promote into the blue/green environment: test the idle slot, switch, watch, or switch back."""
    from sluiceway.model import Strategy

    target = env or _only(shell, "blue-green")
    if shell.bench.config.environment(target).strategy is not Strategy.BLUE_GREEN:
        raise UsageError(
            f"{target} does not have the strategy 'blue-green'",
            remedy=f'Write strategy = "blue-green" in [environments.{target}], or run '
            f"`invoke promote --to={target}`.",
            code="blue-green.which",
        )
    return _promote(shell, target, from_, digest, flags)


@command(
    help={
        "env": "The environment to bring back.",
        "to_digest": "The digest to go back to; the previous one when left out.",
        "reason": "Why, for the ledger and the people who are told.",
    }
)
def rollback(shell: Shell, env: str = "", to_digest: str = "", reason: str = "") -> ExitCode:
    """Let the previous digest serve again."""
    from sluiceway.process import redact
    from sluiceway.runs.start import begin

    if not env:
        raise UsageError(
            "which environment shall be rolled back?", remedy="invoke rollback --env=production"
        )
    environment = shell.bench.config.environment(env)
    outcome = begin(
        shell.bench, "rollback", target=environment.name, digest=to_digest, reason=redact(reason)
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
    from sluiceway.process import redact
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
    signed = sign_approval(shell.bench, digest, to, reason=redact(reason), hours=hours)
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
    """Take over runs that were cut off and end them properly; serve again what was killed."""
    from sluiceway.runs import start
    from sluiceway.runs.outcome import exit_code, failed
    from sluiceway.runs.rerouted import rerouted

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
    back = rerouted(shell.bench, shell.console.warn)
    document: dict[str, Any] = {"resumed": outcomes, "live": live}
    if back:
        document["served_again"] = list(back)
    shell.result(document, lambda console: console.resumed(outcomes, live, back))
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
            f"{len(names) or 'no'} environments have the strategy {strategy!r}",
            remedy="Name the one you mean: invoke promote --to=NAME"
            if names
            else f'Write strategy = "{strategy}" in the table of the one that should.',
            code=f"{strategy}.which",
        )
    return names[0]


def _limits(shell: Shell, target: str, flags: Mapping[str, str]) -> CanaryLimits:
    """Return the configured limits of *target* with the given flags in their place."""
    from sluiceway.model import Strategy

    config = shell.bench.config
    strategy = config.environment(target).strategy
    if strategy is Strategy.BLUE_GREEN:
        return soak_replaced(config.soak, config.canary, flags)
    limits = canary_replaced(config.canary, flags)
    given = [flag_of(key) for key, text in flags.items() if text]
    if given and strategy is not Strategy.CANARY:
        # One script promotes into every environment with the same flags.
        shell.console.warn(
            f"{', '.join(given)}: for a canary, and {target} is none. Its new release gets all of "
            "the traffic as soon as it is healthy."
        )
    return limits


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
