"""What does a decision cost? CPU time and ratios of one run, never a promise about wall time.

A decision is all of it: the digest of the input, its schema, and the rules. The embedded engine
judges a promotion of 1 kB (with hardly any evidence, so it is refused), of 3 kB (the smallest that
passes), of 100 kB and of 5 MB (a scan that lists more and more). CPU time is that of this process and
of the engine's own: the embedded worker, the server, or the processes that were started. Ways take
turns, so that whatever else the machine does hits all alike; the least and the median are shown.
The whole takes about four minutes. The goal of the memory is meant for 100,000 decisions, which take
about ten; fewer are allowed as much less growth.

Usage: policy.py [--rounds 30] [--decisions 20000] [--check]; with --check the exit status is 1 when
a ratio or the memory misses its goal. CPU time in milliseconds depends on the machine and on who else uses
it, so its goals are shown and never fail. Programs that are not on PATH are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from sluiceway.model import parse_time
from sluiceway.policy import Bundle, bundled_policies, decide, load_bundle
from sluiceway.policy.archive import archive
from sluiceway.policy.bundle import merge
from sluiceway_policy_embedded.engine import EmbeddedEngine
from sluiceway_policy_embedded.pins import default_library, pin_here
from sluiceway_policy_server.client import Address, Connection
from sluiceway_policy_server.engine import ServerEngine

GATE = "promotion"
PEOPLE = {"promotion": {"people": {"tom": ["tech-lead"], "rita": ["release-manager"]}}}
SIZES = {"1 kB": 0, "3 kB": 0, "100 kB": 100_000, "5 MB": 5_000_000}
GOALS = {"1 kB": 2.0, "100 kB": 60.0, "5 MB": 3000.0}
"""Milliseconds of CPU that a decision by the embedded engine may take, warm."""
FASTER = 15.0
"""How many times less CPU it takes than a process of `opa eval` or `conftest test`, at 1 kB."""
ADDED = 3.0
"""Milliseconds of CPU that the adapter may add to a bare HTTP exchange with the server, at 1 kB."""
COLD = 250.0
"""Milliseconds of CPU that `policy.eval` may take from nothing; meant for 20 modules."""
GROWTH, OVER = 20.0, 100_000
"""Megabytes by which memory may grow over so many decisions."""
PROGRAMS = ("opa eval", "conftest test")
READ_BACK = "server, policies read back"
"""OPA writes all its policies for it each time, whatever the input: measured with the smallest only."""
_UNKEPT = "PYTHONDONTWRITEBYTECODE"
_LINUX = sys.platform == "linux"
_AT_ONCE = 20
"""Decisions between two looks at the clock, while they are small: the caches are warm then."""
_DEAR = (*PROGRAMS, READ_BACK)
_DEAR_ROUNDS = 10
"""What takes a hundred times as long as a decision is done once a round, and in the first rounds."""

Way = tuple[Callable[[], Any], Callable[[], float]]
"""What is done, and the clock of the processes that do it, in seconds."""


@dataclass
class Goals:
    """What was wanted, and whether it was so."""

    missed: list[str] = field(default_factory=list)

    def say(
        self, text: str, value: float, limit: float, *, at_least: bool = False, counts: bool = False
    ) -> None:
        """Print *text* with the goal and whether *value* keeps it; remember a miss that *counts*."""
        kept = value >= limit if at_least else value < limit
        if counts and not kept:
            self.missed.append(text)
        goal = f"goal {'>=' if at_least else '<'} {limit:g}: {'kept' if kept else 'MISSED'}"
        print(f"  {text}  ({goal})")


def inputs(engine: EmbeddedEngine) -> dict[str, dict[str, Any]]:
    """Return the promotion that passes, cut down to 1 kB, as it is, and made larger and larger."""
    tests = load_bundle([bundled_policies()], tests=True)
    least: dict[str, Any] = engine.evaluate(tests, "lib_test.promotion", {})
    bare = {**least, "approvals": [], "evidence": {"signature": least["evidence"]["signature"]}}
    made = {"1 kB": bare}
    for name, size in list(SIZES.items())[1:]:
        document = copy.deepcopy(least)
        facts = document["evidence"]["scan"]["facts"]
        (found,) = facts["vulnerabilities"]
        each = len(json.dumps(found)) + 8
        number = max((size - len(json.dumps(document))) // each, 0) + 1
        facts["vulnerabilities"] = [{**found, "id": f"GHSA-{n:06}"} for n in range(number)]
        facts["counts"]["MEDIUM"] = number
        made[name] = document
    return made


def clock(pid: int | None = None) -> Callable[[], float]:
    """Return the CPU seconds of this process, of its children that ended, and of process *pid*."""

    def read() -> float:
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        own = time.process_time() + ended.ru_utime + ended.ru_stime
        return own + (0.0 if pid is None else _other(pid))

    return read


def _other(pid: int) -> float:
    if _LINUX:  # clock_getcpuclockid(3): its own clock, where psutil has hundredths only
        return time.clock_gettime((~pid << 3) | 2)
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def costs(ways: dict[str, Way], rounds: int, at_once: int = 1) -> dict[str, tuple[float, float]]:
    """Return each way's least and median CPU milliseconds; the ways take turns."""
    for do, _ in ways.values():
        do()  # connected, compiled and cached once, unmeasured
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds):
        for name, (do, read) in ways.items():
            if name in _DEAR and turn >= _DEAR_ROUNDS:
                continue
            count = 1 if name in _DEAR else at_once
            began = read()
            for _ in range(count):
                do()
            found[name].append((read() - began) / count * 1000)
    for name, each in found.items():
        print(f"  {name:<28} {min(each):9.2f} least {statistics.median(each):9.2f} median")
    return {name: (min(each), statistics.median(each)) for name, each in found.items()}


