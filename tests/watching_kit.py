"""A canary's run for tests: a route made of counters, and a bench that remembers like a run does."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from sluiceway.errors import ActionFailed
from sluiceway.model import (
    CanaryLimits,
    Environment,
    Fence,
    Image,
    Observation,
    Side,
    Slot,
    Strategy,
    Traffic,
    to_json,
)
from sluiceway.runs import verdict, watching

NEW, OLD = "sha256:" + "b" * 64, "sha256:" + "a" * 64
IMAGE = Image(
    repository="registry.test/shop",
    digest=NEW,
    media_type="application/vnd.oci.image.manifest.v1+json",
)
ACTOR = {"name": "lena", "method": "ssh", "proven": True, "key": "SHA256:k"}


class Killed(BaseException):
    """The process is gone; nothing is tidied up."""


class Clock:
    """Time that passes only where something waits."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def time(self) -> float:
        return self.seconds

    monotonic = time


class Route:
    """Both sides' counters: each look adds what the traffic since the last one would have."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.seen = clock.seconds
        self.weight = 0.0
        self.weights: list[float] = []
        self.rps = 100.0
        self.log: list[str] = []
        self.alone = False
        self.obeys = True
        self.blind: Callable[[int], bool] = lambda _look: False
        self.errors: Callable[[str, int], float] = lambda _side, _look: 0.0
        self.looks = 0
        self.counted = {"stable": [0, 0], "canary": [0, 0]}

    def traffic(self) -> Traffic:
        in_force = 100.0 if self.alone else self.weight
        slots = [("canary", NEW, in_force)]
        if not self.alone:
            slots.append(("stable", OLD, 100.0 - in_force))
        return Traffic(
            route="production",
            url="http://route.test",
            slots=tuple(
                Slot(name=name, digest=digest, weight=weight, alive=True, healthy=True, url="")
                for name, digest, weight in slots
            ),
        )

    def set_weight(self, *, weight: float, **_: Any) -> Traffic:
        if weight != self.weight:
            self.weights.append(weight)
            self.log.append(f"weight {weight:g}")
        if self.obeys or not self.weight:
            self.weight = weight
        return self.traffic()

    def observe(self, **_: Any) -> Observation:
        self.looks += 1
        if self.blind(self.looks):
            raise ActionFailed("the router does not answer")
        passed, self.seen = self.clock.seconds - self.seen, self.clock.seconds
        share = 1.0 if self.alone else self.weight / 100
        for side, part in (("canary", share), ("stable", 1.0 - share)):
            requests = round(self.rps * passed * part)
            self.counted[side][0] += requests
            self.counted[side][1] += round(requests * self.errors(side, self.looks))
        return Observation(
            route="production",
            at=datetime.fromtimestamp(self.clock.seconds, UTC),
            monotonic=self.clock.seconds,
            stable=None if self.alone else self._side("stable", OLD),
            canary=self._side("canary", NEW),
            canary_alive=True,
            canary_restarts=0,
            health_ok=True,
            health_detail="200",
            weight=self.traffic().slots[0].weight,
        )

    def _side(self, name: str, digest: str) -> Side:
        requests, errors = self.counted[name]
        histogram = {"10": requests * 9 // 10, "20": requests - requests * 9 // 10}
        return Side(
            digest=digest,
            requests=requests,
            errors=errors,
            latency_ms={bound: count for bound, count in histogram.items() if count},
        )


class Plugins:
    def __init__(self, route: Route) -> None:
        self.route = route
        self.told: list[Any] = []

    def one(self, hook: str, **records: Any) -> Any:
        asked: dict[str, Callable[..., Any]] = {
            "sluiceway_set_weight": self.route.set_weight,
            "sluiceway_observe": self.route.observe,
            "sluiceway_drain": self._drain,
        }
        return asked[hook](**records)

    def _drain(self, **_: Any) -> Traffic:
        self.route.log.append("drain")
        return self.route.traffic()

    def serving(self, hook: str) -> tuple[str, ...]:
        return ("notify-test",)

    def ask(self, name: str, hook: str, *, notice: Any) -> None:
        self.route.log.append(f"told {notice.kind}")
        self.told.append(notice)
        self.deliver(notice)

    def deliver(self, notice: Any) -> None:
        """What a test has its notifier do."""


class Ledger:
    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.entries: dict[str, dict[str, Any]] = {}

    def append(self, kind: str, *, key: str, body: Any, **_: Any) -> Any:
        self.log.append(f"wrote {kind}")
        stored = self.entries.setdefault(key, json.loads(json.dumps({"kind": kind, **body})))
        return SimpleNamespace(body=stored, seq=len(self.entries), at=datetime.now(UTC))


class World:
    """One run's bench and context, and what of it survives its process."""

    def __init__(self, engine: Any, bundle: Any, clock: Clock) -> None:
        self.clock, self.route = clock, Route(clock)
        self.plugins, self.ledger = Plugins(self.route), Ledger(self.route.log)
        self.bench: Any = SimpleNamespace(
            config=SimpleNamespace(
                service="shop", rehearsal=False, environment=lambda _name: ENVIRONMENT
            ),
            plugins=self.plugins,
            ledger=self.ledger,
            engine=engine,
            bundle=lambda: bundle,
        )
        self.remembered: dict[str, Any] = {}
        self.token = 1
        self.asleep: Callable[[int], float] = lambda _look: 0.0
        """For how long the process is stopped while it waits after a look."""

    def watch(
        self, limits: CanaryLimits, *, taken_over: bool = False, killed_in: str = ""
    ) -> dict[str, Any]:
        context = self.context(taken_over=taken_over, killed_in=killed_in)
        return watching.watch(context, _request(limits), IMAGE, ASKED)

    def ended(self, limits: CanaryLimits) -> dict[str, Any]:
        """The whole of a canary's part of a promotion."""
        found = {"image": to_json(IMAGE), "goes_back_to": OLD, "target_holds": OLD}
        return verdict.run_canary(
            self.context(), _request(limits), found, ASKED, {"deployment": {}}
        )

    def context(self, *, taken_over: bool = False, killed_in: str = "") -> Any:
        world = self

        class Context:
            bench, seconds, run = world.bench, 30.0, "promote-1"
            fence = Fence(run="promote-1", token=world.token, lease_seconds=30.0)
            lease = SimpleNamespace(token=world.token)

            def wait(self, seconds: float) -> None:
                world.clock.seconds += max(seconds, 0.001) + world.asleep(world.route.looks)

            def step(self, name: str, function: Callable[[], Any], **_: Any) -> Any:
                if name not in world.remembered:
                    value = function()
                    if name == killed_in:
                        raise Killed
                    world.remembered[name] = json.loads(json.dumps(value, allow_nan=False))
                return world.remembered[name]

        context: Any = Context()
        context.taken_over = taken_over
        return context

    @property
    def verdicts(self) -> list[str]:
        """What was written down, in order."""
        return [entry["decision"].get("verdict", "") for entry in self.ledger.entries.values()]

    @property
    def told(self) -> list[str]:
        return [notice.kind for notice in self.plugins.told]


def _request(limits: CanaryLimits) -> dict[str, Any]:
    return {"run": "promote-1", "target": "canary", "limits": to_json(limits)}


ASKED: dict[str, Any] = {"actor": ACTOR, "request": {}, "signature": "s"}
ENVIRONMENT = Environment(name="canary", strategy=Strategy.CANARY, route="production")
# As many requests as make every check of these tests a measured one.
LIMITS = CanaryLimits(traffic_percent=10.0)
