"""Join what scanners say: one entry for one vulnerability of one package. Pure.

Two records are the same vulnerability when they share a name (id or alias), directly or through
third ones, on the same package. A CVE number is the one name that stands for a single
vulnerability by its authority's rules (CVE counting rules; the OSV schema's "aliases" field), so a
group with several of them is several vulnerabilities, each with the names that lead to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from sluiceway.model import Scan, Status, Vulnerability, parse_time
from sluiceway.record import Changing, field
from sluiceway.scans.identity import UNKNOWN_ECOSYSTEM, Key, key_of
from sluiceway.scans.report import SEVERITIES, Match, Report, Scanner, gravity

__all__ = ["join", "latest"]

_KNOWN = SEVERITIES[:-1]
_AUTHORITIES = ("CVE-", "GHSA-")
_Told = tuple[Scan, Vulnerability]


def latest(scans: Iterable[tuple[str, Scan]]) -> tuple[Scan, ...]:
    """Return the newest scan of each scanner, in the order of their names.

    The newest counts whatever it says: an older good one does not stand in for a newer that
    failed. Of two at one moment the worse counts, because their order proves nothing.
    """
    newest: dict[str, Scan] = {}
    for name, scan in scans:
        other = newest.get(name)
        if other is None or _rank(scan, other) > _rank(other, scan):
            newest[name] = scan
    return tuple(newest[name] for name in sorted(newest))


def _rank(scan: Scan, other: Scan) -> tuple[datetime, bool]:
    return scan.made_at, Status.worst((scan.status, other.status)) is scan.status


def join(scans: Sequence[Scan], packages: Iterable[str] | None = None, *, subject: str) -> Report:
    """Return one report of *scans*, which are about *subject*.

    Args:
        scans: One of each scanner.
        packages: What is inside, as package URLs or names, so that one can say what nobody
            judged. ``None`` when no such list exists; coverage is then not known.
        subject: The digest or ``file:`` address.
    """
    labels = None if packages is None else {key_of(label): label for label in packages}
    uncovered = _uncovered(scans, labels)
    matches = sorted(
        (match for told in _by_package(scans).values() for match in _matches(told, labels or {})),
        key=lambda match: (gravity(match.severity), match.id, match.package),
    )
    return Report(
        subject=subject,
        status=Status.worst(scan.status for scan in scans),
        scanned_at=min((scan.made_at for scan in scans), default=None),
        counts={level: sum(match.severity == level for match in matches) for level in SEVERITIES},
        vulnerabilities=tuple(matches),
        coverage={}
        if labels is None
        else _coverage({*labels, *uncovered, *_by_package(scans)}, uncovered),
        uncovered=tuple(sorted(uncovered.values())),
        scanners=tuple(
            sorted(map(_scanner, scans), key=lambda scanner: (scanner.tool, scanner.plugin))
        ),
    )


def _scanner(scan: Scan) -> Scanner:
    return Scanner(
        plugin=scan.maker.plugin,
        tool=scan.maker.tool,
        version=scan.maker.version,
        status=scan.status,
        summary=scan.summary,
        scanned_at=scan.made_at,
        database=dict(scan.database),
        age_days=_age_days(scan),
        found=len(scan.vulnerabilities),
        uncovered=len(scan.uncovered),
    )


def _age_days(scan: Scan) -> float | None:
    try:
        newest = parse_time(str(scan.database.get("newest")))
    except ValueError:
        return None
    return round((scan.made_at.astimezone(UTC) - newest).total_seconds() / 86400, 1)


# --- coverage -------------------------------------------------------------------------------------


def _uncovered(scans: Sequence[Scan], labels: Mapping[Key, str] | None) -> dict[Key, str]:
    """Return the packages that no completed scan judged.

    A scan names what it could not judge. Of a package in the list its silence therefore says that
    it was judged; of one that is in no list it says nothing, since it may never have seen it.
    """
    left_out = [
        ({key_of(label): label for label in scan.uncovered}, scan.status is Status.OK)
        for scan in scans
    ]
    completed = [keys for keys, done in left_out if done]
    missed = {
        key: label
        for key, label in (labels or {}).items()
        if all(key in keys for keys in completed)
    }
    for keys, _ in left_out:
        for key, label in keys.items():
            if key not in (labels or {}):
                missed.setdefault(key, label)
    return missed


def _coverage(known: Iterable[Key], uncovered: Mapping[Key, str]) -> dict[str, dict[str, int]]:
    coverage: dict[str, dict[str, int]] = {}
    for key in sorted(set(known)):
        row = coverage.setdefault(key.ecosystem or UNKNOWN_ECOSYSTEM, {"packages": 0, "judged": 0})
        row["packages"] += 1
        row["judged"] += key not in uncovered
    return dict(sorted(coverage.items()))


# --- vulnerabilities ------------------------------------------------------------------------------


def _by_package(scans: Sequence[Scan]) -> dict[Key, list[_Told]]:
    told: dict[Key, list[_Told]] = {}
    for scan in sorted(scans, key=lambda each: (each.maker.tool, each.maker.plugin)):
        for found in scan.vulnerabilities:
            told.setdefault(key_of(found.package, found.installed), []).append((scan, found))
    return told


class _Names(Changing):
    """Which names were said in one breath."""

    beside: dict[str, set[str]] = field(default_factory=dict)

    def add(self, names: Sequence[str]) -> None:
        first = self.beside.setdefault(names[0], set())
        for name in names[1:]:
            first.add(name)
            self.beside.setdefault(name, set()).add(names[0])

    def reached(self, start: str, stops: frozenset[str] = frozenset()) -> frozenset[str]:
        """Return every name that *start* leads to; *stops* are neither passed nor taken."""
        seen, waiting = {start}, [start]
        while waiting:
            fresh = self.beside[waiting.pop()] - seen - stops
            seen |= fresh
            waiting += fresh
        return frozenset(seen)

    def groups(self) -> Iterable[frozenset[str]]:
        """Yield all names, those that lead to each other together."""
        done: set[str] = set()
        for name in self.beside:
            if name not in done:
                group = self.reached(name)
                done |= group
                yield group


def _matches(told: Sequence[_Told], labels: Mapping[Key, str]) -> Iterable[Match]:
    names = _Names()
    places: dict[str, list[int]] = {}
    for place, (_, found) in enumerate(told):
        names.add((found.id, *found.aliases))
        places.setdefault(found.id, []).append(place)
    for group in sorted(names.groups(), key=sorted):
        numbers = _numbers(group)
        own = [told[place] for place in sorted(p for name in group for p in places.get(name, ()))]
        if len(numbers) <= 1:
            yield _match(group, own, labels, frozenset())
            continue
        parts = {number: names.reached(number, numbers - {number}) for number in sorted(numbers)}
        often = Counter(name for reached in parts.values() for name in reached)
        shared = frozenset(name for name, times in often.items() if times > 1)
        for number, reached in parts.items():
            about = [each for each in own if _is_about(each, number, reached)]
            yield _match(reached, about, labels, shared)


def _is_about(each: _Told, number: str, names: frozenset[str]) -> bool:
    """Say whether a record of a group of several numbers is about this one of them."""
    said = frozenset((each[1].id, *each[1].aliases))
    return number in said or (not _numbers(said) and bool(said & names))


def _numbers(names: frozenset[str]) -> frozenset[str]:
    return frozenset(name for name in names if name.startswith("CVE-"))


def _match(
    names: frozenset[str],
    own: Sequence[_Told],
    labels: Mapping[Key, str],
    shared: frozenset[str],
) -> Match:
    chosen = min(names, key=_preference)
    first = own[0][1]
    key = key_of(first.package, first.installed)
    return Match(
        id=chosen,
        aliases=tuple(sorted(names - {chosen})),
        own_aliases=tuple(sorted(names - {chosen} - shared)),
        package=labels.get(key) or min(found.package for _, found in own),
        ecosystem=key.ecosystem or UNKNOWN_ECOSYSTEM,
        installed=next((found.installed for _, found in own if found.installed), key.version),
        severity=_worst(found.severity for _, found in own),
        fixed=_each_once(text for _, found in own for text in found.fixed),
        summary=next((found.summary for _, found in own if found.summary), ""),
        sources=_each_once(found.source for _, found in own if found.source),
        found_by=tuple(sorted({scan.maker.tool for scan, _ in own})),
    )


def _preference(name: str) -> tuple[int, str]:
    ranks = [rank for rank, prefix in enumerate(_AUTHORITIES) if name.startswith(prefix)]
    return (ranks[0] if ranks else len(_AUTHORITIES)), name


def _worst(levels: Iterable[str]) -> str:
    present = {level.strip().upper() for level in levels}
    return next((level for level in _KNOWN if level in present), SEVERITIES[-1])


def _each_once(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))
