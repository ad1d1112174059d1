"""A project with a ledger of decisions, and its commands called as Invoke calls them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sluiceway import policy
from sluiceway.model import parse_time, to_json
from sluiceway.policy import bundled_policies, load_bundle
from sluiceway.policy.facts import replaced
from sluiceway.workbench import Workbench

PEOPLE = {
    "robot": ["ci"],
    "anna": ["developer"],
    "tom": ["tech-lead"],
    "rita": ["release-manager"],
}


@dataclass
class Site:
    """A folder with a service, policy data, and a ledger."""

    root: Path
    passing: Mapping[str, Any]
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    bench: Workbench = field(init=False)

    def __post_init__(self) -> None:
        text = '[service]\nname = "settlement"\n\n[policy]\ndata = ["data.json"]\n'
        (self.root / "sluiceway.toml").write_text(text)
        (self.root / "data.json").write_text(json.dumps({"promotion": {"people": PEOPLE}}))
        self.bench = Workbench.open(self.root, {})

    def decide(self, run: str, *changes: tuple[tuple[str | int, ...], Any]) -> dict[str, Any]:
        """Judge the passing promotion with *changes* and write it down, as a run does."""
        document: Any = {**self.passing, "run": run}
        for place, value in changes:
            document = replaced(document, place, value)
        decision = policy.decide(
            self.bench.engine,
            self.bench.bundle(),
            "promotion",
            document,
            now=parse_time(document["now"]) if "now" in document else datetime.now(UTC),
        )
        self.bench.ledger.append(
            "decision",
            key=f"{run}:decision:0",
            run=run,
            service="settlement",
            environment=str(document.get("target", "")),
            digest=document["image"]["digest"],
            actor="tom",
            body={"decision": to_json(decision), "input": document},
        )
        return dict(to_json(decision))

    def run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Return exit code and JSON of a command."""
        code, out, err = self.shown(*arguments, "--json")
        assert out.strip(), err
        return code, json.loads(out)

    def shown(self, *arguments: str) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr of a command."""
        from invoke.program import Program

        from sluiceway.cli import namespace

        self.monkeypatch.chdir(self.root)
        self.monkeypatch.setenv("COLUMNS", "110")
        self.capsys.readouterr()
        code = 0
        try:
            Program(namespace=namespace()).run(["sluiceway", *arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = self.capsys.readouterr()
        return code, out, err


@pytest.fixture(scope="session")
def passing() -> dict[str, Any]:
    """A promotion from canary to production that passes: the one that the Rego tests use."""
    from sluiceway_policy_embedded.engine import EmbeddedEngine
    from sluiceway_policy_embedded.pins import default_library, pin_here

    pin = pin_here()
    if pin is None:
        pytest.skip("no OPA library is published for this machine")
    engine = EmbeddedEngine(default_library(), pin.library, deadline_seconds=60)
    try:
        tests = load_bundle([bundled_policies()], tests=True)
        return dict(engine.evaluate(tests, "lib_test.promotion", {}))
    finally:
        engine.close()


@pytest.fixture
def site(
    tmp_path: Path,
    passing: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Site]:
    made = Site(tmp_path, passing, monkeypatch, capsys)
    yield made
    made.bench.plugins.each("sluiceway_shutdown")
    made.bench.close()
