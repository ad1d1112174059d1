"""The environment board: what the registry, the deployer and the ledger each say."""

from __future__ import annotations

from typing import Any

from sluiceway.errors import SluicewayError
from sluiceway.model import Environment, Slot, Strategy, Traffic, rfc3339
from sluiceway.runs import history
from sluiceway.runs.rerouted import ENDED, unreached
from sluiceway.workbench import Workbench

__all__ = ["rows", "slots"]


def rows(bench: Workbench) -> list[dict[str, Any]]:
    """Return one row per environment, in the order of the path.

    Each is ``{"environment", "strategy", "digest", "version", "since", "by", "run", "serving",
    "healthy", "weight", "url", "problem", "waivers", "slots", "rollback"}``. *digest* is what the registry's tag names; *serving* what the
    deployer runs. Where the two differ, or one cannot be asked, *problem* says so. *waivers* are
    those that the digest's promotion into the environment rested on. *slots* are those of a
    blue/green environment: ``{"name", "digest", "live", "healthy", "url"}``.
    """
    return [_row(bench, environment.name) for environment in bench.config.environments]


def slots(bench: Workbench) -> list[dict[str, Any]]:
    """Return ``{"environment", "strategy", "slots", "problem"}`` for each environment of the path.

    Only of a blue/green one the deployer is asked: *slots* are as :func:`rows` has them, and *problem*
    says why it could not be asked.
    """
    found = []
    for environment in bench.config.environments:
        row: dict[str, Any] = {
            "environment": environment.name,
            "strategy": environment.strategy.value,
            "slots": [],
            "problem": "",
        }
        if environment.strategy is Strategy.BLUE_GREEN:
            try:
                traffic = bench.plugins.one("sluiceway_traffic", environment=environment)
                row["slots"] = _slots(traffic)
            except SluicewayError as error:
                row["problem"] = error.what
        found.append(row)
    return found


def _row(bench: Workbench, name: str) -> dict[str, Any]:
    environment = bench.config.environment(name)
    row: dict[str, Any] = {
        "environment": name,
        "strategy": environment.strategy.value,
        "digest": "",
        "version": "",
        "since": None,
        "by": "",
        "run": "",
        "serving": "",
        "healthy": None,
        "weight": None,
        "url": "",
        "problem": "",
        "waivers": [],
        "slots": [],
        "rollback": None,
    }
    problems: list[str] = []
    try:
        row["digest"] = bench.held(name)
    except SluicewayError as error:
        problems.append(error.what)
    entry = history.current(bench.ledger, bench.config.service, name)
    if entry is not None:
        if row["digest"] in {entry.digest, ""}:  # else a run has moved the tag and has not ended
            row |= {"since": rfc3339(entry.at), "by": entry.actor, "run": entry.run}
        if not row["digest"] and problems:
            row["digest"] = entry.digest
        sla = entry.body.get("sla")
        row["rollback"] = sla
        if sla and not sla["kept"]:
            problems.append(
                f"its last rollback took {sla['seconds']:g} s, and {sla['limit_seconds']:g} s are "
                "promised"
            )
    if row["digest"]:
        service = bench.config.service
        row["waivers"] = history.resting(bench.ledger, service, name, row["digest"])
    row["version"] = _version(bench, row["digest"])
    try:
        traffic = bench.plugins.one("sluiceway_traffic", environment=environment)
        slot = traffic.serving(environment.strategy)
        if environment.strategy is Strategy.BLUE_GREEN:
            row["slots"] = _slots(traffic)
        if slot is not None:
            row |= {
                "serving": slot.digest,
                "healthy": slot.alive and slot.healthy,
                "weight": slot.weight,
                "url": traffic.url or slot.url,
            }
            problems += _amiss(bench, environment, traffic, slot, row["digest"])
        elif row["digest"]:
            problems += _gone(bench, environment, traffic, row["digest"])
    except SluicewayError as error:
        problems.append(error.what)
    row["problem"] = "; ".join(dict.fromkeys(problems))
    return row


def _amiss(
    bench: Workbench, environment: Environment, traffic: Traffic, slot: Slot, digest: str
) -> list[str]:
    """Return what is not as it should be with *slot*, which runs where the tag names *digest*."""
    name, problems = environment.name, []
    if not traffic.url:
        problems.append(f"nobody reaches it: {unreached(environment)}")
    if environment.strategy is Strategy.CANARY and not slot.alive:
        problems.append(f"{ENDED}; {_canary_again(bench, environment, slot.digest)}")
    if digest and slot.digest != digest:
        problems.append(f"runs {slot.digest[:19]}, while the tag {name} names {digest[:19]}")
    return problems


def _slots(traffic: Traffic) -> list[dict[str, Any]]:
    """Return blue and green, as far as something runs there."""
    return [
        {
            "name": slot.name,
            "digest": slot.digest,
            "live": slot.weight > 0,
            "healthy": slot.alive and slot.healthy,
            "url": slot.url,
        }
        for slot in sorted(traffic.slots, key=lambda slot: slot.name)
        if slot.name != "canary"
    ]


def _gone(bench: Workbench, environment: Environment, traffic: Traffic, digest: str) -> list[str]:
    """Return what to say of an environment whose tag names *digest*, while nothing runs there."""
    if environment.strategy is Strategy.CANARY:
        stable = traffic.serving(Strategy.REPLACE)
        if stable is not None and stable.digest == digest:
            return []  # the watch is over, and what it watched serves everybody
        return [f"its instance is gone; {_canary_again(bench, environment, digest)}"]
    watched = any(
        other.strategy is Strategy.CANARY and other.route == environment.name
        for other in bench.config.environments
    )
    # Behind a canary a promotion takes new evidence; what was there already is rolled back to.
    again = (
        f"`invoke rollback --env={environment.name} --to-digest={digest}` starts it again"
        if watched
        else f"`invoke promote --to={environment.name}` of the same digest starts it again"
    )
    return [f"nothing runs here on this machine; {again}"]


def _canary_again(bench: Workbench, environment: Environment, digest: str) -> str:
    """Return what brings a canary of *digest* back: watching another one would not."""
    source, route = bench.config.predecessor(environment.name), environment.route
    if bench.held(source) == digest:
        return "`invoke canary` starts it again"
    if route != environment.name and bench.held(route) == digest:
        return f"nothing has to be done, since {route} holds the same digest"
    return f"`invoke canary` would watch another digest, which {source} holds by now"


def _version(bench: Workbench, digest: str) -> str:
    if not digest:
        return ""
    entries = bench.ledger.entries(
        kinds=("release",),
        digest=digest,
        service=bench.config.service,
        newest_first=True,
        limit=1,
    )
    return str(entries[0].body.get("version", "")) if entries else ""
