"""``policy.upgrade``: what Rego v0 would be in v1, shown before anything is written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.cli.command import Shell, command
from sluiceway.errors import ActionFailed, ConfigurationError, ExitCode, SluicewayError, UsageError

if TYPE_CHECKING:
    from sluiceway.policy.engine import VisitingEngine

__all__ = ["upgrade"]


@command(
    help={
        "folder": "A folder of policies, or one file.",
        "write": "Write the files; otherwise only the difference is shown.",
    }
)
def upgrade(
    shell: Shell,
    folder: str,
    write: bool = False,  # noqa: FBT001, FBT002 - a flag
) -> ExitCode:
    """Rewrite policies of Rego v0 as v1: show the difference, and write it with --write."""
    from difflib import unified_diff

    from sluiceway.cli.author_engines import visiting_engine
    from sluiceway.cli.foreign import shown
    from sluiceway.policy.foreign.sources import load_foreign
    from sluiceway.policy.upgrade import upgraded

    if not Path(folder).exists():
        raise UsageError(
            f"{folder}: no such file or folder", remedy="Correct the path.", code="policy.missing"
        )
    try:
        before = load_foreign([Path(folder)]).modules
    except ConfigurationError as empty:  # which speaks of judging files otherwise
        raise UsageError(
            empty.what, remedy="Name the folder that has the .rego files.", code=empty.code
        ) from empty
    engine = visiting_engine(shell)
    old = {name: before[name] for name, parsed in engine.parse(before).items() if parsed.error}
    tried = {name: upgraded(source) for name, source in old.items()}
    left = {name: parsed.error for name, parsed in engine.parse(tried).items() if parsed.error}
    after = {name: text for name, text in sorted(tried.items()) if name not in left}
    difference = "".join(
        line if line.endswith("\n") else f"{line}\n"
        for name, text in after.items()
        for line in unified_diff(
            before[name].splitlines(keepends=True), text.splitlines(keepends=True), name, name
        )
    )
    note = "" if left else _uncompiled(engine, {**before, **after})
    if write:
        _write({Path(name): text for name, text in after.items()})
    document: dict[str, Any] = {
        "files": len(before),
        "upgraded": list(after),
        "left": left,
        "written": write,
        "difference": difference,
        "note": note,
    }
    for name, error in left.items():
        shell.console.warn(f"{name} is left as it is, because it would not be v1: {error}")
    if note:
        shell.console.warn(note)
    shell.result(document, lambda console: console.verbatim(shown(difference) + _summary(document)))
    return ExitCode.UNABLE if left else ExitCode.DONE


def _summary(document: Mapping[str, Any]) -> str:
    count = len(document["upgraded"])
    files = "1 file" if count == 1 else f"{count} files"
    others = document["files"] - count - len(document["left"])
    done = "written" if document["written"] else "would change; nothing was written"
    text = f"{files} {done}, {others} v1 already"
    if document["left"]:
        text += f", {len(document['left'])} left as before"
    if count and not document["written"]:
        text += ". Next: the same with --write"
    return f"{text}\n"


def _uncompiled(engine: VisitingEngine, modules: Mapping[str, str]) -> str:
    """Return why the folder, all of which parses now, does not compile as a whole; or nothing."""
    from sluiceway.policy.builtins import FORBIDDEN
    from sluiceway.policy.engine import Bundle
    from sluiceway.policy.foreign.functions import lent, with_folders

    bundle = with_folders(Bundle(modules=modules, data={}, digest="", origin="upgrade"))
    try:
        engine.ask(bundle, "true", "", also=frozenset(FORBIDDEN), lent=lent([]))
    except SluicewayError as error:
        return f"they are v1, but do not compile together: {error.what}"
    return ""


def _write(texts: Mapping[Path, str]) -> None:
    """Write all beside the files, then rename: a full disk or a folder of others changes nothing.

    What is a link stays one; the file that it leads to is written.
    """
    drafts: list[tuple[Path, Path]] = []
    path = Path()
    try:
        for path, text in texts.items():
            target = path.resolve(strict=True)
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            drafts.append((Path(name), target))
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
            Path(name).chmod(target.stat().st_mode & 0o777)
        for draft, path in drafts:
            draft.replace(path)
    except OSError as error:
        written = sum(not draft.exists() for draft, _ in drafts)
        raise ActionFailed(
            f"{path} cannot be written: {error.strerror}",
            means=f"{written} of {len(texts)} files are written; the others are as they were.",
            remedy="Correct it and run the command again.",
            code="policy.upgrade",
        ) from error
    finally:
        for draft, _ in drafts:
            draft.unlink(missing_ok=True)
