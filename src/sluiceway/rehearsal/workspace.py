"""A folder with the example service, its people and its keys, as a team would have it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from sluiceway.errors import ActionFailed, UsageError
from sluiceway.record import Record
from sluiceway.workbench import Workbench

__all__ = ["LIMITS", "PEOPLE", "Workspace", "held"]

PEOPLE: dict[str, list[str]] = {
    "ci": ["ci"],
    "dana": ["developer"],
    "lena": ["tech-lead"],
    "ravi": ["release-manager"],
}
"""Who is who in the rehearsal: name to roles, as the policies read them."""

_PATHS = {"canary": {"production": {"exclude_committers": False}}}
"""The rehearsal's service is a plain folder: it has no commits whose authors could be told. Who built
it still may not approve it."""
LIMITS = {
    "consecutive": 3,
    "error_rate_percent": 5,
    "minutes": 0.05,
    "p99_ms": 2000,
    "traffic_percent": 50,
}
"""What a canary must keep to here: nobody watches a rehearsal for five minutes, and its clients are
few, so that a wider share of them is needed. Its people are proven like real ones, so that these
numbers stand in its own data rather than behind ``rehearsal = true``."""
_MARK = ".rehearsal"
_UNASKED = range(20_000, 32_768)
_TRIED = 200
_CONFIGURATION = """\
# The example service as its team would configure it; `docs/getting-started.md` explains each key.
[service]
name = "settlement"
repository = "127.0.0.1:{registry_port}/settlement"
context = "service"
dockerfile = "service/Dockerfile"
version_file = "service/RELEASE"

[policy]
data = ["people.json"]

[environments.dev]
[environments.staging]
[environments.canary]
strategy = "canary"
route = "production"
[environments.production]
port = {production_port}

# On a busy machine it may take longer than usual to be certain about a canary.
[canary]
deadline_minutes = 5

[plugins.registry-folder]
address = "127.0.0.1:{registry_port}"

[plugins.identity-ssh]
allowed_signers = "allowed_signers"

[plugins.scan-osv]
database = "advisories"

[[plugins.gate-smoke.checks]]
name = "health"
path = "/api/health"

