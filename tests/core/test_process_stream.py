"""Programs whose lines are followed while they run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sluiceway import process
from sluiceway.errors import ActionFailed


def python(script):
    return [sys.executable, "-u", "-c", script]


def gone(pid):
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_lines_of_both_streams_arrive_as_they_are_written():
    seen: list[str] = []
    done = process.stream(
        python("import sys; print('a'); print('b', file=sys.stderr); print('c'); sys.exit(3)"),
        timeout=60,
        on_line=seen.append,
    )
    assert seen == ["a", "b", "c"]
    assert (done.code, done.stdout) == (3, "a\nb\nc")


def test_colours_are_taken_out_and_secrets_can_be():
    seen: list[str] = []
    process.stream(python(r"print('\x1b[91mred\x1b[0m \x1b[2K!')"), timeout=60, on_line=seen.append)
    assert seen == ["red !"]
    environ = {"COSIGN_PASSWORD": "x", "PATH": "/bin"}
    assert process.without_secrets(environ) == {"PATH": "/bin"}


def test_a_file_is_its_input(tmp_path):
    (tmp_path / "in").write_text("hello")
    done = process.stream(
        ["cat"], timeout=60, on_line=lambda line: None, stdin=tmp_path / "in", cwd=tmp_path
    )
    assert done.stdout == "hello"


def test_only_the_last_lines_are_kept_of_a_long_output():
    seen: list[str] = []
    done = process.stream(python("for n in range(1000): print(n)"), timeout=60, on_line=seen.append)
    assert len(seen) == 1000
    kept = done.stdout.splitlines()
    assert (len(kept), kept[-1]) == (400, "999")


@pytest.mark.parametrize("how", ["time", "listener", "stop"])
def test_whatever_ends_it_early_ends_its_children_too(how):
    pids: list[int] = []

    def line(text):
        pids.extend(int(word) for word in text.split())
        if how == "listener":
            raise ActionFailed("enough")

    def check():
        if how == "stop" and pids:
            raise ActionFailed("enough")

    script = (
        "import os, subprocess, time\n"
        "child = subprocess.Popen(['sleep', '300'])\n"
        "print(os.getpid(), child.pid)\n"
        "time.sleep(300)"
    )
    with process.stoppable(check), pytest.raises(ActionFailed) as caught:
        process.stream(python(script), timeout=3 if how == "time" else 120, on_line=line)
    assert caught.value.code == ("process.timeout" if how == "time" else "unable")
    assert len(pids) == 2
    for _ in range(100):  # the kernel takes its time to end what was killed
        if all(gone(pid) for pid in pids):
            break
        time.sleep(0.1)
    assert all(gone(pid) for pid in pids)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "begin",
    [
        lambda: process.stream(["sleep", "300"], timeout=200, on_line=lambda line: None),
        lambda: process.run(["sleep", "300"], timeout=200),
    ],
    ids=["stream", "run"],
)
def test_a_signal_that_comes_while_a_program_is_started_ends_the_program_too(
    monkeypatch, number, begin
):
    started: list[int] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self.pid)
            signal.raise_signal(number)
            time.sleep(0)  # a handler that raises does so here, before anybody has this object

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with process.terminated_politely(), pytest.raises(KeyboardInterrupt):
        begin()
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    (pid,) = started
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_daemon_that_holds_the_output_does_not_hold_the_caller():
    seen: list[str] = []
    script = (
        "import subprocess\n"
        "child = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
        "print(child.pid)"
    )
    done = process.stream(python(script), timeout=200, on_line=seen.append)
    os.kill(int(seen[0]), 9)
    assert done.code == 0


def test_a_missing_program_is_named():
    with pytest.raises(ActionFailed) as caught:
        process.stream(["/no/such/program"], timeout=1, on_line=lambda line: None)
    assert caught.value.code == "process.missing"


def test_outside_of_a_run_nothing_stops():
    process.check_stop()


ADDRESS = "postgresql://app:p%40ss%20word@db.example:5432/app?sslmode=require&sslpassword=k3y%2Bs"


@pytest.mark.parametrize(
    "text",
    [
        ADDRESS,
        "password 'p%40ss%20word' is wrong",
        "password 'p@ss word' is wrong",
        "the key's password k3y%2Bs",
        "the key's password k3y+s",
    ],
)
def test_what_is_secret_within_an_address_is_taken_out_alone_too(text):
    safe = process.redact(text, {"STAGING_DATABASE_URL": ADDRESS})
    assert "***" in safe
    assert not re.search("p%40|p@ss|k3y", safe)


def test_what_is_not_secret_within_an_address_stays():
    said = "no app at db.example:5432 with sslmode require"
    assert process.redact(said, {"STAGING_DATABASE_URL": ADDRESS}) == said


def test_a_password_that_is_a_word_of_the_address_stays_a_word():
    usual = {"STAGING_DATABASE_URL": "postgresql://postgres:postgres@127.0.0.1/shop"}
    assert process.redact('{"dialect": "postgres"}', usual) == '{"dialect": "postgres"}'
    assert "postgres" not in process.redact(usual["STAGING_DATABASE_URL"], usual)


@pytest.mark.parametrize("name", process.SECRET_NAMES)
def test_each_secret_is_taken_out_whole(name):
    assert process.redact("a s3cret-value b", {name: "s3cret-value"}) == "a *** b"


def test_secrets_that_are_looked_up_once_are_taken_out_as_ever(monkeypatch):
    monkeypatch.setenv("STAGING_DATABASE_URL", ADDRESS)
    monkeypatch.setenv("REGISTRY_PASSWORD", "swordfish-swordfish")
    texts = [ADDRESS, "the password p@ss word", "swordfish-swordfish", "k3y+s", "nothing"]
    asked = [process.redact(text) for text in texts]
    with process.secrets_known() as known:
        assert [process.redact(text) for text in texts] == asked
        assert {ADDRESS, "p@ss word", "swordfish-swordfish", "k3y+s"} <= set(known)
        # Another environment is asked itself.
        assert process.redact("nothing", {"REGISTRY_PASSWORD": "nothing"}) == "***"
    monkeypatch.setenv("REGISTRY_PASSWORD", "nothing")
    assert process.redact("nothing") == "***"
    assert "swordfish" not in "".join(asked)


def test_where_no_secret_is_set_there_is_none_to_take_out(monkeypatch):
    for name in process.SECRET_NAMES:
        monkeypatch.delenv(name, raising=False)
    with process.secrets_known() as known:
        assert known == ()
        assert process.redact("swordfish-swordfish") == "swordfish-swordfish"
    assert process.secrets({"SIGSTORE_ID_TOKEN": "swordfish", "PATH": "/bin"}) == ("swordfish",)
