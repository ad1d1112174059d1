"""A real project for each test: the example service, its people, a registry, a deployer."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.key_kit import put_key_pair

from sluiceway.rehearsal import Workspace
from sluiceway.workbench import Workbench

_ROOT = Path(__file__).resolve().parents[2]

QUICK = (
    "--traffic-percent=50",
    "--health-timeout-minutes=0.05",
    "--health-interval-seconds=0.3",
)


@dataclass
class Shop:
    """The commands of one project, called in this process as Invoke would."""

    workspace: Workspace
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    @property
    def root(self) -> Path:
        return self.workspace.root

    def bench(self, person: str = "ci") -> Workbench:
        return self.workspace.bench(person)

    def environ(self, person: str) -> dict[str, str]:
        return {
            "SLUICEWAY_SSH_KEY": str(self.root / "keys" / person),
            "COSIGN_PASSWORD": self.workspace.password,
        }

    def run(self, person: str, *arguments: str) -> tuple[int, dict[str, Any], str]:
        """Return exit code, the JSON document on stdout, and stderr of `invoke ARGUMENTS --json`."""
        from invoke.program import Program

        from sluiceway.cli import namespace

        for name, value in self.environ(person).items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.chdir(self.root)
        self.capsys.readouterr()
        code = 0
        try:
            Program(namespace=namespace()).run(["sluiceway", *arguments, "--json"])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = self.capsys.readouterr()
        return code, json.loads(out) if out.strip() else {}, err

    def release(self) -> str:
        code, document, err = self.run("ci", "release")
        assert code == 0, json.dumps(document) + err
        return str(document["image_digest"])

    def ship(self, *targets: str) -> str:
        """Release and promote through *targets* by those who may; return the digest."""
        digest = self.release()
        who = {"dev": "ci", "staging": "dana", "canary": "lena", "production": "lena"}
        for target in targets:
            if target == "production":
                self.run("ravi", "approve", digest, "--to=production")
            code, document, err = self.run(who[target], "promote", f"--to={target}")
            assert code == 0, (target, document, err)
        return digest

    def looked(self) -> bool:
        """Say whether a look of the run that is under way is remembered; it may take its time."""
        _, status, _ = self.run("ci", "status")
        return any(run["look"] for run in status["runs"])

    def state(self) -> dict[str, Any]:
        """What an outsider sees: every tag, and what serves every route."""
        bench = self.bench()
        registry = bench.registry
        names = [environment.name for environment in bench.config.environments]
        serving = {}
        for name in names:
            traffic = bench.plugins.one(
                "sluiceway_traffic", environment=bench.config.environment(name)
            )
            serving[name] = [(slot.name, slot.digest, slot.weight) for slot in traffic.slots]
        return {"tags": {name: bench.held(name) for name in names}, "serving": serving} | {
            "all": registry.tags()
        }


@pytest.fixture(scope="session")
def signing_password() -> str:
    """The signing key's: one for all projects, so that its key need not be derived for each."""
    return secrets.token_urlsafe(24)


@pytest.fixture
def shop(
    tmp_path: Path,
    signing_password: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Shop]:
    workspace = Workspace.create(tmp_path / "w", _ROOT / "examples" / "settlement")
    workspace = replace(workspace, password=signing_password)
    put_key_pair(workspace.bench("ci").project.state, signing_password)
    monkeypatch.setattr(sys, "argv", ["invoke"])
    shop = Shop(workspace=workspace, monkeypatch=monkeypatch, capsys=capsys)
    settings = workspace.root / "sluiceway.toml"
    good = settings.read_text()
    try:
        yield shop
    finally:
        settings.write_text(good)  # a test may have broken it, and what was started must end
        shop.bench().plugins.each("sluiceway_shutdown")
