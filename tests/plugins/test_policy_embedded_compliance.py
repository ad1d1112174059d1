"""OPA's own compliance suite (v1) through our worker, with every known miss by name.

The cases are those of open-policy-agent/opa (``v1/test/cases/testdata``) as Swift OPA keeps them, in
JSON; they are data that not every checkout has. The README of the plugin lists the same misses.
"""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sluiceway.policy import EngineError
from sluiceway_policy_embedded.client import Worker
from sluiceway_policy_embedded.pins import default_library, pin_here

CASES = Path(__file__).parents[3] / "shared/data/opa-compliance/cases.json.gz"
README = Path(__file__).parents[2] / "plugins/sluiceway_policy_embedded/README.md"


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    pin = pin_here()
    assert pin is not None
    worker = Worker(default_library(), pin.library, 2048)
    yield worker
    worker.close()


def evaluated(worker: Worker, case: dict[str, Any]) -> list[Any]:
    """Return the case's bindings; the worker is asked past the check for forbidden built-ins."""
    modules = {f"m{n}.rego": source for n, source in enumerate(case.get("modules") or [])}
    deadline = time.monotonic() + 60
    ask = {"op": "load", "key": case["file"] + case["note"]}
    worker.ask({**ask, "modules": modules, "data": case.get("data") or {}}, deadline)
    # A term may be a set, which no JSON document is.
    term = f" with input as {case['input_term']}" if case.get("input_term") else ""
    query = {"op": "evaluate", "key": ask["key"], "query": case["query"] + term}
    return list(worker.ask(query, deadline, document=None if term else case.get("input")))


def same(found: list[Any], case: dict[str, Any]) -> bool:
    wanted = case["want_result"]
    if case.get("sort_bindings"):
        found = [{k: _sorted(v) for k, v in each.items()} for each in found]
        wanted = [{k: _sorted(v) for k, v in each.items()} for each in wanted]
    if case.get("ignore_generated_vars"):
        found = [{k: v for k, v in each.items() if not k.startswith("__")} for each in found]
    return _sorted(found) == _sorted(wanted)


def _sorted(value: Any) -> Any:
    if isinstance(value, list):
        return sorted(value, key=lambda each: json.dumps(each, sort_keys=True))
    return value


def passes(worker: Worker, case: dict[str, Any]) -> bool:
    error_wanted = bool(case.get("want_error") or case.get("want_error_code"))
    try:
        found = evaluated(worker, case)
    except EngineError:
        return error_wanted
    return not error_wanted and same(found, case)


STRICT = "a built-in's error is an error here, and undefined in the case"
COMPILER = (
    "OPA refuses it when compiling (`opa eval` says the same); its own test program does not ask"
)
KNOWN = {
    "baseandvirtualdocs/base/virtual: conflicts": (1, COMPILER),
    "functionerrors/undefined builtin result": (1, STRICT),
    "jsonpatch/json_patch_tests": (1, STRICT),
    "jsonpatch/set-failure add-to-bad-path": (1, STRICT),
    "jsonpatch/set-failure add-with-mismatched-key-value": (1, STRICT),
    "net.lookup_ip_addr/localhost": (1, "the worker can reach no network, on purpose"),
    "reachable_paths/cycle_1022_3": (
        1,
        "the data is older: OPA 1.20.2's own case of this name wants what is answered here",
    ),
    "regex.replace: bad regex pattern: Syntax error": (1, STRICT),
    "regexmatch/regex.match bad RE": (1, STRICT),
    "strings/any_prefix_match/type_error_nostrict": (2, STRICT),
    "strings/any_suffix_match/type_error_nostrict": (4, STRICT),
    "subset/array and set 1": (1, STRICT),
    "subset/array and set 2": (1, STRICT),
    "time/time caching": (1, "needs test.sleep, which only OPA's own test program has"),
    "uuid-parse/negative": (1, STRICT),
    "withkeyword/builtin: nested, mock function calls original": (1, STRICT),
}
"""Name to how many cases have it, and why each is missed."""


def test_the_page_lists_every_miss_with_its_reason() -> None:
    rows = [f"| `{name}` | {count} | {reason} |" for name, (count, reason) in sorted(KNOWN.items())]
    assert "\n".join(rows) in README.read_text()


@pytest.mark.slow
@pytest.mark.skipif(
    not CASES.is_file(), reason="OPA's compliance cases are not beside this checkout"
)
def test_the_compliance_suite_passes_but_for_the_known_misses(worker: Worker) -> None:
    cases = [case for case in json.loads(gzip.decompress(CASES.read_bytes())) if not case["ignore"]]
    missed = [case["note"] for case in cases if not passes(worker, case)]
    assert Counter(missed) == {name: count for name, (count, _) in KNOWN.items()}
    assert len(cases) == 2067
