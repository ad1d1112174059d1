"""Commands of a policy author: explain a decision, judge history again, write pages and rules."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from contextlib import closing, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.cli.author_engines import workbench_engine
from sluiceway.cli.command import Shell, command
from sluiceway.cli.policies import POLICIES_HELP, data_files, roots
from sluiceway.errors import ConfigurationError, ExitCode, SluicewayError, UsageError

if TYPE_CHECKING:
    from sluiceway.policy import Bundle, Explanation, Recorded, Replayed

__all__ = ["docs", "evaluate", "explain", "new", "replay"]

_OTHERS = 50
"""Inputs of other decisions that values to try are taken from."""
_AGE = re.compile(r"([1-9][0-9]*)([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}
_LARGEST = 64 << 20
_DONE = {"missing": "written", "other": "written anew", "left over": "taken away"}
"""What was done about a page that was so."""


@command(help={"what": "A run's id (or its beginning, or `last`), or a file with a gate's input."})
def explain(shell: Shell, what: str) -> ExitCode:
    """Say why a gate decided so: the rule, the facts it read, the smallest change that flips it.

    Ends with 0 whatever the decision is.
    """
    from sluiceway import policy

    record: Recorded | None = None
    known: tuple[Recorded, ...]
    if what == "-" or what.endswith(".json") or Path(what).is_file():
        document = _input(what)
        known = _known_inputs(shell)
        moment = _moment(document)
    else:
        from sluiceway.gates.recorded import find

        record, known = find(shell.bench, what)
        document, moment = dict(record.document), record.at
    gate = str(document.get("gate", ""))
    bundle = _bundle(shell, "")
    _check_gate(gate, bundle)
    others = [
        each.document
        for each in reversed(known)
        if each.decision["gate"] == gate and each is not record
    ]
    explanation = policy.explain(
        workbench_engine(shell),
        bundle,
        gate,
        document,
        now=moment,
        others=others[:_OTHERS],
    )
    told = _told(explanation, document, record)
    shell.result(told, lambda console: console.explanation(told))
    return ExitCode.DONE


@command(
    name="eval",
    help={
        "gate": "The gate's name, for example promotion.",
        "input": "A file with its input as JSON; - is stdin.",
        "policies": POLICIES_HELP,
    },
)
def evaluate(
    shell: Shell,
    gate: str,
    input: str = "-",  # noqa: A002 - the flag's name
    policies: str = "",
) -> ExitCode:
    """Let one gate judge an input by hand, as a run would; end with 3 when it refuses."""
    from sluiceway import policy
    from sluiceway.model import to_json

    document = _input(input)
    bench = shell.bench_or_bare
    bundle = _bundle(shell, policies) if policies else bench.bundle()
    if isinstance(bundle, policy.Bundle):
        _check_gate(gate, bundle)
    engine = bench.plugins_for("policy").maybe("sluiceway_policy_engine")
    with closing(engine) if engine is not None else nullcontext():
        decision = policy.decide(engine, bundle, gate, document, now=_moment(document))
    shell.result({"decision": to_json(decision)}, lambda console: console.decision(decision))
    return ExitCode.DONE if decision.allow else ExitCode.REFUSED


@command(
    help={
        "policies": POLICIES_HELP,
        "since": "Only decisions since then: 7d, 12h, 2w, or a date like 2026-11-01.",
        "gate": "Only this gate's decisions.",
        "fail_on_change": "End with 3 when any decision would be another.",
    }
)
def replay(
    shell: Shell,
    policies: str = "",
    since: str = "",
    gate: str = "",
    fail_on_change: bool = False,  # noqa: FBT001, FBT002 - a flag
) -> ExitCode:
    """Judge every recorded decision again under changed policies, and show what flips."""
    from sluiceway import policy
    from sluiceway.gates.recorded import recorded

    after = _since(since, datetime.now(UTC)) if since else None
    bench = shell.bench  # where there is no service, say that, and not that its ledger is broken
    engine = workbench_engine(shell)
    bundle = _bundle(shell, policies, site_data=True)
    if gate:
        _check_gate(gate, bundle)
    try:
        engine.compile(bundle)
    except SluicewayError as error:
        raise ConfigurationError(
            f"the policies in {bundle.origin} cannot be used: {error.what}",
            means="Nothing was judged again.",
            remedy="See `invoke policy.check`.",
            code=error.code,
        ) from error
    found = policy.replay(engine, bundle, recorded(bench, since=after, gate=gate))
    document = {
        "policies": bundle.origin,
        "policy_digest": bundle.digest,
        "counts": {
            outcome.value: sum(each.outcome is outcome for each in found)
            for outcome in policy.Outcome
        },
        "identical": sum(each.identical for each in found),
        "changed": [_replayed(each) for each in found if each.outcome is not policy.Outcome.SAME],
    }
    shell.result(document, lambda console: console.replay(document))
    changed = any(each.changed for each in found)
    return ExitCode.REFUSED if fail_on_change and changed else ExitCode.DONE


@command(
    help={
        "policies": POLICIES_HELP,
        "to": "The folder of the pages.",
        "check": "Write nothing; end with 3 when a page is not as it would be written.",
    }
)
def docs(
    shell: Shell,
    policies: str = "",
    to: str = "docs/findings",
    check: bool = False,  # noqa: FBT001, FBT002 - a flag
) -> ExitCode:
    """Write one page for each finding code, from the rules' METADATA."""
    from sluiceway.policy.pages import compare_pages, finding_pages, write_pages

    pages = finding_pages(workbench_engine(shell), _bundle(shell, policies))
    folder = Path(to)
    found = compare_pages(folder, pages) if check else write_pages(folder, pages)
    lines = [f"{folder / each.page}: {each.kind if check else _DONE[each.kind]}" for each in found]
    done = "differ" if check else "written or taken away"
    lines.append(f"{len(pages)} pages, {len(found)} {done}")
    shell.result(
        {"folder": str(folder), "pages": sorted(pages), "different": found},
        lambda console: console.lines(lines),
    )
    return ExitCode.REFUSED if check and found else ExitCode.DONE


