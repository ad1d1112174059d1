"""A service whose gate is asked with real policies, a real ledger and real SSH keys.

Only what surrounds consent is given by hand: a release entry, and evidence that passes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sluiceway.gates import decide, statements
from sluiceway.model import Actor, Decision, Image, digest_of, rfc3339, to_json
from sluiceway.policy import bundled_policies, load_bundle
from sluiceway.rehearsal import Workspace
from sluiceway.workbench import Workbench

ROOT = Path(__file__).resolve().parents[1]
COMMIT, EARLIER = "3f2a" * 10, "9c01" * 10
NEW, OLD, OTHER = (digest_of(name) for name in ("new", "old", "other"))
PEOPLE = {
    "ci": ["ci"],
    "dana": ["developer"],
    "lena": ["tech-lead"],
    "tess": ["tech-lead"],
    "ravi": ["release-manager"],
}
_FIXTURE_TIME = re.compile(r"2026-11-24T1\d:\d\d:00Z")


@dataclass
class Service:
    """One project in a folder, and what its gate says."""

    workspace: Workspace
    engine: Any
    environ: dict[str, str] = field(default_factory=dict)
    """Set for everybody, besides what a person has."""
    runs: int = 0
    _passing: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def create(
        cls, folder: Path, engine: Any, *, builder: str = "ci", proven: bool = True
    ) -> Service:
        workspace = Workspace.create(folder, ROOT / "examples" / "settlement")
        service = cls(workspace=workspace, engine=engine)
        service.people(PEOPLE)
        service.add_key("tess")
        service.release(NEW, actor=builder, proven=proven)
        return service

    @property
    def root(self) -> Path:
        return self.workspace.root

    def bench(self, person: str = "lena") -> Workbench:
        bench = self.workspace.bench(person)
        bench.environ |= self.environ
        bench.__dict__["engine"] = self.engine  # the one that is running already
        return bench

    def people(
        self,
        people: Mapping[str, Any] = PEOPLE,
        *,
        row: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """Write the site's data; *row* is of canary → production."""
        paths = {"canary": {"production": {"exclude_committers": False, **(row or {})}}}
        data = {"promotion": {"people": people, "paths": paths, **more}}
        (self.root / "people.json").write_text(json.dumps(data))

    def add_key(self, person: str, name: str = "", file: str = "") -> None:
        """Give *person* a key, listed under *name*."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.generate()
        path = self.root / "keys" / (file or person)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.OpenSSH,
                serialization.NoEncryption(),
            )
        )
        path.chmod(0o600)
        public = key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        self.list_key(name or person, public.decode())

    def list_key(self, name: str, public: str) -> None:
        with (self.root / "allowed_signers").open("a") as signers:
            signers.write(f'{name} namespaces="sluiceway" {public}\n')

    def release(self, digest: str, actor: str = "ci", *, proven: bool = True, **body: Any) -> None:
        self.runs += 1
        who = Actor(name=actor, method="ssh" if proven else "os-user", proven=proven)
        made = {"revision": COMMIT, "actor": who, **body}
        self._append("release", digest, made, actor=actor, environment="build")

    def serves(self, digest: str, kind: str = "deployed", **body: Any) -> None:
        self._append(kind, digest, body)

    def statement(self, **more: Any) -> dict[str, Any]:
        """An approval as `invoke approve` makes it now, with *more* in it."""
        bundle = self.bench().bundle()
        now = datetime.now(UTC)
        fields = {
            "source": "canary",
            "target": "production",
            "reason": "checked",
            "made_at": rfc3339(now),
            "expires": rfc3339(now + timedelta(hours=1)),
            "policy_digest": getattr(bundle, "digest", ""),
        }
        about = {
            "service": more.pop("service", "settlement"),
            "digest": more.pop("digest", NEW),
        }
        kind = more.pop("kind", statements.APPROVAL)
        return statements.statement(kind, **about, predicate=fields | more)

    def approves(self, person: str, **more: Any) -> dict[str, Any]:
        """Sign and record an approval; return the ledger entry's body."""
        document = self.statement(**more)
        _, signature = statements.signed(self.bench(person), document)
        return self.record({"statement": document, "signature": signature})

    def record(self, body: dict[str, Any]) -> dict[str, Any]:
        """Write an approval into the ledger, whatever it says."""
        self._append("approval", NEW, body)
        return body

    def asks(self, person: str = "lena", *, held: str = OLD) -> Decision:
        """Ask the gate for canary → production of the new digest."""
        bench = self.bench(person)
        actor: Actor = bench.plugins.one("sluiceway_identify")
        asked = decide.Promotion(
            image=Image(repository="127.0.0.1:5555/settlement", digest=NEW, media_type="m"),
            source="canary",
            target="production",
            source_holds=NEW,
            source_since=datetime.now(UTC) - timedelta(hours=2),
            target_holds=held,
            actor=actor,
            evidence=self._evidence(),
            run="promote-1",
            now=datetime.now(UTC),
        )
        return decide.promotion(bench, asked).decision

    def refused(self, person: str = "lena", **more: Any) -> dict[str, str]:
        """Return the codes with which the gate refuses, each with its message."""
        decision = self.asks(person, **more)
        found = {each.code: each.message for each in decision.findings if each.level == "deny"}
        assert decision.allow is (not found)
        return found

    def _evidence(self) -> Any:
        if not self._passing:
            tests = load_bundle([bundled_policies()], tests=True)
            self._passing = self.engine.evaluate(tests, "lib_test.promotion", {})
        text = json.dumps(self._passing["evidence"]).replace(self._passing["image"]["digest"], NEW)
        recently = rfc3339(datetime.now(UTC) - timedelta(minutes=30))
        return json.loads(_FIXTURE_TIME.sub(recently, text))

    def _append(
        self,
        kind: str,
        digest: str,
        body: Mapping[str, Any],
        *,
        actor: str = "ci",
        environment: str = "production",
    ) -> None:
        self.runs += 1
        bench = self.bench()
        bench.ledger.append(
            kind,
            key=f"{kind}-{self.runs}",
            run=f"{kind}-{self.runs}",
            service="settlement",
            environment=environment,
            digest=digest,
            actor=actor,
            body=to_json(body),
        )


def made_by(*emails: str, known: bool = True, since: str = "") -> dict[str, Any]:
    """What a release records of who made its change."""
    return {
        "known": known,
        "problem": "" if known else "a shallow clone",
        "revision": COMMIT,
        "since": since,
        "commits": len(emails),
        "people": [{"name": email.partition("@")[0], "email": email} for email in emails],
        "first": False,
    }


def public_key(service: Service, person: str) -> str:
    """The line of a person's public key in allowed_signers."""
    for line in (service.root / "allowed_signers").read_text().splitlines():
        if line.startswith(f"{person} "):
            return line.split(" ", 2)[2]
    raise AssertionError(person)


__all__ = [
    "COMMIT",
    "EARLIER",
    "NEW",
    "OLD",
    "OTHER",
    "PEOPLE",
    "Service",
    "made_by",
    "public_key",
]
