"""What GitHub says, through the real gate: a review counts where the path takes it, a no is heard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.consent_kit import COMMIT, NEW, OLD, Service

from sluiceway.model import rfc3339
from sluiceway_policy_embedded.engine import EmbeddedEngine
from sluiceway_policy_embedded.pins import default_library, pin_here

from .github_kit import REPOSITORY, RUN, TOKEN, certificate, review, run, serving

SETTINGS = """
[plugins.approval-github]
repository = "{repository}"
api = "{api}"
ca_file = "{ca}"
run = {run}
timeout_seconds = 20.0

[plugins.approval-github.people]
octo-rita = "ravi"
octo-tom = "lena"
octo-tess = "tess"
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[EmbeddedEngine]:
    pin = pin_here()
    if pin is None:
        pytest.skip("no OPA library is published for this machine")
    engine = EmbeddedEngine(default_library(), pin.library, deadline_seconds=60)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def github(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with serving(certificate(tmp_path_factory.mktemp("github"))) as server:
        yield server


@pytest.fixture
def service(tmp_path: Path, engine: EmbeddedEngine, github: Any) -> Service:
    service = Service.create(tmp_path / "w", engine)
    service.environ["SLUICEWAY_GITHUB_TOKEN"] = TOKEN
    path = service.root / "sluiceway.toml"
    settings = SETTINGS.format(repository=REPOSITORY, api=github.url, ca=github.ca, run=RUN)
    path.write_text(path.read_text() + settings)
    service.people(row={"reviews": True})
    github.broken = []
    return service


def says(github: Any, *history: Any, **of_run: Any) -> None:
    began = rfc3339(datetime.now(UTC) - timedelta(hours=1))
    github.says(run(head_sha=COMMIT, **{"created_at": began, **of_run}), list(history))


def test_a_review_counts_where_the_path_takes_reviews(service: Service, github: Any) -> None:
    says(github)
    assert set(service.refused()) == {"promotion.approval"}
    says(github, review())
    assert service.refused() == {}
    service.people()
    assert "ravi: it was given under other policies" in service.refused()["promotion.approval"]


def test_a_review_is_used_up_as_a_signed_approval_is(service: Service, github: Any) -> None:
    says(github, review())
    service.serves(NEW)
    assert service.refused(held=NEW) == {}
    service.serves(OLD, kind="rolled-back", previous=NEW)
    said = service.refused()["promotion.approval"]
    assert "the digest was rolled back after it was given" in said
    says(github, review(), created_at=rfc3339(datetime.now(UTC) + timedelta(seconds=1)))
    assert service.refused() == {}


def test_who_reviews_and_signs_counts_once(service: Service, github: Any) -> None:
    service.people(row={"reviews": True, "approvals": 2})
    says(github, review())
    service.approves("ravi")
    assert service.refused()["promotion.approval"].endswith("and 1 count.")
    says(github, review(login="octo-tess"))
    assert service.refused() == {}


def test_who_asks_does_not_review(service: Service, github: Any) -> None:
    says(github, review(login="octo-tom"), actor={"login": "octo-x"}, triggering_actor=None)
    assert "lena: the person asks for it" in service.refused()["promotion.approval"]


def test_a_no_is_heard_whatever_else_is_there(service: Service, github: Any) -> None:
    service.people()  # and though the path takes no reviews
    service.approves("ravi")
    says(github, review("rejected", login="octo-who"), review(login="octo-tess"))
    found = service.refused()
    assert set(found) == {"promotion.rejected"}
    assert "github:octo-who rejected" in found["promotion.rejected"]


@pytest.mark.parametrize("broken", [(401, {}, {}), (404, {}, {}), (500, {}, {}), (0, {}, {})])
def test_what_cannot_be_read_refuses_and_says_why(
    service: Service, github: Any, broken: Any
) -> None:
    service.approves("ravi")
    github.broken = [broken]
    found = service.refused()
    assert set(found) == {"promotion.review-unread"}
    assert "GitHub" in found["promotion.review-unread"]
    assert TOKEN not in str(found)


def test_settings_that_are_wrong_refuse_and_do_not_crash(service: Service) -> None:
    service.approves("ravi")
    path = service.root / "sluiceway.toml"
    path.write_text(path.read_text().replace("timeout_seconds = 20.0", "timeout_secs = 20.0"))
    assert "timeout_secs" in service.refused()["promotion.review-unread"]
