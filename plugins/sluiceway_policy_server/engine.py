"""An OPA server as an engine: believed only while it serves exactly our policies."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from sluiceway.model import canonical
from sluiceway.policy.answers import check_version
from sluiceway.policy.archive import check_path, document_bytes, revision, roots
from sluiceway.policy.builtins import OPA_LINE, refuse_forbidden
from sluiceway.policy.engine import Bundle, EngineError, Parsed
from sluiceway.policy.tree import package, rule_name
from sluiceway_policy_server.client import Connection

__all__ = ["ServerEngine"]

_SYSTEM = "system"
"""The server's own package (authorization, log masks); it decides no gate."""


class ServerEngine:
    """A :class:`sluiceway.policy.PolicyEngine` over an OPA server.

    Before a decision the server's modules and data are read back and compared with the bundle;
    with the decision itself it has to name the revision of the bundle that it was made from.

    Args:
        connection: To the server.
        reread_seconds: How long what was read back is believed; 0 reads it before each decision.
        opa_version: The line of releases that is accepted: ``1.20``.
    """

    def __init__(
        self, connection: Connection, *, reread_seconds: float = 0.0, opa_version: str = OPA_LINE
    ) -> None:
        self._connection = connection
        self._reread_seconds = reread_seconds
        self._accepted = opa_version
        self._lock = threading.Lock()
        self._found = ""
        self._last: tuple[Bundle, str] | None = None
        self._read: tuple[str, float] | None = None

    @property
    def name(self) -> str:
        """``server``."""
        return "server"

    @property
    def version(self) -> str:
        """``OPA <version>``, as the server says it; asked when it is not known yet."""
        with self._lock:
            if not self._found:
                self._check_version(self._connection.query("sluiceway.version", {}))
            return f"OPA {self._found}"

    def evaluate(self, bundle: Bundle, path: str, document: Mapping[str, Any]) -> Any:
        """Return the value of ``data.<path>`` with ``input`` = *document*; undefined is ``None``.

        Raises:
            EngineError: ``policy.server-differs`` when the server serves anything but *bundle*,
                ``policy.server-...`` when it does not answer as OPA does, and what evaluating ends
                with elsewhere.
        """
        check_path(path)
        document_bytes(document)
        with self._lock:
            wanted = self._revision(bundle)
            self._compare(bundle, wanted)
            answer = self._connection.query(path, document)
            self._check_version(answer)
            self._check_revision(answer, wanted)
            return answer.get("result")

    def close(self) -> None:
        """Close the connection. Closing twice is fine."""
        with self._lock:
            self._connection.close()
            self._read = None

    def _revision(self, bundle: Bundle) -> str:
        if self._last is None or self._last[0] is not bundle:
            roots(bundle)  # refuses what a server could not keep apart from its own
            self._last = (bundle, revision(bundle))
        return self._last[1]

    def _compare(self, bundle: Bundle, wanted: str) -> None:
        """Read the server's policies back, unless that was done a moment ago."""
        now = time.monotonic()
        if self._read is not None:
            known, at = self._read
            if known == wanted and now - at < self._reread_seconds:
                return
        self._read = None
        try:
            self._compare_data(bundle, self._compare_modules(bundle))
        except (TypeError, LookupError, AttributeError) as error:
            raise self._differs(f"it shows them in a form that is not OPA's ({error!r})") from error
        self._read = (wanted, now)

    def _compare_modules(self, bundle: Bundle) -> dict[str, set[str]]:
        """Compare Rego text by text; return the names of each package's rules."""
        names: dict[str, list[str]] = {}
        for name, ours in sorted(bundle.modules.items(), reverse=True):
            names.setdefault(ours, []).append(name)
        parsed: dict[str, Parsed] = {}
        rules: dict[str, set[str]] = {}
        for module in self._connection.policies():
            identity, source, tree = (module.get(key) for key in ("id", "raw", "ast"))
            if not isinstance(source, str) or not isinstance(tree, Mapping):
                raise self._differs(f"it does not show what is in {identity}")
            where = package(tree)
            if where.partition(".")[0] == _SYSTEM:
                continue
            if not names.get(source):
                raise self._differs(f"{identity} is not one of our modules, or is another version")
            parsed[names[source].pop()] = Parsed(tree=tree)
            defined = rules.setdefault(where, set())
            defined.update(rule_name(rule) for rule in tree.get("rules") or [])
        missing = sorted(name for left in names.values() for name in left)
        if missing:
            raise self._differs(f"it lacks {', '.join(missing)}")
        refuse_forbidden(parsed, bundle.modules)
        return rules

    def _compare_data(self, bundle: Bundle, rules: Mapping[str, set[str]]) -> None:
        """Compare data: what the server has besides the values of rules is ours, all of it."""
        served = _bare(self._connection.data(), rules, "", without_rules=True)
        ours = _bare(bundle.data, rules, "", without_rules=False)
        if canonical(served) != canonical(ours):
            place = next(_differences(served, ours, "data"), "data")
            raise self._differs(f"{place} is not what it is here")

    def _check_version(self, answer: Mapping[str, Any]) -> None:
        found = _provenance(answer).get("version")
        check_version(found if isinstance(found, str) else "", self._accepted, "policy-server")
        self._found = str(found)

    def _check_revision(self, answer: Mapping[str, Any], wanted: str) -> None:
        """The one thing that is said about exactly this evaluation, whatever happens in between."""
        bundles = _provenance(answer).get("bundles")
        bundles = bundles if isinstance(bundles, Mapping) else {}
        revisions = {
            str(each.get("revision")) for each in bundles.values() if isinstance(each, Mapping)
        }
        if wanted not in revisions:
            shown = ", ".join(sorted(revisions)) or "no bundle"
            self._read = None
            raise self._differs(f"it decided by {shown}, and {wanted} is ours")

    def _differs(self, what: str) -> EngineError:
        return EngineError(
            f"the policy server at {self._connection.address.url} does not serve these policies: "
            f"{what}",
            means="Another policy's decision is no decision of this gate, so the gate refuses.",
            remedy="Give it the bundle that `invoke policy.serve --bundle-to=FILE` writes, and "
            "nothing beside it.",
            code="policy.server-differs",
        )


def _provenance(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    found = answer.get("provenance")
    return found if isinstance(found, Mapping) else {}


def _bare(
    value: Mapping[str, Any], rules: Mapping[str, set[str]], where: str, *, without_rules: bool
) -> dict[str, Any]:
    """Return a ``data`` document without empty packages, and without what rules add to it.

    A rule and data of one name cannot be told apart in what a server answers; such a key stays in
    ours alone, so that it differs and refuses.
    """
    defined = rules.get(where, set()) if without_rules else set()
    kept: dict[str, Any] = {}
    for key, inner in value.items():
        place = f"{where}.{key}" if where else key
        if key in defined:
            continue
        if isinstance(inner, Mapping) and any(
            each == place or each.startswith(f"{place}.") for each in rules
        ):
            below = _bare(inner, rules, place, without_rules=without_rules)
            if below:
                kept[key] = below
        else:
            kept[key] = inner
    return kept


def _differences(served: Any, ours: Any, place: str) -> Iterator[str]:
    if isinstance(served, Mapping) and isinstance(ours, Mapping):
        for key in sorted(served.keys() | ours.keys()):
            if key not in served or key not in ours:
                yield f"{place}.{key}"
            else:
                yield from _differences(served[key], ours[key], f"{place}.{key}")
    elif canonical(served) != canonical(ours):
        yield place
