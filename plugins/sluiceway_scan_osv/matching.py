"""Does an OSV record speak about this package in this version? Pure.

Source: OSV schema 1.7, "affected object", "events objects" and "Evaluation" (the algorithm).
Whatever of a record cannot be understood counts against the package, never for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sluiceway.model import Vulnerability
from sluiceway.scanning.advisories import items_in, package_in
from sluiceway_scan_osv.components import Component
from sluiceway_scan_osv.severity import severity_of, worst
from sluiceway_scan_osv.versions import parse

__all__ = ["affects", "installed_key", "match"]

_ORDERED_RANGES = frozenset({"ECOSYSTEM", "SEMVER"})
_SHOWN = 200  # characters of a summary
_Hit = tuple[Mapping[str, Any], list[dict[str, Any]]]  # a record and its entries that hit
# Of events at one version: what was closed is closed before it is opened again, and
# `last_affected` still includes its version.
_PRECEDENCE = {"fixed": 0, "introduced": 1, "last_affected": 2}


def installed_key(component: Component) -> Any | None:
    """Return the key of the component's version, or ``None`` when it cannot be compared.

    A local part (PEP 440: ``1.0+cpu``) is dropped, because advisories speak about ``1.0``.
    """
    key = parse(component.ecosystem, component.version)
    if key is not None and component.ecosystem == "PyPI":
        return parse(component.ecosystem, key.public)
    return key


def affects(affected: Mapping[str, Any], component: Component) -> bool:
    """Return whether one ``affected`` object of this very package covers its version.

    The ``versions`` list comes first, then the ranges; GIT ranges name commits and are ignored. An
    object that then says nothing about versions covers all of them. A version that cannot be compared
    is found in lists only.

    Raises:
        ValueError: The object is not as the schema has it.
    """
    installed = installed_key(component)
    listed = [str(version) for version in items_in(affected, "versions", str)]
    if component.version in listed:
        return True
    if installed is not None and any(
        parse(component.ecosystem, text) == installed for text in listed
    ):
        return True
    ranges = [each for each in _objects(affected, "ranges") if each.get("type") in _ORDERED_RANGES]
    if not ranges:
        return not listed
    return installed is not None and any(
        _within(_events(each), installed, component.ecosystem) for each in ranges
    )


def match(component: Component, records: Iterable[Mapping[str, Any]]) -> tuple[Vulnerability, ...]:
    """Return what of *records* hits *component*, sorted by id, one for each set of aliases.

    Withdrawn records hit nothing. Of records that are aliases of each other, directly or through a
    third name, the alphabetically first id stands for all (CVE before GHSA before PYSEC); the worst
    severity and every fixed version are kept.

    Raises:
        ValueError: A record is not as the schema has it.
    """
    hits: dict[str, list[_Hit]] = {}
    names: dict[str, set[str]] = {}
    for record in records:
        id_ = str(record["id"])
        try:
            entries = [] if record.get("withdrawn") else list(_entries(record, component))
            aliases = items_in(record, "aliases", str)
        except ValueError as error:
            msg = f"the advisory {id_} {error}"
            raise ValueError(msg) from error
        if entries:
            hits.setdefault(id_, []).append((record, entries))
            names.setdefault(id_, {id_}).update(aliases)
    found = (_vulnerability(component, group, hits) for group in _groups(names))
    return tuple(sorted(found, key=lambda vulnerability: vulnerability.id))


def _entries(record: Mapping[str, Any], component: Component) -> Iterable[dict[str, Any]]:
    for affected in _objects(record, "affected"):
        about = package_in(affected) if affected.get("package") is not None else None
        if about == (component.ecosystem, component.name) and affects(affected, component):
            yield affected


def _vulnerability(
    component: Component,
    names: Sequence[str],
    hits: Mapping[str, list[_Hit]],
) -> Vulnerability:
    own = [name for name in names if name in hits]
    told = [hit for name in own for hit in hits[name]]
    fixed = {text for _, entries in told for each in entries for text in _fixes(each, component)}
    summaries = (_summary(record) for record, _ in told)
    return Vulnerability(
        id=own[0],
        aliases=tuple(name for name in names if name != own[0]),
        package=component.label,
        severity=worst(severity_of(record, entries) for record, entries in told),
        fixed=tuple(
            sorted(fixed, key=lambda text: (parse(component.ecosystem, text), text)),
        ),
        summary=next((text for text in summaries if text), ""),
        installed=component.version,
        source=f"https://osv.dev/vulnerability/{own[0]}",
    )


def _fixes(affected: Mapping[str, Any], component: Component) -> Iterable[str]:
    """Yield the fixed versions to which one can go up from the component's."""
    installed = installed_key(component)
    for each in _objects(affected, "ranges"):
        if each.get("type") not in _ORDERED_RANGES:
            continue
        for kind, text in _events(each):
            key = parse(component.ecosystem, text) if kind == "fixed" else None
            if key is not None and (installed is None or key > installed):
                yield text


def _within(events: Sequence[tuple[str, str]], installed: Any, ecosystem: str) -> bool:
    """Evaluate one range; its events may come in any order."""
    limits = [text for kind, text in events if kind == "limit"]
    ends = [None if text == "*" else parse(ecosystem, text) for text in limits]
    if limits and not any(end is None or installed < end for end in ends):
        return False
    inside = all(kind != "introduced" for kind, _ in events)  # no beginning: from the beginning
    ordered = []
    for kind, text in events:
        if kind not in _PRECEDENCE:
            continue
        key = parse(ecosystem, text)
        if kind == "introduced" and text == "0":
            inside = True  # before everything, also before 0.0.0-alpha
        elif kind == "introduced" and key is None:
            return True  # who knows where it begins
        elif key is not None:  # an end that cannot be understood ends nothing
            ordered.append((key, _PRECEDENCE[kind], kind))
    for key, _, kind in sorted(ordered, key=lambda event: event[:2]):
        if kind == "introduced" and installed >= key:
            inside = True
        elif (kind == "fixed" and installed >= key) or (
            kind == "last_affected" and installed > key
        ):
            inside = False
    return inside


def _groups(names: Mapping[str, set[str]]) -> list[list[str]]:
    """Return each id with all its names, joined where they share one; each sorted."""
    groups: list[set[str]] = []
    for joined in names.values():
        apart = [group for group in groups if not group & joined]
        groups = [*apart, joined.union(*(group for group in groups if group & joined))]
    return [sorted(group) for group in groups]


def _summary(record: Mapping[str, Any]) -> str:
    """Return one line: the summary, else the beginning of the details."""
    text = str(record.get("summary") or record.get("details") or "")
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def _events(each: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(kind, str(text)) for event in _objects(each, "events") for kind, text in event.items()]


def _objects(place: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    return items_in(place, key, dict)
