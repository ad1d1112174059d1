"""The facade: which stream carries what, secrets, outcomes, and what an import costs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from sluiceway.console import Console
from sluiceway.console.outcomes import headline
from sluiceway.console.stream import Guarded, Sink
from sluiceway.model import Image

DIGEST = "sha256:" + "9f2c41d09a7e" + "0" * 52
OUTCOME: dict[str, Any] = {
    "run": "promote-1",
    "service": "settlement",
    "source": "dev",
    "target": "staging",
    "image": {"repository": "127.0.0.1:5555/settlement", "digest": DIGEST, "media_type": "m"},
    "decision": {"gate": "promotion", "allow": True, "findings": [], "engine": "embedded"},
    "actor": {"name": "dana", "method": "os-user", "proven": False},
    "previous": "sha256:" + "b" * 64,
    "deployment": {
        "traffic": {
            "url": "http://127.0.0.1:8001",
            "slots": [{"name": "stable", "digest": DIGEST, "weight": 100.0}],
        }
    },
    "changed": True,
    "outcome": "done",
    "exit_code": 0,
}
REFUSED: dict[str, Any] = {
    **OUTCOME,
    "outcome": "refused",
    "changed": False,
    "deployment": None,
    "decision": {
        "gate": "promotion",
        "allow": False,
        "findings": [
            {
                "code": "promotion.path",
                "level": "deny",
                "message": "not that way",
                "solution": "the other way",
                "waived": None,
            }
        ],
    },
    "error": {"code": "refused", "what": "dev → staging refused", "means": "", "remedy": ""},
}


def printed(*, json_mode: bool = False) -> tuple[Console, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    console = Console(json_mode=json_mode, stdout=out, stderr=err, environ={}, width=80)
    return console, out, err


def test_results_go_to_stdout_and_words_for_people_to_stderr():
    console, out, err = printed()
    console.summary("Built", {"tag": "build-1"})
    console.heading("Rehearsal")
    console.note("in passing")
    console.warn("look at this")
    console.error({"what": "it broke", "means": "so what", "remedy": "mend it", "code": "a.b"})
    assert out.getvalue() == "Built\n  tag  build-1\n"
    assert err.getvalue() == (
        "Rehearsal\nin passing\nlook at this\n"
        "What   it broke\nMeans  so what\nDo     mend it\nCode   a.b\n"
    )


def test_json_mode_leaves_stdout_to_one_document():
    console, out, err = printed(json_mode=True)
    console.summary("Built", {"tag": "build-1"})
    console.outcome(OUTCOME)
    console.error({"what": "it broke"})
    console.result({"image": Image(repository="r", digest=DIGEST, media_type="m"), "é": None})
    assert json.loads(out.getvalue()) == {
        "image": {"repository": "r", "digest": DIGEST, "media_type": "m"},
        "é": None,
    }
    assert "it broke" in err.getvalue()


def test_no_secret_leaves_by_any_stream(monkeypatch):
    secret = "-----BEGIN KEY-----\nabc\ndef\n-----END-----"
    monkeypatch.setenv("COSIGN_PRIVATE_KEY", secret)
    monkeypatch.setenv("REGISTRY_PASSWORD", "swordfish-swordfish")
    for json_mode in (False, True):
        console, out, err = printed(json_mode=json_mode)
        for said in (secret, "it was swordfish-swordfish"):
            console.lines([said])
            console.summary("x", {"value": said})
            console.error({"what": said, "means": said, "remedy": said, "code": "c"})
            console.note(said)
            console.result({"list": [said], said: {"deep": said}})
        everything = out.getvalue() + err.getvalue()
        assert "***" in everything
        assert "swordfish" not in everything
        assert "abc" not in everything


def test_the_last_gate_redacts_what_is_written_past_the_pages(monkeypatch):
    monkeypatch.setenv("REGISTRY_PASSWORD", "swordfish-swordfish")
    stream = io.StringIO()
    Guarded(stream).write("swordfish-swordfish")
    assert stream.getvalue() == "***"


def test_a_stream_that_lacks_a_character_gets_a_question_mark():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    console = Console(stdout=stream, stderr=stream, environ={}, width=80)
    console.lines(["dev → staging"])
    stream.flush()
    assert raw.getvalue() == b"dev ? staging\n"


def test_the_width_comes_from_the_environment_then_the_terminal():
    assert Sink(io.StringIO(), {"COLUMNS": "100"}).width == 100
    assert Sink(io.StringIO(), {"COLUMNS": "3"}).width == 40
    assert Sink(io.StringIO(), {"COLUMNS": "wide"}).width == 80
    assert Sink(io.StringIO(), {}).width == 80
    try:
        primary, secondary = os.openpty()
    except OSError as error:
        pytest.skip(f"this machine gives no terminals: {error}; mount /dev/pts to run this test")
    try:
        with os.fdopen(os.dup(secondary), "w", encoding="utf-8") as terminal:
            sink = Sink(terminal, {"TERM": "xterm"})
            assert sink.painted
            assert sink.symbols
            assert sink.width >= 40
    finally:
        os.close(primary)
        os.close(secondary)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "Promoted 9f2c41d09a7e: dev → staging"),
        ({"source": "", "target": ""}, "Released 9f2c41d09a7e"),
        (
            {"source": None, "target": None, "environment": "production"},
            "production serves 9f2c41d09a7e again",
        ),
        ({"outcome": "refused"}, "Refused: dev → staging 9f2c41d09a7e; nothing changed"),
        (
            {"outcome": "rolled-back", "serves": "sha256:" + "b" * 64},
            "Rolled back: dev → staging 9f2c41d09a7e; bbbbbbbbbbbb serves",
        ),
        (
            {"outcome": "rolled-back", "deployment": {"traffic": {"slots": []}}},
            "Rolled back: dev → staging 9f2c41d09a7e; nothing serves, as before",
        ),
        (
            {"outcome": "rolled-back", "deployment": {}},
            "Rolled back: dev → staging 9f2c41d09a7e; what served before serves",
        ),
        (
            {"outcome": "unable", "changed": False},
            "Unable: dev → staging 9f2c41d09a7e; nothing changed",
        ),
        (
            {"outcome": "needs-person", "image": None},
            "Needs-person: dev → staging; something changed",
        ),
    ],
)
def test_the_headline_says_what_became_of_it(change, words):
    assert headline({**OUTCOME, **change}) == words


def test_a_promotion_shows_who_what_and_where():
    console, out, _ = printed()
    console.promotion(OUTCOME)
    text = out.getvalue()
    assert text.startswith("Promoted 9f2c41d09a7e: dev → staging\n")
    assert f"127.0.0.1:5555/settlement@{DIGEST}" in text
    assert "dana (os-user, unproven)" in text
    assert "http://127.0.0.1:8001" in text
    assert "stable 9f2c41d09a7e 100 %" in text
    assert "Gate" not in text  # an allowing decision without findings says nothing more


def test_a_refusal_shows_its_reasons_once():
    console, out, _ = printed()
    console.promotion(REFUSED)
    text = out.getvalue()
    assert "promotion.path  not that way  the other way" in text
    assert "dev → staging refused" not in text  # the error would only repeat the decision


def test_an_outcome_with_an_error_shows_the_remedy():
    console, out, _ = printed()
    error = {"code": "deploy.unready", "what": "it never answered", "means": "", "remedy": "look"}
    console.outcome({**OUTCOME, "outcome": "unable", "changed": False, "error": error})
    assert "it never answered" in out.getvalue()
    assert "Do    look" in out.getvalue()


def test_a_canary_that_was_taken_back_says_what_to_do_once():
    def finding(solution, level="deny"):
        return {"code": "a.b", "level": level, "message": "m", "solution": solution}

    findings = [finding("Ask more."), finding("Ask more."), finding("Never mind.", "warn")]
    sla = {"kind": "automatic", "seconds": 3.0, "limit_seconds": 120.0, "kept": True}
    report: dict[str, Any] = {
        "verdict": "no-data",
        "reason": "Nobody asked.",
        "decision": {"findings": findings},
    }
    report |= {"rollback_seconds": 0.4, "sla": sla}
    traffic = {"url": "http://127.0.0.1:8080", "slots": []}
    more = {"outcome": "rolled-back", "deployment": {"traffic": traffic}}
    console, out, _ = printed()
    console.promotion({**OUTCOME, **more, "canary": report})
    text = out.getvalue()
    assert text.count("What to do: Ask more.") == 1
    assert "Never mind." not in text
    for codes, words in (
        (["a.b"], "What to do: Ask more."),
        (["canary.unwatched"], "What to do: Promote it again, and let what watches it"),
    ):
        console, out, _ = printed()
        console.promotion({**OUTCOME, **more, "canary": {**report, "codes": codes}})
        assert out.getvalue().count("What to do: ") == 1, "not of a look before the last"
        assert words in out.getvalue()
    assert "Its traffic was gone 3.0 s after the first bad look: within the 2 min" in text
    assert "serves at" not in text, "nobody has any traffic"
    console, out, _ = printed()
    console.promotion({**OUTCOME, **more, "canary": {**report, "code": "interrupted"}})
    assert "3.0 s after it was stopped: within" in out.getvalue()
    console, out, _ = printed()
    console.promotion(
        {**OUTCOME, **more, "canary": {**report, "verdict": "pass"}, "serves": DIGEST}
    )
    assert "What to do" not in out.getvalue()
    assert "The previous digest served 3.0 s after" in out.getvalue()


def test_a_history_of_nothing_says_whether_all_of_it_was_asked_for():
    for narrowed, words in ((False, "Nothing has happened yet."), (True, "Nothing of that is in")):
        console, out, _ = printed()
        console.history([], narrowed=narrowed)
        assert words in out.getvalue()


def test_a_release_shows_its_scans():
    console, out, _ = printed()
    console.release(
        {
            "outcome": "done",
            "image": OUTCOME["image"],
            "image_tag": "build-1",
            "packages": 3,
            "scans": [{"scanner": "osv", "status": "ok", "summary": "clean", "vulnerabilities": 0}],
        }
    )
    assert out.getvalue().startswith("Released 9f2c41d09a7e\n")
    assert "ok: clean" in out.getvalue()


def test_resumed_runs_and_those_that_somebody_carries():
    console, out, _ = printed()
    console.resumed([OUTCOME], [{"run": "promote-2", "carried_by": "host:1:2"}])
    assert "Promoted" in out.getvalue()
    assert "Run promote-2 is carried by host:1:2; left alone." in out.getvalue()
    console, out, _ = printed()
    console.resumed([], [])
    assert out.getvalue() == "No run was left behind.\n"
    console, out, _ = printed()
    console.resumed([], [], ["staging", "production"])
    assert out.getvalue().splitlines() == [
        "No run was left behind.",
        "Served again: staging, production. Whoever routed to them had been killed.",
    ]


def test_a_rehearsal_says_what_happened_how_long_and_where_to_look():
    console, out, _ = printed()
    console.rehearsal(
        {
            "released": OUTCOME,
            "refused": REFUSED,
            "rolled_back": {"canary": {"reason": "the error rate was over 5 %"}},
            "requests": {"total": 12345, "failed_outside_canary": 0},
            "timings": {"release 1.0": 3.2},
            "flags": {"--health-interval-seconds": 1.0},
            "seconds": 61.0,
            "folder": "/tmp/demo",
        }
    )
    text = out.getvalue()
    for words in (
        "Promoted 9f2c41d09a7e",
        "promotion.path",
        "the error rate was over 5 %",
        "12,345, 0 failed outside the canary",
        "release 1.0  3.2 s",
        "--health-interval-seconds=1.0",
        "1 min 1 s",
        "/tmp/demo",
    ):
        assert words in text


def test_a_closed_pipe_is_the_callers_to_handle():
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    console = Console(stdout=Closed(), stderr=io.StringIO(), environ={}, width=80)
    with pytest.raises(BrokenPipeError):
        console.lines(["x"])


def test_importing_the_room_and_printing_plainly_needs_no_rich():
    program = (
        "import io, sys; from sluiceway.console import Console;"
        "Console(stdout=io.StringIO(), stderr=io.StringIO()).summary('x', {'y': 'z'});"
        "print(sorted(name for name in sys.modules if name.split('.')[0] == 'rich'))"
    )
    completed = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert completed.stdout.strip() == "[]"
