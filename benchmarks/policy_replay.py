"""How long a thousand recorded decisions of ten kilobytes take to be judged again.

Run: ``python benchmarks/policy_replay.py``. Prints processor seconds of both processes, which a
busy machine changes little, and the wall's.
"""

from __future__ import annotations

import json
import resource
import time
from datetime import UTC, datetime
from typing import Any

from sluiceway.model import to_json
from sluiceway.policy import Recorded, bundled_policies, decide, load_bundle, replay
from sluiceway_policy_embedded.engine import EmbeddedEngine
from sluiceway_policy_embedded.pins import default_library, pin_here

DECISIONS = 1000
BYTES = 10_000


def main() -> None:
    """Replay and print."""
    pin = pin_here()
    assert pin is not None, "no OPA library is published for this machine"
    engine = EmbeddedEngine(default_library(), pin.library, deadline_seconds=60)
    bundle = load_bundle([bundled_policies()])
    document = engine.evaluate(
        load_bundle([bundled_policies()], tests=True), "lib_test.promotion", {}
    )
    scan = document["evidence"]["scan"]["facts"]
    scan["uncovered"] = []
    while len(json.dumps(document)) < BYTES:
        scan["uncovered"].append(f"pkg:generic/package-{len(scan['uncovered'])}@1.0")
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    records = [record(number, document, bundle, engine, now) for number in range(DECISIONS)]
    engine.close()
    engine = EmbeddedEngine(default_library(), pin.library, deadline_seconds=60)
    before, wall = cpu(), time.perf_counter()
    found = replay(engine, bundle, records)
    engine.close()
    spent = cpu() - before
    assert all(each.identical for each in found)
    print(f"{DECISIONS} decisions of {len(json.dumps(document))} bytes, every one the same:")
    print(f"{spent:.1f} s of processor, {time.perf_counter() - wall:.1f} s by the wall")


def record(
    number: int, document: dict[str, Any], bundle: Any, engine: Any, now: datetime
) -> Recorded:
    """Return one record; the decision is the same for all, only the run differs."""
    mine = {**document, "run": f"r{number:04}"}
    decision = to_json(decide(engine, bundle, "promotion", mine, now=now))
    return Recorded(
        seq=number,
        run=mine["run"],
        environment="production",
        at=now,
        decision=decision,
        document=mine,
    )


def cpu() -> float:
    """Return the processor seconds of this process and of the workers that have ended."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (
            resource.getrusage(resource.RUSAGE_SELF),
            resource.getrusage(resource.RUSAGE_CHILDREN),
        )
    )


if __name__ == "__main__":
    main()
