"""Make or mend ``.venv`` for this repository. Called by ``tools/run``; standard library only.

In order: the environment itself (uv, else venv, else a pip from outside), the packages of
``requirements.lock`` with their hashes, this project as editable, the policy engine's library.
The stamp is written last and removed first, so an interrupted set-up is simply made again. One
set-up at a time: whoever comes second waits and finds the work done.

Exit codes are those of the contract: 0 done, 2 this machine lacks something, 5 a step failed.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "stamp"
PYTHON = VENV / "bin" / "python"
LOCK_FILE = "requirements.lock"
SHOWN_LINES = 30

# What would make an installer look at, or write to, another place than .venv.
MISLEADING = ("PYTHONPATH", "PYTHONHOME", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "VIRTUAL_ENV")

REMEDY = (
    "this machine has neither uv nor Python's venv with pip. "
    "Remedy: sudo apt-get install python3-venv"
)


class SetUpError(Exception):
    """A step that failed, for a person; *code* is the exit status."""

    def __init__(self, message: str, code: int = 5) -> None:
        super().__init__(message)
        self.code = code


def say(text: str) -> None:
    """Tell the person; stdout belongs to the task that follows."""
    print(f"tools/run: {text}", file=sys.stderr, flush=True)


def environment() -> dict[str, str]:
    """Return the environment for installers."""
    kept = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    kept["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    return kept


def step(argv: list[str]) -> None:
    """Run one installer quietly; its last lines are shown only when it fails."""
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join(done.stdout.strip().splitlines()[-SHOWN_LINES:])
        raise SetUpError(f"'{' '.join(argv)}' ended with code {done.returncode}\n{tail}")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the set-up lock, on this very file: nothing to create, nothing left behind."""
    with Path(__file__).open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another terminal is setting up .venv; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def wanted_stamp() -> bytes:
    """Return what ``tools/run`` will compare with; it alone knows how to spell it."""
    return subprocess.run(
        [str(ROOT / "tools" / "run")],
        env={**os.environ, "SLUICEWAY_STAMP": "print"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    ).stdout


def fresh() -> bool:
    """Say whether ``.venv`` is what the repository now asks for."""
    return STAMP.is_file() and STAMP.read_bytes() == wanted_stamp()


def reusable() -> bool:
    """Say whether ``.venv`` was finished once, here, with the interpreter that runs us."""
    try:
        root, interpreter = STAMP.read_text(encoding="utf-8").splitlines()[:2]
        same = Path(interpreter) == Path(sys.executable).resolve() == PYTHON.resolve(strict=True)
    except (OSError, ValueError):
        return False
    return root == str(ROOT) and same


def make(uv: str | None) -> None:
    """Make an empty environment in ``.venv`` in place of whatever is there."""
    if VENV.is_symlink() or VENV.is_file():
        VENV.unlink()
    shutil.rmtree(VENV, ignore_errors=True)
    if uv:
        step([uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(VENV)])
        return
    if importlib.util.find_spec("venv") is None:
        raise SetUpError(REMEDY, code=2)
    # Debian ships venv without ensurepip: then a pip from outside can fill the environment.
    if importlib.util.find_spec("ensurepip") is not None:
        step([sys.executable, "-m", "venv", str(VENV)])
    elif importlib.util.find_spec("pip") is not None:
        step([sys.executable, "-m", "venv", "--without-pip", str(VENV)])
    else:
        raise SetUpError(REMEDY, code=2)


def installer(uv: str | None) -> list[str]:
    """Return the beginning of an install command that fills ``.venv``."""
    if uv:
        return [uv, "pip", "install", "--quiet", "--python", str(PYTHON)]
    pip = [str(PYTHON), "-m", "pip"]
    if not (VENV / "bin" / "pip").exists():
        pip = [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    return [*pip, "install", "--quiet", "--no-input"]


def fill(uv: str | None) -> None:
    """Install the lock, the project and the policy engine's library."""
    install = installer(uv)
    step([*install, "--require-hashes", "--no-deps", "--requirement", LOCK_FILE])
    # Hatchling comes from the lock: building in isolation would fetch it again, unhashed.
    step([*install, "--no-deps", "--no-build-isolation", "--editable", "."])
    step([str(PYTHON), "-m", "sluiceway_policy_embedded.install"])


def set_up() -> None:
    """Bring ``.venv`` to what the repository asks for."""
    started = time.monotonic()
    uv = shutil.which("uv")
    keep = reusable()
    how = "uv" if uv else "pip"
    say(f"{'bringing .venv up to date' if keep else 'making .venv'} with {how} ...")
    STAMP.unlink(missing_ok=True)
    try:
        if not keep:
            make(uv)
        fill(uv)
    except SetUpError as error:
        # uv does not read pip's configuration (proxies, mirrors): what it cannot reach, pip may.
        if uv is None or importlib.util.find_spec("ensurepip") is None:
            raise
        say(f"uv could not do it ({str(error).splitlines()[-1].strip()}); trying pip ...")
        make(None)
        fill(None)
    part = VENV / "stamp.part"
    part.write_bytes(wanted_stamp())
    part.replace(STAMP)
    say(f"ready after {time.monotonic() - started:.0f} s")


def main() -> int:
    """Set up unless somebody else just did."""
    if Path(sys.prefix) == VENV:  # activated: it cannot replace itself while it runs us
        base = str(getattr(sys, "_base_executable", ""))
        os.execv(base, [base, "-I", __file__])  # noqa: S606 - no shell is wanted
    try:
        with alone():
            if not fresh():
                set_up()
    except SetUpError as error:
        say(str(error))
        return error.code
    except KeyboardInterrupt:
        say("interrupted; the next run starts the set-up again")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
