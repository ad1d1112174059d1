"""The embedded engine: real Open Policy Agent, in a process of its own that may die."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from sluiceway.model import digest_of
from sluiceway.policy.archive import check_path
from sluiceway.policy.builtins import refuse_forbidden
from sluiceway.policy.engine import Answer, Bundle, EngineError, Parsed, RuleResult, RuleRun
from sluiceway.policy.reach import may_mention_forbidden, reached
from sluiceway.record import Record
from sluiceway_policy_embedded.client import Worker
from sluiceway_policy_embedded.pins import OPA_VERSION
from sluiceway_policy_embedded.remembered import Remembered

__all__ = ["EmbeddedEngine"]

_AUTHORING_SECONDS = 60.0
"""Compiling and testing a whole folder may take longer than one decision."""
_COMPILING_SECONDS = 20.0
"""Compiling is done once for many decisions, and on a busy machine takes longer than any of them."""
_BATCH = 100
"""Test rules asked together: each further query is compiled anew, each rule adds to one query."""
_RULE_SECONDS = 1.0
"""What a rule adds to its batch's deadline: one that fails is evaluated by itself as well."""
_TRACED = 10
"""Rules that fail of which it is found out where they stopped; whoever has more begins with these."""


class _Loaded(Record):
    """A query that was compiled, and the modules that it was compiled with."""

    key: str
    query: str


class EmbeddedEngine:
    """A :class:`sluiceway.policy.PolicyWorkbench` over a worker process that starts when needed.

    Args:
        library: The shared library to load.
        pinned: The SHA-256 that it must have, hexadecimal.
        deadline_seconds: How long one evaluation may take; compiling policies that are new to the
            worker has a longer one of its own.
        memory_megabytes: How much memory the worker may use.
        remembered: Where to find and to say which policies compile as a whole; nowhere when left out.
        known: Where to find and to say which file is the library; nowhere when left out.
    """

    def __init__(
        self,
        library: Path,
        pinned: str,
        *,
        deadline_seconds: float = 5.0,
        memory_megabytes: int = 2048,
        remembered: Remembered | None = None,
        known: Remembered | None = None,
    ) -> None:
        self._library = library
        self._pinned = pinned
        self._deadline_seconds = deadline_seconds
        self._memory_megabytes = memory_megabytes
        self._worker: Worker | None = None
        self._lock = threading.Lock()
        self._remembered = remembered
        self._known_libraries = known
        self._vetted: set[str] = set()
        self._compiled: set[str] = set()
        """Keys of bundles that have compiled as a whole."""
        self._last: tuple[Bundle, str, dict[str, _Loaded]] | None = None

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
        check_path(path)
        # Asked without an input first, which compiles it and evaluates nothing: the deadline of an
        # evaluation is not for that, and the library compiles everything again for each query.
        query = f"is_object(input); value := data.{path}"
        with self._lock:
            worker, key = self._prepared(bundle, path, query)
            deadline = time.monotonic() + self._deadline_seconds
            request = {"op": "evaluate", "key": key, "query": query}
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
            check_path(rule)
        results: list[RuleResult] = []
        covered: dict[str, set[int]] = {}
        seen: dict[str, set[int]] = {}
        for start in range(0, len(rules), _BATCH):
            batch = list(rules[start : start + _BATCH])
            with self._lock:
                seconds = _AUTHORING_SECONDS + _RULE_SECONDS * len(batch)
                deadline, worker, key = self._ready(bundle, seconds)
                traced = max(0, _TRACED - sum(not each.passed for each in results))
                request = {"op": "run", "key": key, "rules": batch, "traced": traced}
                answer = worker.ask(request, deadline)
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
            self._worker = Worker(
                self._library,
                self._pinned,
                self._memory_megabytes,
                known=self._known_libraries,
            )
        return self._worker

    def _prepared(self, bundle: Bundle, path: str, query: str) -> tuple[Worker, str]:
        """Return a worker that has compiled *query* over what it can reach, under a key."""
        worker = self._running()
        deadline = time.monotonic() + max(self._deadline_seconds, _COMPILING_SECONDS)
        key, known = self._known(bundle)
        at = known.get(path)
        if at is not None and at in worker.prepared:
            return worker, at.key
        self._vet(worker, bundle, key, deadline)
        modules = dict(bundle.modules)
        name = digest_of({"bundle": key, "library": self._pinned})  # another may say something else
        remembered = self._remembered is not None and name in self._remembered
        if remembered or key in self._compiled:
            modules = {each: modules[each] for each in sorted(reached(bundle.modules, path))}
        whole = len(modules) == len(bundle.modules)
        part = key if whole else f"{key} {digest_of(sorted(modules))}"
        if part in worker.held:
            worker.ask({"op": "prepare", "key": part, "query": query}, deadline)
        else:
            self._load(worker, bundle, part, modules, deadline, query=query)
        self._compiled.add(key)
        if whole and self._remembered is not None and not remembered:
            self._remembered.add(name)
        known[path] = at = _Loaded(key=part, query=query)
        worker.prepared.add(at)
        return worker, part

    def _vet(self, worker: Worker, bundle: Bundle, key: str, deadline: float) -> None:
        """Refuse what a gate's policies must not use; most texts cannot even mention it."""
        if key not in self._vetted and may_mention_forbidden(bundle.modules):
            _refuse(worker, bundle, deadline)
            self._vetted.add(key)

    def _load(
        self,
        worker: Worker,
        bundle: Bundle,
        key: str,
        modules: Mapping[str, str],
        deadline: float,
        *,
        query: str,
    ) -> None:
        request = {"op": "load", "key": key, "modules": dict(modules), "data": dict(bundle.data)}
        try:
            worker.hold(worker.ask({**request, "query": query}, deadline))
        except EngineError as error:
            if error.code == "policy.syntax":  # said better where each module is looked at
                _refuse(worker, bundle, deadline)
            raise

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
            _refuse(worker, bundle, deadline, also | functions.keys())
            self._vetted.add(key)
        if key not in worker.held:
            modules, data = dict(bundle.modules), dict(bundle.data)
            request = {"op": "load", "key": key, "modules": modules, "data": data}
            worker.hold(worker.ask({**request, "functions": functions}, deadline, lent=lent))
        return deadline, worker, key

    def _key(self, bundle: Bundle) -> str:
        """Name the bundle by what it holds, whatever its own digest claims."""
        return self._known(bundle)[0]

    def _known(self, bundle: Bundle) -> tuple[str, dict[str, _Loaded]]:
        """Return the bundle's name, and under which key each path of it was compiled."""
        if self._last is None or self._last[0] is not bundle:
            name = digest_of({"modules": bundle.modules, "data": bundle.data})
            self._last = (bundle, name, {})
        return self._last[1:]


def _refuse(
    worker: Worker, bundle: Bundle, deadline: float, also: Collection[str] = frozenset()
) -> None:
    """Raise for the first module that does not parse or uses what it must not."""
    parsed = worker.ask({"op": "parse", "modules": dict(bundle.modules)}, deadline)
    refuse_forbidden(_parsed(parsed), bundle.modules, also)


def _arity(function: Callable[..., Any]) -> int:
    return len(inspect.signature(function).parameters)


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