[plugins.gate-smoke]
command = ["{python}", "service/parity/check.py", "--url", "{{url}}"]
"""


class Workspace(Record):
    """One rehearsal's folder."""

    root: Path
    example: Path
    """The example service in the repository."""
    production_port: int
    password: str

    @classmethod
    def create(cls, root: Path, example: Path) -> Workspace:
        """Make *root* anew with a copy of *example*, keys for everybody and a configuration."""
        if not (example / "Dockerfile").is_file():
            raise UsageError(
                f"there is no example service in {example}",
                means="The rehearsal ships it, and it comes with the source, not with the wheel.",
                remedy="Clone the repository and run ./tools/run demo there.",
                code="demo.no-example",
            )
        _clear(root)
        root.mkdir(parents=True, mode=0o700)
        (root / _MARK).write_text("Made by `invoke demo`, which deletes it when it is run again.\n")
        shutil.copytree(
            example,
            root / "service",
            ignore=shutil.ignore_patterns("__pycache__", "broken", "advisories"),
        )
        shutil.copytree(example / "advisories", root / "advisories")
        registry_port, production_port = _free_ports(2)
        workspace = cls(
            root=root,
            example=example,
            production_port=production_port,
            password=secrets.token_urlsafe(24),
        )
        (root / "sluiceway.toml").write_text(
            _CONFIGURATION.format(
                registry_port=registry_port,
                production_port=production_port,
                python=sys.executable,
            )
        )
        (root / "people.json").write_text(
            json.dumps(
                {"promotion": {"people": PEOPLE, "paths": _PATHS, "canary_limits": LIMITS}},
                indent=2,
            )
            + "\n"
        )
        workspace._make_ssh_keys()
        return workspace

    @property
    def url(self) -> str:
        """Where clients of production send their requests."""
        return f"http://127.0.0.1:{self.production_port}"

    @property
    def version(self) -> str:
        """The version of the good release."""
        return (self.example / "RELEASE").read_text(encoding="utf-8").strip()

    @property
    def next_version(self) -> str:
        """The version of the broken release that follows it: ``1.4.0`` is followed by ``1.5.0``."""
        major, minor, _ = self.version.split(".")
        return f"{major}.{int(minor) + 1}.0"

    @property
    def patch_version(self) -> str:
        """The version of the good release after it: ``1.4.0`` is followed by ``1.4.1``."""
        major, minor, patch = self.version.split(".")
        return f"{major}.{minor}.{int(patch) + 1}"

    def bench(self, person: str) -> Workbench:
        """Open the project as *person*."""
        environ = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("SLUICEWAY_", "COSIGN_", "REGISTRY_", "GITHUB_", "FF_"))
                and name not in ("ROLLBACK_WEBHOOK", "SSH_AUTH_SOCK")
            },
            "SLUICEWAY_SSH_KEY": str(self.root / "keys" / person),
            "COSIGN_PASSWORD": self.password,
        }
        return Workbench.open(self.root, environ)

    def make_signing_key(self) -> None:
        """Make the service's signing key pair."""
        bench = self.bench("ci")
        bench.plugins.one("sluiceway_new_key", folder=bench.project.state)

    def break_service(self, version: str) -> None:
        """Put the faulty variant over the service, under the next version number."""
        shutil.copytree(
            self.example / "broken", self.root / "service" / "settlement", dirs_exist_ok=True
        )
        self.renew_service(version)

    def renew_service(self, version: str) -> None:
        """Give the service another version number and change nothing else."""
        (self.root / "service" / "RELEASE").write_text(version + "\n")

    def _make_ssh_keys(self) -> None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        folder = self.root / "keys"
        folder.mkdir(mode=0o700)
        lines = []
        for person in PEOPLE:
            key = Ed25519PrivateKey.generate()
            path = folder / person
            path.touch(mode=0o600)
            path.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.OpenSSH,
                    serialization.NoEncryption(),
                )
            )
            public = key.public_key().public_bytes(
                serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
            )
            lines.append(f'{person} namespaces="sluiceway" {public.decode()}\n')
        (self.root / "allowed_signers").write_text("".join(lines))


def _clear(root: Path) -> None:
    """Remove an earlier rehearsal, and what it left running; never anything else."""
    if not root.exists() or not any(root.iterdir()):
        return
    if not (root / _MARK).is_file():
        raise UsageError(
            f"{root} is not empty, and no rehearsal made it",
            means="A rehearsal begins with an empty folder, and deletes nobody's files for that.",
            remedy="Name a folder that does not exist yet: invoke demo --folder=...",
            code="demo.folder",
        )
    with held(root):
        pass  # nobody is at it
    if (root / "sluiceway.toml").is_file():
        Workbench.open(root, dict(os.environ)).plugins.each("sluiceway_shutdown")
    shutil.rmtree(root)


@contextlib.contextmanager
def held(root: Path) -> Iterator[None]:
    """Let nobody make *root* anew within this block; it ends with the process, however that ends.

    Raises:
        ActionFailed: ``demo.busy``: another process is within it.
    """
    with (root / _MARK).open() as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ActionFailed(
                f"another rehearsal is under way in {root}",
                means="This one would begin by deleting what that one is at.",
                remedy="Wait for its end, or name another folder: invoke demo --folder=...",
                code="demo.busy",
            ) from None
        yield


def _free_ports(number: int) -> list[int]:
    """Return ports that are free now, and that no system gives to whoever asks for just any.

    From 32768 on Linux does, and from 49152 on others, for connections as well: one of those is taken
    by a neighbour now and then, before it is used or while what uses it is started again.
    """
    found: list[int] = []
    for port in secrets.SystemRandom().sample(_UNASKED, _TRIED):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
        if len(found) == number:
            return found
    raise UsageError(
        f"no port from {_UNASKED.start} to {_UNASKED.stop - 1} seems to be free on 127.0.0.1",
        remedy="Stop what listens there.",
        code="demo.no-port",
    )
