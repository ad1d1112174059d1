"""What two hundred canaries cost one process that watches them all.

Each is looked at every ten seconds, spread evenly; a look is what a runner does after it has seen
the counters: fold the tick, write the state down and read it back, build the evidence, and have the
gate `canary` judge it by the real policies in the embedded engine. Shown are the CPU time of a look,
how late looks were (p99), and the memory of the process. With `--speed 10` the ten seconds pass ten times as fast,
which is ten times as many canaries.

Usage: canary_many.py [--canaries 200] [--seconds 60] [--speed 1] [--limit-late 1.0]; exit 1 when the
p99 of lateness is over the limit, in seconds of the canaries' own time.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import sys
import time
from datetime import UTC, datetime

from sluiceway.analysis import Counters, Tick, Watch, tick
from sluiceway.gates.canary import Step, canary_input
from sluiceway.model import Actor, CanaryLimits, Image
from sluiceway.policy import Bundle, PolicyEngine, bundled_policies, decide, load_bundle
from sluiceway_policy_embedded.engine import EmbeddedEngine
from sluiceway_policy_embedded.pins import default_library, pin_here

LIMITS = CanaryLimits()
BOUNDS = [f"{5 * 1.05**step:.6g}" for step in range(150)]
IMAGE = Image(repository="registry.example/service", digest="sha256:" + "a" * 64, media_type="m")


def window(chance: random.Random, requests: int) -> Counters:
    """Return *requests* of a service with 1 % errors and a median of 80 ms."""
    latency: dict[str, int] = {}
    for _ in range(requests):
        bound = BOUNDS[min(len(BOUNDS) - 1, max(0, round(chance.gauss(57, 14))))]
        latency[bound] = latency.get(bound, 0) + 1
    errors = sum(chance.random() < 0.01 for _ in range(requests))
    return Counters(requests=requests, errors=errors, latency_ms=latency)


def look(engine: PolicyEngine, bundle: Bundle, watch: Watch, seen: Tick) -> tuple[Watch, str]:
    """Fold, store, read back and judge; return the watch with the verdict."""
    watch = Watch.from_json(json.loads(json.dumps(tick(watch, seen, LIMITS).to_json())))
    now = datetime.now(UTC)
    document = canary_input(
        service="service",
        rehearsal=False,
        watch=watch,
        limits=LIMITS,
        step=Step(weight=5.0),
        image=IMAGE,
        environment="canary",
        actor=Actor(name="robot", method="ssh", proven=True),
        run="r1",
        now=now,
    )
    return watch, decide(engine, bundle, "canary", document, now=now).verdict


def main() -> int:
    """Watch them, print what it cost, and say whether looks were in time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--canaries", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--limit-late", type=float, default=1.0)
    asked = parser.parse_args()
    pin = pin_here()
    if pin is None:
        print("no OPA library is published for this machine")
        return 1
    engine = EmbeddedEngine(default_library(), pin.library, deadline_seconds=10)
    try:
        return watch_all(engine, asked)
    finally:
        engine.close()
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"the engine, compiling included: {spent.ru_utime + spent.ru_stime:.1f} s CPU, "
            f"{spent.ru_maxrss / 1024:.0f} MB"
        )


def watch_all(engine: EmbeddedEngine, asked: argparse.Namespace) -> int:
    """Look at every canary in its turn for as long as was asked."""
    chance = random.Random(5)
    pool = [
        Tick(seconds=10.0, canary=window(chance, 25), stable=window(chance, 475)) for _ in range(40)
    ]
    bundle = load_bundle([bundled_policies()])
    watches = [Watch()] * asked.canaries
    look(engine, bundle, Watch(), pool[0])  # the engine compiles the policies once
    gap = LIMITS.interval_seconds / asked.canaries / asked.speed
    late: list[float] = []
    verdicts: dict[str, int] = {}
    begun, busy = time.monotonic(), time.process_time()
    looks = int(asked.seconds / gap)
    for number in range(looks):
        due = begun + number * gap
        if (left := due - time.monotonic()) > 0:
            time.sleep(left)
        which = number % asked.canaries
        watches[which], verdict = look(engine, bundle, watches[which], chance.choice(pool))
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
        late.append((time.monotonic() - due) * asked.speed)
    spent = time.process_time() - busy
    ordered = sorted(late)
    p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{asked.canaries} canaries, {looks} looks in {time.monotonic() - begun:.1f} s: "
        f"{1000 * spent / looks:.2f} ms CPU of this process a look, decided "
        f"{statistics.median(late):.3f} s after it was due (median), {p99:.3f} s (p99), "
        f"{memory:.0f} MB; {verdicts}"
    )
    return 0 if p99 <= asked.limit_late else 1


if __name__ == "__main__":
    sys.exit(main())
