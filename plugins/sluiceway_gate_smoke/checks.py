"""Run a plan against an instance and say what came of it. Public: ``gate-contract`` uses it too."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sluiceway import __version__, process
from sluiceway.errors import ActionFailed, ConfigurationError
from sluiceway.model import Check, CheckStatus, Evidence, GateRequest, Maker, Project, Status
from sluiceway.record import Record
from sluiceway.words import counted
from sluiceway_gate_smoke.http_check import Answer, ask
from sluiceway_gate_smoke.parity import agree
from sluiceway_gate_smoke.plan import Plan, read_plan

__all__ = ["Result", "examine", "gather", "nothing_configured", "run_checks"]

COMMAND = "command"
"""The name under which the command's result is told."""

_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "SSL_CERT_FILE")
_SHOWN_OUTPUT = 400


class Result(Record):
    """What came of one check."""

    name: str
    status: Status
    detail: str
    milliseconds: int


def run_checks(
    plan: Plan,
    project: Project,
    *,
    url: str,
    digest: str,
    source: str = "",
    target: str = "",
    live_url: str = "",
) -> tuple[Result, ...]:
    """Run the plan's HTTP checks in order, then its command, against *url*; then compare slots.

    Args:
        plan: From :func:`sluiceway_gate_smoke.plan.read_plan`.
        project: Its root is the command's folder; of its environment the command sees a few names.
        url: Address of the instance, or ``""`` when there is none: then every check is an ERROR.
        digest: The image digest that the instance runs.
        source: Environment of the instance; for the command's ``SLUICEWAY_SOURCE``.
        target: Where the digest wants to go; for the command's ``SLUICEWAY_TARGET``.
        live_url: Address of the slot that has the traffic, for parity; ``""``: nothing to compare.

    Returns:
        One result per check, also for those that the time did not suffice for.
    """
    deadline = time.monotonic() + plan.timeout_seconds
    about = {"url": url, "digest": digest, "source": source, "target": target}
    if live_url:
        about["live_url"] = live_url
    results = []
    for check in plan.checks:
        began = time.monotonic()
        left = min(check.timeout_seconds, deadline - began)
        answer = _instance(url) or _time(left, plan) or ask(check, url, seconds=left)
        results.append(_result(check.name, answer, began, project))
    if plan.command:
        began = time.monotonic()
        left = deadline - began
        answer = _instance(url) or _time(left, plan) or _run(plan, project, about, seconds=left)
        results.append(_result(COMMAND, answer, began, project))
    for pair in plan.parity if live_url else ():
        began = time.monotonic()
        left = min(2 * pair.request.timeout_seconds, deadline - began)
        answer = _instance(url) or _time(left, plan) or agree(pair, url, live_url, seconds=left)
        results.append(_result(pair.request.name, answer, began, project))
    return tuple(results)


def gather(
    project: Project, request: GateRequest, plan: Plan, *, plugin: str, kind: str
) -> Evidence:
    """Run *plan* for *request* and return evidence of *kind*.

    Its facts are ``{"checks": [{"name", "status", "detail", "milliseconds"}]}``.
    """
    results = run_checks(
        plan,
        project,
        url=request.source_url,
        digest=request.image.digest,
        source=request.source,
        target=request.target,
        live_url=request.live_url,
    )
    where = f"the slot {request.slot} of {request.target}" if request.slot else request.source
    status = Status.worst(result.status for result in results)
    wrong = [result for result in results if result.status is not Status.OK]
    summary = (
        f"{len(results)} {kind} check{'' if len(results) == 1 else 's'} passed in {where}"
        if not wrong
        else f"{len(wrong)} of {len(results)} {kind} checks did not pass in {where}: "
        f"{wrong[0].name}: {wrong[0].detail}"
    )
    return Evidence(
        kind=kind,
        status=status,
        subject=request.image.digest,
        made_at=datetime.now(UTC),
        maker=_maker(plugin),
        summary=summary,
        facts={
            "checks": [
                {
                    "name": result.name,
                    "status": result.status.value,
                    "detail": result.detail,
                    "milliseconds": result.milliseconds,
                }
                for result in results
            ]
        },
    )


