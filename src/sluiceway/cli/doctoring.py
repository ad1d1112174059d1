"""What ``invoke doctor`` looks at. It goes on after a failure, so that one run shows everything."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from sluiceway.cli.engines import remedy_for_none
from sluiceway.errors import SluicewayError
from sluiceway.model import Check, CheckStatus, rfc3339
from sluiceway.workbench import Workbench

__all__ = ["examine"]

_SECRETS = {
    "COSIGN_PRIVATE_KEY": "signs images and attestations",
    "COSIGN_PASSWORD": "opens the signing key",
    "REGISTRY_URL": "says which registry to use",
    "REGISTRY_USERNAME": "signs in to the registry",
    "REGISTRY_PASSWORD": "signs in to the registry",
    "STAGING_DATABASE_URL": "tries migrations out",
    "CANARY_DEPLOY_URL": "is where a canary is reached",
    "ROLLBACK_WEBHOOK": "is told about rollbacks",
}


def examine(environ: Mapping[str, str]) -> list[Check]:
    """Return every check, in the order of work."""
    return list(_checks(environ))


def _checks(environ: Mapping[str, str]) -> Iterator[Check]:
    yield Check(
        name="python",
        status=CheckStatus.OK if sys.version_info >= (3, 11) else CheckStatus.FAIL,
        detail=sys.version.split()[0],
        remedy="" if sys.version_info >= (3, 11) else "Install Python 3.11 or newer.",
    )
    try:
        bench = Workbench.open(Path.cwd(), environ)
        project = bench.project
    except SluicewayError as error:
        yield _failed("configuration", error)
        return
    yield Check(
        name="configuration",
        status=CheckStatus.OK,
        detail=f"{bench.config.path} describes {bench.config.service}",
    )
    yield _state(project.state)
    yield _ledger(bench)
    for name, purpose in _SECRETS.items():
        present = bool(environ.get(name))
        yield Check(
            name=name,
            status=CheckStatus.OK,
            detail=f"{'present' if present else 'not set'}; {purpose}",
        )
    try:
        loaded = bench.plugins
    except SluicewayError as error:
        yield _failed("plugins", error)
        return
    chosen = {name for names in bench.config.stages.values() for name in names}
    for found in loaded.found:
        if found.name not in chosen or "sluiceway_doctor" not in found.hooks:
            continue
        try:
            for check in loaded.ask(found.name, "sluiceway_doctor") or ():
                yield Check(
                    name=f"{found.name}: {check.name}"
                    if not check.name.startswith(found.name)
                    else check.name,
                    status=check.status,
                    detail=check.detail,
                    remedy=check.remedy,
                )
        except SluicewayError as error:
            yield _failed(found.name, error)
    yield from _registry(bench)
    yield from _policies(bench)
    bench.close()


def _state(folder: Path) -> Check:
    probe = folder / ".doctor"
    try:
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        return Check(
            name="state",
            status=CheckStatus.FAIL,
            detail=f"{folder} cannot be written: {error.strerror}",
            remedy="Make it writable, or set SLUICEWAY_STATE to a folder that is.",
        )
    return Check(name="state", status=CheckStatus.OK, detail=str(folder))


def _ledger(bench: Workbench) -> Check:
    """Say whether it can be decided from; whether each entry is intact is for ``audit.verify``."""
    from sluiceway.ledger import begun

    if not begun(bench.project.state):
        return Check(name="ledger", status=CheckStatus.OK, detail="nothing is written yet")
    try:
        newest = bench.ledger.entries(newest_first=True, limit=1)
    except SluicewayError as error:
        return _failed("ledger", error)
    detail = (
        f"{newest[0].seq} entries, the newest of {rfc3339(newest[0].at)}" if newest else "empty"
    )
    return Check(name="ledger", status=CheckStatus.OK, detail=detail)


def _registry(bench: Workbench) -> Iterator[Check]:
    names = ["build", *(each.name for each in bench.config.environments)]
    for repository in dict.fromkeys(bench.config.repository_of(name) for name in names):
        own = repository == bench.config.repository
        name = "registry" if own else f"registry: {repository}"
        try:
            detail = bench.registry_at(repository).ping()
            yield Check(name=name, status=CheckStatus.OK, detail=detail)
        except SluicewayError as error:
            yield _failed(name, error)


def _policies(bench: Workbench) -> Iterator[Check]:
    bundle = bench.bundle()
    if isinstance(bundle, SluicewayError):
        yield _failed("policies", bundle)
    else:
        yield Check(
            name="policies",
            status=CheckStatus.OK,
            detail=f"{len(bundle.modules)} modules from {bundle.origin}, {bundle.digest[:19]}",
        )
    yield _engine(bench)
    if bench.config.rehearsal:
        yield Check(
            name="identity",
            status=CheckStatus.WARN,
            detail="[identity] rehearsal is on: anybody may claim any name",
            remedy="Turn it off before this service serves anybody.",
        )


def _engine(bench: Workbench) -> Check:
    """Say who would judge: each engine's own line says only whether that one can be used."""
    try:
        engine = bench.engine
        if engine is None:
            return Check(
                name="policy engine",
                status=CheckStatus.FAIL,
                detail="none can be used here, so every gate refuses",
                remedy=remedy_for_none(bench.plugins.serving("sluiceway_policy_engine")),
            )
    except SluicewayError as error:
        return _failed("policy engine", error)
    detail = f"{engine.name} decides; no other is asked instead"
    return Check(name="policy engine", status=CheckStatus.OK, detail=detail)


def _failed(name: str, error: SluicewayError) -> Check:
    return Check(name=name, status=CheckStatus.FAIL, detail=error.what, remedy=error.remedy)
