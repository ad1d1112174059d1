"""What does the proxy of deploy-local cost, and does it drop anything? Ratios to nginx, in one run.

`cpu`: microseconds of CPU a request, read from /proc of the proxy's own process, for our proxy and
for nginx as a reverse proxy with the same task (one worker, no access log, connections to the
backend kept alive, the same fields added), in pairs of rounds that change places, so that whatever
else the machine does hits both alike. The ratio is the median of the pairs'. Requests a second say
more about the machine than about the proxy, so they are shown and compared with nothing. Twice:

* alike: the same request again and again, as wrk sends it, so that what the proxy remembers of a
  connection's last head serves it best;
* unlike: no two requests and no two answers have the same fields, so that it remembers in vain.

`drops`: the long form of `tests/plugins/test_deploy_local_drops.py`: switches, weights and drains
under load by clients that never try again, in a process of their own.

Usage: proxy.py cpu [--rounds 5] [--seconds 3] [--limit 3]
       proxy.py drops [--switches 500]
With --limit, `cpu` exits with 1 when a median ratio is higher; --without-fast-path measures what the
coroutine costs that serves what is not plain. Needs nginx and wrk on PATH (or in
/usr/sbin).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

Contender = tuple[subprocess.Popen[bytes], int]
"""A proxy's process and port."""
ROOT = Path(__file__).resolve().parent.parent
BODY = "x" * 99 + "\\n"
NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/a; uwsgi_temp_path {folder}/b; scgi_temp_path {folder}/c;
  keepalive_requests 1000000000;
  {rest}
}}
"""
BACKEND = """
  server {{ listen 127.0.0.1:{port};
    location / {{ return 200 "{body}"; }}
    location /unlike/ {{ add_header X-Answer $request_id; return 200 "{body}"; }} }}
"""
UNLIKE = """
local number = 0
request = function()
  number = number + 1
  wrk.headers["X-Number"] = number
  return wrk.format("GET", "/unlike/" .. number)
