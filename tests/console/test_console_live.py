"""Progress: real events through the real view, on a terminal and in a log."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sluiceway import events
from sluiceway.analysis import Watch, advance, miss
from sluiceway.console import Console
from sluiceway.console.canary import Look, canary_line, canary_page
from sluiceway.console.live import View
from sluiceway.console.plain import render
from sluiceway.console.stream import Sink
from sluiceway.events import Event
from sluiceway.model import (
    CanaryLimits,
    Decision,
    Evidence,
    Maker,
    Observation,
    Side,
    Status,
    to_json,
)

from .console_kit import Stream, bare

LIMITS = CanaryLimits()
START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def watched(ticks: int, *, errors: int = 0, health: bool = True) -> Watch:
    watch = Watch()
    for number in range(ticks + 1):
        watch = advance(watch, look(number, errors=errors, health=health), LIMITS)
    return watch


def look(number: int, *, errors: int = 0, health: bool = True) -> Observation:
    def side(digest: str, share: int, bad: int) -> Side:
        total = 25 * share * number
        return Side(digest=digest, requests=total, errors=bad, latency_ms={"120": total})

    return Observation(
        route="production",
        at=START,
        monotonic=10.0 * number,
        stable=side("sha256:" + "a" * 64, 19, 0),
        canary=side("sha256:" + "b" * 64, 1, errors * number),
        canary_alive=True,
        canary_restarts=0,
        health_ok=health,
        health_detail="" if health else "503",
        weight=5.0,
    )


def ticked(watch: Watch, **more: Any) -> dict[str, Any]:
    return {
        "environment": "canary",
        "watch": watch.to_json(),
        "limits": to_json(LIMITS),
        "observation": None,
        "elapsed": watch.seconds,
        "remaining": LIMITS.duration_seconds - watch.seconds,
        "weight": 5.0,
        **more,
    }


def view(stream: Stream, **options: Any) -> View:
    return View(Sink(stream, {"TERM": "xterm"}, 80), **options)


def said(listener: View, kind: str, seconds: float = 0.0, /, **data: Any) -> None:
    listener(Event(kind=kind, at=START + timedelta(seconds=seconds), data=data))


# --- in a log -------------------------------------------------------------------------------------


def test_a_log_has_a_line_for_every_ended_step():
    stream = Stream()
    listener = view(stream)
    said(listener, "run.started", run="promote-1", request={"workflow": "promote", "target": "dev"})
    said(listener, "step.started", 1.0, run="promote-1", step="judge")
    said(listener, "step.ended", 1.4, run="promote-1", step="judge", failed=False)
    said(listener, "step.started", 2.0, run="promote-1", step="unheard-of")
    said(listener, "step.ended", 67.0, run="promote-1", step="unheard-of", failed=True)
    said(listener, "stage.started", stage="sign", title="sign the digest")
    said(listener, "stage.ended", 3.0, stage="sign")
    said(listener, "step.started", run="promote-1", step="canary.tick.1")
    said(listener, "step.ended", run="promote-1", step="canary.tick.1", failed=False)
    said(listener, "step.ended", run="promote-1", step="canary.tick.2", failed=True)
    assert stream.getvalue() == (
        "run promote-1: promote dev\n"
        "ok     gather evidence and decide  0.4 s\n"
        "failed unheard-of  1 min 5 s\n"
        "ok     sign the digest  3.0 s\n"
        "failed look at the canary\n"
    )


def test_a_log_of_a_canary_has_a_line_when_something_changed_or_time_has_passed():
    stream = Stream()
    listener = view(stream, every=30.0)
    said(listener, "canary.started", environment="canary", limits=to_json(LIMITS))
    for number in range(1, 13):
        said(listener, "canary.tick", 10.0 * number, **ticked(watched(number)))
    bad = advance(watched(12), look(13, health=False), LIMITS)
    said(listener, "canary.tick", 130.0, **ticked(bad))
    lines = [line for line in stream.getvalue().split("\ncanary: ")[1:] if "requests" in line]
    assert [line.split()[0] for line in lines] == ["10/300", "110/300", "130/300"]
    assert "bad 1 of 3" in " ".join(lines[-1].split())
    assert "\x1b" not in stream.getvalue()


def test_a_canarys_end_is_explained():
    stream = Stream()
    reason = "Roll back: error rate over 5 % at 3 checks in a row (rule mission)."
    ended = ticked(watched(3, errors=5), ended=True, outcome="fail", reason=reason)
    said(view(stream), "canary.tick", **ended)
    assert " ".join(stream.getvalue().split()) == f"canary: {reason}"


def test_a_soak_is_no_canary_and_has_no_side_beside_it():
    seen = ticked(watched(2)) | {"environment": "production, soak of green"}
    look = Look.of(seen)
    line = canary_line(look)
    assert line.startswith("production, soak of green: 20/300 s, weight 5 %, requests 50, error")
    assert "stable" not in line
    text = render(canary_page(look), 100)
    assert text.startswith("Production, soak of green\n")
    assert re.search("^green +50 ", text, re.MULTILINE)
    assert "stable" not in text


def test_an_environment_with_a_name_of_its_own_is_called_a_canary():
    line = canary_line(Look.of(ticked(watched(2)) | {"environment": "trial"}))
    assert line.startswith("canary trial: 20/300 s")


def test_what_has_ended_counts_what_was_made_and_says_what_was_never_measured():
    ended = ticked(watched(2), ended=True, outcome="fail", reason="Roll back.")
    text = render(canary_page(Look.of(ended)), 100)
    assert re.search("error rate +2 of 2 passed", text)
    text = render(canary_page(Look.of(ticked(Watch(), ended=True, outcome="fail"))), 100)
    assert re.search("p99 +never measured", text)
    assert "passed" not in text


def test_a_canary_that_is_broken_has_ended_whoever_tells_of_it():
    broken = replace(look(3), canary_alive=False)
    line = canary_line(Look.of(ticked(advance(watched(2), broken, LIMITS))))
    assert line == "canary: the canary has crashed"


def test_what_a_person_should_know_is_said():
    stream = Stream()
    listener = view(stream)
    said(listener, "notify.failed", plugin="notify-webhook", reason="refused")
    said(listener, "lease.unrenewed", run="r", reason="disk full")
    said(listener, "run.stopping", run="r")
    said(listener, "shutdown.failed", plugin="deploy-local", reason="gone")
    said(listener, "policy.kept", bundle="host/policies@sha256:c", reason="refused")
    said(listener, "act.started", title="release 1.0")
    said(listener, "built", image="host/app@sha256:" + "b" * 64, reproducible="yes")
    evidence = Evidence(
        kind="scan",
        status=Status.NO_DATA,
        subject="sha256:b",
        made_at=START,
        maker=Maker(plugin="p", tool="t", version="1"),
        summary="no database",
    )
    said(listener, "evidence.found", evidence=evidence)
    decision = Decision(
        gate="promotion",
        allow=False,
        findings=(),
        policy_digest="",
        input_digest="",
        engine="",
        at=START,
    )
    said(listener, "gate.decided", decision=decision)
    text = stream.getvalue()
    for words in (
        "notify-webhook could not tell people: refused",
        "run r could not renew its lease: disk full",
        "stopping run r: what it changed is undone; a second time leaves that to",
        "deploy-local could not be stopped: gone",
        "the kept copy of host/policies@sha256:c decides, for nobody answers: refused",
        "release 1.0",
        "built bbbbbbbbbbbb",
        "    scan no-data: no database",
        "    gate promotion: refused",
    ):
        assert words in text
    assert not listener.problem


def test_programs_and_traces_are_shown_to_whoever_debugs():
    quiet, loud = Stream(), Stream()
    for stream, debug in ((quiet, False), (loud, True)):
        listener = view(stream, debug=debug)
        said(listener, "process.started", argv="git log")
        said(listener, "trace", text="Traceback ...")
        said(listener, "registry.blob", repository="x")
    assert quiet.getvalue() == ""
    assert loud.getvalue() == "    $ git log\nTraceback ...\n"


# --- showing never stops a release ----------------------------------------------------------------


def test_a_broken_stream_silences_the_view_and_nothing_else():
    stream = Stream(broken=True)
    listener = view(stream)
    said(listener, "act.started", title="x")
    said(listener, "act.started", title="x")
    assert "BrokenPipeError" in listener.problem


def test_an_event_that_cannot_be_read_silences_the_view_and_nothing_else():
    listener = view(Stream())
    said(listener, "canary.tick", watch={}, limits=to_json(LIMITS))
    assert "canary watch cannot be read" in listener.problem


# --- on a terminal --------------------------------------------------------------------------------


def test_a_terminal_draws_what_runs_and_leaves_only_lines():
    stream = Stream(terminal=True)
    console = Console(stdout=Stream(), stderr=stream, environ={"TERM": "xterm"}, width=80)
    with console.listening():
        events.emit("step.started", run="r", step="deploy")
        events.emit("canary.started", environment="canary", limits=to_json(LIMITS))
        events.emit("canary.tick", **ticked(watched(3)))
        live = console._view._live
        assert live is not None
        live.refresh()
        drawn = bare(stream.getvalue())
        assert "deploy and read back" in drawn
        assert "stable" in drawn
        assert "1,425" in drawn
        assert "in 10 s, 4 min 30 s left" in drawn
        ended = ticked(
            watched(3, errors=5), ended=True, outcome="fail", reason="Roll back after 30 s: errors."
        )
        events.emit("canary.tick", **ended)
        events.emit("step.ended", run="r", step="deploy", failed=False)
        assert console._view._live is None  # nothing runs: the screen is left alone
    assert not console._view.problem
    lines = bare(stream.getvalue())
    assert "Roll back after 30 s" in lines
    assert "✓ deploy and read back" in lines
    assert stream.getvalue().count("\x1b[?25l") == stream.getvalue().count("\x1b[?25h")  # cursor


def test_leaving_the_block_gives_the_screen_back_whatever_happens():
    stream = Stream(terminal=True)
    console = Console(stdout=Stream(), stderr=stream, environ={"TERM": "xterm"}, width=80)

    def interrupted() -> None:
        with console.listening():
            events.emit("step.started", run="r", step="deploy")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    before = stream.getvalue()
    assert before.count("\x1b[?25l") == before.count("\x1b[?25h") == 1  # the cursor is back
    events.emit("step.started", run="r", step="sign")
    assert stream.getvalue() == before


def test_an_error_in_the_middle_takes_the_live_part_away_first():
    stream = Stream(terminal=True)
    console = Console(stdout=Stream(), stderr=stream, environ={"TERM": "xterm"}, width=80)
    with console.listening():
        events.emit("step.started", run="r", step="deploy")
        console.error({"what": "it broke", "means": "", "remedy": "mend it", "code": "x"})
        assert console._view._live is None
    assert "mend it" in bare(stream.getvalue())


def test_a_terminal_without_unicode_gets_words():
    class Ascii(Stream):
        @property
        def encoding(self) -> str:  # type: ignore[override]
            return "ascii"

    stream = Ascii(terminal=True)
    listener = view(stream)
    said(listener, "step.started", run="r", step="deploy")
    said(listener, "step.ended", 1.0, run="r", step="deploy", failed=False)
    listener.rest()
    text = stream.getvalue()
    assert text.isascii()
    assert "deploy and read back" in text
    assert not listener.problem


# --- the canary's table ---------------------------------------------------------------------------


@pytest.mark.parametrize("width", [80, 60])
def test_the_table_has_both_sides_streaks_and_what_is_missing(width):
    text = render(canary_page(Look.of(ticked(watched(3, errors=1)))), width)
    words = " ".join(text.split())
    assert "weight 5 %" in words
    assert "error rate 3 of 30 passed" in words
    assert "good requests 72, at least 50 needed" in words
    assert "time left 4 min 30 s" in words
    assert "4.0 %" in words
    assert "1,425" in words
    assert "2000 ms" in words
    assert max(len(line) for line in text.splitlines()) <= width


def test_the_table_of_a_canary_that_nobody_has_seen():
    watch = miss(Watch(), 0.0, "connection refused", LIMITS)
    words = " ".join(render(canary_page(Look.of(ticked(watch))), 80).split())
    assert "canary - - - -" in words
    assert "looks 0 of 30 passed; 1 bad in a row, 3 roll back" in words


def test_a_bad_streak_says_how_far_it_is_from_rolling_back():
    watch = advance(watched(2), look(3, health=False), LIMITS)
    words = " ".join(render(canary_page(Look.of(ticked(watch))), 80).split())
    assert "1 bad in a row, 3 roll back (503)" in words


def test_the_table_reads_records_as_well_as_json():
    watch = watched(2)
    by_json = Look.of(ticked(watch))
    assert Look.of({**ticked(watch), "watch": watch, "limits": LIMITS}) == by_json
    assert Look.of({"watch": watch, "limits": LIMITS}).remaining == 280.0
    assert canary_line(by_json) == (
        "canary: 20/300 s, weight 5 %, requests 50 (stable 950), error rate 0.0 % (0.0 %), "
        "p99 120 ms (120 ms), checks passed 2/30"
    )
    assert by_json.notable != replace(by_json, weight=0.0).notable
