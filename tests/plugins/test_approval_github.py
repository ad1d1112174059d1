"""Reviews of a GitHub environment, read by real HTTPS from a stand-in for its REST API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import sluiceway_approval_github as plugin
from sluiceway.errors import ConfigurationError
from sluiceway.model import ApprovalRequest, CheckStatus, Image, Project, Verdict

from .github_kit import COMMIT, REPOSITORY, RUN, TOKEN, certificate, review, run, serving

DIGEST = "sha256:" + "a" * 64
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
REQUEST = ApprovalRequest(
    image=Image(repository="127.0.0.1:5555/settlement", digest=DIGEST, media_type="m"),
    source="canary",
    target="production",
    revisions=(COMMIT,),
    at=NOW,
)
IN_JOB = {
    "SLUICEWAY_GITHUB_TOKEN": TOKEN,
    "GITHUB_RUN_ID": str(RUN),
    "GITHUB_REPOSITORY": REPOSITORY,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("github")
    with serving(certificate(folder)) as state:
        yield state


@pytest.fixture
def github(server: Any) -> Any:
    server.asked.clear()
    server.broken = []
    server.says(run(), [review()])
    return server


def settings(github: Any, **more: Any) -> dict[str, Any]:
    return {
        "repository": REPOSITORY,
        "people": {"Octo-Rita": "rita", "octo-tom": "tom"},
        "api": github.url,
        "ca_file": str(github.ca),
    } | more


def project(environ: dict[str, str]) -> Project:
    return Project(service="settlement", root=Path("/"), state=Path("/"), environ=environ)


def asked(github: Any, request: ApprovalRequest = REQUEST, **more: Any) -> Any:
    environ = more.pop("environ", IN_JOB)
    return plugin.sluiceway_approvals(
        project=project(environ), request=request, settings=settings(github, **more)
    )


def changed(request: ApprovalRequest, **more: Any) -> ApprovalRequest:
    from dataclasses import replace

    return replace(request, **more)


def test_a_review_is_an_approval_of_this_image_by_a_proven_person(github: Any) -> None:
    (found,) = asked(github)
    assert found.problem == ""
    assert found.verdict is Verdict.APPROVED
    assert (found.approver.name, found.approver.method, found.approver.proven) == (
        "rita",
        "github-review",
        True,
    )
    assert found.approver.key.startswith("github:")
    assert (found.digest, found.source, found.target) == (DIGEST, "canary", "production")
    assert found.made_at == datetime(2026, 11, 24, 10, tzinfo=UTC)
    assert found.expires == datetime(2026, 11, 25, 10, tzinfo=UTC)
    assert found.policy_digest == ""
    assert found.reason == "All well."
    place = f"/repos/{REPOSITORY}/actions/runs/{RUN}"
    assert [path for path, _ in github.asked] == [place, f"{place}/approvals?per_page=100"]


@pytest.mark.parametrize(
    ("of_run", "said"),
    [
        ({"head_sha": "9c01" * 10}, "the run is of the commit 9c01"),
        ({"id": 1}, "another run"),
        ({"repository": {"full_name": "mallory/settlement"}}, "the run is of mallory/settlement"),
        ({"head_repository": {"full_name": "mallory/settlement"}}, "the run is of mallory"),
        ({"path": ".github/workflows/docs.yml@main"}, "of the workflow .github/workflows/docs.yml"),
        ({"created_at": "2026-11-23T12:00:00Z"}, "began too long ago"),
        ({"actor": {"login": "octo-RITA"}}, "started the run"),
        ({"triggering_actor": {"login": "octo-rita"}}, "started the run"),
    ],
)
def test_a_review_of_another_run_is_no_approval(
    github: Any, of_run: dict[str, Any], said: str
) -> None:
    github.says(run(**of_run), [review(), review("rejected")])
    approved, rejected = asked(github, workflow=".github/workflows/release.yml")
    assert said in approved.problem
    assert rejected.verdict is Verdict.REJECTED  # and a no is heard all the same


def test_an_image_of_no_recorded_commit_is_not_approved(github: Any) -> None:
    (found,) = asked(github, changed(REQUEST, revisions=()))
    assert "recorded no commit" in found.problem


@pytest.mark.parametrize("user", [{"login": "octo-who", "id": 5}, None])
def test_whoever_is_nobody_here_is_no_proven_person(github: Any, user: Any) -> None:
    github.says(run(), [review(user=user), review("rejected", user=user)])
    approved, rejected = asked(github)
    assert approved.problem
    assert not approved.approver.proven
    assert approved.approver.name.startswith("github:")
    assert rejected.verdict is Verdict.REJECTED


def test_only_reviews_of_the_target_are_about_it(github: Any) -> None:
    elsewhere = [{"name": "staging"}]
    github.says(
        run(),
        [
            review(environments=elsewhere),
            review("rejected", environments=elsewhere),
            review("pending"),
            review(environments=[*elsewhere, {"name": "Prod"}]),
        ],
    )
    assert asked(github) == ()
    (found,) = asked(github, environments={"production": "prod"})
    assert found.verdict is Verdict.APPROVED


def test_a_word_that_nobody_knows_may_be_a_no(github: Any) -> None:
    github.says(run(), [review("withdrawn")])
    (found,) = asked(github)
    assert found.verdict is Verdict.UNKNOWN


def test_every_page_is_read_and_the_token_stays_on_its_host(github: Any) -> None:
    place = f"/repos/{REPOSITORY}/actions/runs/{RUN}/approvals"
    following = f"{github.url}{place}?per_page=100&page=2"
    github.answers[f"{place}?per_page=100"] = (
        200,
        {"Link": f'<{following}>; rel="next", <{following}>; rel="last"'},
        [review()],
    )
    github.answers[f"{place}?per_page=100&page=2"] = (200, {}, [review("rejected")])
    assert [each.verdict for each in asked(github)] == [Verdict.APPROVED, Verdict.REJECTED]
    github.answers[f"{place}?per_page=100"] = (
        200,
        {"Link": '<https://127.0.0.1:9/x>; rel="next"'},
        [review()],
    )
    (found,) = asked(github)
    assert (found.verdict, "another host" in found.problem) == (Verdict.UNKNOWN, True)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ((401, {}, {}), "does not accept the token in SLUICEWAY_GITHUB_TOKEN"),
        ((403, {}, {}), "actions: read"),
        ((403, {"x-ratelimit-remaining": "0"}, {}), "rate limit"),
        ((429, {}, {}), "rate limit"),
        ((404, {}, {}), "no such run"),
        ((301, {"Location": "https://127.0.0.1:9/"}, {}), "renamed"),
        ((500, {}, {}), "answered 500"),
        ((503, {}, {}), "answered 503"),
        ((0, {}, {}), "cannot be reached"),
        ((200, {}, b"<html>"), "not JSON"),
        ((200, {}, b"[" * 100_000), "not JSON"),
        ((200, {}, []), "not understood"),
        ((200, {}, run()), "is not a list"),
        ((200, {}, b" " * (5 << 20)), "larger than"),
    ],
)
def test_what_cannot_be_read_says_why_and_may_be_a_no(github: Any, broken: Any, said: str) -> None:
    github.broken = [broken]
    (found,) = asked(github)
    assert found.verdict is Verdict.UNKNOWN
    assert said in found.problem
    assert not found.approver.proven
    assert TOKEN not in found.problem


@pytest.mark.parametrize(
    "of_run",
    [
        "run",
        run(created_at="soon"),
        run(created_at="2026-11-24T10:00:00"),
        run(created_at=None),
        run(repository=None),
        run(actor={"login": None}),
    ],
)
def test_a_run_of_another_shape_approves_nothing(github: Any, of_run: Any) -> None:
    github.says(of_run, [review()])
    (found,) = asked(github)
    assert found.verdict is Verdict.UNKNOWN
    assert "not understood" in found.problem


@pytest.mark.parametrize(
    "history",
    [
        ["approved"],
        [review(environments=None)],
        [review(environments=[])],
        [review(environments=[{}])],
        [review(user={"login": 7})],
        [review(comment=7)],
        [{**review(), "state": None}],
    ],
)
def test_a_history_of_another_shape_is_not_read_in_part(github: Any, history: Any) -> None:
    github.says(run(), [review(), *history])
    (found,) = asked(github)
    assert found.verdict is Verdict.UNKNOWN
    assert "not understood" in found.problem


def test_a_moment_of_trouble_is_tried_again(github: Any) -> None:
    github.broken = [(502, {}, {}), (200, {}, run()), (200, {}, [review()])]
    (found,) = asked(github)
    assert found.problem == ""


def test_no_answer_in_time_is_told(github: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from . import github_kit

    gate = threading.Event()

    def late(handler: Any) -> None:
        gate.wait(30)  # and then says nothing: the next test counts what it is asked itself
        handler.close_connection = True

    monkeypatch.setattr(github_kit._Handler, "do_GET", late)
    try:
        (found,) = asked(github, timeout_seconds=0.2)
    finally:
        gate.set()
    assert "did not answer within 0.2 s" in found.problem


def test_a_host_that_proves_nothing_is_not_believed(github: Any) -> None:
    (found,) = asked(github, ca_file="")
    assert (found.verdict, found.approver.proven) == (Verdict.UNKNOWN, False)
    assert github.asked == []  # and has not seen the token


def test_without_a_token_or_for_another_repository_nothing_is_asked(github: Any) -> None:
    (found,) = asked(github, environ={**IN_JOB, "SLUICEWAY_GITHUB_TOKEN": " "})
    assert "SLUICEWAY_GITHUB_TOKEN is not set" in found.problem
    (found,) = asked(github, environ={**IN_JOB, "GITHUB_REPOSITORY": "mallory/settlement"})
    assert "this job runs for mallory/settlement" in found.problem
    assert github.asked == []


def test_where_there_is_no_run_there_is_no_review(github: Any) -> None:
    assert asked(github, environ={"SLUICEWAY_GITHUB_TOKEN": TOKEN}) is None
    assert asked(github, environ={**IN_JOB, "GITHUB_RUN_ID": "four"}) is None
    assert asked(github, repository="") is None
    assert github.asked == []
    (found,) = asked(github, environ={"SLUICEWAY_GITHUB_TOKEN": TOKEN}, run=RUN)
    assert found.problem == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"api": "http://127.0.0.1:9"},
        {"api": "https://who:secret@api.github.com"},
        {"api": "https://[::1"},
        {"repository": "settlement"},
        {"repository": "example/../x/y"},
        {"people": {"octo-rita": 1}},
        {"people": {"octo-rita": ""}},
        {"people": {"octo-rita": "rita", "Octo-Rita": "tom"}},
        {"environments": {"production": 1}},
        {"max_age_hours": 0.0},
        {"max_age_hours": 10_000.0},
        {"timeout_seconds": 0.0},
        {"peoples": {}},
    ],
)
def test_settings_that_are_not_understood_are_refused(github: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        asked(github, **wrong)
    assert "secret" not in str(caught.value.diagnostics())


def test_certificates_that_cannot_be_read_are_told(github: Any) -> None:
    (found,) = asked(github, ca_file="/nowhere.pem")
    assert "/nowhere.pem" in found.problem


def doctor(github: Any, environ: dict[str, str], **more: Any) -> Any:
    lines = plugin.sluiceway_doctor(project=project(environ), settings=settings(github, **more))
    assert lines is not None
    (line,) = lines
    return line


def test_the_doctor_says_what_is_missing(github: Any) -> None:
    fine = doctor(github, IN_JOB)
    assert (fine.status, f"run {RUN}" in fine.detail) == (CheckStatus.OK, True)
    assert doctor(github, {}, repository="").status is CheckStatus.OK
    assert doctor(github, {}).status is CheckStatus.WARN
    assert doctor(github, {"GITHUB_RUN_ID": "1"}).status is CheckStatus.FAIL
    assert doctor(github, IN_JOB, people={}).status is CheckStatus.WARN
    assert doctor(github, {**IN_JOB, "GITHUB_REPOSITORY": "x/y"}).status is CheckStatus.FAIL
    github.broken = [(401, {}, {})]
    bad = doctor(github, IN_JOB)
    assert (bad.status, "does not accept" in bad.detail) == (CheckStatus.FAIL, True)
