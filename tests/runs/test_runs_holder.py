"""Who holds a lease, and when that is surely nobody any more."""

import os
import subprocess
import sys

from sluiceway.runs.context import ending_of, holder, holder_is_gone


def test_a_live_process_is_not_gone_and_a_dead_one_is():
    assert not holder_is_gone(holder())
    done = subprocess.run(
        [sys.executable, "-c", "from sluiceway.runs.context import holder; print(holder())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert holder_is_gone(done.stdout.strip())


def test_what_cannot_be_known_counts_as_alive():
    host, pid, started = holder().rsplit(":", 2)
    assert not holder_is_gone(f"elsewhere:{pid}:{started}")
    assert not holder_is_gone("unknown:1:1")
    assert not holder_is_gone("")
    assert holder_is_gone(f"{host}:{pid}:{int(started) + 1}"), "a recycled pid"
    assert str(os.getpid()) == pid


def test_how_a_holder_is_ended_names_its_process_and_elsewhere_its_machine():
    assert f"`kill {os.getpid()}`" in ending_of(holder())
    _, pid, started = holder().rsplit(":", 2)
    elsewhere = ending_of(f"runner-7/boot/4026531836:{pid}:{started}")
    assert elsewhere.endswith(f"SIGTERM to process {pid} of runner-7"), (
        "no command for this machine"
    )
    assert "kill" not in elsewhere
    assert ending_of(f"unknown:{pid}:1").endswith(f"SIGTERM to process {pid}")
