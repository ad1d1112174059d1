"""Progress as it happens: a listener of events that draws on a terminal or writes a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sluiceway.console.document import read
from sluiceway.console.page import Line, Tone
from sluiceway.console.stream import Sink
from sluiceway.console.text import clean, duration, short
from sluiceway.events import Event
from sluiceway.lazy import LazyModule

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.spinner import Spinner

    from sluiceway.console import canary, watching
    from sluiceway.console.canary import Look
    from sluiceway.console.watching import Watched
else:  # few commands watch one, and it takes the analysis with it
    canary = LazyModule("sluiceway.console.canary")
    watching = LazyModule("sluiceway.console.watching")

__all__ = ["View", "title_of_step"]

_TITLES = {
    "carry": "bring the image to the target's repository, if it has its own",
    "identify": "know who acts",
    "ask": "sign the request",
    "blue-green.back": "switch back",
    "blue-green.drain": "stop what was tried",
    "blue-green.preflight": "see that it could be deployed and switched",
    "blue-green.restore-tag": "put the tag back",
    "blue-green.settle": "keep the traffic where it is",
    "blue-green.switch": "switch everything and read back",
    "blue-green.tell": "tell people that it is switched",
    "blue-green.tell-end": "tell people how it ended",
    "blue-green.test": "test the idle slot and decide once more",
    "blue-green.way-back": "ask whether there is a way back",
    "blue-green.write-deployed": "write it down",
    "blue-green.write-rolled-back": "write down that it went back",
    "blue-green.write-soak": "write the verdict down",
    "build": "build the image, once",
    "canary.begin": "give the canary its first weight",
    "canary.restore-tag": "put the tag back",
    "canary.shed": "give the stable release everything again",
    "canary.settle": "take the traffic off the canary that passed",
    "canary.take-back": "drain the canary and stop it",
    "canary.tell": "tell people that the canary begins",
    "canary.tell-end": "tell people how the canary ended",
    "canary.verdict": "write the verdict down",
    "canary.write-down": "write the canary down",
    "complete": "name it the newest release",
    "deploy": "deploy and read back",
    "judge": "gather evidence and decide",
    "judge-migrations": "judge what it migrates",
    "look-up": "look the digest up",
    "migrations": "attest what it migrates",
    "note-migrations": "write down what may run from here on",
    "preflight": "see that it could be deployed",
    "provenance": "say where it comes from",
    "re-tag": "sign the reasons, tag the same bytes, read back",
    "restore-tag": "put the tag back",
    "sbom": "list what is inside",
    "scan": "match with known vulnerabilities",
    "serve": "serve the previous digest",
    "sign": "sign the digest",
    "tell": "tell people",
    "undo-tag": "see that the tag is where it was",
    "write-down": "write it down",
}
_HIDDEN = ("canary.begin", "canary.tell.", "canary.tick.", "blue-green.switch", "blue-green.look.")
"""Steps that the canary's own lines show better."""
_FRAMES_A_SECOND = 6
_LOOKS = {"canary.tick": "look at the canary", "blue-green.look": "look at what was switched"}
"""Steps that are numbered: each a look."""
_LOOKS_BETWEEN = 10
"""Looks between two lines of a log in which nothing changed, at the least."""


def title_of_step(step: str) -> str:
    """Return what a step of a run is called for a person; its own name when it has no other."""
    look = step.rpartition(".")[0]
    return _LOOKS[look] if look in _LOOKS else _TITLES.get(step, step)


