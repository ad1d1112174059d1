"""The page of a run: whole, quiet about secrets, and nobody's text in it is markup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from tests.report_kit import ENDED, NEEDED, NEW, compared, entry, recorded, reported, values

from sluiceway.console.report import report_page, title_of

HOSTILE = (
    "'\"></style></svg></td><script>alert(1)</script><img src=//x onerror=alert(2)>&\u202e\x1b[2J"
)
CLOSED = {"meta", "br"}
DECISION: dict[str, Any] = {
    "gate": "promotion",
    "allow": False,
    "engine": "embedded",
    "at": "2026-11-26T08:00:01Z",
    "policy_digest": "sha256:" + "c" * 64,
    "input_digest": "sha256:" + "d" * 64,
    "findings": [
        {
            "code": "promotion.role",
            "level": "deny",
            "message": "dana may not.",
            "solution": "Ask lena.",
            "waived": None,
        }
    ],
}


class Page(HTMLParser):
    """Reads a page as a browser does, and complains about what is never closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in CLOSED:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def of(self, name: str) -> Iterator[dict[str, str | None]]:
        return (attributes for tag, attributes in self.tags if tag == name)


def canary(needed: Mapping[str, float] | None = NEEDED) -> dict[str, Any]:
    looks = values([0, 1, 5, 5, 5])
    looks = [
        looks[0],
        *(
            compared(value, 3.0 * 5**number, 0.5, "continue", needed)
            for number, value in enumerate(looks[1:-1])
        ),
        compared(looks[-1], 400.0, 0.1, "rollback", needed),
    ]
    decided = entry("decision", 1, {"decision": deepcopy(DECISION), "input": {}})
    return reported(recorded(looks), (decided, ENDED))


def test_a_canarys_page_has_the_reason_the_curves_and_the_numbers_beside_them():
    page = Page(report_page(canary()))
    assert "Roll back after 40 s: the error rate was over 5 % at 3 checks in a row." in page.text
    labels = [str(each["aria-label"]) for each in page.of("svg")]
    assert [label.split(";")[0] for label in labels] == [
        "Error rate",
        "p99",
        "Requests between two looks",
        "Weight of the canary",
        "Evidence that the canary is worse",
        "Certificates that it is safe",
    ]
    assert "roll back at 40 s" in labels[0]
    assert "worse: 100" in labels[4]
    for words in ("Both sides over the whole watch", "Every look", "promotion.role", "Ask lena."):
        assert words in page.text
    assert "p ≤ 0.0025" in page.text
    assert NEW in page.text


def drawn(page: Page, title: str) -> str:
    """What a chart says of itself to whoever hears it."""
    return next(str(each["aria-label"]) for each in page.of("svg") if title in str(each))


def test_evidence_is_drawn_against_what_the_sites_policies_asked_of_this_run():
    page = Page(report_page(canary({"worse": 1000.0, "beyond": 50.0, "safe": 30.0})))
    assert "worse: 1000" in drawn(page, "Evidence that")
    assert "beyond: 50" in drawn(page, "Evidence that")
    assert "both: 30" in drawn(page, "Certificates")
    assert "the evidence of “worse” reaches 1000 and that of “beyond”" in page.text
    assert "promoted when both certificates reach 30" in page.text
    assert "seen once in 1000 healthy canaries" in page.text
    for fixed in ("worse: 100", "beyond: 20", "both: 20"):
        assert f"{fixed};" not in drawn(page, "Evidence that") + drawn(page, "Certificates")


def test_a_rule_that_compares_nothing_has_no_line_in_its_evidence_and_says_so():
    document = canary({})
    document["watch"]["limits"]["rule"] = "mission"
    page = Page(report_page(document))
    assert "worse:" not in drawn(page, "Evidence that")
    assert "both:" not in drawn(page, "Certificates")
    assert "The rule mission does not compare the sides: the evidence decided nothing." in page.text


def test_what_was_not_kept_is_not_drawn_and_is_named():
    document = canary(None)
    page = Page(report_page(document))
    assert "worse:" not in drawn(page, "Evidence that")
    assert "How much evidence decides was not kept, so no line is drawn for it." in page.text
    assert any(each.startswith("How much evidence decides") for each in document["missing"])
    document["watch"]["limits"] = {}
    page = Page(report_page(document))
    assert "limit" not in drawn(page, "Error rate").lower()
    assert "2000" not in drawn(page, "p99")


