"""Real services behind the proxy, a fault in each: what does the default rule say, and when?

With `--deployer local` (the default) they are processes, with `--deployer docker` containers of the
engine that DOCKER_HOST names; without one that is skipped, and the reason is said. Every route has a stable release and a canary with one fault, real requests at a steady rate, and is
looked at every ten seconds as `invoke canary` does; the bundled rule decides (its Python twin, which
a test holds to the policies). All routes run at once. Nothing is simulated and no clock is hurried,
so a run takes as long as a canary does, and its figures are of one run on one machine.

Usage: canary_live.py [--deployer local|docker] [--rate 50] [--warm 60] [--seconds 300] [--only NAME]
       [--write docs/canary-live.md]
Each deployer has its own table on the page; writing one leaves the other as it is. Exits with 1 when
a request failed on a stable side, or when a verdict is not the expected one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.plugins import deploy_docker_kit, deploy_local_kit  # noqa: E402
from tests.plugins.deploy_local_kit import HEALTH, Site, layer, push  # noqa: E402

from sluiceway.analysis import Watch, advance, evidence, miss, rules  # noqa: E402
from sluiceway.errors import ActionFailed  # noqa: E402
from sluiceway.model import (  # noqa: E402
    CanaryLimits,
    DeployRequest,
    Environment,
    Image,
    Project,
    Strategy,
)

SERVICE = """
import asyncio, math, os, random, signal, time

FAULT = os.environ.get("FAULT", "")
used = asyncio.Event()
began = math.inf  # the first request that is none for health
SIGMA = 0.5
TWICE = 1 + math.log(2) / (SIGMA * 2.326)  # stretches the upper half until p99 has doubled

