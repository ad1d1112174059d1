"""Tables at every width, painted and plain, with the values that break tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from sluiceway.console import Console
from sluiceway.console.text import width_of
from sluiceway.model import (
    Check,
    CheckStatus,
    Decision,
    Finding,
    Level,
    Maker,
    Scan,
    Status,
    Vulnerability,
    Waiver,
    to_json,
)
from sluiceway.plugins import Found
from sluiceway.scans import Report, join

from .console_kit import bare, shown

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
DIGEST = "sha256:" + "9f2c41d09a7e" + "0" * 52
OTHER = "sha256:" + "b" * 64
LONG = "".join(f"word{number} " for number in range(30)).strip()  # over 200 characters
UNBROKEN = "x" * 200


def decided(message: str = "the scan is old", solution: str = "invoke scan") -> Decision:
    waiver = Waiver(code="scan.high", reason="unreachable", owner="ravi", expires=NOW)
    return Decision(
        gate="promotion",
        allow=False,
        findings=(
            Finding(code="promotion.path", level=Level.DENY, message=message, solution=solution),
            Finding(code="scan.stale", level=Level.DENY, message=message, solution=solution),
            Finding(code="actor.unproven", level=Level.WARN, message=message, solution=solution),
            Finding(
                code="scan.high", level=Level.DENY, message="CVE", solution="up", waived=waiver
            ),
        ),
        policy_digest=DIGEST,
        input_digest=OTHER,
        engine="embedded",
        at=NOW,
    )


def board(problem: str = "") -> list[dict[str, Any]]:
    def row(name: str, digest: str, *, healthy: bool | None) -> dict[str, Any]:
        return {
            "environment": name,
            "digest": digest,
            "version": "1.0.0",
            "since": "2026-11-23T08:00:00Z" if digest else None,
            "by": "dana",
            "run": "promote-1",
            "serving": digest,
            "healthy": healthy,
            "weight": 95.0 if digest else None,
            "url": "http://127.0.0.1:8001" if digest else "",
            "problem": problem if name == "production" else "",
        }

    return [
        row("staging", DIGEST, healthy=True),
        row("canary", "", healthy=None),
        row("production", OTHER, healthy=False),
    ]


def entries(detail: str = "it failed") -> list[dict[str, Any]]:
    common = {"at": NOW, "environment": "production", "digest": DIGEST, "actor": "lena", "run": "r"}
    return [
        {**common, "kind": "decision", "body": {"decision": to_json(decided())}},
        {**common, "kind": "rolled-back", "body": {"reason": detail}},
        {**common, "kind": "run", "body": {"outcome": "unable", "error": {"what": detail}}},
        {
            **common,
            "kind": "approval",
            "body": {"statement": {"predicate": {"source": "canary", "target": "production"}}},
        },
    ]


def scan(summary: str = "2 found") -> Scan:
    def vulnerability(name: str, severity: str) -> Vulnerability:
        return Vulnerability(
            id=name,
            aliases=(),
            package=f"pkg:pypi/{name.lower()}@1.0",
            severity=severity,
            fixed=("1.1",),
        )

    return Scan(
        status=Status.OK,
        subject=DIGEST,
        made_at=NOW,
        maker=Maker(plugin="scan-osv", tool="osv", version="1"),
        vulnerabilities=(vulnerability("LOW-1", "LOW"), vulnerability("CRIT-1", "CRITICAL")),
        database={},
        uncovered=("pkg:generic/thing",),
        summary=summary,
    )


def joined(*found: Scan) -> Report:
    return join(found, ["pkg:pypi/crit-1@1.0", "pkg:pypi/low-1@1.0"], subject=DIGEST)


APPROVAL = {
    "approver": {"name": "ravi"},
    "digest": DIGEST,
    "source": "canary",
    "target": "production",
    "expires": "2026-11-24T08:00:00Z",
    "valid": True,
    "problem": "",
}

WAITING = {
    "source": "canary",
    "target": "production",
    "digest": DIGEST,
    "path": True,
    "needed": 2,
    "counted": ["ravi"],
    "roles": ["tech-lead"],
    "roles_lacking": [],
    "could": ["lena", "tess"],
    "may_promote": ["lena"],
    "problems": [],
    "ready": False,
    "approvals": [],
}
APPROVED = {
    "approver": {"name": "ravi", "method": "ssh", "proven": True, "key": ""},
    "digest": DIGEST,
    "source": "canary",
    "target": "production",
    "reason": "",
    "expires": "2026-11-24T08:00:00Z",
    "policy_digest": DIGEST,
    "repeats": "",
    "counts": False,
    "why_not": [],
}

TABLES: dict[str, Callable[[Console, str], None]] = {
    "decision": lambda console, value: console.decision(decided(value, value)),
    "board": lambda console, value: console.board("settlement", board(value)),
    "history": lambda console, value: console.history(entries(value)),
    "stages": lambda console, value: console.stages(
        [{"stage": "scan", "title": value, "plugins": [{"name": "scan-osv", "usable": True}]}]
    ),
    "plugins": lambda console, value: console.plugins(
        [
            Found(
                name="scan-osv",
                distribution="sluiceway",
                version="1",
                module="m",
                hooks=("sluiceway_scan", "sluiceway_doctor"),
                problem=value,
            )
        ]
    ),
    "checks": lambda console, value: console.checks(
        [Check(name="registry", status=CheckStatus.FAIL, detail=value, remedy=value)]
    ),
    "scans": lambda console, value: console.scans("127.0.0.1:5555/x", joined(scan(value))),
    "approvals": lambda console, value: console.approvals(
        [APPROVAL, {**APPROVAL, "valid": False, "problem": value}]
    ),
    "waiting": lambda console, value: console.approvals([], [{**WAITING, "problems": [value]}]),
    "approved": lambda console, value: console.approved({**APPROVED, "why_not": [value]}),
    "error": lambda console, value: console.error(
        {"code": "registry.unreachable", "what": value, "means": value, "remedy": value}
    ),
}


@pytest.mark.parametrize("value", [LONG, UNBROKEN], ids=["long", "unbroken"])
@pytest.mark.parametrize("width", [80, 60, 40])
@pytest.mark.parametrize("terminal", [False, True], ids=["plain", "painted"])
@pytest.mark.parametrize("table", TABLES)
def test_every_table_fits_and_loses_nothing(table, terminal, width, value):
    text = bare(
        shown(lambda console: TABLES[table](console, value), width=width, terminal=terminal)
    )
    for line in text.splitlines():
        # Plain text keeps whole what may be copied: one long word may end a line.
        before = line.rpartition(" ")[0]
        assert width_of(line) <= width or (not terminal and width_of(before) < width), line
    if value is LONG:
        for word in value.split():
            assert word in text
    else:
        assert text.count("x") >= 200
        assert terminal or value in text  # a log's paths and digests can be copied


@pytest.mark.parametrize("table", TABLES)
def test_plain_text_has_no_escapes_whatever_is_said(table):
    hostile = "\x1b]0;owned\x07 [red]not markup[/red] \x1b[31m"
    text = shown(lambda console: TABLES[table](console, hostile))
    assert "\x1b" not in text
    assert "\x07" not in text
    painted = shown(lambda console: TABLES[table](console, hostile), width=100, terminal=True)
    assert "\x07" not in painted
    assert "\x1b]" not in painted
    assert "[red]not" in bare(painted)  # shown, not obeyed


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}])
def test_a_terminal_may_ask_for_plain_text(environ):
    assert "\x1b" not in shown(
        lambda console: console.decision(decided()), terminal=True, **environ
    )
    assert "\x1b" in shown(lambda console: console.decision(decided()), terminal=True)


def test_a_decision_shows_refusals_warnings_and_waivers_apart():
    text = shown(lambda console: console.decision(decided()))
    assert text == (
        "Gate promotion: refused, 2 reasons\n"
        "\n"
        "Code            Why              What to do\n"
        "--------------  ---------------  -----------\n"
        "promotion.path  the scan is old  invoke scan\n"
        "\n"
        "scan.stale      the scan is old  invoke scan\n"
        "\n"
        "Warnings\n"
        "Code            Why              What to do\n"
        "--------------  ---------------  -----------\n"
        "actor.unproven  the scan is old  invoke scan\n"
        "\n"
        "Waived\n"
        "Code       Why  Waived by\n"
        "---------  ---  ----------------------------------\n"
        "scan.high  CVE  ravi until 2026-11-23: unreachable\n"
        "\n"
        "engine embedded · policies 9f2c41d09a7e · input bbbbbbbbbbbb\n"
    )
    assert shown(lambda console: console.decision(to_json(decided()))) == text


def test_a_painted_page_has_the_same_words_and_gaps():
    plain = shown(lambda console: console.decision(decided()))
    painted = bare(shown(lambda console: console.decision(decided()), terminal=True))
    rule = re.compile(r"^[-─ ]+$")
    lines = [" ".join(line.split()) for line in painted.splitlines() if not rule.match(line)]
    expected = [" ".join(line.split()) for line in plain.splitlines() if not rule.match(line)]
    assert [line for line in lines if line] == [line for line in expected if line]
    assert painted.startswith("Gate promotion: refused, 2 reasons\n\n")


def test_the_board_says_what_is_where_and_whole():
    text = shown(lambda console: console.board("settlement", board("the tag names another")))
    rows = [line.split() for line in text.splitlines()]
    staging = next(row for row in rows if row[:1] == ["staging"])
    assert staging[1:3] == ["9f2c41d09a7e", "1.0.0"]
    assert staging[-3:] == ["healthy", "95", "%"]
    production = next(row for row in rows if row[:1] == ["production"])
    assert "unhealthy" in production
    assert ["canary", "-", "1.0.0", "dana"] in rows
    assert [DIGEST] in rows
    assert [OTHER] in rows
    assert "production  the tag names another" in text


def test_the_board_shows_blue_and_green_and_which_of_them_is_live():
    (first, *others) = board()
    slot = {"url": "", "healthy": True}
    slots = [
        {"name": "blue", "digest": OTHER, "live": False, **slot, "healthy": False},
        {"name": "green", "digest": DIGEST, "live": True, **slot},
    ]
    text = shown(lambda console: console.board("settlement", [{**first, "slots": slots}, *others]))
    assert "blue bbbbbbbbbbbb idle, unhealthy, green 9f2c41d09a7e live" in text
    assert "Slots" not in shown(lambda console: console.board("settlement", board()))
    first["strategy"] = "blue-green"
    text = shown(lambda console: console.board("settlement", [{**first, "slots": slots[:1]}]))
    assert "blue bbbbbbbbbbbb idle, unhealthy, green empty" in text
    text = shown(lambda console: console.board("settlement", [first]))
    assert "blue empty, green empty" in text


def test_the_board_says_what_is_under_way_and_what_was_cut_off():
    run = {
        "workflow": "promote",
        "source": "staging",
        "target": "canary",
        "started": None,
        "look": {"seconds": 110.0, "of_seconds": 300.0, "weight": 5.0, "verdict": "continue"},
    }
    runs = [
        {**run, "run": "promote-1", "carried_by": "vm:7:1", "end": "Ctrl-C"},
        {**run, "run": "release-2", "carried_by": "", "source": "", "look": None, "end": "`x`"},
    ]
    text = shown(lambda console: console.board("settlement", board(), (), runs), width=300)
    assert "Under way\npromote-1  promote staging → canary. At 5 % of the traffic, watched" in text
    assert "watched for 1 min 50 s of 5 min; continue. Ctrl-C undoes what it has changed" in text
    assert "Cut off\nrelease-2  promote canary. `x` ends it properly." in text
    assert "Under way" not in shown(lambda console: console.board("settlement", board()))


def test_the_history_names_what_was_waived_and_withdrawn():
    def entry(kind: str, predicate: dict[str, str]) -> dict[str, object]:
        body = {"statement": {"predicate": predicate}}
        return {"at": NOW, "kind": kind, "digest": "", "actor": "lena", "run": "r", "body": body}

    rows = [
        entry("waiver", {"code": "a.b", "reason": "known"}),
        entry("waiver-withdrawn", {"waiver": "waive-1", "reason": ""}),
        entry("waiver", {"code": "c.d", "package": "pkg:npm/a", "reason": "dev only"}),
    ]
    text = shown(lambda console: console.history(rows), width=120)
    assert "lena  c.d of pkg:npm/a: dev only" in text
    assert "lena  a.b: known" in text
    assert "lena  waive-1" in text


def test_the_history_says_what_came_of_each():
    text = shown(lambda console: console.history(entries()), width=120)
    assert "refused: promotion.path, scan.stale" in text
    assert "unable: it failed" in text
    assert "canary → production" in text
    assert text.count(DIGEST) == 1
    assert "Nothing has happened yet." in shown(lambda console: console.history([]))
    refused = {"outcome": "refused", "error": {"what": "build → dev refused: image.sbom"}}
    text = shown(lambda console: console.history([{"kind": "run", "body": refused}]), width=120)
    assert "build → dev refused: image.sbom" in text
    assert text.count("refused") == 1


def test_a_moment_of_the_history_stands_on_one_line():
    rows = [
        {**entry, "at": "2026-11-27T15:33:00Z", "environment": "production", "actor": "ravi"}
        for entry in entries()
    ]
    body = {"reason": "error rate 19.05 % on the canary against 0 % on stable after 126 requests"}
    rows.append({**rows[0], "kind": "rolled-back", "body": body})
    text = shown(lambda console: console.history(rows), width=80)
    assert text.count("2026-11-27 15:33") == len(rows)


def test_the_doctor_counts_and_gives_remedies():
    checks = [
        Check(name="python", status=CheckStatus.OK, detail="3.11"),
        Check(name="key", status=CheckStatus.WARN, detail="old", remedy="invoke key.new"),
        Check(name="registry", status=CheckStatus.FAIL, detail="silent", remedy="start it"),
    ]
    text = shown(lambda console: console.checks(checks))
    assert "Do: start it" in text
    assert text.endswith("1 fail, 1 warn\n")
    assert shown(lambda console: console.checks(checks[:1])).endswith("All is well.\n")


def test_the_pipeline_says_where_a_choice_was_made():
    stages = [
        {
            "stage": "scan",
            "title": "match",
            "plugins": [{"name": "scan-osv", "usable": False}],
            "chosen_in": "sluiceway.toml",
        },
        {"stage": "build", "title": "build", "plugins": [], "chosen_in": "default"},
    ]
    text = shown(lambda console: console.stages(stages, ["build", "dev"]))
    assert text.startswith("build → dev\n")
    assert "scan-osv (unusable here)" in text
    assert "nothing" in text
    assert "sluiceway.toml" in text
    assert "Slots" not in text


def test_the_pipeline_shows_what_is_in_blue_and_green():
    def row(name, strategy, problem="", **slots):
        there = [
            {"name": name, "live": False, "healthy": True, **slot} for name, slot in slots.items()
        ]
        return {"environment": name, "strategy": strategy, "slots": there, "problem": problem}

    path = ["build", "staging", "production", "eu"]
    environments = [
        row("staging", "replace"),
        row("production", "blue-green", green={"digest": DIGEST, "live": True}),
        row("eu", "blue-green", problem="the supervisor does not answer"),
    ]
    text = shown(lambda console: console.stages([], path, environments))
    assert "production  blue empty, green 9f2c41d09a7e live" in text
    assert re.search("eu +the supervisor does not answer", text)
    assert not re.search("^ *staging  ", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "1 of 2: ravi lena or tess, to approve it"),
        ({"roles_lacking": ["security"], "counted": ["a", "b"]}, "the consent of a security; lena"),
        ({"could": []}, "nobody who is in data.promotion.people, to approve it"),
        ({"ready": True}, "lena, to promote it"),
        ({"ready": True, "needed": 0, "counted": []}, "none needed lena, to promote it"),
        ({"path": False, "needed": None}, "no such path nobody: data.promotion.paths has no such"),
        ({"needed": "two"}, "1 of two: ravi lena or tess, to approve it"),
        ({"problems": ["Nobody recorded it."]}, "Nobody recorded it; lena or tess"),
    ],
)
def test_what_waits_says_for_whom(more, said):
    text = shown(lambda console: console.approvals([], [{**WAITING, **more}]), width=200)
    assert said in " ".join(text.split())


def test_an_approval_says_whether_it_counts_and_that_it_is_the_second():
    def text(**more):
        return " ".join(shown(lambda console: console.approved({**APPROVED, **more})).split())

    useless = text(why_not=["the person built it"])
    assert useless.startswith("Signed, but it does not count ")
    assert "counts no: the person built it" in useless
    assert "Approved" not in useless
    unknown = text(counts=None, why_not=["no engine"])
    assert unknown.startswith("Signed ")
    assert "counts not known: no engine" in unknown
    assert text(counts=True).startswith("Approved ")
    assert "counts" not in text(counts=True).replace("one person counts once", "")
    assert "you approved this already (approve-1)" in text(counts=True, repeats="approve-1")


def test_recorded_approvals_say_why_they_do_not_count():
    rows = [
        {**APPROVAL, "counts": False, "why_not": ["the person lacks the role"]},
        {**APPROVAL, "counts": True, "why_not": []},
        {**APPROVAL, "counts": None, "why_not": []},
    ]
    text = shown(lambda console: console.approvals(rows), width=200)
    states = [
        line.rpartition("  ")[2] for line in text.splitlines() if "canary → production" in line
    ]
    assert states == ["the person lacks the role", "counts", "valid"]
    assert "Nothing waits" in text
