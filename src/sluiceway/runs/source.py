"""What is built, as git knows it: which commit, and whether the work tree is that commit."""

from __future__ import annotations

import os
from pathlib import Path

from sluiceway import process
from sluiceway.errors import UsageError
from sluiceway.record import Record, field
from sluiceway.workbench import Workbench

__all__ = ["Source", "describe", "epoch", "git", "version"]

_SECONDS = 30.0
_MOST_BRANCHES = 500
"""More than these are left out of what is said, so that a rule about one left out refuses."""
_SETTINGS = (
    # Files in a commit can look like a repository, whose settings name programs that git runs.
    "safe.bareRepository=explicit",
    # It is a program as well, and whether a file changed is not for it to say.
    "core.fsmonitor=false",
    "log.showSignature=false",
    # A copy of who is whose parent, which need not be what the commits themselves say.
    "core.commitGraph=false",
    # Else the clone's own settings could hide who is named in a commit's message.
    "trailer.separators=:",
)


class Source(Record):
    """The state of the build context and the Dockerfile at one moment."""

    commit: str
    """The commit that is checked out, or ``""`` without version control."""
    dirty: bool
    """What is built is not, or not surely, what the commit holds."""
    folder: str
    """The build context's path inside the repository (``service/``); ``""`` is its top."""
    problem: str
    """Why this source cannot be named by its commit alone; ``""`` when it can."""
    branches: tuple[str, ...] = field(default=(), compare=False)
    """References that hold the commit, as this repository knows them now: ``refs/heads/main`` is
    the branch here, ``refs/remotes/origin/main`` what origin had when it was last asked. Empty when
    there is no commit, when it is not the whole truth, or when git does not say. They may move
    while an image is built, so they are no part of what makes two sources the same."""

    @property
    def revision(self) -> str:
        """What goes into labels and the history: the commit, ``-dirty`` after it when it is not
        the whole truth (as ``git describe --dirty`` writes it).
        """
        return f"{self.commit}-dirty" if self.commit and self.dirty else self.commit


def describe(bench: Workbench) -> Source:
    """Look at the work tree now.

    Files that git ignores do not count: a build that must not depend on them leaves them out in
    ``.dockerignore``.
    """
    commit = git(bench, "rev-parse", "--verify", "HEAD")
    if not commit:
        return Source(commit="", dirty=False, folder="", problem=_nameless(bench))
    problem = _problem(bench)
    return Source(
        commit=commit.strip(),
        dirty=bool(problem),
        branches=() if problem else _branches(bench, commit.strip()),
        folder=(git(bench, "rev-parse", "--show-prefix") or "").strip(),
        problem=problem,
    )


def epoch(bench: Workbench) -> int:
    """Return SOURCE_DATE_EPOCH, else the commit's time, else 0, so that a rebuild is the same."""
    text = bench.environ.get("SOURCE_DATE_EPOCH", "") or (
        git(bench, "log", "-1", "--format=%ct") or ""
    )
    text = text.strip()
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise UsageError(
            f"SOURCE_DATE_EPOCH is {text!r}, which is not a number of seconds since 1970",
            code="build.epoch",
        )
    return int(text)


def version(bench: Workbench) -> str:
    """Return what the version file says; ``""`` when the service names none."""
    path = bench.config.version_file
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(
            f"cannot read the version file {path}: {error.strerror}",
            remedy="Correct [service] version_file.",
            code="build.no-version",
        ) from error


def _nameless(bench: Workbench) -> str:
    """Say why there is no commit: a repository that git may not read is not the same as none."""
    context = bench.config.context.resolve()
    if any((folder / ".git").exists() for folder in (context, *context.parents)):
        return "git does not name a commit here (see `git rev-parse HEAD` in the build context)"
    return "the source is not under version control"


def _problem(bench: Workbench) -> str:
    dockerfile = str(bench.config.dockerfile.resolve())
    places = ("--", str(bench.config.context.resolve()), dockerfile)
    # A folder that the repository ignores is in nobody's commit, and git calls it clean.
    if git(bench, "ls-files", "--error-unmatch", "--", dockerfile) is None:
        return f"{bench.config.dockerfile.name} is not in the commit"
    changed = git(
        bench,
        "status",
        "--porcelain",
        "--untracked-files=normal",
        "--ignore-submodules=none",
        *places,
    )
    tracked = git(bench, "ls-files", "-v", *places)
    if changed is None or tracked is None:
        return "git cannot say whether the work tree is what was committed"
    # Lower case is --assume-unchanged, S is --skip-worktree: git calls these clean unseen.
    for line in tracked.splitlines():
        if line[:1].islower() or line.startswith("S "):
            return f"git was told not to look at {line[2:]} (see `git ls-files -v`)"
    lines = changed.splitlines()
    if not lines:
        return ""
    others = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    return f"the work tree has changes that are not committed ({lines[0][3:]}{others})"


def _branches(bench: Workbench, commit: str) -> tuple[str, ...]:
    """Return the branches, ours and remotes', that hold *commit*. Names of names are left out."""
    listed = git(
        bench,
        "for-each-ref",
        f"--contains={commit}",
        f"--count={_MOST_BRANCHES}",
        "--format=%(refname) %(symref)",
        "refs/heads",
        "refs/remotes",
    )
    lines = [line.split() for line in (listed or "").splitlines()]
    return tuple(sorted(words[0] for words in lines if len(words) == 1))


def git(bench: Workbench, *arguments: str) -> str | None:
    """Ask git about the build context; ``None`` when it is missing or says no."""
    if process.which("git") is None or not Path(bench.config.context).is_dir():
        return None
    completed = process.run(
        ["git", *(word for setting in _SETTINGS for word in ("-c", setting)), *arguments],
        timeout=_SECONDS,
        cwd=bench.config.context,
        env=process.without_secrets(os.environ)
        # What refs/replace puts in a commit's place is not what the commit's name stands for, nor
        # are the parents that info/grafts gives it.
        | {
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_GRAFT_FILE": os.devnull,
            "LC_ALL": "C",
        },
        check=False,
    )
    return completed.stdout if completed.code == 0 else None