def nothing_configured(request: GateRequest, *, plugin: str, kind: str) -> Evidence:
    """Return the NO_DATA evidence of a plugin that must speak and has nothing to run."""
    return Evidence(
        kind=kind,
        status=Status.NO_DATA,
        subject=request.image.digest,
        made_at=datetime.now(UTC),
        maker=_maker(plugin),
        summary=f"no {kind} check is configured in [plugins.{plugin}]",
        facts={"checks": []},
    )


def examine(
    project: Project, settings: Mapping[str, Any], *, plugin: str, optional: bool
) -> Sequence[Check]:
    """Return ``invoke doctor``'s lines for a gate plugin."""
    try:
        plan = read_plan(settings, plugin)
    except ConfigurationError as error:
        return (
            Check(name=plugin, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy),
        )
    if plan.empty:
        return (
            Check(
                name=plugin,
                status=CheckStatus.OK if optional else CheckStatus.WARN,
                detail="nothing is configured to run"
                + ("; this gate is optional" if optional else ", so promotions will be refused"),
                remedy=""
                if optional
                else f'Add under [plugins.{plugin}]: checks = [{{name = "health", '
                'path = "/api/health"}]',
            ),
        )
    if plan.command and not _program(plan.command[0], project):
        return (
            Check(
                name=plugin,
                status=CheckStatus.FAIL,
                detail=f"the command's program {plan.command[0]!r} is not here",
                remedy=f"Install it, or correct [plugins.{plugin}] command.",
            ),
        )
    what = [counted(len(plan.checks), "HTTP check")] if plan.checks else []
    what += [counted(len(plan.parity), "comparison") + " of slots"] if plan.parity else []
    what += [f"the command {plan.command[0]!r}"] if plan.command else []
    return (Check(name=plugin, status=CheckStatus.OK, detail=" and ".join(what)),)


def _maker(plugin: str) -> Maker:
    return Maker(plugin=plugin, tool="sluiceway_gate_smoke", version=__version__)


def _instance(url: str) -> Answer | None:
    return None if url else (Status.ERROR, "no instance of this digest runs in the source")


def _time(left: float, plan: Plan) -> Answer | None:
    if left > 0:
        return None
    return Status.ERROR, f"not run: the {plan.timeout_seconds:g} s for all checks were over"


def _result(name: str, answer: Answer, began: float, project: Project) -> Result:
    status, detail = answer
    return Result(
        name=name,
        status=status,
        detail=process.redact(detail, project.environ),
        milliseconds=round((time.monotonic() - began) * 1000),
    )


def _run(plan: Plan, project: Project, about: Mapping[str, str], *, seconds: float) -> Answer:
    argv = [
        argument.replace("{url}", about["url"]).replace("{digest}", about["digest"])
        for argument in plan.command
    ]
    argv[0] = _program(argv[0], project) or argv[0]
    # Secrets are kept out by naming what goes in: a deny-list would miss the next one.
    environment = {
        name: project.environ[name]
        for name in (*_INHERITED, *plan.pass_environment)
        if name in project.environ
    }
    environment |= {f"SLUICEWAY_{name.upper()}": value for name, value in about.items()}
    try:
        ended = process.run(argv, timeout=seconds, cwd=project.root, env=environment, check=False)
    except ActionFailed as error:
        return Status.ERROR, error.what
    said = " ".join((ended.stderr or ended.stdout).split())[-_SHOWN_OUTPUT:]
    if ended.code == 0:
        return Status.OK, "ended with code 0"
    if ended.code < 0:
        return Status.ERROR, f"was ended by signal {-ended.code}: {said or 'it printed nothing'}"
    return Status.FAILED, f"ended with code {ended.code}: {said or 'it printed nothing'}"


def _program(name: str, project: Project) -> str | None:
    """Find the program as a shell in the project's folder would."""
    if "/" in name:
        path = project.root / name
        return shutil.which(str(path))
    return shutil.which(name, path=project.environ.get("PATH"))
