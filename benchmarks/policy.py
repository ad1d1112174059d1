"""What does a decision cost? CPU time and ratios of one run, never a promise about wall time.

Engines judge a promotion of about 1 kB, 100 kB and 5 MB (a scan that lists more and more; the
smallest promotion that passes has three kilobytes, and is measured against the goal for one). CPU
time is that of this process and of the engine's own: the embedded worker, the `opa` processes, the
server. Sizes are interleaved over engines so that whatever else the machine does hits all alike,
and medians are compared. Usage: policy.py [--rounds 15] [--decisions 100000] [--check]; with
--check the exit status is 1 when a goal is missed. Engines that are not here are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from sluiceway.policy import Bundle, PolicyEngine, bundled_policies, load_bundle
from sluiceway.policy.archive import archive
from sluiceway_policy_cli.engine import CommandEngine
from sluiceway_policy_embedded.engine import EmbeddedEngine
from sluiceway_policy_embedded.pins import default_library, pin_here
from sluiceway_policy_server.client import Address, Connection
from sluiceway_policy_server.engine import ServerEngine

PATH = "promotion.decision"
SIZES = {"1 kB": 1_000, "100 kB": 100_000, "5 MB": 5_000_000}
GOALS = {"1 kB": 2.0, "100 kB": 60.0, "5 MB": 3000.0}
"""Milliseconds of CPU that the embedded engine may take, warm."""
FASTER = 15.0
"""How many times less CPU the embedded engine takes than a process of `opa eval`, at 1 kB."""
ADDED = 3.0
"""Milliseconds of CPU that the adapter may add to a bare HTTP exchange with the server, at 1 kB."""
GROWTH = 20.0
"""Megabytes by which memory may grow over all those decisions."""


@dataclass
class Goals:
    """What was wanted, and whether it was so."""

    missed: list[str] = field(default_factory=list)

    def say(self, text: str, value: float, limit: float, *, at_least: bool = False) -> str:
        """Return *text* with the goal and whether *value* keeps it."""
        kept = value >= limit if at_least else value < limit
        if not kept:
            self.missed.append(text)
        return (
            f"{text}  (goal {'>=' if at_least else '<'} {limit:g}: {'kept' if kept else 'MISSED'})"
        )


def inputs(engine: PolicyEngine) -> dict[str, dict[str, Any]]:
    """Return the promotion that passes, with as many harmless findings as make up each size."""
    tests = load_bundle([bundled_policies()], tests=True)
    least: dict[str, Any] = engine.evaluate(tests, "lib_test.promotion", {})
    made = {}
    for name, size in SIZES.items():
        document = copy.deepcopy(least)
        facts = document["evidence"]["scan"]["facts"]
        (found,) = facts["vulnerabilities"]
        each = len(json.dumps(found)) + 8
        number = max((size - len(json.dumps(document))) // each, 0) + 1
        facts["vulnerabilities"] = [{**found, "id": f"GHSA-{n:06}"} for n in range(number)]
        facts["counts"]["MEDIUM"] = number
        made[name] = document
    return made


def spent(process: psutil.Process | None) -> float:
    """Return the CPU seconds of this process, of children that ended, and of *process*."""
    own = os.times()
    total = own.user + own.system + own.children_user + own.children_system
    if process is not None:
        times = process.cpu_times()
        total += times.user + times.system
    return total


def cost(
    decide: Callable[[], Any], process: psutil.Process | None, least_seconds: float
) -> tuple[float, float]:
    """Return CPU and wall milliseconds of one call, over as many as *least_seconds* of CPU need.

    The clock of other processes ticks in hundredths of a second, so one call alone is not seen.
    """
    count = 0
    began, started = spent(process), time.perf_counter()
    while True:
        decide()
        count += 1
        used = spent(process) - began
        if used >= least_seconds:
            return used / count * 1000, (time.perf_counter() - started) / count * 1000


@contextlib.contextmanager
def server(folder: Path, bundle: Bundle) -> Iterator[tuple[str, int, psutil.Process]]:
    """Run OPA with *bundle*; yield host, port and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = folder / "bundle.tar.gz"
    file.write_bytes(archive(bundle))
    command = ["opa", "run", "--server", "--addr", f"127.0.0.1:{port}", "--log-level", "error"]
    child = subprocess.Popen([*command, "--skip-version-check", "--bundle", str(file)])
    try:
        deadline = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if child.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the OPA server did not start")
            time.sleep(0.05)
        yield "127.0.0.1", port, psutil.Process(child.pid)
    finally:
        child.kill()
        child.wait()


def adapter(host: str, port: int, reread_seconds: float) -> ServerEngine:
    address = Address(url=f"http://{host}:{port}", host=host, port=port, tls=False, socket="")
    connection = Connection(address, timeout_seconds=120)
    return ServerEngine(connection, reread_seconds=reread_seconds)


def bare(host: str, port: int, document: dict[str, Any]) -> Callable[[], Any]:
    """Return one plain HTTP exchange with the server: what anybody would have to pay."""
    import requests

    session = requests.Session()
    session.trust_env = False
    url = f"http://{host}:{port}/v1/data/promotion/decision?strict-builtin-errors=true"

    def ask() -> Any:
        return session.post(url, json={"input": document}, timeout=120).json()["result"]

    return ask


