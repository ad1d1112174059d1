"""What somebody signed for one purpose is nothing for another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sluiceway.errors import ActionFailed, SluicewayError
from sluiceway.gates import statements
from sluiceway.model import digest_of
from sluiceway.rehearsal import Workspace

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "settlement"
DIGEST = digest_of("image")
WAY = {"source": "canary", "target": "production", "run": "promote-1"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace.create(tmp_path_factory.mktemp("w") / "w", EXAMPLE)


def asked(
    workspace: Workspace, kind: str = statements.REQUEST, **changes: str
) -> tuple[Any, dict[str, Any]]:
    bench = workspace.bench("ravi")
    service, digest = changes.pop("service", "settlement"), changes.pop("digest", DIGEST)
    predicate = {**WAY, "at": "2026-11-26T00:00:00Z", **changes}
    document = statements.statement(kind, service=service, digest=digest, predicate=predicate)
    _, signature = statements.signed(bench, document)
    return bench, {"request": document, "signature": signature}


def test_a_recorded_request_says_again_who_asked(workspace: Workspace) -> None:
    bench, found = asked(workspace)
    assert statements.verified(bench, found, DIGEST, WAY).name == "ravi"


@pytest.mark.parametrize(
    "other",
    [
        {"kind": statements.APPROVAL},
        {"service": "billing"},
        {"digest": digest_of("other")},
        {"target": "staging"},
        {"source": "build"},
        {"run": "promote-0"},
    ],
)
def test_what_was_signed_for_something_else_is_no_request(
    workspace: Workspace, other: dict[str, str]
) -> None:
    bench, found = asked(workspace, **other)
    with pytest.raises(ActionFailed) as caught:
        statements.verified(bench, found, DIGEST, WAY)
    assert caught.value.code == "run.tampered"


@pytest.mark.parametrize("document", [[], {}, {"subject": "x"}, {"predicate": []}])
def test_what_is_no_statement_is_no_request(workspace: Workspace, document: Any) -> None:
    bench = workspace.bench("ravi")
    _, signature = statements.signed(bench, document)
    with pytest.raises(SluicewayError):
        statements.verified(bench, {"request": document, "signature": signature}, DIGEST, WAY)