@command(
    help={
        "code": "The code of its finding: the package and the reason, like promotion.freeze.",
        "policies": POLICIES_HELP,
        "bundled": "Write into the policies that came with Sluiceway.",
    }
)
def new(
    shell: Shell,
    code: str,
    policies: str = "",
    bundled: bool = False,  # noqa: FBT001, FBT002 - a flag
) -> ExitCode:
    """Begin a rule: a file, its METADATA and its test. It refuses until it is written."""
    from sluiceway import policy
    from sluiceway.policy.scaffold import new_rule, test_name, write_rule

    (root,) = roots(shell, policies)
    if not isinstance(root, Path) or root.is_file():
        raise UsageError(
            "these policies are a bundle, and rules are written into a folder",
            remedy="Name the folder that the bundle is made of: --policies=FOLDER",
            code="policy.bundled",
        )
    if root.resolve() == policy.bundled_policies().resolve() and not bundled:
        raise UsageError(
            "these are the policies that came with Sluiceway",
            means="The next upgrade would replace what you write there.",
            remedy=f"Copy them: cp -r {root} policies. Name the copy in sluiceway.toml ([policy] path "
            '= "policies") and try again; or give --bundled.',
            code="policy.bundled",
        )
    engine = workbench_engine(shell)
    files = new_rule(code, _bundle(shell, policies))
    package = (root / next(iter(files))).parent.parent
    if not package.is_dir():
        raise UsageError(
            f"there is no folder {package}",
            means="Nothing was written: a rule stands in a folder below that of its package.",
            remedy=f"Name the folder that those of the packages are in: --policies={root.parent}"
            if root.name == package.name
            else "Name the folder that those of the packages are in.",
            code="policy.package",
        )
    paths = write_rule(root, files)
    # Its own test alone: those of the others, of which many want to pass the gate, take long.
    report = policy.run_tests(lambda: engine, [root], only=test_name(code))
    failing = [each.rule for each in report.results if not each.passed]
    document = {
        "written": [str(path) for path in paths],
        "tested": [each.rule for each in report.results],
        "failing": failing,
    }
    shell.result(document, lambda console: console.lines(_begun(code, document, policies)))
    return ExitCode.REFUSED if failing else ExitCode.DONE


def _begun(code: str, document: Mapping[str, list[str]], policies: str) -> list[str]:
    failing = document["failing"]
    test = f"`invoke policy.test --policies={policies}`" if policies else "`invoke policy.test`"
    return [
        *(f"wrote {path}" for path in document["written"]),
        *(f"{rule} {'fails' if rule in failing else 'passes'}" for rule in document["tested"]),
        f"{code} refuses everything until its condition is written.",
        "Tests that expect to pass the gate fail until then.",
        f"Next: write the condition, then run all tests: {test}.",
    ]


