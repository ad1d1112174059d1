"""The embedded engine whatever a policy does to it: loops, floods, crashes, looks around."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

import sluiceway_policy_embedded
from sluiceway.errors import ConfigurationError
from sluiceway.model import CheckStatus, Project
from sluiceway.policy import Bundle, EngineError
from sluiceway_policy_embedded.client import Worker
from sluiceway_policy_embedded.engine import EmbeddedEngine
from sluiceway_policy_embedded.pins import OPA_VERSION, default_library, pin_here

ENDLESS = """package g

x := count([q |
	some a in numbers.range(1, 100000)
	some b in numbers.range(1, 100000)
	q := a * b
	q < 0
])
"""
FLOOD = "package g\n\nx := count(numbers.range(1, 900000000))\n"


def bundle(source: str, data: dict[str, Any] | None = None) -> Bundle:
    return Bundle(modules={"g.rego": source}, data=data or {}, digest="", origin="test")


GOOD = bundle("package g\n\nx := input.a + 1\n")


def library_hash() -> str:
    pin = pin_here()
    if pin is None:
        pytest.skip("no OPA library is published for this machine")
    assert default_library().is_file(), "run: python -m sluiceway_policy_embedded.install"
    return pin.library


@pytest.fixture
def engine() -> Iterator[EmbeddedEngine]:
    engine = make()
    yield engine
    engine.close()


def make(*, deadline_seconds: float = 30, memory_megabytes: int = 512) -> EmbeddedEngine:
    return EmbeddedEngine(
        default_library(),
        library_hash(),
        deadline_seconds=deadline_seconds,
        memory_megabytes=memory_megabytes,
    )


def code_of(engine: EmbeddedEngine, source: str, document: Any = None) -> str:
    with pytest.raises(EngineError) as caught:
        engine.evaluate(bundle(source), "g.x", document or {})
    assert caught.value.what
    assert caught.value.remedy
    return caught.value.code


def test_it_evaluates_and_knows_its_name(engine: EmbeddedEngine) -> None:
    assert engine.worker_pid is None  # nothing starts before it is needed
    assert engine.evaluate(GOOD, "g.x", {"a": 1}) == 2
    assert engine.name == "embedded"
    assert engine.version == f"OPA {OPA_VERSION}"


@pytest.mark.parametrize(
    "value", [0, -1, 2**63, 10**30, 1.5, "", 'ü\u2028\0\\"', [1, [2]], {"a": {"b": None}}, True]
)
def test_values_come_back_as_they_went(engine: EmbeddedEngine, value: Any) -> None:
    echo = bundle("package g\n\nx := input.v\n\ny := data.v\n", {"v": value})
    assert engine.evaluate(echo, "g.x", {"v": value}) == value
    assert engine.evaluate(echo, "g.y", {}) == value


def test_undefined_is_none(engine: EmbeddedEngine) -> None:
    assert engine.evaluate(GOOD, "g.x", {}) is None
    assert engine.evaluate(GOOD, "g.nothing", {}) is None
    assert engine.evaluate(GOOD, "nothing.at.all", {}) is None


@pytest.mark.parametrize("path", ["", "g.x; true", "g x", "g.x\n", 'g["x"]', "g..x", "g.x == 1"])
def test_a_path_is_only_ever_a_path(engine: EmbeddedEngine, path: str) -> None:
    with pytest.raises(EngineError):
        engine.evaluate(GOOD, path, {})


def test_a_policy_without_end_is_killed_and_the_next_one_is_judged() -> None:
    engine = make(deadline_seconds=1.0)
    try:
        engine.evaluate(GOOD, "g.x", {"a": 1})
        worker = psutil.Process(engine.worker_pid)
        assert code_of(engine, ENDLESS) == "policy.timeout"
        assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
        assert engine.evaluate(GOOD, "g.x", {"a": 2}) == 3
    finally:
        engine.close()


def test_a_policy_that_fills_memory_ends_the_worker_and_not_us() -> None:
    engine = make(memory_megabytes=256)
    try:
        assert code_of(engine, FLOOD) == "policy.crashed"
        assert engine.evaluate(GOOD, "g.x", {"a": 2}) == 3
    finally:
        engine.close()


def test_memory_is_watched_where_the_system_does_not_limit_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = Worker(default_library(), library_hash(), 4096)
    monkeypatch.setattr(worker, "_memory", 64 << 20)  # the worker's own limit stays far above
    try:
        deadline = time.monotonic() + 60
        load = {"op": "load", "key": "k", "modules": {"g.rego": FLOOD}, "data": {}}
        worker.ask(load, deadline)
        with pytest.raises(EngineError, match=r"more than the 64 MB") as caught:
            worker.ask(
                {"op": "evaluate", "key": "k", "query": "x := data.g.x"}, deadline, document={}
            )
        assert caught.value.code == "policy.crashed"
        assert not worker.alive
    finally:
        worker.close()


@pytest.mark.parametrize(
    "answer",
    [
        b'{"result": [',
        b'{"result": [NaN]}',
        b'{"result": [1e999]}',
        b'{"result": ["\\ud800"]}',
        b'{"result": ["\xff"]}',
        b'{"result": []} {}',
        b"[" * 50_000,
        b"",
    ],
)
def test_an_answer_that_is_no_json_decides_nothing(answer: bytes) -> None:
    worker = Worker(default_library(), library_hash(), 2048)
    reading, writing = os.pipe()
    try:
        # What the worker itself never says, in the place of what it says.
        os.dup2(reading, worker._reading)
        os.write(writing, len(answer).to_bytes(8) + answer)
        with pytest.raises(EngineError, match="the policy engine's answer cannot be read"):
            worker.ask({"op": "parse", "modules": {}}, time.monotonic() + 60)
    finally:
        os.close(reading)
        os.close(writing)
        worker.close()


def test_killed_between_two_evaluations_it_starts_again(engine: EmbeddedEngine) -> None:
    engine.evaluate(GOOD, "g.x", {"a": 1})
    first = engine.worker_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(first)], timeout=10)
    assert engine.evaluate(GOOD, "g.x", {"a": 1}) == 2
    assert engine.worker_pid != first


def test_killed_in_the_middle_it_says_so(engine: EmbeddedEngine) -> None:
    engine.evaluate(GOOD, "g.x", {"a": 1})
    pid = engine.worker_pid
    assert pid is not None
    killer = threading.Timer(0.5, os.kill, (pid, signal.SIGKILL))
    killer.start()
    with pytest.raises(EngineError, match="SIGKILL") as caught:
        engine.evaluate(bundle(ENDLESS), "g.x", {})
    killer.join()
    assert caught.value.code == "policy.crashed"
    assert engine.evaluate(GOOD, "g.x", {"a": 1}) == 2


def test_the_worker_ends_with_its_parent_even_in_the_middle(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    program = f"""
import threading, time
from pathlib import Path
from sluiceway.policy import Bundle
from sluiceway_policy_embedded.engine import EmbeddedEngine
from sluiceway_policy_embedded.pins import default_library, pin_here
engine = EmbeddedEngine(default_library(), pin_here().library, deadline_seconds=600)
bundle = Bundle(modules={{"g.rego": {ENDLESS!r}}}, data={{}}, digest="", origin="test")
engine.evaluate(Bundle(modules={{"g.rego": "package g"}}, data={{}}, digest="", origin=""), "g", {{}})
Path({str(marker)!r}).write_text(str(engine.worker_pid))
engine.evaluate(bundle, "g.x", {{}})
"""
    library_hash()
    path = os.pathsep.join(entry for entry in sys.path if entry)
    with subprocess.Popen(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}
    ) as parent:
        try:
            ends = time.monotonic() + 60
            while not (marker.exists() and marker.read_text()) and time.monotonic() < ends:
                time.sleep(0.05)
            worker = psutil.Process(int(marker.read_text()))
            while worker.cpu_times().user < 0.3 and time.monotonic() < ends:
                time.sleep(0.05)  # until it is in the middle of the evaluation
        finally:
            parent.kill()
    gone, alive = psutil.wait_procs([worker], timeout=20)
    assert gone or alive[0].status() == psutil.STATUS_ZOMBIE


def test_closing_leaves_no_process_and_may_be_repeated() -> None:
    engine = make()
    engine.evaluate(GOOD, "g.x", {"a": 1})
    pid = engine.worker_pid
    assert pid is not None
    engine.close()
    engine.close()
    assert not psutil.pid_exists(pid)
    assert engine.evaluate(GOOD, "g.x", {"a": 1}) == 2
    engine.close()


def test_a_forgotten_engine_takes_its_worker_along() -> None:
    engine = make()
    engine.evaluate(GOOD, "g.x", {"a": 1})
    pid = engine.worker_pid
    assert pid is not None
    del engine
    assert not psutil.pid_exists(pid)


def test_many_bundles_and_changes_of_one(engine: EmbeddedEngine) -> None:
    for n in (*range(10), 3, 7, 0):
        changed = bundle("package g\n\nx := data.n\n", {"n": n})
        assert engine.evaluate(changed, "g.x", {}) == n


def test_a_bundle_is_known_by_what_it_holds_and_not_by_its_claim(engine: EmbeddedEngine) -> None:
    one = Bundle(modules={"g.rego": "package g\n\nx := 1\n"}, data={}, digest="same", origin="")
    two = Bundle(modules={"g.rego": "package g\n\nx := 2\n"}, data={}, digest="same", origin="")
    assert engine.evaluate(one, "g.x", {}) == 1
    assert engine.evaluate(two, "g.x", {}) == 2


def test_threads_wait_for_each_other(engine: EmbeddedEngine) -> None:
    wrong: list[Any] = []

    def work(n: int) -> None:
        for step in range(50):
            answer = engine.evaluate(GOOD, "g.x", {"a": n * 1000 + step})
            if answer != n * 1000 + step + 1:
                wrong.append(answer)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_large_document_passes_the_pipe_whole(engine: EmbeddedEngine) -> None:
    items = [{"n": n, "text": "x" * 100} for n in range(20_000)]
    echo = bundle("package g\n\nx := input.items\n")
    assert engine.evaluate(echo, "g.x", {"items": items}) == items


@pytest.mark.parametrize("document", [{"a": float("nan")}, {"a": "\ud800"}, {"a": {1, 2}}])
def test_what_is_not_json_is_an_error_and_the_worker_lives(
    engine: EmbeddedEngine, document: Any
) -> None:
    assert engine.evaluate(GOOD, "g.x", {"a": 1}) == 2
    pid = engine.worker_pid
    with pytest.raises(EngineError):
        engine.evaluate(GOOD, "g.x", document)
    assert engine.evaluate(GOOD, "g.x", {"a": 1}) == 2
    assert engine.worker_pid == pid


def test_a_nul_in_a_module_is_refused(engine: EmbeddedEngine) -> None:
    assert code_of(engine, "package g\n\nx := 1 # \0\n") == "policy.syntax"


def test_a_very_deep_document_is_an_answer_or_an_error(engine: EmbeddedEngine) -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(EngineError):
        engine.evaluate(bundle("package g\n\nx := input\n"), "g.x", {"a": deep})
    assert engine.evaluate(GOOD, "g.x", {"a": 1}) == 2


class Witness(BaseHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012 - one server, one test

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(500)

    def log_message(self, *_: Any) -> None: ...


@pytest.mark.parametrize(
    "expression",
    [
        'http.send({{"method": "get", "url": "{url}"}})',
        'json.verify_schema({{"$ref": "{url}"}})',
        'net.lookup_ip_addr("localhost")',
    ],
)
def test_even_a_query_that_is_not_checked_reaches_no_network(expression: str) -> None:
    server = HTTPServer(("127.0.0.1", 0), Witness)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    worker = Worker(default_library(), library_hash(), 512)
    try:
        url = f"http://127.0.0.1:{server.server_port}/"
        deadline = time.monotonic() + 60
        worker.ask({"op": "load", "key": "k", "modules": {}, "data": {}}, deadline)
        query = "x := " + expression.format(url=url)
        try:
            said = worker.ask({"op": "evaluate", "key": "k", "query": query}, deadline, document={})
        except EngineError as error:
            said = error.what
        assert "too many open files" in str(said) or "no such host" in str(said)
        assert Witness.asked == []
    finally:
        worker.close()
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_worker_sees_nothing_of_our_environment(
    monkeypatch: pytest.MonkeyPatch, engine: EmbeddedEngine
) -> None:
    monkeypatch.setenv("COSIGN_PASSWORD", "a-secret-of-ours")
    engine.evaluate(GOOD, "g.x", {"a": 1})
    process = psutil.Process(engine.worker_pid)
    assert "a-secret-of-ours" not in str(process.environ())
    assert set(process.environ()) <= {
        "GOGC",
        "GOMEMLIMIT",
        "TZ",
        "LD_LIBRARY_PATH",
        "LC_CTYPE",
    }
    assert os.getpgid(process.pid) == process.pid


def test_a_changed_library_is_never_loaded(tmp_path: Path) -> None:
    pinned = library_hash()
    changed = tmp_path / "libopabridge.so"
    body = bytearray(default_library().read_bytes())
    body[-1] ^= 1
    changed.write_bytes(body)
    engine = EmbeddedEngine(changed, pinned)
    with pytest.raises(EngineError) as caught:
        engine.evaluate(GOOD, "g.x", {"a": 1})
    assert caught.value.code == "policy.engine-untrusted"
    assert pinned in caught.value.what
    engine.close()


def test_a_library_that_is_gone_is_an_engine_error(tmp_path: Path) -> None:
    engine = EmbeddedEngine(tmp_path / "gone.so", library_hash())
    with pytest.raises(EngineError) as caught:
        engine.evaluate(GOOD, "g.x", {"a": 1})
    assert caught.value.code == "policy.engine-untrusted"
    engine.close()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(service="s", root=tmp_path, state=tmp_path, environ={})


def test_the_hook_answers_with_the_engine_its_settings_describe(project: Project) -> None:
    library_hash()
    settings = {"deadline_seconds": 1, "memory_megabytes": 256}
    engine = sluiceway_policy_embedded.sluiceway_policy_engine(project=project, settings=settings)
    assert engine is not None
    try:
        with pytest.raises(EngineError) as caught:
            engine.evaluate(bundle(ENDLESS), "g.x", {})
        assert caught.value.code == "policy.timeout"
    finally:
        engine.close()


def test_without_the_library_there_is_no_engine_and_the_doctor_says_what_to_do(
    project: Project,
) -> None:
    settings = {"library": "nowhere.so"}
    hook = sluiceway_policy_embedded.sluiceway_policy_engine
    assert hook(project=project, settings=settings) is None
    (check,) = sluiceway_policy_embedded.sluiceway_doctor(project=project, settings=settings)
    assert check.status is CheckStatus.FAIL
    assert check.remedy == "invoke policy.engine --install"


def test_one_that_is_merely_not_installed_may_be_one_that_nobody_needs(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sluiceway_policy_embedded import pins

    monkeypatch.setattr(pins, "default_library", lambda: project.root / "nowhere.so")
    (check,) = sluiceway_policy_embedded.sluiceway_doctor(project=project, settings={})
    assert check.status is CheckStatus.WARN
    assert check.remedy == "invoke policy.engine --install"


def test_the_doctor_lets_it_evaluate(project: Project) -> None:
    library_hash()
    (check,) = sluiceway_policy_embedded.sluiceway_doctor(project=project, settings={})
    assert check.status is CheckStatus.OK
    assert OPA_VERSION in check.detail


def test_the_doctor_finds_a_forged_library(project: Project) -> None:
    library_hash()
    (project.root / "forged.so").write_bytes(b"\x7fELF")
    checks = sluiceway_policy_embedded.sluiceway_doctor(
        project=project, settings={"library": "forged.so"}
    )
    assert [check.status for check in checks] == [CheckStatus.FAIL]
    assert "trusted" in checks[0].detail


@pytest.mark.parametrize(
    "settings",
    [
        {"deadline": 1},
        {"deadline_seconds": "long"},
        {"deadline_seconds": 0},
        {"deadline_seconds": float("nan")},
        {"memory_megabytes": 1},
        {"memory_megabytes": 2.5},
    ],
)
def test_settings_are_checked(project: Project, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        sluiceway_policy_embedded.sluiceway_policy_engine(project=project, settings=settings)


def test_importing_the_plugin_is_cheap() -> None:
    heavy = ("ctypes", "psutil", "httpx", "sqlalchemy", "rich", "cryptography", "zipfile")
    program = (
        "import sys, sluiceway_policy_embedded\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    path = os.pathsep.join(entry for entry in sys.path if entry)
    out = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert out.stdout.strip() == "[]"
