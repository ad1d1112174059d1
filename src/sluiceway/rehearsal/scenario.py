"""The rehearsal's story: ship two good releases, refuse a wrong move, take a bad release back.

Nothing here is special: each act calls what the commands call, with flags that anybody may give.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from sluiceway import events, process
from sluiceway.errors import ActionFailed, SluicewayError
from sluiceway.model import CanaryLimits
from sluiceway.rehearsal.workspace import Workspace
from sluiceway.workbench import Workbench

__all__ = ["FLAGS", "Scenario"]

FLAGS = {
    "traffic_percent": 50.0,
    "health_timeout_minutes": 0.05,
    "health_interval_seconds": 0.5,
}
"""What ``invoke promote`` would be given to shorten the watch; every other number is the default.
With half of the traffic certificates come within seconds."""
_RATE = 250
_LONGEST_SECONDS = 180


@dataclass
class Scenario:
    """One rehearsal.

    Args:
        workspace: Where it happens.
        rate: Requests per second of the generated traffic.
    """

    workspace: Workspace
    rate: float = _RATE
    timings: dict[str, float] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """Play every act and return ``{"released", "refused", "rolled_back", "requests", ...}``.

        Whatever happens, nothing is left running.
        """
        document: dict[str, Any] = {}
        numbers: list[dict[str, Any]] = []
        with self._everything_stopped_at_the_end(), process.terminated_politely():
            self._act("set up", self.workspace.make_signing_key)
            first = self._ship_to_staging(f"release {self.workspace.version}")
            # Nobody is served before the first release: a trial audience sees this canary, and
            # goes home with the verdict. From production on, everybody comes and stays.
            with self._clients(numbers) as trial, events.subscribed(_dismissing(trial)):
                self._act("staging → canary, alone", lambda: self._promote("lena", "canary"))
            self._act("approve", lambda: self._approve("ravi", first["image_digest"]))
            document["refused"] = self._act(
                "a developer tries canary → production",
                lambda: self._promote("dana", "production", expect="refused"),
            )
            self._act("canary → production", lambda: self._promote("lena", "production"))
            with self._clients(numbers):
                self.workspace.renew_service(self.workspace.patch_version)
                good = self._ship_to_staging(f"release {self.workspace.patch_version}")
                canary = self._act(
                    "staging → canary, beside the first", lambda: self._promote("lena", "canary")
                )
                self._act("approve", lambda: self._approve("ravi", good["image_digest"]))
                released = self._act(
                    "canary → production", lambda: self._promote("lena", "production")
                )
                document["released"] = {**released, "canary": canary["canary"]}
                self.workspace.break_service(self.workspace.next_version)
                broken = self._ship_to_staging(f"release {self.workspace.next_version}, broken")
                document["rolled_back"] = self._act(
                    "staging → canary, the broken one",
                    lambda: self._promote("lena", "canary", expect="rolled-back"),
                )
                self._act("the good release serves", lambda: self._check(good, broken))
            entries, problems = self.workspace.bench("ci").ledger.verify()
            document["ledger"] = {"entries": entries, "intact": not problems}
        document["requests"] = _sum(numbers)
        document["timings"] = self.timings
        document["flags"] = {f"--{key.replace('_', '-')}": value for key, value in FLAGS.items()}
        document["folder"] = str(self.workspace.root)
        requests = document["requests"]
        if requests["failed_outside_canary"]:
            raise ActionFailed(
                f"{requests['failed_outside_canary']} of {requests['total']} requests failed "
                f"outside the canary: {requests['examples']}",
                means="The rehearsal promises none.",
                remedy=f"Look at the logs below {self.workspace.root / '.sluiceway'}.",
                code="demo.requests",
            )
        return document

    # -- acts --------------------------------------------------------------------------------

    def _act(self, title: str, play: Callable[[], Any]) -> Any:
        events.emit("act.started", title=title)
        begun = time.monotonic()
        result = play()
        seconds = round(time.monotonic() - begun, 2)
        name, times = title, 1
        while name in self.timings:
            times += 1
            name = f"{title} ({times})"
        self.timings[name] = seconds
        events.emit("act.ended", title=title, seconds=seconds)
        return result

    def _ship_to_staging(self, title: str) -> dict[str, Any]:
        released: dict[str, Any] = self._act(title, lambda: self._release("ci"))
        self._act("build → dev", lambda: self._promote("ci", "dev"))
        self._act("dev → staging", lambda: self._promote("dana", "staging"))
        return released

    def _release(self, person: str) -> dict[str, Any]:
        from sluiceway.runs.start import begin

        with self._opened(person) as bench:
            return _expected(begin(bench, "release", target="build"), "done")

    def _promote(self, person: str, target: str, *, expect: str = "done") -> dict[str, Any]:
        from sluiceway.runs.start import begin

        with self._opened(person) as bench:
            outcome = begin(
                bench,
                "promote",
                source=bench.config.predecessor(target),
                target=target,
                limits=_limits(bench.config.canary),
            )
        return _expected(outcome, expect)

    def _approve(self, person: str, digest: str) -> dict[str, Any]:
        from sluiceway.runs.approval import approve

        with self._opened(person) as bench:
            return approve(
                bench, digest, "production", reason="numbers agree with the last release", hours=1
            )

    def _check(self, good: dict[str, Any], broken: dict[str, Any]) -> dict[str, Any]:
        with self._opened("ci") as bench:
            production = bench.config.environment("production")
            traffic = bench.plugins.one("sluiceway_traffic", environment=production)
            stable = traffic.slot("stable")
            serving = stable.digest if stable is not None else ""
            tag = bench.held("canary")
        if serving != good["image_digest"] or tag != good["image_digest"]:
            raise ActionFailed(
                f"production serves {serving or 'nothing'} and the canary's tag names "
                f"{tag or 'nothing'}; both should be {good['image_digest']}, not "
                f"{broken['image_digest']}",
                code="demo.not-restored",
            )
        return {"serves": serving}

    # -- inside ------------------------------------------------------------------------------

    @contextmanager
    def _opened(self, person: str) -> Iterator[Workbench]:
        bench = self.workspace.bench(person)
        try:
            yield bench
        finally:
            bench.close()

    @contextmanager
    def _clients(self, numbers: list[dict[str, Any]]) -> Iterator[subprocess.Popen[bytes]]:
        """Send steady traffic to production for the block; what came of it joins *numbers*."""
        log = self.workspace.root / f"traffic-{len(numbers) + 1}.json"
        log.write_text("")
        clients = process.spawn(
            [
                sys.executable,
                "-m",
                "sluiceway.rehearsal.load",
                self.workspace.url,
                str(self.workspace.root / "service" / "parity" / "trades.json"),
                f"--rate={self.rate:g}",
                f"--seconds={_LONGEST_SECONDS}",
                f"--canary=settlement/{self.workspace.next_version}",
            ],
            cwd=self.workspace.root,
            log=log,
        )
        try:
            yield clients
            clients.terminate()
            clients.wait(timeout=20)
            numbers.append(json.loads(log.read_text()))
        except (subprocess.TimeoutExpired, ValueError) as error:
            raise ActionFailed(
                f"the generated traffic did not end properly: {error}",
                remedy=f"See {log}.",
                code="demo.traffic",
            ) from error
        finally:
            if clients.poll() is None:
                clients.kill()
                clients.wait()

    @contextmanager
    def _everything_stopped_at_the_end(self) -> Iterator[None]:
        try:
            yield
        finally:
            events.emit("act.started", title="stop everything")
            with self._opened("ci") as bench:
                for name in bench.plugins.serving("sluiceway_shutdown"):
                    try:
                        bench.plugins.ask(name, "sluiceway_shutdown")
                    except SluicewayError as error:
                        events.emit("shutdown.failed", plugin=name, reason=error.what)


def _dismissing(clients: subprocess.Popen[bytes]) -> Callable[[events.Event], None]:
    """Return a listener that ends *clients* with the canary's verdict, before it takes effect."""

    def listen(event: events.Event) -> None:
        if event.kind == "canary.tick" and event.data["ended"]:
            clients.terminate()
            clients.wait(timeout=20)

    return listen