def _bundle(shell: Shell, policies: str, *, site_data: bool = False) -> Bundle:
    from sluiceway import policy

    data = shell.bench_or_bare.config.policy_data if site_data else data_files(shell, policies)
    return policy.load_bundle(roots(shell, policies), list(data))


def _check_gate(gate: str, bundle: Bundle) -> None:
    if gate in bundle.schemas:
        return
    from sluiceway.config.settings import nearest

    guess = nearest(gate, bundle.schemas)
    known = ", ".join(sorted(bundle.schemas)) or "none"
    raise UsageError(
        f"there is no gate {gate!r}" if gate else "the input does not say for which gate it is",
        means="An input names its gate as `gate`.",
        remedy=(f"Did you mean {guess}? " if guess else "") + f"Gates: {known}.",
        code="policy.unknown-gate",
    )


def _input(what: str) -> dict[str, Any]:
    """Read a gate's input from a file or from stdin."""
    from sluiceway.policy.bundle import unique_keys

    name = "stdin" if what == "-" else what
    try:
        text = sys.stdin.read(_LARGEST) if what == "-" else Path(what).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(
            f"{name} cannot be read: {reason}",
            remedy="Give a file with a gate's input as JSON, `-` for stdin, or a run's id.",
            code="policy.input",
        ) from error
    try:
        document = json.loads(text, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        place = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UsageError(
            f"{name}{place} is not JSON: {error}", remedy="Correct it there.", code="policy.input"
        ) from error
    if isinstance(document, dict):
        # An entry of the ledger, as `invoke history --json` gives it, or what is recorded in one.
        body = document.get("body") if document.get("kind") == "decision" else document
        if isinstance(body, dict) and "decision" in body and "input" in body:
            document = body["input"]
    if not isinstance(document, dict):
        raise UsageError(
            f"{name} is not a JSON object",
            remedy="A gate's input is an object; docs/policies.md shows where one comes from.",
            code="policy.input",
        )
    return document


def _moment(document: Mapping[str, Any]) -> datetime:
    """Return the moment that the input is about; what the schema refuses is left to it."""
    from sluiceway.model import parse_time

    try:
        return parse_time(str(document.get("now")))
    except ValueError:
        return datetime.now(UTC)


def _known_inputs(shell: Shell) -> tuple[Recorded, ...]:
    """Return what the ledger has, where there is one: for values to try, so never a must."""
    from sluiceway.gates.recorded import recorded

    try:
        state = shell.bench.project.state
        return recorded(shell.bench) if (state / "ledger.db").is_file() else ()
    except SluicewayError:
        return ()


def _since(text: str, now: datetime) -> datetime:
    age = _AGE.fullmatch(text)
    if age:
        return now - timedelta(hours=int(age[1]) * _HOURS[age[2]])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--since is {text!r}, which is neither an age nor a date",
            remedy="For example --since=7d, --since=12h or --since=2026-11-01",
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _told(
    explanation: Explanation, document: Mapping[str, Any], record: Recorded | None
) -> dict[str, Any]:
    from sluiceway.model import to_json
    from sluiceway.policy.reports import explanation_document

    told = explanation_document(explanation, document)
    if record is not None:
        was = record.decision
        now = to_json(explanation.decision)
        told |= {
            "run": record.run,
            "recorded": {
                "seq": record.seq,
                "allow": was["allow"],
                "codes": [each["code"] for each in was["findings"]],
                "policy_digest": was["policy_digest"],
                "same_policies": was["policy_digest"] == now["policy_digest"],
                "outcome": "same"
                if (was["allow"], was["findings"]) == (now["allow"], now["findings"])
                else "changed",
            },
        }
    return told


def _replayed(each: Replayed) -> dict[str, Any]:
    from sluiceway.model import to_json

    return {
        "seq": each.recorded.seq,
        "run": each.recorded.run,
        "at": each.recorded.decision["at"],
        "environment": each.recorded.environment,
        "gate": each.decision.gate,
        "outcome": each.outcome.value,
        "was": each.recorded.decision["allow"],
        "appeared": list(each.appeared),
        "vanished": list(each.vanished),
        "decision": to_json(each.decision),
    }
