"""The ``opa`` program as an engine: a process for each decision, over a bundle that we wrote."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sluiceway import process
from sluiceway.errors import ActionFailed
from sluiceway.policy.answers import check_version, engine_error
from sluiceway.policy.archive import archive, check_path, document_bytes, revision
from sluiceway.policy.builtins import OPA_LINE, capabilities, refuse_forbidden
from sluiceway.policy.engine import Bundle, EngineError, Parsed

__all__ = ["CommandEngine"]

_PRIVATE = 0o700
_VERSION = re.compile(r"^Version:\s*v?(\S+)", re.MULTILINE)
_PARSE = (
    "trees := {name: tree | some name, source in input; tree := rego.parse_module(name, source)}"
)
_CAPABILITIES = "capabilities.json"
_SAID = 300
"""Characters of a failed program's stderr that a message shows."""


class CommandEngine:
    """A :class:`sluiceway.policy.PolicyEngine` that runs ``opa eval``.

    Args:
        program: The program's path.
        deadline_seconds: How long one evaluation, everything included, may take.
        opa_version: The line of releases that is accepted: ``1.20``.
    """

    def __init__(
        self, program: str, *, deadline_seconds: float = 5.0, opa_version: str = OPA_LINE
    ) -> None:
        self.program = program
        self._deadline_seconds = deadline_seconds
        self._accepted = opa_version
        self._lock = threading.Lock()
        self._found = ""
        self._folder: Path | None = None
        self._remove: weakref.finalize[Any, Any] | None = None
        self._written: dict[str, str] = {}
        """Name of each file in the folder to the SHA-256 that it was written with."""
        self._last: tuple[Bundle, str] | None = None

    @property
    def name(self) -> str:
        """``cli``."""
        return "cli"

    @property
    def version(self) -> str:
        """``OPA <version>``, as the program says it; asked once."""
        with self._lock:
            self._check_version(time.monotonic() + self._deadline_seconds)
            return f"OPA {self._found}"

    def evaluate(self, bundle: Bundle, path: str, document: Mapping[str, Any]) -> Any:
        """Return the value of ``data.<path>`` with ``input`` = *document*; undefined is ``None``.

        Raises:
            EngineError: Always within the deadline.
        """
        check_path(path)
        body = document_bytes(document)
        with self._lock:
            deadline = time.monotonic() + self._deadline_seconds
            self._check_version(deadline)
            file = self._bundle_file(bundle, deadline)
            options = ("--bundle", str(file), "--capabilities", str(self._checked(_CAPABILITIES)))
            answer = self._eval(
                (*options, "--strict-builtin-errors"), f"data.{path}", body, deadline
            )
        found = answer.get("result")
        if found is None:
            return None
        try:
            (row,) = found
            (expression,) = row["expressions"]
            return expression["value"]
        except (TypeError, ValueError, KeyError):
            raise self._strange("not one value for one query") from None

    def close(self) -> None:
        """Remove the private folder. Closing twice is fine; a later call writes a new one."""
        with self._lock:
            if self._remove is not None:
                self._remove()
            self._folder = None
            self._written.clear()
            self._last = None

    def _bundle_file(self, bundle: Bundle, deadline: float) -> Path:
        """Return the bundle's archive in the private folder, vetted once and looked at each time."""
        if self._last is None or self._last[0] is not bundle:
            self._last = (bundle, revision(bundle))
        name = f"{self._last[1].removeprefix('sha256:')}.tar.gz"
        if _CAPABILITIES not in self._written:
            said = self._run(("capabilities", "--current"), b"", deadline)
            try:
                allowed = capabilities(json.loads(said.stdout))
            except (ValueError, AttributeError, TypeError, RecursionError):
                raise self._strange("no capabilities") from None
            self._write(_CAPABILITIES, json.dumps(allowed).encode())
        if name not in self._written:
            written = archive(bundle)
            refuse_forbidden(self._parsed(bundle, deadline), bundle.modules)
            self._write(name, written)
        return self._checked(name)

    def _parsed(self, bundle: Bundle, deadline: float) -> dict[str, Parsed]:
        """Parse every module by the program's own parser."""
        body = document_bytes(bundle.modules)
        answer = self._eval((), _PARSE, body, deadline)
        try:
            trees = answer["result"][0]["bindings"]["trees"]
        except (TypeError, LookupError):
            raise self._strange("no syntax trees") from None
        parsed = {name: Parsed(tree=tree) for name, tree in trees.items()}
        for name in sorted(bundle.modules.keys() - parsed.keys()):
            one = document_bytes({name: bundle.modules[name]})
            try:  # the same again, strictly, says why
                self._eval(("--strict-builtin-errors",), _PARSE, one, deadline)
            except EngineError as error:
                message = re.sub(
                    r"^.*?rego\.parse_module: (?:\d+ errors? occurred:)?", "", error.what, count=1
                )
                parsed[name] = Parsed(tree={}, error=message.strip() or f"{name} does not parse")
            else:
                raise self._strange(f"no syntax tree of {name}")
        return parsed

    def _eval(
        self, options: tuple[str, ...], query: str, body: bytes, deadline: float
    ) -> dict[str, Any]:
        done = self._run(
            ("eval", *options, "--format", "json", "--stdin-input", query), body, deadline
        )
        try:
            answer = json.loads(done.stdout)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise self._strange(f"no JSON (exit status {done.code}): {done.stderr.strip()[:_SAID]}")
        if answer.get("errors") or done.code != 0:
            raise engine_error(answer.get("errors") or [])
        return answer

    def _run(self, arguments: tuple[str, ...], body: bytes, deadline: float) -> process.Completed:
        left = max(deadline - time.monotonic(), 0.001)
        try:
            done = process.run(
                (self.program, *arguments),
                timeout=left,
                cwd=self._private(),
                env=self._environment(),
                stdin=body,
                check=False,
            )
        except ActionFailed as error:
            raise self._translated(error) from error
        if done.code < 0:
            raise EngineError(
                f"{self.program} was ended by signal {-done.code}: {done.stderr.strip()[:_SAID]}",
                means="The gate refuses, because nothing was decided.",
                remedy="Try again; when it repeats, `invoke policy.test` finds the rule.",
                code="policy.crashed",
            )
        return done

    def _environment(self) -> dict[str, str]:
        """Return the whole environment: OPA takes the default of every option from OPA_..."""
        return {"HOME": str(self._private()), "TZ": "UTC", "PATH": ""}

    def _check_version(self, deadline: float) -> None:
        if not self._found:
            said = _VERSION.search(self._run(("version",), b"", deadline).stdout)
            found = said[1] if said is not None else ""
            check_version(found, self._accepted, "policy-cli")
            self._found = found

    def _private(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="sluiceway-policy-"))
            self._remove = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder

    def _write(self, name: str, body: bytes) -> None:
        file = self._private() / name
        file.write_bytes(body)
        self._written[name] = hashlib.sha256(body).hexdigest()

    def _checked(self, name: str) -> Path:
        """Return the file when folder and content are still what was written."""
        file = self._private() / name
        try:
            mode = file.parent.stat().st_mode & 0o777
            with file.open("rb") as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            mode, found = _PRIVATE, f"nothing ({error.strerror})"
        if mode != _PRIVATE or found != self._written[name]:
            raise EngineError(
                f"{file} is no longer what was written there",
                means="Somebody changed the policies between two decisions, so the gate refuses.",
                remedy="Find out who writes into that folder; then repeat the command.",
                code="policy.engine-untrusted",
            )
        return file

    def _translated(self, error: ActionFailed) -> EngineError:
        if error.code == "process.timeout":
            return EngineError(
                f"{self.program} did not decide within {self._deadline_seconds:g} s and was killed",
                means="A policy that does not end decides nothing, so the gate refuses.",
                remedy="Find the rule that loops with `invoke policy.test`, or raise "
                "deadline_seconds in [plugins.policy-cli].",
                code="policy.timeout",
            )
        return EngineError(
            error.what,
            means="The gate refuses, because nothing was decided.",
            remedy="Correct program in [plugins.policy-cli].",
            code="policy.engine-missing",
        )

    def _strange(self, what: str) -> EngineError:
        return EngineError(
            f"{self.program} answered {what}",
            means="The gate refuses, because nothing was decided.",
            remedy="Check that program in [plugins.policy-cli] is OPA: opa version",
            code="policy.crashed",
        )