def _sum(numbers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the numbers of every audience together."""
    counted = ("total", "failed", "failed_in_canary", "failed_outside_canary")
    return {key: sum(each[key] for each in numbers) for key in counted} | {
        "examples": [text for each in numbers for text in each["examples"]]
    }


def _limits(configured: CanaryLimits) -> CanaryLimits:
    return replace(
        configured,
        traffic_percent=FLAGS["traffic_percent"],
        duration_seconds=FLAGS["health_timeout_minutes"] * 60,
        interval_seconds=FLAGS["health_interval_seconds"],
    )


def _expected(outcome: dict[str, Any], wanted: str) -> dict[str, Any]:
    """Return *outcome* when it ended as *wanted*; an interruption and a surprise are errors."""
    if outcome.get("stop_requested"):
        raise KeyboardInterrupt
    if outcome["outcome"] == wanted:
        return outcome
    error = outcome.get("error") or {}
    findings = (outcome.get("decision") or {}).get("findings", ())
    reasons = "; ".join(item["message"] for item in findings if item["level"] == "deny")
    watched = (outcome.get("canary") or {}).get("reason", "")
    raise ActionFailed(
        f"the rehearsal expected {wanted!r} and got {outcome['outcome']!r}: "
        f"{reasons or watched or error.get('what', '')}",
        means=str(error.get("means", "")),
        remedy=str(error.get("remedy", "")),
        code="demo.unexpected",
    )