def test_a_soak_has_the_curves_of_its_slot_and_nothing_to_be_compared_with():
    looks = [{**value, "needed": {}} for value in values([0, 1, 1], stable=False)]
    kept = recorded(looks)
    outcome = dict(kept.outcome or {})
    outcome["soak"] = {**outcome.pop("canary"), "slot": "green"}
    document = reported(replace(kept, outcome=outcome))
    assert document["watch"]["slot"] == "green"
    assert not document["missing"], "nobody looks for a stable side"
    page = Page(report_page(document))
    labels = [str(each["aria-label"]).split(";")[0] for each in page.of("svg")]
    assert labels == ["Error rate", "p99", "Requests between two looks"]
    assert "green" in drawn(page, "Error rate")
    assert "stable" not in drawn(page, "Error rate")
    assert "The slot over the whole soak" in page.text
    assert "Evidence at the last look" not in page.text


def test_policies_that_changed_while_it_ran_are_named():
    document = canary()
    document["watch"]["looks"][1]["needed"] = {"worse": 10.0, "beyond": 5.0, "safe": 5.0}
    page = Page(report_page(document))
    assert "The policies asked for other numbers at the beginning" in page.text
    assert "The policies asked" not in Page(report_page(canary())).text


def test_a_page_needs_nothing_from_outside_and_may_load_nothing():
    page = Page(report_page(canary()))
    names = {name for name, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    policies = [each["content"] for each in page.of("meta") if "http-equiv" in each]
    assert policies == [
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    ]
    for name, attributes in page.tags:
        for key, value in attributes.items():
            assert not key.startswith("on")
            assert key not in {"href", "src", "srcset", "action"}
            if key != "xmlns":
                assert "//" not in str(value), (name, key)
    style = report_page(canary()).partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_tables_and_headings_are_named_for_whoever_hears_them():
    page = Page(report_page(canary()))
    tags = [name for name, _ in page.tags]
    assert tags.count("h1") == tags.count("main") == 1
    assert tags[: tags.index("body")].count("title") == 1
    assert tags.count("table") == tags.count("caption") > 4
    assert all(each.get("scope") in {"col", "row"} for each in page.of("th"))
    assert {each.get("lang") for each in page.of("html")} == {"en"}


def test_what_is_for_reading_is_one_below_the_other_on_a_narrow_screen():
    def prose(document):
        tags = Page(report_page(document)).tags
        return {each["aria-label"] for _, each in tags if each.get("class") == "scroll prose"}

    watched = prose(canary())
    assert "Verdicts, whenever they changed" in watched
    assert "Both sides over the whole watch" not in watched
    decided = {"decision": DECISION, "input": {}}
    assert "Findings" in prose(reported(None, (entry("decision", 1, decided),)))


KEPT = {
    "at",
    "time",
    "started_at",
    "ended_at",
    "made_at",
    "expires",
    "state",
    "workflow",
    "outcome",
    "verdict",
    "gate",
    "kind",
    "level",
}
"""What the core itself writes into a run, and a page is laid out by."""


def spoiled(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: spoiled(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [spoiled(item, key) for item in value]
    return HOSTILE if isinstance(value, str) and key not in KEPT else value


@pytest.mark.parametrize("state", ["ended", "left-behind"])
def test_a_strangers_text_is_only_text_wherever_it_stands(state):
    document = canary()
    document["approvals"] = [
        {"at": "2026-11-26T08:00:01Z", "by": "", "expires": "", "source": "", "target": ""}
        | {"reason": "", "run": ""}
    ]
    clean = Page(report_page(document))
    dirty = Page(text := report_page(spoiled(document) | {"state": state}))
    known = {name for name, _ in clean.tags}
    assert {name for name, _ in dirty.tags} <= known
    assert "<script" not in text
    assert not {"\x1b", "\u202e"} & set(text)
    assert "alert(1)" in dirty.text
    for _, attributes in dirty.tags:
        assert not [key for key in attributes if key.startswith("on")]


def test_a_verdict_of_a_stranger_is_only_text():
    document = canary()
    document["outcome"] = document["watch"]["outcome"] = HOSTILE
    document["watch"]["looks"][2]["verdict"] = HOSTILE
    assert "<script" not in report_page(document)
    assert "<img" not in report_page(document)


def test_secrets_are_taken_out(monkeypatch):
    monkeypatch.setenv("COSIGN_PASSWORD", "correct horse battery")
    document = canary()
    document["reason"] = "It said: correct horse battery"
    document["decisions"][0]["decision"]["findings"][0]["message"] = "correct horse battery!"
    assert "correct horse" not in report_page(document)


def test_a_promise_that_was_not_kept_is_said():
    sla = {"kind": "by-hand", "seconds": 700.0, "limit_seconds": 600.0, "kept": False}
    text = Page(report_page(canary() | {"sla": sla})).text
    assert "11 min 40 s after the request, NOT within the 10 min that are promised" in text


def test_a_watch_that_was_stopped_is_timed_from_its_stop_and_not_from_a_bad_look():
    sla = {"kind": "automatic", "seconds": 0.1, "limit_seconds": 120.0, "kept": True}
    document = canary() | {"sla": sla}
    assert "0.1 s after the first bad look, within" in Page(report_page(document)).text
    document["watch"]["code"] = "interrupted"
    assert "0.1 s after it was stopped, within" in Page(report_page(document)).text


def test_a_first_release_has_all_of_the_traffic_whatever_share_was_asked_for():
    document = canary()
    assert "Weights 5 %" in " ".join(Page(report_page(document)).text.split())
    for look in document["watch"]["looks"]:
        look["weight"] = 100.0
    assert "Weights 100 %" in " ".join(Page(report_page(document)).text.split())


def test_a_run_without_a_watch_has_the_same_page_without_curves():
    image = {"repository": "host/app", "digest": NEW, "media_type": "m"}
    outcome = {"outcome": "refused", "image": image, "error": {"what": "refused", "remedy": "x"}}
    ended = entry("run", 60, {"workflow": "promote", "outcome": "refused", "error": None})
    decided = entry("decision", 1, {"decision": DECISION, "input": {}})
    document = reported(recorded([], outcome=outcome, steps=()), (decided, ended))
    page = Page(report_page(document))
    assert not list(page.of("svg"))
    assert title_of(document) == "Refused: staging → canary bbbbbbbbbbbb; nothing changed"
    assert "dana may not." in page.text
    assert "No step of it was finished." in page.text


def test_a_waiver_is_shown_with_its_scope_and_what_it_was_for():
    end = "2026-11-27T08:00:00Z"
    given = [
        {"id": "w1", "code": "a.b", "environment": "canary", "expires": end},
        {"id": "w2", "code": "a.b", "package": "pkg:npm/a", "expires": "2026-11-26T08:00:00.5Z"},
        {"id": "w3", "code": "c.d", "expires": end, "problem": "lena withdrew it"},
        {"id": "w4", "code": "e.f", "expires": end},
    ]
    finding = {**DECISION["findings"][0], "code": "a.b", "waived": {"id": "w1"}}
    decided = {"decision": DECISION | {"findings": [finding]}, "input": {"waivers": given}}
    page = Page(report_page(reported(None, (entry("decision", 1, decided),))))
    text = " ".join(page.text.split())
    assert "a.b in canary 2026-11-27 08:00:00 excused 1 finding" in text
    assert "a.b of pkg:npm/a 2026-11-26 08:00:00 was over" in text
    assert "c.d 2026-11-27 08:00:00 did not count: lena withdrew it" in text
    assert "e.f 2026-11-27 08:00:00 excused nothing" in text


def test_a_run_that_only_the_ledger_knows_has_a_page():
    document = reported(None, (entry("approval", 1, {"statement": {"predicate": {}}}),))
    page = Page(report_page(document))
    assert title_of(document) == "Recorded: approval"
    assert "What is not here" in page.text


def test_the_looks_of_a_watch_are_one_line_of_the_steps():
    text = Page(report_page(canary())).text
    assert "look at the canary (4 times)" in text
    assert not re.search(r"canary\.tick\.\d", text)


def test_a_release_is_no_environments():
    image = {"repository": "host/app", "digest": NEW, "media_type": "m"}
    kept = recorded([], workflow="release", outcome={"outcome": "done", "image": image}, steps=())
    document = reported(kept, (), carried="") | {"workflow": "release"}
    assert title_of(document) == "Released bbbbbbbbbbbb"
