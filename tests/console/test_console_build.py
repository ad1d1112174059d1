"""A build as a person follows it, in a log and on a terminal."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from sluiceway.console.live import View
from sluiceway.console.outcomes import outcome_page
from sluiceway.console.plain import render
from sluiceway.console.stream import Sink
from sluiceway.events import Event

from .console_kit import Stream

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
IMAGE = "127.0.0.1:5555/app@sha256:" + "a" * 64


def followed(*events, terminal=False, debug=False):
    stream = Stream(terminal=terminal)
    environ = {"TERM": "xterm"} if terminal else {}
    view = View(Sink(stream, environ, 100), debug=debug)
    for kind, data in events:
        view(Event(kind=kind, at=AT, data=data))
    if terminal:
        live = view._live
        assert live is not None
        live.refresh()
        view.rest()
    assert view.problem == ""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())


STEPS = (
    ("step.started", {"step": "build"}),
    ("build.anew", {"reason": "no finished release of this commit is here"}),
    ("build.step", {"text": "Step 1/2 : RUN npm ci"}),
    ("build.output", {"text": "added 12 packages"}),
)


def test_a_log_has_the_steps_and_the_rest_for_whoever_debugs():
    text = followed(*STEPS)
    assert "no finished release of this commit is here" in text
    assert "Step 1/2 : RUN npm ci" in text
    assert "added 12 packages" not in text
    assert "added 12 packages" in followed(*STEPS, debug=True)


def test_a_terminal_shows_the_newest_line_below_what_runs():
    text = followed(*STEPS, ("build.output", {"text": "the\x1b[2Jnewest"}), terminal=True)
    assert "the\ufffd[2Jnewest" in text


def test_a_new_step_begins_without_the_old_ones_line():
    view = View(Sink(Stream(), {}, 100))
    for kind, data in STEPS:
        view(Event(kind=kind, at=AT, data=data))
    assert view._below == "added 12 packages"
    view(Event(kind="build.step", at=AT, data={"text": "Step 2/2 : USER 1001"}))
    assert view._below == ""


def test_reuse_is_said_in_words():
    since = {"image": IMAGE, "since": "2026-11-22T08:00:00Z"}
    text = followed(("step.started", {"step": "build"}), ("build.reused", since))
    assert "not built again: aaaaaaaaaaaa was built from this commit on 2026-11-22" in text


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (
            {"reused": True, "revision": "abc", "reproducible": "no"},
            "before, and not again, from abc",
        ),
        ({"reused": False, "revision": "", "reproducible": "yes"}, "now, from no commit"),
        ({"reused": False, "revision": "abc-dirty"}, "reproducible: unknown"),
    ],
)
def test_the_outcome_says_where_the_image_is_from(document, words):
    assert words in render(outcome_page({"outcome": "done", **document}), 100)


def test_other_outcomes_do_not_speak_of_building():
    assert "reproducible" not in render(outcome_page({"outcome": "done", "target": "dev"}), 100)
