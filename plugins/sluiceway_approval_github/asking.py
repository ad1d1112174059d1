"""The two questions to GitHub, and the doctor's one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sluiceway.errors import SluicewayError
from sluiceway.model import Approval, ApprovalRequest, Check, CheckStatus, Project
from sluiceway_approval_github.options import NAME, TOKEN, Options, read_options
from sluiceway_approval_github.reviews import read, unknown

__all__ = ["ask", "examine"]

_QUICK_SECONDS = 1.5


def ask(
    project: Project, request: ApprovalRequest, settings: Mapping[str, Any]
) -> tuple[Approval, ...] | None:
    """Return the reviews of the run, or one of verdict ``unknown`` saying why there are none.

    ``None`` where no repository is configured, or nobody says which run: then nothing is asked.
    """
    options = read_options(project, settings)
    if not options.repository or not options.run:
        return None
    if options.elsewhere:
        return (unknown(request, _elsewhere(options)),)
    if not options.token:
        return (unknown(request, f"{TOKEN} is not set"),)
    from sluiceway_approval_github.rest import Api

    path = f"/repos/{options.repository}/actions/runs/{options.run}"
    try:
        with Api(options) as github:
            return tuple(
                read(github.one(path), github.every(f"{path}/approvals"), request, options)
            )
    except SluicewayError as error:
        return (unknown(request, error.what),)
    except ValueError as error:
        return (unknown(request, f"GitHub's answer is not understood: {error}"),)


def examine(project: Project, settings: Mapping[str, Any]) -> Sequence[Check]:
    """Return ``invoke doctor``'s line; asks whether the repository can be seen."""
    try:
        options = read_options(project, settings)
    except SluicewayError as error:
        return (_line(CheckStatus.FAIL, error.what, error.remedy),)
    if not options.repository:
        return (_line(CheckStatus.OK, "not used: no repository is set"),)
    if not options.token:
        status = CheckStatus.FAIL if options.run else CheckStatus.WARN
        remedy = f"Set {TOKEN} to a token with actions: read for {options.repository}."
        return (_line(status, f"{TOKEN} is not set, so no review can be read", remedy),)
    if options.elsewhere:
        return (_line(CheckStatus.FAIL, _elsewhere(options), "Correct repository."),)
    return (_seen(options),)


def _seen(options: Options) -> Check:
    from sluiceway_approval_github.rest import Api

    try:
        seconds = min(options.timeout_seconds, _QUICK_SECONDS)
        with Api(replace(options, timeout_seconds=seconds)) as github:
            github.one(f"/repos/{options.repository}")
    except SluicewayError as error:
        return _line(CheckStatus.FAIL, error.what, f"Check {TOKEN}, repository and api.")
    where = f"run {options.run}" if options.run else "no run: reviews are heard in GitHub Actions"
    detail = f"{options.repository} by {options.api}, {len(options.people)} people, {where}"
    if not options.people:
        remedy = f"Say whose login is whose in [plugins.{NAME}.people]."
        return _line(CheckStatus.WARN, detail, remedy)
    return _line(CheckStatus.OK, detail)


def _elsewhere(options: Options) -> str:
    return (
        f"this job runs for {options.elsewhere}, and [plugins.{NAME}] repository is "
        f"{options.repository}"
    )


def _line(status: CheckStatus, detail: str, remedy: str = "") -> Check:
    return Check(name=NAME, status=status, detail=detail, remedy=remedy)
