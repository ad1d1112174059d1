"""The Node variant answers as the other one does, and is installed without a network."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PARITY = EXAMPLES / "settlement" / "parity"

pytestmark = pytest.mark.real_tool("node", "npm")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the service with what its lock file says installed."""
    copy = tmp_path_factory.mktemp("node") / "service"
    copytree(EXAMPLES / "settlement-node", copy, ignore=ignore_patterns("node_modules"))
    npm(copy, "ci", "--offline")
    return copy


def npm(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        ["npm", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def serving(folder: Path, **variables: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        ["node", "src/main.js"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PORT": "0", **variables},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "serves http://127.0.0.1:" in line, line
        yield int(line.rsplit(":", 1)[1]), process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def both(folder: Path, **variables: str) -> Iterator[tuple[int, int]]:
    """Serve the Python and the Node variant."""
    python = subprocess.Popen(
        [sys.executable, "-m", "settlement"],
        cwd=EXAMPLES / "settlement",
        env={"PATH": os.environ["PATH"], "PORT": "0", "PYTHONDONTWRITEBYTECODE": "1", **variables},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert python.stdout is not None
        port = int(python.stdout.readline().rsplit(":", 1)[1])
        with serving(folder, **variables) as (node, _):
            yield port, node
    finally:
        python.kill()
        python.wait()
        assert python.stdout is not None
        python.stdout.close()


def ask(port: int, path: str, document: Any) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        body = None if document is None else json.dumps(document)
        connection.request("GET" if document is None else "POST", path, body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_its_own_tests_pass(folder: Path) -> None:
    npm(folder, "test")


@pytest.mark.parametrize("flag", ["off", "on"])
def test_the_numbers_are_the_other_variants(folder: Path, flag: str) -> None:
    expected = "expected.json" if flag == "off" else "expected-new-fee-schedule.json"
    with serving(folder, FF_NEW_FEE_SCHEDULE=flag) as (port, _):
        done = subprocess.run(
            [
                *(sys.executable, str(PARITY / "check.py")),
                *("--url", f"http://127.0.0.1:{port}", "--expected", str(PARITY / expected)),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_variants_answer_alike(folder: Path) -> None:
    trade = {"id": "t", "currency": "EUR", "amount": "1.00"}
    settlements = [
        [{**trade, **more}]
        for more in (
            {},
            {"amount": "1.005"},
            {"amount": 1},
            {"amount": "999999999999.99", "region": "international"},
            {"currency": "XXX"},
            {"currency": "JPY", "amount": "3333"},
            {"currency": "KWD", "amount": "0.001"},
            {"kind": "gift"},
            {"kind": "refund"},
            {"kind": "chargeback"},
            {"region": "moon"},
            {"id": ""},
        )
    ]
    names = [" Müller & Söhne GmbH ", "A.C.M.E. Ltd.", "Straßenbau AG", "Ltd", "O'Neill_x", ""]
    records = [
        {"merchant": name, "country": country, "currency": currency}
        for name in names
        for country, currency in (("Deutschland", "€"), ("The Netherlands", "US$"), ("?", "$"))
    ]
    questions: list[tuple[str, Any]] = [
        ("/api/health", None),
        ("/api/version", None),
        ("/api/nothing", None),
        ("/api/nothing", {}),
        ("/api/settlements", {}),
        ("/api/settlements", [1]),
        ("/api/settlements", {"trades": [trade, trade]}),
        ("/api/normalisations", {"records": []}),
        ("/api/normalisations", {"records": records}),
        *(("/api/settlements", {"trades": trades}) for trades in settlements),
    ]
    with both(folder) as (python, node):
        for path, document in questions:
            assert ask(node, path, document) == ask(python, path, document), (path, document)


def test_sigterm_ends_it_well_and_a_wrong_flag_stops_the_start(folder: Path) -> None:
    with serving(folder) as (port, process):
        assert ask(port, "/api/health", None)[0] == 200
        probe = ["node", "src/probe.js"]
        environ = {"PATH": os.environ["PATH"], "PORT": str(port)}
        well = subprocess.run(probe, cwd=folder, env=environ, check=False, timeout=30)
        assert well.returncode == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) == 0
        ill = subprocess.run(probe, cwd=folder, env=environ, check=False, timeout=30)
        assert ill.returncode == 1
    wrong = subprocess.run(
        ["node", "src/main.js"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PORT": "0", "FF_NEW_FEE_SCHEDULE": "onn"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (wrong.returncode, "write on or off" in wrong.stderr) == (2, True)
