"""The one configuration model. Every value knows where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from sluiceway.errors import ActionFailed, UsageError
from sluiceway.migrations.dialect import Dialect
from sluiceway.model import CanaryLimits, Environment, Project, Strategy, Waiver
from sluiceway.record import Record, field

__all__ = ["BUILD", "Config", "DeployTimes", "Migrations", "Summary"]

BUILD = "build"
"""Where a release comes from before it has been in any environment."""


class Summary(StrEnum):
    """Whether a promotion leaves a signed verification summary beside the image."""

    REQUIRED = "required"
    """Without one nothing is promoted."""
    IF_POSSIBLE = "if-possible"
    """Whoever promotes without a signing key is told, and promotes."""
    OFF = "off"


class DeployTimes(Record):
    """How long an instance may take to come and to go, in seconds."""

    ready_seconds: float
    drain_seconds: float


class Migrations(Record):
    """Where the migrations of the service's database are, and whose SQL they are."""

    folder: Path
    dialect: Dialect
    layout: str
    """Whose tool's folder it is; ``auto``: found out from the files."""
    uses: Path | None
    """The file that declares what the release reads and writes; ``None``: it does not say."""


class Config(Record):
    """``sluiceway.toml``, the environment and the defaults, checked and joined."""

    path: Path
    """The file itself."""
    service: str
    repository: str
    """Host and path of the image repository, without scheme."""
    dockerfile: Path
    context: Path
    version_file: Path | None
    source: str
    stages: Mapping[str, tuple[str, ...]]
    """Plugin kind to the names (with kind) that serve it, in order: ``{"scan": ("scan-osv",)}``."""
    plugins: Mapping[str, Mapping[str, Any]]
    """Plugin name to its own settings."""
    policy_path: Path | None
    """A folder of Rego, or a tar of one; ``None`` for the bundled policies or a bundle's."""
    policy_bundle: str
    """The repository of an artifact, ``host[:port]/path``, that is pulled by its digest."""
    policy_digest: str
    """What the policies must be: the artifact's digest, or else the content's; perhaps empty."""
    policy_data: tuple[Path, ...]
    summary: Summary
    environments: tuple[Environment, ...]
    """In the order of the path."""
    times: Mapping[str, DeployTimes]
    canary: CanaryLimits
    soak: CanaryLimits
    """After a blue/green switch."""
    waivers: tuple[Waiver, ...]
    rehearsal: bool
    """Unproven identities are accepted, and said so in every decision."""
    state: Path
    lease_seconds: float
    migrations: Migrations | None = None
    """``None``: the service has no database, and nothing is asked about one."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Dotted key to where its value came from; a key that is not listed is a default."""

    @property
    def root(self) -> Path:
        """The folder that holds ``sluiceway.toml``."""
        return self.path.parent

    def origin(self, key: str) -> str:
        """Say where the value of dotted *key* came from: a file, a variable, a flag, a default."""
        return self.origins.get(key, "default")

    def environment(self, name: str) -> Environment:
        """Return the environment called *name* or raise :class:`UsageError` naming the others."""
        for environment in self.environments:
            if environment.name == name:
                return environment
        from sluiceway.config.settings import nearest

        known = [environment.name for environment in self.environments]
        guess = nearest(name, known)
        raise UsageError(
            f"there is no environment {name!r}",
            means=f"The environments of {self.service} are {', '.join(known)}.",
            remedy=f"Did you mean {guess!r}?"
            if guess
            else f"Add [environments.{name}] to {self.path.name}, or name one of these.",
            code="environment.unknown",
        )

    def limits_of(self, name: str) -> CanaryLimits:
        """Return by which numbers a release in the environment called *name* is watched."""
        switched = name != BUILD and self.environment(name).strategy is Strategy.BLUE_GREEN
        return self.soak if switched else self.canary

    def repository_of(self, name: str) -> str:
        """Return the repository of the environment called *name*; of ``build``: the service's."""
        if name == BUILD:
            return self.repository
        return self.environment(name).repository or self.repository

    def predecessor(self, name: str) -> str:
        """Return the environment before *name* on the path; ``build`` before the first."""
        names = [environment.name for environment in self.environments]
        index = names.index(self.environment(name).name)
        return names[index - 1] if index else BUILD

    def project(self, environ: Mapping[str, str]) -> Project:
        """Return the record that every hook receives; makes the state folder, mode 0700.

        The folder tells git to leave all of it alone: signing keys may lie in there. Where no file
        describes a service there is nothing to keep, and somebody's folder stays as it is.

        Raises:
            ActionFailed: ``state.unwritable``.
        """
        if self.path.is_file() and not self.state.is_dir():
            try:
                self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
                with suppress(FileExistsError), (self.state / ".gitignore").open("x") as ignored:
                    ignored.write("*\n")
            except OSError as error:
                raise ActionFailed(
                    f"the state folder {self.state} cannot be made: {error.strerror or error}",
                    means="The ledger, the keys and what runs are kept in there. Nothing was done.",
                    remedy="Make room for it there, or name another place: SLUICEWAY_STATE, or "
                    "[state] folder in sluiceway.toml.",
                    code="state.unwritable",
                ) from error
        return Project(
            service=self.service, root=self.root, state=self.state, environ=self._guarded(environ)
        )

    def _guarded(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        """Return *environ* with ``REGISTRY_URL`` set where there is more than one registry.

        ``REGISTRY_USERNAME`` and ``REGISTRY_PASSWORD`` are then for the service's own; another
        registry that asks for a password must not be given them.
        """
        if environ.get("REGISTRY_URL") or not environ.get("REGISTRY_USERNAME"):
            return environ
        repositories = [self.repository_of(each.name) for each in self.environments]
        repositories += [self.policy_bundle] if self.policy_bundle else []
        hosts = {repository.partition("/")[0] for repository in repositories}
        own = self.repository.partition("/")[0]
        return environ if hosts <= {own} else {**environ, "REGISTRY_URL": own}