end
"""
PROXY = """
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Request-Id $request_id; }} }}
"""


def main() -> int:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    cpu = commands.add_parser("cpu")
    cpu.add_argument("--rounds", type=int, default=5)
    cpu.add_argument("--seconds", type=int, default=3)
    cpu.add_argument("--connections", type=int, default=32)
    cpu.add_argument("--limit", type=float)
    cpu.add_argument("--without-fast-path", action="store_true")
    drops = commands.add_parser("drops")
    drops.add_argument("--switches", type=int, default=500)
    serve = commands.add_parser("serve")  # for `cpu`: the proxy as a process of its own
    serve.add_argument("backend", type=int)
    serve.add_argument("--without-fast-path", action="store_true")
    chosen = parser.parse_args()
    if chosen.command == "serve":
        return _serve(chosen.backend, fast_path=not chosen.without_fast_path)
    if chosen.command == "drops":
        return _drops(chosen.switches)
    return _cpu(chosen)


def _cpu(chosen: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        script = folder / "unlike.lua"
        script.write_text(UNLIKE)
        backend, other = _free_port(), _free_port()
        rest = BACKEND.format(port=backend, body=BODY)
        stack.enter_context(_nginx(folder / "backend", rest, backend))
        rest = PROXY.format(backend=backend, port=other)
        nginx = stack.enter_context(_nginx(folder / "proxy", rest, other)), other
        ours = stack.enter_context(_ours(backend, without_fast_path=chosen.without_fast_path))
        load = partial(_wrk, connections=chosen.connections, seconds=chosen.seconds)
        print(f"the backend alone: {load(backend) / chosen.seconds:,.0f} requests a second")
        print(
            "| requests | nginx: CPU us each | ours: CPU us each | ratio, median (range) | a second |"
        )
        print("| --- | --- | --- | --- | --- |")
        worst = max(
            _compare(title, chosen, nginx, ours, partial(load, script=lua))
            for title, lua in (("alike", None), ("unlike", script))
        )
    if chosen.limit is not None and worst > chosen.limit:
        print(f"FAILED: {worst:.2f} times nginx's CPU, more than {chosen.limit:g}")
        return 1
    return 0


def _compare(
    title: str,
    chosen: argparse.Namespace,
    nginx: Contender,
    ours: Contender,
    load: Callable[[int], int],
) -> float:
    """Print a line of the table and return the median ratio."""
    costs: dict[int, list[float]] = {nginx[1]: [], ours[1]: []}
    rates: dict[int, list[float]] = {nginx[1]: [], ours[1]: []}
    for number in range(chosen.rounds):
        for process, port in (nginx, ours) if number % 2 else (ours, nginx):
            before = _cpu_seconds(process.pid)
            count = load(port)
            costs[port].append((_cpu_seconds(process.pid) - before) / count * 1e6)
            rates[port].append(count / chosen.seconds)
    its, mine = costs.values()
    ratios = [one / other for one, other in zip(mine, its, strict=True)]
    median = statistics.median(ratios)
    print(
        f"| {title} | {statistics.median(its):.1f} | {statistics.median(mine):.1f} | {median:.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}) | "
        f"{' and '.join(f'{statistics.median(rate):,.0f}' for rate in rates.values())} |"
    )
    return median


def _drops(switches: int) -> int:
    sys.path.insert(0, str(ROOT))
    from tests.plugins.deploy_local_kit import opened
    from tests.plugins.deploy_local_load import LoadApart

    with tempfile.TemporaryDirectory() as name, opened(Path(name)) as site:
        site.deploy("v0")
        done, number = 0, 0
        with LoadApart(site.port(), clients=8) as load:
            while done < switches:
                number += 1
                site.deploy(f"v{number}", "canary")
                for weight in (10, 60, 0, 100):
                    site.weigh(weight)
                    load.more(20)
                if number % 2:
                    site.deploy(f"v{number}")
                else:
                    site.drain()
                load.more(20)
                done += 6
    print(f"{done} changes, {sum(load.seen.values()):,} requests, {len(load.failed)} failed")
    for problem in load.failed[:10]:
        print(f"  {problem}")
    return 1 if load.failed else 0


def _serve(backend: int, *, fast_path: bool) -> int:
    from sluiceway_deploy_local.counters import Counters
    from sluiceway_deploy_local.exchange import Limits
    from sluiceway_deploy_local.frontend import Frontend
    from sluiceway_deploy_local.supervisor import _COLLECT
    from sluiceway_deploy_local.table import Backend, Table, shares

    async def serve() -> None:
        gc.freeze()  # as the supervisor does
        gc.set_threshold(*_COLLECT)
        frontend = Frontend("bench", Limits())
        frontend.fast_path = fast_path
        (await frontend.listen(0)).keep()
        frontend.table = Table(shares(Backend(backend, Counters()), None, 0))
        print(frontend.port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    asyncio.run(serve())
    return 0


@contextlib.contextmanager
def _ours(backend: int, *, without_fast_path: bool) -> Iterator[Contender]:
    argv = [sys.executable, __file__, "serve", str(backend)]
    argv += ["--without-fast-path"] if without_fast_path else []
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.terminate()


@contextlib.contextmanager
def _nginx(folder: Path, rest: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    folder.mkdir()
    path = folder / "nginx.conf"
    path.write_text(NGINX.format(folder=folder, rest=rest))
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        sys.exit("nginx is missing. Remedy: apt-get install nginx-light")
    with subprocess.Popen([program, "-e", "stderr", "-p", str(folder), "-c", str(path)]) as process:
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.02)
            yield process
        finally:
            process.terminate()


def _wrk(port: int, connections: int, seconds: int, script: Path | None = None) -> int:
    """Return how many requests were answered; exit when one was not."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing. Remedy: apt-get install wrk")
    argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"http://127.0.0.1:{port}/"]
    argv += ["-s", str(script)] if script is not None else []
    said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    found = re.search(r"(\d+) requests in", said)
    if found is None or "Non-2xx" in said or "Socket errors" in said:
        sys.exit(f"wrk saw failures:\n{said}")
    return int(found[1])


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
