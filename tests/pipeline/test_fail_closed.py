"""Whatever goes wrong with the judgement itself: the command refuses, and nothing has moved."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluiceway.errors import ExitCode
from sluiceway.gates import consent
from sluiceway.policy import bundled_policies

from ..plugins.policy_engines_kit import stub  # noqa: TID252 - tests are in no package

RECURSION = "\n\nhelp(x) := help(x - 1)\n\nloops if help(3) == 0\n"
ENDLESS = """

far := numbers.range(1, 30000)

endless if {
	some x in far
	some y in far
	x * y == 0 - 1
}
"""
Break = Callable[[Path], None]


def edited(name: str, old: str, new: str) -> Break:
    def change(policies: Path) -> None:
        path = policies / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def emptied(policies: Path) -> None:
    shutil.rmtree(policies)
    policies.mkdir()


def unfitting(policies: Path) -> None:
    path = policies / "schemas" / "promotion" / "input.json"
    schema = json.loads(path.read_text())
    schema["required"].append("weather")
    path.write_text(json.dumps(schema))


GATE = "promotion/decision.rego"
ASKED = '"waivers": data.waiver.judged,\n}'
BROKEN: dict[str, tuple[Break, str]] = {
    "syntax error": (edited(GATE, "decision := {", "decision := {{{"), "policy.syntax"),
    "empty folder": (emptied, "policy.empty"),
    "no folder": (shutil.rmtree, "policy.missing"),
    "renamed entrypoint": (edited(GATE, "decision := {", "decided := {"), "policy.entrypoint"),
    "recursion": (edited(GATE, ASKED, ASKED + RECURSION), "policy.recursion"),
    "endless": (
        edited(GATE, ASKED, ASKED.replace("}", "} if not endless") + ENDLESS),
        "policy.timeout",
    ),
    "clock": (edited(GATE, ASKED, ASKED + "\n\nnow := time.now_ns()\n"), "policy.forbidden"),
    "no waivers": (lambda policies: shutil.rmtree(policies / "waiver"), "policy.entrypoint"),
    "input breaks the schema": (unfitting, "input.schema"),
    "data is no JSON": (edited("lib/data.json", "{", "{{"), "policy.data"),
}


def with_policies(shop: Any) -> Path:
    path = shop.root / "sluiceway.toml"
    text = path.read_text().replace("[policy]", '[policy]\npath = "policies"')
    path.write_text(text)
    return Path(shop.root / "policies")


def refusal(shop: Any) -> tuple[int, list[str], Any]:
    code, document, _ = shop.run("ci", "promote", "--to=dev")
    findings = document["decision"]["findings"]
    assert document["changed"] is False
    return code, [each["code"] for each in findings if each["level"] == "deny"], document


@pytest.mark.slow
def test_policies_that_are_broken_in_any_way_move_nothing(shop: Any) -> None:
    folder = with_policies(shop)
    shop.release()
    before = shop.state()
    for name, (damage, code) in BROKEN.items():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(bundled_policies(), folder)
        damage(folder)
        exit_code, codes, document = refusal(shop)
        assert (exit_code, codes) == (ExitCode.REFUSED, [code]), name
        assert document["decision"]["allow"] is False
    assert shop.state() == before
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bundled_policies(), folder)
    assert shop.run("ci", "promote", "--to=dev")[0] == 0  # nothing but the damage stood in the way


@pytest.mark.slow
def test_ten_megabytes_and_a_killed_engine_move_nothing(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = with_policies(shop)
    shutil.copytree(bundled_policies(), folder)
    shop.release()
    before = shop.state()
    with monkeypatch.context() as patched:
        large = [{"approver": {"name": "x" * 1000}}] * (10 << 10)
        patched.setattr(consent, "gathered", lambda *_: large)
        assert refusal(shop)[:2] == (ExitCode.REFUSED, ["input.size"])
    assert shop.state() == before
    path = shop.root / "sluiceway.toml"
    path.write_text(path.read_text() + "\n[plugins.policy-embedded]\ndeadline_seconds = 120.0\n")
    edited(GATE, ASKED, ASKED.replace("}", "} if not endless") + ENDLESS)(folder)
    stop = threading.Event()
    killer = threading.Thread(target=kill_worker, args=(stop,))
    killer.start()
    try:
        assert refusal(shop)[:2] == (ExitCode.REFUSED, ["policy.crashed"])
    finally:
        stop.set()
        killer.join()
    assert shop.state() == before


def kill_worker(stop: threading.Event) -> None:
    """Kill -9 the policy worker of this process once it is at work."""
    while not stop.wait(1.0):
        for pid in Path("/proc").iterdir():
            try:
                words = (pid / "cmdline").read_bytes()
                parent = (pid / "stat").read_text().rpartition(")")[2].split()[1]
                at_work = int((pid / "stat").read_text().rpartition(")")[2].split()[11])
            except (OSError, IndexError):
                continue
            mine = int(parent) == os.getpid() and b"sluiceway_policy_embedded" in words
            if mine and at_work > 2 * os.sysconf("SC_CLK_TCK"):
                os.kill(int(pid.name), signal.SIGKILL)
                return


NOTHING = (b"", b"{}", b'{"result": {}}', b'{"result": {"deny": [], "warn": []}}')


@pytest.mark.slow
def test_a_server_that_answers_with_nothing_moves_nothing(shop: Any) -> None:
    shop.release()
    before = shop.state()
    path = shop.root / "sluiceway.toml"
    text = path.read_text()
    for body in NOTHING:
        with stub(lambda *_, said=body: (200, {}, said)) as server:
            table = f'\n[plugins.policy-server]\nurl = "{server.url}"\nretries = 0\n'
            path.write_text(text + table)
            code, codes, document = refusal(shop)
        assert code == ExitCode.REFUSED
        assert len(codes) == 1
        assert codes[0] in {"policy.server-answer", "policy.server-differs"}, codes
        assert document["decision"]["engine"] == "server"
    assert shop.state() == before
