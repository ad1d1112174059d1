"""How serious an advisory says it is. Pure.

Source: FIRST, "Common Vulnerability Scoring System v3.1: Specification Document", sections 7.1
(base metrics), 7.4 (metric values), appendix A (rounding) and 5 (rating scale).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["LEVELS", "UNKNOWN", "base_score", "severity_of", "worst"]

UNKNOWN = "UNKNOWN"
"""A level of its own: the advisory does not say, which is not the same as harmless."""
LEVELS = ("CRITICAL", "HIGH", "MEDIUM", "LOW")
"""The worst first."""

_WORDS = {
    **{level: level for level in LEVELS},
    "MODERATE": "MEDIUM",  # GitHub's word
    "IMPORTANT": "HIGH",  # Red Hat's word
}
_VECTOR = re.compile(r"CVSS:3\.[01]((?:/[A-Z]{1,3}:[A-Z])+)")
_METRICS: Mapping[str, Mapping[str, float]] = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_PRIVILEGES: Mapping[str, Mapping[str, float]] = {  # by scope
    "U": {"N": 0.85, "L": 0.62, "H": 0.27},
    "C": {"N": 0.85, "L": 0.68, "H": 0.5},
}
_RATINGS = ((9.0, "CRITICAL"), (7.0, "HIGH"), (4.0, "MEDIUM"), (0.0, "LOW"))


def base_score(vector: str) -> float | None:
    """Return the base score (0.0 to 10.0) of a CVSS v3.0 or v3.1 *vector*.

    ``None`` for anything else: another version, a base metric that is missing, doubled or has a
    value that the specification does not know. Temporal and environmental metrics are ignored.
    """
    found = _VECTOR.fullmatch(vector)
    if found is None:
        return None
    pairs = [metric.split(":") for metric in found[1].split("/")[1:]]
    metrics = dict(pairs)
    if len(metrics) != len(pairs):
        return None
    try:
        changed = {"U": False, "C": True}[metrics["S"]]
        value = {name: known[metrics[name]] for name, known in _METRICS.items()}
        privileges = _PRIVILEGES[metrics["S"]][metrics["PR"]]
    except KeyError:
        return None
    base = 1 - (1 - value["C"]) * (1 - value["I"]) * (1 - value["A"])
    impact = 7.52 * (base - 0.029) - 3.25 * (base - 0.02) ** 15 if changed else 6.42 * base
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * value["AV"] * value["AC"] * privileges * value["UI"]
    return _rounded_up(min((1.08 if changed else 1.0) * (impact + exploitability), 10.0))


def severity_of(advisory: Mapping[str, Any], affected: Iterable[Mapping[str, Any]] = ()) -> str:
    """Return ``CRITICAL``, ``HIGH``, ``MEDIUM``, ``LOW`` or ``UNKNOWN`` for an OSV record.

    Read are the CVSS v3 vectors and the words in ``database_specific.severity`` and
    ``ecosystem_specific.severity``, of the record and of the *affected* entries that matched. Where
    they differ the worst counts. CVSS v2 and v4 vectors are not scored; a database that uses v4
    states the word as well.
    """
    levels = []
    for place in (advisory, *affected):
        vectors = place.get("severity")
        for item in vectors if isinstance(vectors, list) else ():
            score = base_score(str(item.get("score", ""))) if isinstance(item, dict) else None
            if score is not None:
                levels.append(next(word for least, word in _RATINGS if score >= least))
        for key in ("database_specific", "ecosystem_specific"):
            specific = place.get(key)
            word = specific.get("severity") if isinstance(specific, dict) else None
            if isinstance(word, str):
                levels.append(_WORDS.get(word.strip().upper(), UNKNOWN))
    return worst(levels)


def worst(levels: Iterable[str]) -> str:
    """Return the worst known level; ``UNKNOWN`` when none is known."""
    present = set(levels)
    return next((level for level in LEVELS if level in present), UNKNOWN)


def _rounded_up(score: float) -> float:
    """Round up to one decimal in whole numbers, so that 4.000000001 stays 4.0 (appendix A)."""
    whole = round(score * 100_000)
    return whole / 100_000 if whole % 10_000 == 0 else (whole // 10_000 + 1) / 10
