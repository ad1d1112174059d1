"""What GitHub's review history says, as approvals. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sluiceway.model import Actor, Approval, ApprovalRequest, Verdict, parse_time
from sluiceway_approval_github.options import Options

__all__ = ["METHOD", "read", "unknown"]

METHOD = "github-review"
_VERDICTS = {"approved": Verdict.APPROVED, "rejected": Verdict.REJECTED}
_WAITING = "pending"
"""Nobody has said anything yet."""


def read(
    run: Any, history: Sequence[Any], request: ApprovalRequest, options: Options
) -> Iterator[Approval]:
    """Yield one approval for each review of the target's environment.

    Args:
        run: JSON of ``GET /repos/{owner}/{repo}/actions/runs/{run_id}``.
        history: JSON of ``.../approvals``: ``[{state, comment, user, environments}]``. It has no
            times, and goes over all attempts of the run.
        request: What is promoted.
        options: Who is who.

    Raises:
        ValueError: The answers are not of the documented shape; then nothing of them is used.
    """
    run = _object(run, "the run")
    made_at = parse_time(_text(run, "created_at"))
    wrong = _wrong_run(run, request, options)
    starters = {_login(run.get(key)).lower() for key in ("actor", "triggering_actor")}
    environment = options.environments.get(request.target, request.target).lower()
    for item in history:
        review = _object(item, "a review")
        state = _text(review, "state")
        if state == _WAITING or environment not in _names(review):
            continue
        login = _login(review.get("user"))
        person = options.people.get(login.lower(), "")
        expires = made_at + timedelta(hours=options.max_age_hours)
        yield Approval(
            approver=_actor(login, person, review.get("user")),
            verdict=_VERDICTS.get(state, Verdict.UNKNOWN),
            digest=request.image.digest,
            source=request.source,
            target=request.target,
            made_at=made_at,
            expires=expires,
            reason=_text(review, "comment") if review.get("comment") is not None else "",
            problem=wrong
            or _wrong_person(login, person, starters)
            or ("the run began too long ago" if expires <= request.at else ""),
        )


def unknown(request: ApprovalRequest, problem: str) -> Approval:
    """Return the answer to a question that GitHub did not answer."""
    return request.unread("GitHub", METHOD, problem)


def _wrong_run(run: Mapping[str, Any], request: ApprovalRequest, options: Options) -> str:
    """Say why a review of this run is not about this image; ``""`` when it is."""
    if run.get("id") != options.run:
        return "GitHub answered with another run"
    for key in ("repository", "head_repository"):
        name = _object(run.get(key), key).get("full_name")
        if str(name).lower() != options.repository.lower():
            return f"the run is of {name}, not of {options.repository}"
    path = str(run.get("path", "")).partition("@")[0]
    if options.workflow and path != options.workflow:
        return f"the run is of the workflow {path}, not of {options.workflow}"
    if not request.revisions:
        return "the release recorded no commit that the run could be compared with"
    head = run.get("head_sha")
    if head not in request.revisions:
        return f"the run is of the commit {head}, and the image of {request.revisions[-1]}"
    return ""


def _wrong_person(login: str, person: str, starters: set[str]) -> str:
    if not login:
        return "GitHub no longer knows who the reviewer was"
    if not person:
        return f"the login {login} is nobody's in [plugins.approval-github] people"
    if login.lower() in starters:
        return f"{login} started the run that they reviewed"
    return ""


def _actor(login: str, person: str, user: Any) -> Actor:
    number = user.get("id") if isinstance(user, Mapping) else None
    return Actor(
        name=person or f"github:{login or 'nobody'}",
        method=METHOD,
        proven=bool(person),
        # A login can be given up and taken by somebody else; the number stays.
        key=f"github:{number}" if isinstance(number, int) else "",
    )


def _names(review: Mapping[str, Any]) -> set[str]:
    environments = review.get("environments")
    if not isinstance(environments, list) or not environments:
        msg = "a review names no environments"
        raise ValueError(msg)
    return {_text(_object(each, "an environment"), "name").lower() for each in environments}


def _login(user: Any) -> str:
    """Return the login; empty for an account that is gone."""
    return _text(user, "login") if isinstance(user, Mapping) else ""


def _object(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        msg = f"{what} is not an object"
        raise ValueError(msg)  # noqa: TRY004 - one kind of error for a wrong answer
    return value


def _text(value: Mapping[str, Any], key: str) -> str:
    if not isinstance(value.get(key), str):
        msg = f"{key!r} is not a text"
        raise ValueError(msg)  # noqa: TRY004 - one kind of error for a wrong answer
    return str(value[key])
