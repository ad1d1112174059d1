"""The cosign program: which version it is, whether that one may be used, and how it is called."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sluiceway import process
from sluiceway.config.settings import take
from sluiceway.errors import ConfigurationError, PluginError
from sluiceway.model import Project
from sluiceway.oci import is_loopback, parse_repository
from sluiceway.oci.credentials import host_of
from sluiceway.record import Record

__all__ = ["DEFAULTS", "PLUGIN", "Cosign", "Version", "find", "judge_version", "options"]

PLUGIN = "sign-cosign"
DEFAULTS: Mapping[str, Any] = {
    "program": "cosign",
    "key": "",
    "public_keys": [],
    "accept_version": "",
    "timeout_seconds": 120.0,
}

_PROBE_SECONDS = 20.0
_LEAST = {2: (2, 6, 2), 3: (3, 0, 4)}
"""Below these, verification can be talked into accepting what was never logged or signed so
(GHSA-whqx-f9j3-ch6m). By major version."""
_RELEASE = re.compile(r"v(\d+)\.(\d+)\.(\d+)")

# Nothing is logged and nobody is asked: with a key pair, cosign then works without any network but
# the registry. cosign 3 takes the first instead of `--tlog-upload=false`, and cosign 2 would try to
# fetch the public trusted root without the second.
_NO_SERVICES = {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"}
_NO_ROOT = {"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}


class Version(Record):
    """What ``cosign version`` says."""

    text: str
    """``v3.1.2``"""
    major: int
    """Whose flags it takes: 2 or 3."""


class Cosign(Record):
    """A cosign that may be used."""

    program: str
    version: Version
    timeout_seconds: float
    environ: Mapping[str, str]
    folder: Path
    """A folder of ours for files that cosign reads; also where it runs, so paths are absolute."""
    repository: str

    def sign(self, key: str, reference: str, *, bundle: bool) -> None:
        """Sign *reference* with *key* and store the signature as a bundle or under ``.sig``."""
        self._run("sign", f"--key={key}", *self._signing(bundle=bundle), reference)

    def attest(self, key: str, reference: str, predicate_type: str, predicate: bytes) -> None:
        """Sign a statement with *predicate* about *reference* and store it as a bundle."""
        path = self.folder / "predicate.json"
        path.write_bytes(predicate)
        self._run(
            "attest",
            f"--key={key}",
            f"--type={predicate_type}",
            f"--predicate={path}",
            *self._signing(bundle=True),
            reference,
        )

    def verify(
        self, command: Sequence[str], key: str, reference: str, *, tags: bool
    ) -> process.Completed:
        """Run ``verify`` or ``verify-attestation``; the answer is in the code *and* the output.

        Args:
            command: The command, with what only it takes.
            key: The public key, as cosign names keys.
            reference: The image by digest.
            tags: Look under the tags and not at bundles. cosign 2 chooses by itself: where there
                is a bundle, it looks at bundles only.
        """
        chosen = [f"--new-bundle-format={'false' if tags else 'true'}"]
        if self.version.major == 2 and tags:  # noqa: PLR2004 - a major version
            chosen = []
        return self._run(
            *command,
            f"--key={key}",
            "--insecure-ignore-tlog=true",
            f"--trusted-root={self._file('root.json', _NO_ROOT)}",
            "--output=json",
            *chosen,
            *self._registry(),
            reference,
            check=False,
        )

    def public_key(self, key: str) -> bytes:
        """Return the PEM of the public half of *key*, wherever that is kept."""
        return self._run("public-key", f"--key={key}").stdout.encode()

    def generate(self, folder: Path) -> None:
        """Make ``cosign.key`` and ``cosign.pub`` in *folder*."""
        self._run("generate-key-pair", f"--output-key-prefix={folder / 'cosign'}")

    def _signing(self, *, bundle: bool) -> tuple[str, ...]:
        common = ("--yes", *self._registry())
        if self.version.major == 2:  # noqa: PLR2004 - a major version
            new = "true" if bundle else "false"
            return ("--tlog-upload=false", f"--new-bundle-format={new}", *common)
        if bundle:
            return (
                f"--signing-config={self._file('services.json', _NO_SERVICES)}",
                f"--trusted-root={self._file('root.json', _NO_ROOT)}",
                *common,
            )
        return (
            "--use-signing-config=false",
            "--tlog-upload=false",
            "--new-bundle-format=false",
            *common,
        )

    def _registry(self) -> tuple[str, ...]:
        loopback = is_loopback(parse_repository(self.repository).hostname)
        return ("--allow-http-registry",) if loopback else ()

    def _file(self, name: str, document: Mapping[str, Any]) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(document), encoding="utf-8")
        return path

    def _run(self, *arguments: str, check: bool = True) -> process.Completed:
        return process.run(
            [self.program, *arguments],
            timeout=self.timeout_seconds,
            cwd=self.folder,
            env=self.environ,
            check=check,
        )


def options(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plugin's settings, checked."""
    taken = take(settings, PLUGIN, DEFAULTS)
    if not all(isinstance(item, str) and item for item in taken["public_keys"]):
        raise ConfigurationError(
            f"[plugins.{PLUGIN}] public_keys is not a list of paths or key addresses",
            remedy='Write it as ["cosign.pub"].',
            code="configuration.type",
        )
    if not taken["timeout_seconds"] > 0:
        raise ConfigurationError(
            f"[plugins.{PLUGIN}] timeout_seconds is not more than 0", code="configuration.range"
        )
    return taken