@contextlib.contextmanager
def server(file: Path) -> Iterator[tuple[str, int, int]]:
    """Run OPA with the bundle *file*; yield host, port and process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
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
        yield "127.0.0.1", port, child.pid
    finally:
        child.kill()
        child.wait()


def adapter(host: str, port: int, reread_seconds: float) -> ServerEngine:
    address = Address(url=f"http://{host}:{port}", host=host, port=port, tls=False, socket="")
    connection = Connection(address, timeout_seconds=120)
    return ServerEngine(connection, reread_seconds=reread_seconds)


def served(engine: ServerEngine, bundle: Bundle, document: dict[str, Any]) -> Callable[[], Any]:
    """Return one evaluation by the adapter."""
    return lambda: engine.evaluate(bundle, f"{GATE}.decision", document)


def bare_http(host: str, port: int, document: dict[str, Any]) -> Callable[[], Any]:
    """Return one plain HTTP exchange with the server: what anybody would have to pay."""
    import requests

    session = requests.Session()
    session.trust_env = False
    url = f"http://{host}:{port}/v1/data/{GATE}/decision?strict-builtin-errors=true"

    def ask() -> Any:
        return session.post(url, json={"input": document}, timeout=120).json()["result"]

    return ask


def process(*command: str) -> Callable[[], Any]:
    """Return one run of a program; it is asked, so its answer is not looked at."""
    return lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def programs(folder: Path, bundle: Bundle, document: dict[str, Any]) -> dict[str, Way]:
    """Return the decision by each program that is on PATH, as a process."""
    given, policies, data = folder / "input.json", folder / "policies", folder / "data.json"
    given.write_text(json.dumps(document))
    for name, source in bundle.modules.items():
        (policies / name).parent.mkdir(parents=True, exist_ok=True)
        (policies / name).write_text(source)
    data.write_text(json.dumps(dict(bundle.data)))
    found: dict[str, Way] = {}
    if shutil.which("opa"):
        files = ("--data", str(policies), "--data", str(data), "--input", str(given))
        asked = process("opa", "eval", "--strict-builtin-errors", *files, f"data.{GATE}.decision")
        found["opa eval"] = (asked, clock())
    if shutil.which("conftest"):
        files = ("--policy", str(policies), "--data", str(data), "--namespace", GATE)
        asked = process("conftest", "test", "--no-fail", *files, str(given))
        found["conftest test"] = (asked, clock())
    return found


def memory(decided: Callable[[], Any], worker: int, number: int) -> float:
    """Return by how many megabytes this process and the worker grow over *number* decisions."""

    def resident() -> int:
        return int(sum(psutil.Process(pid).memory_info().rss for pid in (os.getpid(), worker)))

    for _ in range(2000):  # heaps have found their size
        decided()
    before = resident()
    for _ in range(number):
        decided()
    return (resident() - before) / 1e6


def allowed(number: int) -> float:
    """Return the megabytes that may be gained over *number* decisions.

    A heap comes and goes by several, so it is not less than half of the whole.
    """
    return GROWTH * max(number / OVER, 0.5)


def cold(folder: Path, document: dict[str, Any], rounds: int) -> float:
    """Print and return the median CPU milliseconds of `policy.eval` from nothing."""
    policies = folder / "policies-of-ours"
    shutil.copytree(bundled_policies(), policies)
    modules = [each for each in policies.rglob("*.rego") if not each.name.endswith("_test.rego")]
    (folder / "sluiceway.toml").write_text('[service]\nname = "settlement"\n')
    (folder / "cold.json").write_text(json.dumps(document))
    command = [sys.executable, "-m", "sluiceway.cli.program"]
    asked = [*command, "policy.eval", GATE, "--input=cold.json", f"--policies={policies}", "--json"]

    # Python keeps what it compiled in the first run, which is not measured.
    environ = {name: value for name, value in os.environ.items() if name != _UNKEPT}

    def run(*argv: str) -> Callable[[], Any]:
        return lambda: subprocess.run(
            argv, cwd=folder, env=environ, capture_output=True, check=False
        )

    print(f"\nfrom nothing, {len(modules)} modules: CPU milliseconds of the whole command")
    found = costs(
        {
            "policy.eval": (run(*asked), clock()),
            "--version (Invoke alone)": (run(*command, "--version"), clock()),
        },
        rounds,
    )
    return found["policy.eval"][1]


def main() -> int:
    """Print costs, ratios and goals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--decisions", type=int, default=20_000, help="for the memory; 0: none")
    parser.add_argument("--check", action="store_true", help="exit 1 when a ratio is missed")
    arguments = parser.parse_args()
    pin = pin_here()
    if pin is None or not default_library().is_file():
        raise SystemExit("the embedded engine is not installed: invoke policy.engine --install")
    goals = Goals()
    bundle = load_bundle([bundled_policies()])
    bundle = replace(bundle, data=merge(bundle.data, PEOPLE))
    embedded = EmbeddedEngine(default_library(), pin.library, deadline_seconds=120)
    with contextlib.ExitStack() as stack:
        stack.callback(embedded.close)
        documents = inputs(embedded)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "bundle.tar.gz").write_bytes(archive(bundle))
        at = stack.enter_context(server(folder / "bundle.tar.gz")) if shutil.which("opa") else None
        load = os.getloadavg()[0] / (os.cpu_count() or 1)
        print(f"{embedded.version}; load {load:.1f} a processor (above 1, CPU times grow as well)")
        if arguments.decisions:  # first: what a large input has taken would hide what is lost
            way, worker = decided(embedded, bundle, documents["1 kB"]), embedded.worker_pid or 0
            grown = memory(way, worker, arguments.decisions)
            text = f"memory: {grown:+.1f} MB over {arguments.decisions:,} decisions of 1 kB"
            goals.say(text, grown, allowed(arguments.decisions), counts=True)
        for name, document in documents.items():
            rounds = max(arguments.rounds // {"100 kB": 3, "5 MB": 10}.get(name, 1), 1)
            size = len(json.dumps(document))
            print(f"\n{name} ({size:,} bytes): CPU milliseconds of one decision, warm")
            report(goals, rounds, name, document, bundle, embedded, folder, at)
        taken = cold(folder, documents["3 kB"], max(arguments.rounds // 3, 1))
        goals.say(f"policy.eval: {taken:.0f} ms of CPU", taken, COLD)
    return 1 if arguments.check and goals.missed else 0


def decided(
    engine: EmbeddedEngine | ServerEngine, bundle: Bundle, document: dict[str, Any]
) -> Callable[[], Any]:
    """Return the whole decision: digest, schema, rules, findings."""
    now: datetime = parse_time(document["now"])
    return lambda: decide(engine, bundle, GATE, document, now=now)


def report(
    goals: Goals,
    rounds: int,
    name: str,
    document: dict[str, Any],
    bundle: Bundle,
    embedded: EmbeddedEngine,
    folder: Path,
    at: tuple[str, int, int] | None,
) -> None:
    """Measure one size of input and print it."""
    ways: dict[str, Way] = {
        "embedded": (decided(embedded, bundle, document), clock(embedded.worker_pid))
    }
    if at is not None:
        host, port, pid = at
        ways["plain HTTP to the server"] = (bare_http(host, port, document), clock(pid))
        ways["server"] = (served(adapter(host, port, 3600), bundle, document), clock(pid))
        if name == "1 kB":
            ways[READ_BACK] = (served(adapter(host, port, 0), bundle, document), clock(pid))
    if name == "1 kB":
        ways |= programs(folder, bundle, document)
    found = costs(ways, rounds, _AT_ONCE if "kB" in name and name != "100 kB" else 1)
    _, own = found["embedded"]
    if name in GOALS:
        goals.say(f"embedded: {own:.2f} ms of CPU", own, GOALS[name])
    if name != "1 kB":
        return
    for program in [each for each in PROGRAMS if each in found]:
        ratio = found[program][1] / own
        text = f"embedded: {ratio:.0f} times less than a process of {program}"
        goals.say(text, ratio, FASTER, at_least=True, counts=True)
    if "server" in found:
        added = found["server"][1] - found["plain HTTP to the server"][1]
        goals.say(f"server: {added:.2f} ms of CPU more than plain HTTP", added, ADDED)


if __name__ == "__main__":
    sys.exit(main())
