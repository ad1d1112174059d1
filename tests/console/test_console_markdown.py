"""The summary page of a CI job: complete, bounded, and nobody else's Markdown."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from sluiceway.analysis import Watch, advance
from sluiceway.console import summary_markdown
from sluiceway.model import (
    CanaryLimits,
    Decision,
    Finding,
    Level,
    Observation,
    Side,
    Waiver,
    to_json,
)

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
DIGEST = "sha256:" + "9f2c41d09a7e" + "0" * 52


def decided(*messages: str, allow: bool = False, waiver: Waiver | None = None) -> Decision:
    return Decision(
        gate="promotion",
        allow=allow,
        findings=tuple(
            Finding(
                code="promotion.path",
                level=Level.DENY,
                message=message,
                solution="go the other way",
                waived=waiver,
            )
            for message in messages
        ),
        policy_digest=DIGEST,
        input_digest=DIGEST,
        engine="embedded",
        at=NOW,
    )


def outcome(decision: Decision, **more: Any) -> dict[str, Any]:
    return {
        "outcome": "refused",
        "service": "settlement",
        "source": "dev",
        "target": "production",
        "image": {"repository": "127.0.0.1:5555/s", "digest": DIGEST, "media_type": "m"},
        "decision": to_json(decision),
        "changed": False,
        "run": "promote-1",
        "error": {"what": "refused", "means": "", "remedy": ""},
        **more,
    }


def test_a_refusal_has_its_facts_and_reasons():
    assert summary_markdown(outcome(decided("not that way"))) == (
        "### Refused: dev → production 9f2c41d09a7e; nothing changed\n"
        "\n"
        "|  |  |\n"
        "| --- | --- |\n"
        "| Service | `settlement` |\n"
        f"| Image | `127.0.0.1:5555/s@{DIGEST}` |\n"
        "| Way | dev → production |\n"
        "| Run | `promote-1` |\n"
        "| Changed | `no` |\n"
        "\n"
        "|  | Code | Why | What to do |\n"
        "| --- | --- | --- | --- |\n"
        "| **refuses** | `promotion.path` | not that way | go the other way |\n"
        "\n"
        f"<sub>engine `embedded`, policies `{DIGEST}`, input `{DIGEST}`</sub>\n"
    )


def test_a_bare_decision_is_enough():
    text = summary_markdown(decided("no"))
    assert text.startswith("### Gate promotion: refused\n")
    assert summary_markdown(to_json(decided("no"))) == text


def test_a_waiver_is_shown_with_its_owner():
    waiver = Waiver(code="promotion.path", reason="a|b", owner="ravi", expires=NOW)
    text = summary_markdown(decided("x", allow=True, waiver=waiver))
    assert "### Gate promotion: allowed" in text
    assert r"| waived | `promotion.path` | x | Waived by ravi until 2026\-11\-23: a\|b |" in text


@pytest.mark.parametrize(
    "said",
    [
        "a | b | c",
        "first\nsecond\n\n# heading",
        "![x](https://evil.example/p.png) [y](javascript:z)",
        "<script>x</script><img src=x>",
        "`code` **bold** ~~gone~~",
        "back\\slash \\| pipe",
        "ends with backslash\\",
        "@somebody #1 https://evil.example",
    ],
)
def test_what_is_said_stays_text(said):
    text = summary_markdown(outcome(decided(said)))
    rows = [line for line in text.splitlines() if line.startswith("| **refuses**")]
    assert len(rows) == 1
    # A pipe divides cells unless an odd number of backslashes stands before it.
    dividers = re.findall(r"(?<!\\)(?:\\\\)*\|", rows[0])
    assert len(dividers) == 5
    why = rows[0].split(" | ", 2)[2]
    assert "<script" not in why
    assert "<img" not in why
    assert not re.search(r"(?<!\\)[`*\[]", why.replace("<br>", ""))
    assert "https://" not in why
    assert "@somebody" not in why


def test_a_page_has_a_limit():
    text = summary_markdown(outcome(decided(*["x" * 10_000] * 150)))
    assert text.count("**refuses**") == 100
    assert "And 50 more findings." in text
    assert len(text.encode()) < 1024 * 1024


def test_an_error_that_no_decision_explains_is_told():
    error = {"what": "the registry is silent", "means": "Nothing changed.", "remedy": "Start it."}
    text = summary_markdown({"outcome": "unable", "target": "dev", "error": error})
    assert "**the registry is silent**" in text
    assert "Start it." in text


def test_no_secret_is_summarised(monkeypatch):
    monkeypatch.setenv("ROLLBACK_WEBHOOK", "http://127.0.0.1:1/secret-path")
    text = summary_markdown(outcome(decided("posting to http://127.0.0.1:1/secret-path failed")))
    assert "secret-path" not in text
    assert r"\*\*\*" in text


def test_a_canary_shows_both_sides_against_the_limits():
    watch = Watch()
    limits = CanaryLimits()
    for number in range(4):
        side = Side(
            digest=DIGEST,
            requests=25 * number,
            errors=5 * number,
            latency_ms={"120": 25 * number},
        )
        watch = advance(
            watch,
            Observation(
                route="production",
                at=NOW,
                monotonic=10.0 * number,
                stable=None,
                canary=side,
                canary_alive=True,
                canary_restarts=0,
                health_ok=True,
                health_detail="",
                weight=5.0,
            ),
            limits,
        )
    report = {
        "verdict": "fail",
        "reason": f"the error rate was over 5 % at {watch.errors.streak} checks in a row",
        "watch": watch.to_json(),
        "limits": to_json(limits),
    }
    text = summary_markdown({"outcome": "rolled-back", "target": "canary", "canary": report})
    assert "**Canary: fail.** the error rate was over 5 % at 3 checks in a row" in text
    assert "| canary | 75 | 15 | 20.0 % | 120 ms | 3 / 0 |" in text
    assert "| limit |  |  | 5.0 % | 2000 ms | 3 |" in text