def medians(
    ways: dict[str, tuple[Callable[[], Any], psutil.Process | None]], rounds: int, least: float
) -> dict[str, tuple[float, float]]:
    """Return each way's median CPU and wall milliseconds; the ways take turns."""
    for decide, _ in ways.values():
        decide()  # connected, compiled and cached once, unmeasured
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (decide, process) in ways.items():
            found[name].append(cost(decide, process, least))
    return {
        name: (statistics.median(a for a, _ in each), statistics.median(b for _, b in each))
        for name, each in found.items()
    }


def memory(engine: EmbeddedEngine, document: dict[str, Any], bundle: Bundle, number: int) -> float:
    """Return by how many megabytes this process and the worker grow over *number* decisions."""
    ours, worker = psutil.Process(), psutil.Process(engine.worker_pid)

    def resident() -> int:
        return int(ours.memory_info().rss + worker.memory_info().rss)

    for _ in range(2000):  # heaps have found their size
        engine.evaluate(bundle, PATH, document)
    before = resident()
    for _ in range(number):
        engine.evaluate(bundle, PATH, document)
    return (resident() - before) / 1e6


def main() -> int:
    """Print costs, ratios and goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--decisions", type=int, default=100_000, help="for the memory; 0: none")
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")
    arguments = parser.parse_args()
    pin = pin_here()
    if pin is None or not default_library().is_file():
        raise SystemExit("the embedded engine is not installed: invoke policy.engine --install")
    goals = Goals()
    bundle = load_bundle([bundled_policies()])
    embedded = EmbeddedEngine(default_library(), pin.library, deadline_seconds=120)
    with contextlib.ExitStack() as stack:
        stack.callback(embedded.close)
        documents = inputs(embedded)
        worker = psutil.Process(embedded.worker_pid)
        opa = shutil.which("opa")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        at = stack.enter_context(server(folder, bundle)) if opa else None
        cli = CommandEngine(opa, deadline_seconds=120) if opa else None
        if cli is not None:
            stack.callback(cli.close)
        print(
            f"embedded {embedded.version}; server and cli: {cli.version if cli else 'no opa here'}"
        )
        load = os.getloadavg()[0] / (os.cpu_count() or 1)
        print(f"load {load:.1f} a processor (above 1, CPU times grow too: caches are shared)")
        if arguments.decisions:  # first: what a large input has taken would hide what is lost
            grown = memory(embedded, documents["1 kB"], bundle, arguments.decisions)
            text = f"memory: {grown:+.1f} MB over {arguments.decisions:,} decisions of 1 kB"
            print(goals.say(text, grown, GROWTH))
        for name, document in documents.items():
            report(goals, arguments.rounds, name, document, bundle, embedded, worker, cli, at)
    return 1 if arguments.check and goals.missed else 0


def report(
    goals: Goals,
    rounds: int,
    name: str,
    document: dict[str, Any],
    bundle: Bundle,
    embedded: EmbeddedEngine,
    worker: psutil.Process,
    cli: CommandEngine | None,
    at: tuple[str, int, psutil.Process] | None,
) -> None:
    """Measure one size of input and print it."""
    small = name == "1 kB"
    ways: dict[str, tuple[Callable[[], Any], psutil.Process | None]] = {
        "embedded": (lambda: embedded.evaluate(bundle, PATH, document), worker)
    }
    if at is not None and cli is not None:
        host, port, process = at
        once, always = adapter(host, port, 3600), adapter(host, port, 0)
        ways["plain HTTP to the server"] = (bare(host, port, document), process)
        ways["server"] = (lambda: once.evaluate(bundle, PATH, document), process)
        ways["server, policies read back"] = (
            lambda: always.evaluate(bundle, PATH, document),
            process,
        )
        if small:
            ways["cli (opa eval)"] = (lambda: cli.evaluate(bundle, PATH, document), None)
    count = rounds if small else max(rounds // 3, 1)
    found = medians(ways, count, 0.3 if small else 0.05)
    size = len(json.dumps(document))
    print(f"\n{name} ({size:,} bytes), median of {count}: CPU and wall time of one decision")
    for way, (cpu, wall) in found.items():
        print(f"  {way:<28} {cpu:9.2f} ms CPU {wall:9.2f} ms wall")
    own = found["embedded"][0]
    print("  " + goals.say(f"embedded: {own:.2f} ms of CPU", own, GOALS[name]))
    if small and "server" in found:
        ratio = found["cli (opa eval)"][0] / own
        print(
            "  "
            + goals.say(
                f"embedded: {ratio:.0f} times less than a process", ratio, FASTER, at_least=True
            )
        )
        added = found["server"][0] - found["plain HTTP to the server"][0]
        print("  " + goals.say(f"server: {added:.2f} ms of CPU more than plain HTTP", added, ADDED))


if __name__ == "__main__":
    sys.exit(main())
