"""Everything one command works with: configuration, plugins, ledger, registry, policies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sluiceway import config as configuration
from sluiceway import plugins as loading
from sluiceway.config import BUILD, Config
from sluiceway.errors import SluicewayError
from sluiceway.plugins import Plugins

if TYPE_CHECKING:
    from sluiceway.ledger import Ledger
    from sluiceway.model import Evidence, Image, Project, Registry
    from sluiceway.policy import Bundle, PolicyEngine, Source

__all__ = ["Workbench"]


class Workbench:
    """Opened once per command; each part is made when it is first used.

    Args:
        config: The checked configuration.
        environ: The process environment.
    """

    def __init__(self, config: Config, environ: Mapping[str, str]) -> None:
        self.config = config
        self.environ = dict(environ)
        self._registries: dict[str, Registry] = {}
        self._some: Plugins | None = None

    @classmethod
    def open(
        cls, directory: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> Workbench:
        """Find and load ``sluiceway.toml`` from *directory* (default: here) upwards."""
        environ = os.environ if environ is None else environ
        path = configuration.find((directory or Path.cwd()).resolve())
        return cls(configuration.load(path, environ), environ)

    @cached_property
    def project(self) -> Project:
        """The record that hooks receive."""
        return self.config.project(self.environ)

    @cached_property
    def plugins(self) -> Plugins:
        """The loaded plugins; raises when a chosen one cannot be loaded."""
        return loading.load(self.config, self.project)

    def plugins_for(self, kind: str) -> Plugins:
        """Return plugins for who asks those of one *kind* of stage alone: no others are imported."""
        if "plugins" in self.__dict__:
            return self.plugins
        if self._some is None:
            # Asked for another kind later, it imports that kind's then.
            self._some = loading.load(self.config, self.project, kind=kind)
        return self._some

    @cached_property
    def ledger(self) -> Ledger:
        """The history and the leases."""
        from sluiceway.ledger import Ledger

        return Ledger(self.project.state)

    @property
    def registry(self) -> Registry:
        """The service's image repository."""
        return self.registry_at(self.config.repository)

    def registry_of(self, environment: str) -> Registry:
        """The repository in which *environment*'s tag is (of ``build``: the service's own)."""
        return self.registry_at(self.config.repository_of(environment))

    def registry_at(self, repository: str) -> Registry:
        """The open *repository*, the same one every time."""
        if repository not in self._registries:
            self._registries[repository] = self.plugins.one(
                "sluiceway_registry", repository=repository
            )
        return self._registries[repository]

    @cached_property
    def engine(self) -> PolicyEngine | None:
        """The policy engine, or ``None`` when none can be used here: then every gate refuses."""
        engine: PolicyEngine | None = self.plugins_for("policy").maybe("sluiceway_policy_engine")
        return engine

    def bundle(self) -> Bundle | SluicewayError:
        """Return the policies with the site's data, or the reason why they cannot be used."""
        from sluiceway import policy

        try:
            bundle = policy.load_bundle([self.policies()], list(self.config.policy_data))
            pinned = self.config.policy_digest
            # An artifact was held to its digest before it was read.
            return policy.check_pin(bundle, pinned) if pinned and not bundle.artifact else bundle
        except SluicewayError as error:
            return error

    def policies(self) -> Source:
        """Return where the policies are; those of a registry are pulled and their signature verified.

        Raises:
            SluicewayError: They cannot be had, or are not what was pinned.
        """
        from sluiceway import policy

        repository = self.config.policy_bundle
        if repository:
            from sluiceway.policy.artifact import pull

            return pull(
                repository,
                self.config.policy_digest,
                self.project.state / "policies",
                opened=self.registry_at,
                verify=self._verified,
            )
        return self.config.policy_path or policy.bundled_policies()

    def _verified(self, image: Image, registry: Registry) -> Evidence:
        evidence: Evidence = self.plugins.one("sluiceway_verify", image=image, registry=registry)
        return evidence

    def image(self, digest: str, environment: str = BUILD) -> Image | None:
        """Return the image with *digest* in the repository of *environment*, if it is there."""
        from sluiceway.model import Image

        registry = self.registry_of(environment)
        manifest = registry.manifest(digest)
        if manifest is None:
            return None
        return Image(
            repository=registry.repository,
            digest=manifest.digest,
            media_type=manifest.media_type,
        )

    def held(self, environment: str) -> str:
        """Return the digest that *environment*'s tag names now, or ``""``."""
        manifest = self.registry_of(environment).resolve(environment)
        return manifest.digest if manifest is not None else ""

    def close(self) -> None:
        """Let go of the policy worker. Closing twice is fine."""
        if "engine" in self.__dict__ and self.engine is not None:
            self.engine.close()
