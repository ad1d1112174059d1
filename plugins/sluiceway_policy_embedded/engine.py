"""The embedded engine: real Open Policy Agent, in a process of its own that may die."""

from __future__ import annotations

import inspect
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from sluiceway.model import digest_of
from sluiceway.policy.builtins import refuse_forbidden
from sluiceway.policy.engine import Answer, Bundle, EngineError, Parsed, RuleResult, RuleRun
from sluiceway_policy_embedded.client import Worker
from sluiceway_policy_embedded.pins import OPA_VERSION

__all__ = ["EmbeddedEngine"]

_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_AUTHORING_SECONDS = 60.0
"""Compiling and testing a whole folder may take longer than one decision."""
_COMPILING_SECONDS = 20.0
"""Compiling is done once for many decisions, and on a busy machine takes longer than any of them."""
_BATCH = 100
"""Test rules asked together: each further query is compiled anew, each rule adds to one query."""


class EmbeddedEngine:
    """A :class:`sluiceway.policy.PolicyWorkbench` over a worker process that starts when needed.

    Args:
        library: The shared library to load.
        pinned: The SHA-256 that it must have, hexadecimal.
        deadline_seconds: How long one evaluation may take; compiling policies that are new to the
            worker has a longer one of its own.
        memory_megabytes: How much memory the worker may use.
    """

    def __init__(
        self,
        library: Path,
        pinned: str,
        *,
        deadline_seconds: float = 5.0,
        memory_megabytes: int = 2048,
    ) -> None:
        self._library = library
        self._pinned = pinned
        self._deadline_seconds = deadline_seconds
        self._memory_megabytes = memory_megabytes
        self._worker: Worker | None = None
        self._lock = threading.Lock()
        self._vetted: set[str] = set()
        self._last: tuple[Bundle, str] | None = None

    @property
    def name(self) -> str:
        """``embedded``."""
        return "embedded"

    @property
    def version(self) -> str:
        """``OPA <version>``, known from the pinned hash of the library."""
        return f"OPA {OPA_VERSION}"

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id while one runs."""
        return self._worker.pid if self._worker is not None and self._worker.alive else None

    def evaluate(self, bundle: Bundle, path: str, document: Mapping[str, Any]) -> Any:
        """Return the value of ``data.<path>`` with ``input`` = *document*; undefined is ``None``.

        Raises:
            EngineError: Always within the deadline (and the time that a start and compiling take).
        """
        _check_path(path)
        with self._lock:
            compiling = max(self._deadline_seconds, _COMPILING_SECONDS)
            _, worker, key = self._ready(bundle, compiling)
            deadline = time.monotonic() + self._deadline_seconds
            request = {"op": "evaluate", "key": key, "query": f"value := data.{path}"}
            found = worker.ask(request, deadline, document=document)
        return found[0]["value"] if found else None

    def parse(self, modules: Mapping[str, str]) -> Mapping[str, Parsed]:
        """Parse each module with OPA's own parser; one that does not parse carries its error."""
        with self._lock:
            deadline = time.monotonic() + _AUTHORING_SECONDS
            return _parsed(self._running().ask({"op": "parse", "modules": dict(modules)}, deadline))

    def compile(self, bundle: Bundle) -> None:
        """Compile *bundle*, forbidden built-ins refused first; raises :class:`EngineError`."""
        with self._lock:
            self._ready(bundle, _AUTHORING_SECONDS)

    def run(self, bundle: Bundle, rules: Sequence[str]) -> RuleRun:
        """Evaluate every rule with coverage; each batch has its own deadline."""
        for rule in rules:
            _check_path(rule)
        results: list[RuleResult] = []
        covered: dict[str, set[int]] = {}
        seen: dict[str, set[int]] = {}
        for start in range(0, len(rules), _BATCH):
            batch = list(rules[start : start + _BATCH])
            with self._lock:
                deadline, worker, key = self._ready(bundle, _AUTHORING_SECONDS)
                answer = worker.ask({"op": "run", "key": key, "rules": batch}, deadline)
            results += [_result(result) for result in answer["results"]]
            for name, rows in answer["covered"].items():
                covered.setdefault(name, set()).update(rows)
            for rows_by_name in (answer["covered"], answer["missed"]):
                for name, rows in rows_by_name.items():
                    seen.setdefault(name, set()).update(rows)
        return RuleRun(
            results=tuple(results),
            covered={name: frozenset(rows) for name, rows in covered.items()},
            missed={
                name: frozenset(rows - covered.get(name, set())) for name, rows in seen.items()
            },
        )

    def ask(
        self,
        bundle: Bundle,
        query: str,
        text: str,
        *,
        also: Collection[str] = (),
        lent: Mapping[str, Callable[..., Any]] | None = None,
    ) -> Answer:
        """Answer *query* over *bundle*, whose rules may use more than a gate's."""
        lent = lent or {}
        with self._lock:
            deadline, worker, key = self._ready(
                bundle, _AUTHORING_SECONDS, also=frozenset(also), lent=lent
            )
            request = {"op": "query", "key": key, "query": query, "text": text}
            answer = worker.ask(request, deadline, lent=lent)
        return Answer(found=tuple(answer["found"]), printed=tuple(answer["printed"]))

    def close(self) -> None:
        """End the worker. Closing twice is fine; a later call starts a new one."""
        with self._lock:
            if self._worker is not None:
                self._worker.close()
                self._worker = None

    def _running(self) -> Worker:
        """Return a live worker; one that died since the last call is replaced."""
        if self._worker is None or not self._worker.alive:
            self._worker = Worker(self._library, self._pinned, self._memory_megabytes)
        return self._worker

    def _ready(
        self,
        bundle: Bundle,
        seconds: float,
        *,
        also: frozenset[str] = frozenset(),
        lent: Mapping[str, Callable[..., Any]] | None = None,
    ) -> tuple[float, Worker, str]:
        """Return a deadline from now, and a worker that has compiled *bundle* under a key."""
        worker = self._running()
        deadline = time.monotonic() + seconds
        key = self._key(bundle)
        functions = {name: _arity(function) for name, function in sorted((lent or {}).items())}
        if also or functions:  # never the key under which a gate's bundle was vetted
            key = f"{key} {sorted(also)} {functions}"
        if key not in self._vetted:
            parsed = worker.ask({"op": "parse", "modules": dict(bundle.modules)}, deadline)
            refuse_forbidden(_parsed(parsed), bundle.modules, also | functions.keys())
            self._vetted.add(key)
        if key not in worker.held:
            modules, data = dict(bundle.modules), dict(bundle.data)
            request = {"op": "load", "key": key, "modules": modules, "data": data}
            held = worker.ask({**request, "functions": functions}, deadline, lent=lent)
            worker.held = tuple(held)
        return deadline, worker, key

    def _key(self, bundle: Bundle) -> str:
        """Name the bundle by what it holds, whatever its own digest claims."""
        if self._last is None or self._last[0] is not bundle:
            self._last = (bundle, digest_of({"modules": bundle.modules, "data": bundle.data}))
        return self._last[1]


def _arity(function: Callable[..., Any]) -> int:
    return len(inspect.signature(function).parameters)


def _check_path(path: str) -> None:
    if not _PATH.fullmatch(path):
        raise EngineError(
            f"{path!r} is not the dotted path of a rule",
            remedy="Write the package and the rule, for example promotion.decision.",
            code="policy.evaluation",
        )


def _parsed(answer: Mapping[str, Mapping[str, Any]]) -> dict[str, Parsed]:
    return {
        name: Parsed(tree=module.get("tree", {}), error=module.get("error", ""))
        for name, module in answer.items()
    }


def _result(result: Mapping[str, Any]) -> RuleResult:
    return RuleResult(
        rule=result["rule"],
        passed=result["passed"],
        error=result.get("error", ""),
        failed_at=result.get("failed_at", ""),
        printed=tuple(result.get("printed", ())),
    )
