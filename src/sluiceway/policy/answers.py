"""What OPA's own programs answer when they cannot decide, as one :class:`EngineError`.

Their messages and codes are those of OPA's ``ast.Error`` and ``topdown.Error``: ``{"code",
"message", "location": {"file", "row"}}``. The code of a refusal is the same whichever engine met it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sluiceway.policy.builtins import FORBIDDEN, OPA_LINE
from sluiceway.policy.engine import EngineError
from sluiceway.policy.tree import plain_message

__all__ = ["REMEDIES", "check_version", "compile_code", "engine_error"]

_UNDEFINED = re.compile(r"undefined function (?!data\.)([\w.]+)")
_BUILTIN = re.compile(r"eval_(builtin|type)_error")
_CANCELLED = re.compile(r"eval_cancel_error")
_RECURSION = "rego_recursion_error"
_SYNTAX = re.compile(r"rego_\w+_error")
_MOST = 5
REMEDIES = {
    "policy.syntax": "Correct it at the place named and run `invoke policy.check`.",
    "policy.recursion": "Let no rule depend on itself; walk() and graph.reachable() go through a tree.",
    "policy.forbidden": "Take it out and pass what it would find as input or data.",
    "policy.builtin": "Guard the built-in against such a value; `invoke policy.test` reproduces it.",
    "policy.timeout": "Find the rule that loops with `invoke policy.test`, or allow it more time.",
    "policy.evaluation": "Correct the rule named and run `invoke policy.test`.",
}
"""What to do about each way in which OPA itself fails, whichever engine asks it."""


def engine_error(errors: Sequence[Any]) -> EngineError:
    """Return the refusal for OPA's list of *errors* (an empty one says nothing, and refuses too)."""
    lines = [_line(error) for error in errors[:_MOST]]
    text = plain_message("\n".join(line for line in lines if line)) or "OPA named no reason"
    unknown = _UNDEFINED.search(text)
    if unknown is not None:
        code = "policy.forbidden"
        reason = FORBIDDEN.get(unknown[1], "is not a built-in that policies may use")
        text = f"{text} ({unknown[1]} {reason})"
    elif _CANCELLED.search(text):
        code = "policy.timeout"
    elif _BUILTIN.search(text):
        code = "policy.builtin"
    elif _SYNTAX.search(text):
        code = compile_code(text)
    else:
        code = "policy.evaluation"
    return EngineError(
        text,
        means="The gate refuses, because nothing was decided.",
        remedy=REMEDIES[code],
        code=code,
    )


def compile_code(text: str) -> str:
    """Return ``policy.recursion`` or ``policy.syntax`` for what OPA's compiler says."""
    return "policy.recursion" if _RECURSION in text else "policy.syntax"


def check_version(found: str, accepted: str, setting: str) -> None:
    """Raise :class:`EngineError` unless OPA's version *found* is of the *accepted* line.

    Args:
        found: ``1.20.2``, as the program says; ``""`` when it says nothing.
        accepted: ``1.20``.
        setting: Where that is set, for the message.
    """
    if found != accepted and not found.startswith(f"{accepted}."):
        raise EngineError(
            f"the policy engine is OPA {found or 'of an unknown version'}, and OPA {accepted} is "
            "what is accepted",
            means="Releases of OPA differ in what built-ins answer; the engines were compared on "
            f"OPA {OPA_LINE}.",
            remedy=f"Install OPA {accepted}, or set opa_version in [plugins.{setting}] after "
            "running the tests of your policies on the other one.",
            code="policy.engine-version",
        )


def _line(error: Any) -> str:
    if not isinstance(error, Mapping):
        return str(error)
    location = error.get("location")
    place = ""
    if isinstance(location, Mapping) and location.get("file"):
        place = f"{location['file']}:{location.get('row', 1)}: "
    code = f"{error['code']}: " if error.get("code") else ""
    return f"{place}{code}{error.get('message', '')}"