@contextmanager
def find(
    project: Project, settings: Mapping[str, Any], repository: str = "", key: str = ""
) -> Iterator[Cosign]:
    """Find cosign, see that it may be used, and give it a folder for as long as it is needed.

    Args:
        project: For the environment.
        settings: The plugin's own.
        repository: Where the image is; empty when no registry is talked to.
        key: The key that will be signed with, as cosign names keys; for what it needs to open it.

    Raises:
        PluginError: ``sign.no-cosign`` or ``sign.cosign-version``.
    """
    taken = options(settings)
    program = process.which(taken["program"])
    if program is None:
        raise PluginError(
            f"there is no {taken['program']!r} on PATH",
            means="sign-cosign signs and verifies with that program.",
            remedy="Install cosign 2.6.2, 3.0.4 or newer, "
            f'or name it: [plugins.{PLUGIN}] program = "/path/to/cosign".',
            code="sign.no-cosign",
        )
    environ = _environ(project.environ, repository, key)
    with tempfile.TemporaryDirectory(prefix="sluiceway-cosign-") as folder:
        asked = process.run(
            [program, "version", "--json"],
            timeout=_PROBE_SECONDS,
            cwd=Path(folder),
            env=environ,
            check=False,
        )
        yield Cosign(
            program=program,
            version=judge_version(asked.stdout, taken["accept_version"], program),
            timeout_seconds=taken["timeout_seconds"],
            environ=environ,
            folder=Path(folder),
            repository=repository,
        )


def judge_version(printed: str, accepted: str, program: str) -> Version:
    """Return the version that ``cosign version --json`` *printed*, when it may be used.

    Args:
        printed: Its standard output.
        accepted: One version's exact text that is taken although it is not a known release.
        program: Its path, for messages.

    Raises:
        PluginError: ``sign.cosign-version``.
    """
    try:
        text = json.loads(printed)["gitVersion"]
    except (ValueError, KeyError, TypeError):
        text = ""
    match = _RELEASE.fullmatch(text) if isinstance(text, str) else None
    if match is not None and int(match[1]) in _LEAST:
        major = int(match[1])
        if tuple(map(int, match.groups())) >= _LEAST[major]:
            return Version(text=text, major=major)
        least = ".".join(map(str, _LEAST[major]))
        raise PluginError(
            f"{program} is cosign {text}, whose verification has a known flaw",
            means="It can be made to accept a signature that it should refuse "
            "(GHSA-whqx-f9j3-ch6m), so it is not used at all.",
            remedy=f"Install cosign {least} or newer.",
            code="sign.cosign-version",
        )
    if text and text == accepted:
        return Version(text=text, major=3 if match is None else min(max(int(match[1]), 2), 3))
    raise PluginError(
        f"{program} says that it is cosign {text or 'of no version'}, which is no known release",
        means="Whether its verification can be relied on cannot be told.",
        remedy="Install a release of cosign 2 (2.6.2 or newer) or 3 (3.0.4 or newer). If you know "
        f'what you built: [plugins.{PLUGIN}] accept_version = "{text or "devel"}".',
        code="sign.cosign-version",
    )


def _environ(given: Mapping[str, str], repository: str, key: str) -> dict[str, str]:
    """Return what cosign may see of the environment.

    Every flag of cosign can be set by a variable ``COSIGN_<FLAG>``, also those that switch checks
    off, so none is let through but what opens the key. Nor is any secret of ours that it has no
    use for.
    """
    kept = {
        name: value
        for name, value in process.without_secrets(given).items()
        if not name.startswith("COSIGN_") or name.startswith("COSIGN_PKCS11_")
    }
    # Without the variable cosign would ask on a terminal.
    kept["COSIGN_PASSWORD"] = given.get("COSIGN_PASSWORD", "")
    if key.startswith("env://"):
        name = key.removeprefix("env://")
        kept[name] = given.get(name, "")
    if repository and given.get("REGISTRY_USERNAME"):
        host = parse_repository(repository).host
        if host_of(given.get("REGISTRY_URL", "")) in {"", host.lower()}:
            kept["COSIGN_REGISTRY_USERNAME"] = given["REGISTRY_USERNAME"]
            kept["COSIGN_REGISTRY_PASSWORD"] = given.get("REGISTRY_PASSWORD", "")
    return kept
