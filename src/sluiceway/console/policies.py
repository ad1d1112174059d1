"""What a policy author sees: a decision explained, decisions judged again, tests that fail."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any

from sluiceway.console import tables
from sluiceway.console.page import Block, Cell, Column, Grid, Line, Pairs, Tone, cell
from sluiceway.console.text import count, moment, short

__all__ = ["explanation_page", "replay_page", "tests_page"]

_LONGEST = 96
_SHORT = 48
_NARROW = 34
"""Cells of one side, so that two stand beside each other on an ordinary terminal."""
_ROWS = 25
_FEW = 3


def explanation_page(document: Mapping[str, Any]) -> list[Block]:
    """Return a decision explained; *document* is what ``policy.explain --json`` prints."""
    decision = document["decision"]
    page: list[Block] = [*_asked(document)]
    verdict = "allowed" if decision["allow"] else "refused"
    page.append(
        Line.of(f"Gate {decision['gate']}: {verdict}", Tone.GOOD if decision["allow"] else Tone.BAD)
    )
    page += _recorded(document.get("recorded"))
    for finding in document["findings"]:
        page += _finding(finding)
    page += _together(document)
    page += _needed(document)
    made = f"{count(document['evaluated'])} changed inputs were judged to find this"
    parts = (
        [made, f"policies {short(decision['policy_digest'])}"]
        if decision["policy_digest"]
        else [made]
    )
    return [*page, Line.of(""), Line.of(" · ".join(parts), Tone.DIM)]


def _asked(document: Mapping[str, Any]) -> Iterable[Block]:
    way = document.get("target") or ""
    if document.get("source"):
        way = f"{document['source']} → {way}"
    image = (document.get("image") or {}).get("digest", "")
    parts = [document.get("run"), way, short(str(image)), moment_or_nothing(document)]
    told = " · ".join(str(part) for part in parts if part)
    return [Line.of(told, Tone.DIM)] if told else []


def moment_or_nothing(document: Mapping[str, Any]) -> str:
    """Return when the decision was made, to the minute."""
    at = document["decision"].get("at")
    return f"{moment(at)} UTC" if at else ""


def _recorded(recorded: Mapping[str, Any] | None) -> list[Block]:
    if recorded is None:
        return []
    then = "allowed" if recorded["allow"] else "refused"
    if recorded["outcome"] == "same":
        if recorded["same_policies"]:
            return [Line.of("As recorded, by the same policies.", Tone.DIM)]
        text = "The policies have changed since; the decision has not."
        return [Line.of(text, Tone.WARN)]
    cause = (
        f"other policies then ({short(recorded['policy_digest']) or 'none'})"
        if not recorded["same_policies"]
        else "though the policies are the same"
    )
    codes = ", ".join(recorded["codes"]) or "no findings"
    return [Line.of(f"Recorded otherwise: {then} ({codes}); {cause}.", Tone.WARN)]


def _finding(finding: Mapping[str, Any]) -> list[Block]:
    denies = finding["level"] == "deny" and not finding["waived"]
    tone = Tone.BAD if denies else Tone.WARN
    rule = finding.get("rule")
    page: list[Block] = [Line.of(""), Line.of(f"{finding['code']}  {finding['message']}", tone)]
    rows: list[tuple[str, Cell]] = []
    if rule:
        where = f"{rule['file']}:{rule['row']}"
        rows.append(("Rule", cell(f"{finding['title']} ({where})")))
        rows.append(("Why", cell(" ".join(str(finding["description"]).split()), Tone.DIM)))
    if finding["waived"]:
        waived = finding["waived"]
        rows.append(("Waived", cell(f"by {waived['owner']} until {moment(waived['expires'])}")))
    rows.append(("Do", cell(finding["solution"], Tone.STRONG)))
    page.append(_labelled(rows))
    page += _facts(finding.get("facts", ()))
    if denies and rule:
        page += _flips(finding)
    return page


def _labelled(rows: Iterable[tuple[str, Cell]]) -> Grid:
    return Grid(
        columns=(Column(title="", minimum=4), Column(title="", minimum=24)),
        rows=tuple((cell(label, Tone.DIM), value) for label, value in rows),
    )


def _facts(facts: Sequence[Mapping[str, Any]]) -> list[Block]:
    if not facts:
        return []
    ordered = sorted(facts, key=lambda fact: not fact["decides"])
    grid = Grid(
        columns=(
            Column(title="", minimum=1),
            Column(title="Facts it read", minimum=16),
            Column(title="Value", minimum=12),
        ),
        rows=tuple(
            (
                cell("*" if fact["decides"] else " ", Tone.STRONG),
                cell(fact["path"], Tone.PLAIN if fact["decides"] else Tone.DIM),
                cell(_value(fact, "value"), Tone.PLAIN if fact["decides"] else Tone.DIM),
            )
            for fact in ordered[:_ROWS]
        ),
    )
    page: list[Block] = [Line.of(""), grid]
    if len(ordered) > _ROWS:
        page.append(Line.of(f"and {len(ordered) - _ROWS} more; --json has all", Tone.DIM, 2))
    if any(fact["decides"] for fact in ordered):
        page.append(Line.of("* without it, it would not be said, or not so", Tone.DIM, 2))
    return page


def _flips(finding: Mapping[str, Any]) -> list[Block]:
    flips = finding["flips"]
    page: list[Block] = [Line.of("")]
    if flips:
        number = len(flips[0]["changes"])
        what = "One change that lifts it" if number == 1 else f"{number} changes that lift it"
        title = what if len(flips) == 1 else f"{what}, any of these"
        page += [Line.of(title, Tone.GOOD), _changes(flips)]
    else:
        text = "No change of one or two of these facts was found that lifts it."
        page.append(Line.of(text, Tone.WARN, 2))
    if finding["waivable"]:
        page.append(Line.of(f"A waiver may excuse {finding['code']}, too.", Tone.DIM, 2))
    return page


def _changes(flips: Sequence[Mapping[str, Any]]) -> Grid:
    rows = []
    for flip in flips:
        then = "allowed" if flip["allow"] else "still refused: " + ", ".join(flip["left"])
        for index, change in enumerate(flip["changes"]):
            now, instead = _before_and_after(change)
            rows.append(
                (
                    cell(change["path"]),
                    cell(now, Tone.DIM),
                    cell(instead, Tone.STRONG),
                    cell("" if index else then, Tone.GOOD if flip["allow"] else Tone.WARN),
                )
            )
    return Grid(
        columns=(
            Column(title="Fact", minimum=16),
            Column(title="Now", minimum=8),
            Column(title="Instead", minimum=12),
            Column(title="Then", minimum=8),
        ),
        rows=tuple(rows),
    )


def _before_and_after(change: Mapping[str, Any]) -> tuple[str, str]:
    """Return both values; of a list that grew or shrank by one, that one."""
    before, after = change.get("before"), change.get("after")
    if isinstance(before, list) and isinstance(after, list):
        if len(after) == len(before) + 1 and after[:-1] == before:
            return _size(before), f"and {_shown(after[-1], _SHORT)}"
        if len(after) == len(before) - 1:
            gone = next(n for n in range(len(before)) if [*before[:n], *before[n + 1 :]] == after)
            return _size(before), f"without {_shown(before[gone], _SHORT)}"
    return _value(change, "before", _SHORT), _value(change, "after", _SHORT)


def _size(items: Sequence[Any]) -> str:
    if not items:
        return "none"
    return (
        _shown(items)
        if len(items) <= _FEW and all(isinstance(i, str) for i in items)
        else f"{len(items)}"
    )


def _together(document: Mapping[str, Any]) -> list[Block]:
    refusing = [
        each for each in document["findings"] if each["level"] == "deny" and not each["waived"]
    ]
    if len(refusing) < 2:  # noqa: PLR2004 - one alone has been told
        return []
    together = document["together"]
    if together is None:
        text = "No set of changes was found with which the gate would allow."
        return [Line.of(""), Line.of(text, Tone.WARN)]
    return [
        Line.of(""),
        Line.of("With all of these the gate would allow", Tone.GOOD),
        _changes([together]),
    ]


def _needed(document: Mapping[str, Any]) -> list[Block]:
    needed = document["needed"]
    if not needed:
        return []
    free = [each for each in needed if not each["schema"]]
    demanded = len(needed) - len(free)
    page: list[Block] = [Line.of("")]
    if free:
        page += [
            Line.of("Without any one of these it would refuse", Tone.STRONG),
            Grid(
                columns=(
                    Column(title="Fact", minimum=16),
                    Column(title="Refused by", minimum=16),
                ),
                rows=tuple((cell(each["path"]), cell(", ".join(each["codes"]))) for each in free),
            ),
        ]
    if demanded:
        text = f"{demanded} more are demanded by the input's schema before any rule is asked."
        page.append(Line.of(text, Tone.DIM, 2))
    return page


def _value(fact: Mapping[str, Any], key: str, longest: int = _LONGEST) -> str:
    return _shown(fact[key], longest) if key in fact else "(missing)"


def _shown(value: Any, longest: int = _LONGEST) -> str:
    """Return a value as JSON on one line; digests and long values are shortened."""
    text = json.dumps(_short(value), ensure_ascii=False)
    return _cut(text, longest)


def _short(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("sha256:"):
        return f"sha256:{short(value)}…" if len(value) > 20 else value  # noqa: PLR2004 - already short
    if isinstance(value, Mapping):
        return {key: _short(item) for key, item in value.items() if item not in ("", None, [], {})}
    if isinstance(value, list):
        return [_short(item) for item in value]
    return value


# --- replay ---------------------------------------------------------------------------------------

_OUTCOMES = {
    "allow-to-deny": ("allow → deny", Tone.BAD),
    "deny-to-allow": ("deny → allow", Tone.WARN),
    "findings": ("other findings", Tone.WARN),
    "input-unfit": ("input does not fit", Tone.BAD),
    "not-judged": ("cannot be judged", Tone.BAD),
    "words": ("other words", Tone.DIM),
    "same": ("the same", Tone.GOOD),
}


def replay_page(document: Mapping[str, Any]) -> list[Block]:
    """Return what a change of policies changes; *document* is ``policy.replay --json``."""
    counts = document["counts"]
    total = sum(counts.values())
    if not total:
        return [Line.of("No decision is recorded for that.", Tone.WARN)]
    title = (
        f"{count(total)} recorded decision{'' if total == 1 else 's'} under {document['policies']}"
    )
    page: list[Block] = [
        Line.of(title, Tone.STRONG),
        Pairs.of(
            (label, cell(count(counts[name]), tone if counts[name] else Tone.DIM))
            for name, (label, tone) in _OUTCOMES.items()
            if counts[name] or name in {"allow-to-deny", "deny-to-allow", "same"}
        ),
    ]
    rows = [each for each in document["changed"] if each["outcome"] != "words"]
    if not rows:
        return [
            *page,
            Line.of(""),
            Line.of("Nothing would have been decided otherwise.", Tone.GOOD),
        ]
    page += [
        Line.of(""),
        Grid(
            columns=(
                Column(title="At (UTC)", minimum=10),
                Column(title="Run", minimum=12),
                Column(title="Into", minimum=6),
                Column(title="What", minimum=8),
                Column(title="Because", minimum=14),
            ),
            rows=tuple(
                (
                    cell(moment(each["at"]), Tone.DIM),
                    cell(each["run"]),
                    cell(each["environment"]),
                    cell(*_OUTCOMES[each["outcome"]]),
                    cell(_because(each)),
                )
                for each in rows[:_ROWS]
            ),
        ),
    ]
    if len(rows) > _ROWS:
        page.append(Line.of(f"and {len(rows) - _ROWS} more; --json has all", Tone.DIM, 2))
    first = rows[0]
    page += [
        Line.of(""),
        Line.of(f"The first, {first['run']}, would be told", Tone.STRONG),
        *tables.decision_table(first["decision"]),
    ]
    return page


def _because(row: Mapping[str, Any]) -> str:
    appeared = [f"+ {code}" for code in row["appeared"]]
    vanished = [f"- {code}" for code in row["vanished"]]
    return ", ".join([*appeared, *vanished]) or "a waiver or a level"


# --- tests ----------------------------------------------------------------------------------------


def tests_page(document: Mapping[str, Any]) -> list[Block]:
    """Return what the policies' tests said; *document* is what ``policy.test --json`` prints."""
    page: list[Block] = []
    for kind, results in (("ERROR", document["errors"]), ("FAIL", document["failed"])):
        for result in results:
            page += _failure(kind, result)
    unseen = sum(
        not (each["compared"] or each["failed_at"] or each["error"]) for each in document["failed"]
    )
    if unseen:
        looked = "Only the first failing tests are looked into; --only=NAME says why of another."
        page.append(Line.of(looked, Tone.DIM))
    for name, rows in document["uncovered"].items():
        listed = ", ".join(str(row) for row in rows)
        page.append(Line.of(f"{name}: no test reaches line {listed}", Tone.WARN))
    failures = len(document["failed"]) + len(document["errors"])
    parts = [f"{document['passed']} passed", f"{failures} failed"]
    if document["skipped"]:
        parts.append(f"{len(document['skipped'])} skipped")
    summary = f"{', '.join(parts)}; {document['coverage']:.1f} % of lines covered"
    good = not failures and document["passed"]
    return [*page, Line.of(summary, Tone.GOOD if good else Tone.BAD)]