class View:
    """Shows events on *sink*. Showing must never stop a release: a stream that fails is left alone.

    On a terminal, running steps have a spinner with their time, and a canary a live table. In a
    log, every ended step is a line, and a canary writes one when something changed, or when *every*
    seconds and ten looks have passed.

    Args:
        sink: Where to show.
        debug: Show programs that are run and traces as well.
        every: Seconds between two lines of a canary in which nothing changed.
        clock: Seconds for the time shown beside what is running.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        debug: bool = False,
        every: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink = sink
        self._debug = debug
        self._every = every
        self._clock = clock
        self._lock = threading.RLock()
        self._running: dict[str, tuple[str, float, datetime]] = {}
        self._spinners: dict[str, Spinner] = {}
        self._below = ""
        self._look: Look | None = None
        self._watched: Watched | None = None
        self._look_at = 0.0
        self._shown: tuple[tuple[object, ...], datetime] | None = None
        self._live: Live | None = None
        self.problem = ""
        """Why the view has stopped showing; empty while it shows."""

    def __call__(self, event: Event) -> None:
        """Show *event*, when it is of a kind that people follow."""
        show = getattr(self, "_on_" + event.kind.replace(".", "_").replace("-", "_"), None)
        if show is None or self.problem:
            return
        with self._lock:
            try:
                show(event, event.data)
                self._adjust()
            except Exception as error:  # noqa: BLE001 - see the class: a display stops no release
                self.problem = f"{type(error).__name__}: {error}"
                self.rest()

    def rest(self) -> None:
        """Take the live part off the screen; the next event may bring it back."""
        with self._lock:
            live, self._live = self._live, None
        if live is not None:
            try:
                live.stop()
            except (OSError, ValueError) as error:
                self.problem = self.problem or f"{type(error).__name__}: {error}"

    # --- events ---

    def _on_stage_started(self, event: Event, data: Mapping[str, Any]) -> None:
        stage = str(data.get("stage", ""))
        self._begin(f"stage:{stage}", str(data.get("title") or stage), event)

    def _on_stage_ended(self, event: Event, data: Mapping[str, Any]) -> None:
        stage = str(data.get("stage", ""))
        title = str(data.get("title") or "")
        self._end(f"stage:{stage}", title or stage, event, failed=bool(data.get("failed")))

    def _on_step_started(self, event: Event, data: Mapping[str, Any]) -> None:
        step = str(data["step"])
        if not step.startswith(_HIDDEN):
            self._begin(f"step:{step}", _TITLES.get(step, step), event)

    def _on_step_ended(self, event: Event, data: Mapping[str, Any]) -> None:
        step = str(data["step"])
        if not step.startswith(_HIDDEN):
            self._end(f"step:{step}", title_of_step(step), event, failed=bool(data.get("failed")))
        elif data.get("failed"):
            self._say(f"failed {title_of_step(step)}", Tone.BAD)

    def _on_act_started(self, _event: Event, data: Mapping[str, Any]) -> None:
        self._say("")
        self._say(data["title"], Tone.STRONG)

    def _on_run_started(self, _event: Event, data: Mapping[str, Any]) -> None:
        request = data.get("request") or {}
        target = request.get("target", "")
        way = f"{request['source']} → {target}" if request.get("source") else target
        taken = " (taken over)" if data.get("taken_over") else ""
        self._say(f"run {data['run']}: {request.get('workflow', '')} {way}{taken}", Tone.DIM)

    def _on_run_ended(self, _event: Event, _data: Mapping[str, Any]) -> None:
        self._running.clear()
        self._below = ""
        self._look = None

    def _on_run_stopping(self, _event: Event, data: Mapping[str, Any]) -> None:
        self._say(
            f"stopping run {data['run']}: what it changed is undone; a second time leaves that to "
            "`invoke resume`",
            Tone.WARN,
        )

    def _on_evidence_found(self, _event: Event, data: Mapping[str, Any]) -> None:
        evidence = read(data["evidence"])
        good = evidence["status"] == "ok"
        words = f"{evidence['kind']} {evidence['status']}: {evidence['summary']}"
        self._say(words, Tone.DIM if good else Tone.WARN, indent=4)

    def _on_gate_decided(self, _event: Event, data: Mapping[str, Any]) -> None:
        decision = read(data["decision"])
        allow = bool(decision["allow"])
        words = f"gate {decision['gate']}: {'allowed' if allow else 'refused'}"
        self._say(words, Tone.GOOD if allow else Tone.BAD, indent=4)

    def _on_built(self, _event: Event, data: Mapping[str, Any]) -> None:
        digest = str(data["image"]).rpartition("@")[2]
        self._say(f"built {short(digest)}", Tone.DIM, indent=4)

    def _on_build_anew(self, _event: Event, data: Mapping[str, Any]) -> None:
        self._say(f"build: {data['reason']}", Tone.DIM, indent=4)

    def _on_build_reused(self, _event: Event, data: Mapping[str, Any]) -> None:
        digest = short(str(data["image"]).rpartition("@")[2])
        words = f"not built again: {digest} was built from this commit on {data['since']}"
        self._say(words, Tone.DIM, indent=4)

    def _on_build_step(self, _event: Event, data: Mapping[str, Any]) -> None:
        self._say(data["text"], Tone.DIM, indent=4)
        self._below = ""

    def _on_build_output(self, _event: Event, data: Mapping[str, Any]) -> None:
        if self._debug:
            self._say(data["text"], Tone.DIM, indent=6)
        else:
            self._below = clean(data["text"])

    def _on_policy_kept(self, _event: Event, data: Mapping[str, Any]) -> None:
        words = f"the kept copy of {data['bundle']} decides, for nobody answers: {data['reason']}"
        self._say(words, Tone.WARN)

    def _on_notify_failed(self, _event: Event, data: Mapping[str, Any]) -> None:
        self._say(f"{data['plugin']} could not tell people: {data['reason']}", Tone.WARN)

    def _on_shutdown_failed(self, _event: Event, data: Mapping[str, Any]) -> None:
        self._say(f"{data['plugin']} could not be stopped: {data['reason']}", Tone.WARN)

    def _on_lease_unrenewed(self, _event: Event, data: Mapping[str, Any]) -> None:
        self._say(f"run {data['run']} could not renew its lease: {data['reason']}", Tone.WARN)

    def _on_process_started(self, _event: Event, data: Mapping[str, Any]) -> None:
        if self._debug:
            self._say(f"$ {data['argv']}", Tone.DIM, indent=4)

    def _on_trace(self, _event: Event, data: Mapping[str, Any]) -> None:
        if self._debug:
            self._say(data["text"], Tone.DIM)

    def _on_canary_started(self, _event: Event, data: Mapping[str, Any]) -> None:
        self._shown = None
        self._watched = None
        self._say(canary.started_line(data), Tone.DIM)

    def _on_canary_tick(self, event: Event, data: Mapping[str, Any]) -> None:
        look = canary.Look.of(data)
        if self._sink.painted:
            self._watched = self._watched or watching.Watched()
            self._watched.add(data, event.at)
        self._look, self._look_at = look, self._clock()
        if look.ended:
            self._look = None
            self._say(canary.canary_line(look), _ended(look))
        elif not self._sink.painted and self._due(look, event.at):
            self._say(canary.canary_line(look))

    def _due(self, look: Look, at: datetime) -> bool:
        last = self._shown
        quiet = max(self._every, _LOOKS_BETWEEN * look.limits.interval_seconds)
        due = last is None or last[0] != look.notable or (at - last[1]).total_seconds() >= quiet
        if due:
            self._shown = (look.notable, at)
        return due

    # --- showing ---

    def _begin(self, key: str, title: str, event: Event) -> None:
        self._running[key] = (clean(title), self._clock(), event.at)

    def _end(self, key: str, title: str, event: Event, *, failed: bool) -> None:
        started = self._running.pop(key, None)
        self._spinners.pop(key, None)
        self._below = ""
        shown = clean(title)
        took = ""
        if started is not None:
            shown = started[0]
            took = "  " + duration((event.at - started[2]).total_seconds())
        good, bad = ("✓", "✗") if self._sink.symbols else ("ok    ", "failed")
        self._say(f"{bad if failed else good} {shown}{took}", Tone.BAD if failed else Tone.GOOD)

    def _say(self, words: Any, tone: Tone = Tone.PLAIN, indent: int = 0) -> None:
        self._sink.show([Line.of(words, tone, indent)])

    def _adjust(self) -> None:
        """Draw while something runs, and leave the screen alone while nothing does."""
        active = bool(self._running) or self._look is not None
        if not active:
            self.rest()
        elif self._sink.painted and self._live is None:
            from rich.live import Live

            self._live = Live(
                console=self._sink.painter,
                get_renderable=self._draw,
                refresh_per_second=_FRAMES_A_SECOND,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()

    def _draw(self) -> RenderableType:
        from rich.console import Group
        from rich.spinner import Spinner
        from rich.text import Text

        from sluiceway.console.painted import paint

        width = self._sink.width
        now = self._clock()
        parts: list[RenderableType] = []
        for key, (title, begun, _) in tuple(self._running.items()):
            spinner = self._spinners.get(key)
            if spinner is None:
                spinner = Spinner("dots" if self._sink.symbols else "line", style="cyan")
                self._spinners[key] = spinner
            spinner.update(text=Text(f"{title}  {duration(now - begun)}", overflow="ellipsis"))
            parts.append(spinner)
        if self._below:
            below = Text(f"    {self._below}", style="dim", overflow="ellipsis", no_wrap=True)
            parts.append(below)
        look = self._look
        if look is not None and self._watched is not None:
            since = now - self._look_at
            page = self._watched.page(look, since, width, symbols=self._sink.symbols)
            parts.append(paint(page, width))
        return Group(*parts)


def _ended(look: Look) -> Tone:
    return Tone.GOOD if look.outcome == "pass" else Tone.BAD
