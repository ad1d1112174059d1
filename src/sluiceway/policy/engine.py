"""What a policy engine is. Engines are plugins; nothing here knows one by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sluiceway.errors import SluicewayError

__all__ = ["Bundle", "EngineError", "PolicyEngine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A set of Rego modules with their data, named by content."""

    modules: Mapping[str, str]
    """Path relative to the bundle's root to Rego source."""
    data: Mapping[str, Any]
    """The ``data`` document: every data file merged, the site's own last."""
    digest: str
    """``sha256:<hex>`` over modules and data."""
    origin: str
    """Where it was read, for messages."""


class EngineError(SluicewayError):
    """An evaluation could not be made. Every gate turns this into a refusal with :attr:`code`.

    Codes: ``policy.syntax``, ``policy.timeout``, ``policy.crashed``, ``policy.builtin``,
    ``policy.evaluation``, ``policy.engine-missing``.
    """

    default_code = "policy.evaluation"


class PolicyEngine(Protocol):
    """Evaluates one Rego document of a bundle. May be used by one thread at a time."""

    @property
    def name(self) -> str:
        """``embedded``, ``server``, ..."""

    @property
    def version(self) -> str:
        """The engine's version: ``OPA 1.20.2``."""

    def evaluate(self, bundle: Bundle, path: str, document: Mapping[str, Any]) -> Any:
        """Return the value of ``data.<path>`` with ``input`` = *document*.

        An undefined value is ``None``. Built-in errors are errors. Raises :class:`EngineError`
        within the engine's deadline, whatever the policy does.
        """

    def close(self) -> None:
        """Let go of the worker or the connection. Closing twice is fine."""