def _failure(kind: str, result: Mapping[str, Any]) -> list[Block]:
    compared = result.get("compared")
    page: list[Block] = [Line.of(f"{kind}  {result['rule']}", Tone.BAD)]
    if compared:
        place = ":".join(result["failed_at"].split(":")[:2])
        written = f"{compared['left']} {compared['operator']} {compared['right']}"
        page += [
            Line.of(f"{place}: {_cut(written)}", Tone.DIM, 7),
            Grid(
                columns=(
                    Column(title="       actual", minimum=16),
                    Column(title=f"{_EXPECTED.get(compared['operator'], 'expected')}", minimum=12),
                ),
                rows=tuple(
                    (cell(f"       {left}", tone), cell(right, tone))
                    for left, right, tone in _sides(compared)
                ),
            ),
        ]
    else:
        page += [
            Line.of(text, Tone.DIM, 7) for text in (result["error"], result["failed_at"]) if text
        ]
    page += [Line.of(f"printed {text}", Tone.DIM, 7) for text in result["printed"]]
    return [*page, Line.of("")]


_EXPECTED = {
    "!=": "expected anything but",
    "<": "expected below",
    "<=": "expected at most",
    ">": "expected above",
    ">=": "expected at least",
    "in": "expected in",
}


def _cut(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _sides(compared: Mapping[str, Any]) -> list[tuple[str, str, Tone]]:
    """Return both values line by line, what is alike side by side and dim."""
    left, right = (_lines(compared, key) for key in ("actual", "expected"))
    rows: list[tuple[str, str, Tone]] = []
    for alike, start, end, other, last in SequenceMatcher(None, left, right).get_opcodes():
        tone = Tone.DIM if alike == "equal" else Tone.BAD
        rows += [
            (*pair, tone) for pair in zip_longest(left[start:end], right[other:last], fillvalue="")
        ]
    return rows


def _lines(compared: Mapping[str, Any], key: str) -> list[str]:
    if key not in compared:
        return ["(undefined)"]
    value = compared[key]
    text = json.dumps(value, ensure_ascii=False)
    if len(text) <= _NARROW and not isinstance(value, list):
        return [text]
    if isinstance(value, list) and all(not isinstance(item, list | dict) for item in value):
        return [_cut(json.dumps(item, ensure_ascii=False), _NARROW) for item in value] or ["(none)"]
    return [
        _cut(line, _NARROW) for line in json.dumps(value, indent=2, ensure_ascii=False).splitlines()
    ]