async def serve(reader, writer):
    global began
    try:
        while True:
            head = await reader.readuntil(b"\\\\r\\\\n\\\\r\\\\n")
            health = head.startswith(b"GET /api/health ")
            if not health and not used.is_set():
                began = time.monotonic()
                used.set()
            age = max(0.0, time.monotonic() - began)
            if FAULT == "hang" and age > 10:
                await asyncio.sleep(3600)
            error, z = 0.01, random.gauss(0, 1)
            if FAULT == "5xx x5":
                error = 0.05
            if FAULT == "slow leak":
                error += age / 2000
            if FAULT == "p99 x2" and z > 0:
                z *= TWICE
            if not health:
                await asyncio.sleep(0.04 * math.exp(SIGMA * z))
            if FAULT == "reset mid-body" and not health and random.random() < 0.3:
                writer.write(b"HTTP/1.1 200 OK\\\\r\\\\nContent-Length: 1000\\\\r\\\\n\\\\r\\\\n" + b"x" * 500)
                await writer.drain()
                writer.transport.abort()
                return
            bad = not health and random.random() < error
            status = b"500 Internal Server Error" if bad else b"200 OK"
            writer.write(b"HTTP/1.1 " + status + b"\\\\r\\\\nContent-Length: 2\\\\r\\\\n\\\\r\\\\nok")
    except (EOFError, OSError, asyncio.IncompleteReadError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    await used.wait()
    if FAULT == "crash":
        await asyncio.sleep(15)
        os._exit(3)
    if FAULT == "refuse":
        await asyncio.sleep(10)
        server.close()
    await asyncio.sleep(10 ** 6)

asyncio.run(main())
""".replace("\\\\", "\\")

EXPECTED: Mapping[str, tuple[str, ...]] = {
    "none": ("promote", "extend", "continue"),
    "5xx x5": ("rollback",),
    "p99 x2": ("rollback",),
    "crash": ("rollback",),
    "hang": ("rollback",),
    "refuse": ("rollback",),
    "reset mid-body": ("rollback",),
    "slow leak": ("rollback", "extend", "continue"),
    "no traffic": ("extend", "rollback", "continue"),
}
"""What may be the last word after the chosen time. Never: to promote a fault."""
DEPLOYERS: Mapping[str, str] = {
    "local": "processes behind the proxy of `deploy-local`",
    "docker": "containers behind the proxy of `deploy-docker`",
}
"""A deployer, and what a release is with it."""
MODULES = "asyncio math os random signal time encodings.idna"
INTERVAL_SECONDS = 10.0
HEALTH_SECONDS = 2.0
IDLE_SECONDS = 60.0
"""A client uses no connection that has been idle for longer: the proxy closes one after 75 s."""


@dataclass
class Route:
    """One fault's route and what became of it."""

    fault: str
    site: Site
    image: Image
    port: int = 0
    watch: Watch = field(default_factory=Watch)
    verdict: str = "continue"
    codes: tuple[str, ...] = ()
    seconds: float = 0.0
    to_zero_seconds: float | None = None
    sent: int = 0
    failed: int = 0
    stable_failures: int = 0
    canary_failures: int = 0
    canary_requests: int = 0

    @property
    def ended(self) -> bool:
        return self.verdict in ("promote", "rollback")

    def environment(self, *, canary: bool) -> Environment:
        name = self.fault.replace(" ", "-")
        return Environment(
            name=f"{name}-canary" if canary else name,
            strategy=Strategy.CANARY if canary else Strategy.REPLACE,
            route=name,
            settings={"env": {"FAULT": self.fault}} if canary else {},
        )

    def deploy(self, *, canary: bool) -> None:
        request = DeployRequest(
            environment=self.environment(canary=canary),
            image=self.image,
            fence=self.site.fence(),
            health_path=HEALTH,
            ready_seconds=60,
            drain_seconds=2,
        )
        done = self.site.plugin.sluiceway_deploy(
            self.project, request, self.site.registry, self.site.settings
        )
        self.port = int(done.traffic.url.rpartition(":")[2])

    @property
    def project(self) -> Project:
        return self.site.project

    def weigh(self, weight: float) -> None:
        where = self.environment(canary=True)
        self.site.plugin.sluiceway_set_weight(
            self.project, where, weight, self.site.fence(), self.site.settings
        )

    def look(self, began: float, limits: CanaryLimits) -> None:
        """Look once, ask the rule, act."""
        where = self.environment(canary=True)
        try:
            seen = self.site.plugin.sluiceway_observe(
                self.project, where, HEALTH, HEALTH_SECONDS, self.site.settings
            )
            self.watch = advance(self.watch, seen, limits)
        except ActionFailed as error:
            self.watch = miss(self.watch, time.monotonic(), error.what, limits)
        step = {"index": 0, "count": 1, "weight": limits.traffic_percent}
        call = rules.decide(
            {
                "parameters": asdict(limits),
                "step": step,
                "watch": evidence(self.watch, limits),
            }
        )
        self.verdict, self.codes = call.verdict, tuple(sorted(call.codes))
        self.seconds = time.monotonic() - began
        if self.verdict != "rollback":
            with contextlib.suppress(ActionFailed):  # the lease outlives one renewal that is late
                self.weigh(limits.traffic_percent)
            return
        asked = time.monotonic()
        self.weigh(0)
        self.to_zero_seconds = time.monotonic() - asked

    def count(self) -> None:
        """Read both sides' counters."""
        where = self.environment(canary=False).route
        found = self.site.plugin.inspect(self.project, where, self.site.settings) or {"slots": []}
        for slot in found["slots"]:
            failures = sum(slot["failures"].values())
            if slot["name"] == "stable":
                self.stable_failures = failures
            else:
                self.canary_failures, self.canary_requests = failures, slot["requests"]


async def _load(route: Route, rate: float, stop: asyncio.Event) -> None:
    """Ask at a steady rate, whether or not answers come: what is slow does not slow the clients."""
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter, float]] = []
    asking: set[asyncio.Task[None]] = set()

    def taken() -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Return the connection that was used last; close it when the proxy is about to."""
        while idle:
            reader, writer, since = idle.pop()
            if loop.time() - since < IDLE_SECONDS:
                return reader, writer
            writer.close()
        return None

    async def once() -> None:
        route.sent += 1
        reader, writer = taken() or await asyncio.open_connection("127.0.0.1", route.port)
        try:
            writer.write(b"GET / HTTP/1.1\r\nHost: live\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
        except (OSError, EOFError, ValueError):
            route.failed += 1
            writer.close()
            return
        if head.split()[1] in (b"502", b"503", b"504"):
            route.failed += 1
        if b"connection: close" in head.lower():
            writer.close()
        else:
            idle.append((reader, writer, loop.time()))

    loop = asyncio.get_running_loop()
    due = loop.time()
    while not stop.is_set():
        due += 1 / rate
        await asyncio.sleep(max(0.0, due - loop.time()))
        task = loop.create_task(once())
        asking.add(task)
        task.add_done_callback(asking.discard)
    await asyncio.gather(*asking, return_exceptions=True)
    for _, writer, _ in idle:
        writer.close()


async def _run(routes: list[Route], chosen: argparse.Namespace) -> None:
    limits = CanaryLimits(duration_seconds=chosen.seconds)
    for route in routes:
        await asyncio.to_thread(route.deploy, canary=False)
    stop = asyncio.Event()
    loads = [
        asyncio.create_task(_load(route, chosen.rate, stop))
        for route in routes
        if route.fault != "no traffic"
    ]
    await asyncio.sleep(chosen.warm)
    for route in routes:
        await asyncio.to_thread(route.deploy, canary=True)
    for route in routes:  # only now: a container takes seconds to start, and a weight is leased
        await asyncio.to_thread(route.weigh, limits.traffic_percent)
    began = time.monotonic()
    for look in range(int(chosen.seconds / INTERVAL_SECONDS) + 1):
        await asyncio.sleep(max(0.0, began + look * INTERVAL_SECONDS - time.monotonic()))
        watched = [route for route in routes if not route.ended]
        await asyncio.gather(*(asyncio.to_thread(route.look, began, limits) for route in watched))
        told = ", ".join(f"{route.fault}: {route.verdict}" for route in watched)
        print(f"{time.monotonic() - began:5.0f} s  {told}", flush=True)
        if all(route.ended for route in routes):
            break
    stop.set()
    await asyncio.gather(*loads)
    for route in routes:
        await asyncio.to_thread(route.count)


@contextlib.contextmanager
def _opened(deployer: str) -> Iterator[tuple[Site, Image]]:
    """Yield a site of *deployer* and the image of the service; afterwards nothing of it is left."""
    with tempfile.TemporaryDirectory() as name:
        if deployer == "local":
            with deploy_local_kit.opened(Path(name), response_seconds=5.0) as site:
                yield (
                    site,
                    push(
                        site.registry,
                        [layer({"app/server.py": SERVICE})],
                        {"Entrypoint": ["python3", "server.py"], "WorkingDir": "/app"},
                    ),
                )
            return
        with deploy_docker_kit.opened(Path(name), response_seconds=5.0) as site:
            python, home = deploy_docker_kit.interpreter()
            contained = SERVICE.replace('"127.0.0.1"', '"0.0.0.0"')
            yield (
                site,
                site.push(
                    [deploy_docker_kit.python_layer(MODULES), layer({"app/server.py": contained})],
                    {
                        "Entrypoint": [python, "-S", "server.py"],
                        "WorkingDir": "/app",
                        "Env": [f"PYTHONHOME={home}"],
                        "User": "10001:10001",
                        "ExposedPorts": {"8080/tcp": {}},
                    },
                ),
            )


def _lacking(deployer: str) -> str:
    """Say why *deployer* cannot be had here; empty when it can."""
    if deployer == "local":
        return ""
    try:
        asked = subprocess.run(
            ["docker", "info"], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"`docker info` cannot be asked: {error}"
    if asked.returncode == 0:
        return ""
    said = (asked.stderr.strip() or asked.stdout.strip()).splitlines()
    return f"no Docker engine answers `docker info`: {said[-1] if said else asked.returncode}"


def main() -> int:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deployer", choices=list(DEPLOYERS), default="local")
    parser.add_argument("--rate", type=float, default=50.0)
    parser.add_argument("--warm", type=float, default=60.0)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--only", action="append", choices=list(EXPECTED))
    parser.add_argument("--write", type=Path)
    chosen = parser.parse_args()
    if reason := _lacking(chosen.deployer):
        print(f"skipped: {reason}")
        return 0
    with _opened(chosen.deployer) as (site, image):
        routes = [Route(fault, site, image) for fault in chosen.only or EXPECTED]
        asyncio.run(_run(routes, chosen))
    section = _section(routes, chosen)
    print(section)
    if chosen.write:
        kept = _sections(chosen.write.read_text("utf-8")) if chosen.write.exists() else {}
        page = _page({**kept, chosen.deployer: section})
        chosen.write.write_text(page, encoding="utf-8")
    wrong = [route.fault for route in routes if route.verdict not in EXPECTED[route.fault]]
    dropped = sum(route.stable_failures for route in routes)
    if wrong or dropped:
        print(f"FAILED: {dropped} requests failed on a stable side; unexpected: {wrong}")
    return 1 if wrong or dropped else 0


def _sections(page: str) -> dict[str, str]:
    """Return the parts of a written *page*, by their deployer."""
    found = re.findall(r"^## deploy-(\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return {deployer: text.strip() for deployer, text in found}


def _page(sections: Mapping[str, str]) -> str:
    about = (
        "Real services with real faults, real requests and the default rule: what was the last verdict "
        "of each, and how soon? Written by `python benchmarks/canary_live.py --write "
        "docs/canary-live.md`, and with `--deployer docker` for containers. Each table is of one run on "
        "one machine: times vary from run to run."
    )
    words = (
        "A healthy release fails 1 % and takes 40 ms (log-normal, sigma 0.5). A crash ends the canary's "
        "process 15 s after its first request; a hang (its health included) and a refusal begin after "
        "10 s of it; the leak adds 0.05 points of errors a second; a body is reset in 30 % of answers. "
        "`extend` means: not enough evidence to promote yet, and none to roll back; the pipeline then "
        "goes on watching, to its deadline. Times are counted from when the last route had its weight; "
        "the first had it a little earlier. Weight 0 is counted until it was read back. A client uses a "
        "connection again that has been idle for less than a minute."
    )
    lines = ["# Canaries with real faults", "", about, "", words, ""]
    for deployer in DEPLOYERS:
        if deployer in sections:
            lines += [f"## deploy-{deployer}", "", sections[deployer], ""]
    return "\n".join(lines)


def _section(routes: list[Route], chosen: argparse.Namespace) -> str:
    how = (
        f"{len(routes)} routes at once, each with real {DEPLOYERS[chosen.deployer]}, {chosen.rate:g} "
        "requests a second (steady, whether or not answers come), 5 % to the canary, "
        f"{chosen.warm:g} s of stable's history before it, a look every 10 s, at most "
        f"{chosen.seconds:g} s."
    )
    columns = (
        "fault",
        "last verdict",
        "after",
        "reasons",
        "verdict to weight 0",
        "requests",
        "canary: requests (without a whole answer)",
        "stable: without a whole answer",
    )
    lines = [how, ""]
    lines += ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for route in routes:
        zero = "" if route.to_zero_seconds is None else f"{route.to_zero_seconds * 1000:.0f} ms"
        lines.append(
            f"| {route.fault} | {route.verdict} | {route.seconds:.0f} s | {', '.join(route.codes)} | "
            f"{zero} | {route.sent:,} | {route.canary_requests:,} ({route.canary_failures}) | "
            f"{route.stable_failures} |"
        )
    total = sum(route.sent for route in routes)
    failed = sum(route.stable_failures for route in routes)
    lost = sum(route.failed - route.canary_failures for route in routes)
    what = (
        f"{total:,} requests; {failed} failed on a stable side; {max(0, lost)} failed for a client "
        "without being counted as a canary's."
    )
    return "\n".join([*lines, "", what])


if __name__ == "__main__":
    sys.exit(main())
