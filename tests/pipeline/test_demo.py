"""The rehearsal as a stranger runs it: a process of its own, from the repository's root."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from sluiceway.rehearsal import held
from sluiceway.workbench import Workbench

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def begun(folder, *more):
    return subprocess.Popen(
        [sys.executable, "-m", "sluiceway.cli.program", "demo", f"--folder={folder}", *more],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def left_running(folder):
    """Every process whose command line or working folder is inside *folder*."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        words = [*(process.info["cmdline"] or ()), process.info["cwd"] or ""]
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(str(folder) in w for w in words):
            found.append(process.info)
    return found


def test_it_ships_refuses_and_rolls_back_and_leaves_nothing_behind(tmp_path):
    demo = begun(tmp_path / "demo", "--json")
    out, err = demo.communicate(timeout=150)
    assert demo.returncode == 0, err
    document = json.loads(out)
    assert document["released"]["outcome"] == "done"
    assert document["released"]["target"] == "production"
    refused = document["refused"]
    assert (refused["outcome"], refused["exit_code"]) == ("refused", 3)
    assert "promotion.role" in [item["code"] for item in refused["decision"]["findings"]]
    rolled_back = document["rolled_back"]
    assert (rolled_back["outcome"], rolled_back["exit_code"]) == ("rolled-back", 4)
    assert rolled_back["serves"] == document["released"]["image"]["digest"]
    assert rolled_back["image"]["digest"] != rolled_back["serves"]
    assert document["requests"]["total"] > 500
    assert document["requests"]["failed_outside_canary"] == 0
    assert document["requests"]["failed_in_canary"] > 0
    assert document["ledger"]["intact"] is True
    assert left_running(tmp_path) == []


@pytest.mark.parametrize("after", ["dev → staging", "tries canary → production"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_nothing_behind(tmp_path, after, number):
    demo = begun(tmp_path / "demo")
    seen = ""
    while after not in seen:
        line = demo.stderr.readline()
        assert line, seen
        seen += line
    time.sleep(0.3)
    os.kill(demo.pid, number)
    out, err = demo.communicate(timeout=60)
    assert demo.returncode == 130, seen + out + err
    assert left_running(tmp_path) == []


def test_a_second_one_leaves_the_first_alone_until_it_has_ended(tmp_path):
    folder = tmp_path / "demo"
    first = begun(folder)
    seen = ""
    while "build → dev" not in seen:
        line = first.stderr.readline()
        assert line, seen
        seen += line
    second = begun(folder, "--json")
    out, err = second.communicate(timeout=60)
    assert second.returncode == 5, err
    assert json.loads(out)["error"]["code"] == "demo.busy"
    assert (folder / "sluiceway.toml").is_file()
    first.kill()
    first.communicate()
    with held(folder):
        pass  # a killed one holds nothing
    Workbench.open(folder, {}).plugins.each("sluiceway_shutdown")


def test_without_the_example_it_says_where_that_is(tmp_path):
    demo = subprocess.run(
        [sys.executable, "-m", "sluiceway.cli.program", "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert demo.returncode == 2
    assert "./tools/run demo" in demo.stderr


def test_a_folder_that_it_did_not_make_is_never_deleted(tmp_path):
    (tmp_path / "mine").write_text("precious")
    demo = begun(tmp_path)
    _, err = demo.communicate(timeout=60)
    assert demo.returncode == 2
    assert "demo.folder" in err
    assert (tmp_path / "mine").read_text() == "precious"
